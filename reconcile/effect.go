package reconcile

import (
	"errors"
	"sync"

	"reconciler/internal/job"
)

// errNoEffect: the engine said yes to a step, and the next look asks for the
// very same one.
const errNoEffect = "NoEffect"

// effects remembers the last step of each allocation until something else is
// planned for it, so that a repair which the engine accepts and does not make
// is waited out like a failure instead of being repeated at once for ever.
type effects struct {
	mu   sync.Mutex
	last map[string]string // alloc id -> step that succeeded
}

// repeated returns an error if s is what succeeded last.
func (e *effects) repeated(allocID string, s Step) error {
	if !settles(s) {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last[allocID] != fingerprint(s) {
		return nil
	}
	delete(e.last, allocID) // tried again after the wait
	return job.NewError(job.Retried, errNoEffect, errors.New("the engine reported success and nothing has changed"))
}

// done notes that s has succeeded.
func (e *effects) done(allocID string, s Step) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.last == nil {
		e.last = map[string]string{}
	}
	e.last[allocID] = fingerprint(s)
}

// forget notes that nothing is to be done for the allocation now.
func (e *effects) forget(allocID string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.last, allocID)
}

func fingerprint(s Step) string { return s.Container + " " + s.String() }

// settles reports whether a step is over once it has succeeded. Signals are
// repeated on purpose, a start without a spec has the backoff of crashes, and
// each run is another attempt.
func settles(s Step) bool {
	switch s.Kind {
	case StepRemove, StepRename, StepUnpause, StepUpdate:
		return true
	case StepStart:
		return s.Reason == ReasonNotStarted
	}
	return false
}
