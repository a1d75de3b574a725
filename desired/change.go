package desired

import (
	"time"

	"github.com/sirupsen/logrus"

	"reconciler/store"
)

// change is one thing that happened and is told: an event and a log line.
type change struct {
	reason     string // CamelCase
	warn       bool
	job, file  string
	generation uint64
	message    string
}

// event is the change as the store keeps it.
func (c change) event(now time.Time) store.Event {
	e := store.Event{
		Time: now, Type: store.EventNormal, Reason: c.reason,
		Job: c.job, Object: c.file, Message: c.message,
	}
	if c.warn {
		e.Type = store.EventWarning
	}
	return e
}

// log writes the change as one line.
func (c change) log(to logrus.FieldLogger) {
	fields := logrus.Fields{"reason": c.reason}
	if c.job != "" {
		fields["job"] = c.job
	}
	if c.file != "" {
		fields["file"] = c.file
	}
	if c.generation > 0 {
		fields["generation"] = c.generation
	}
	if c.warn {
		to.WithFields(fields).Warn(c.message)
		return
	}
	to.WithFields(fields).Info(c.message)
}
