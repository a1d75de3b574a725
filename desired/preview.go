package desired

import (
	"errors"
	"io"

	"github.com/sirupsen/logrus"

	"reconciler/store"
)

// Preview brings st, a copy of the state in memory, to what the agent would
// make of the manifest directory in its first pass after a start: new and
// changed jobs, holds, and what is in its deletion grace. The error says why
// the directory cannot be read; st is unchanged then.
func Preview(cfg Config, st *store.Store, running Running) error {
	log := logrus.New()
	log.SetOutput(io.Discard)
	w := New(cfg, st, running, log)
	defer w.notify.close()
	w.pass()
	if s := w.DirStatus(); !s.OK {
		return errors.New(s.Problem)
	}
	return nil
}
