package store

import (
	"errors"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// health is what is known about writing: how far it got, and the streak of
// failures, if there is one.
type health struct {
	mu       sync.Mutex
	through  uint64        // all changes up to this number are in the file
	progress chan struct{} // closed and made anew when through grows
	last     time.Time     // of the last commit
	err      error         // of the last attempt
	since    time.Time     // begin of the streak, by the timer clock
	warned   bool          // once per streak
}

// advance says that all changes up to the given number are in the file.
func (h *health) advance(through uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if through <= h.through {
		return
	}
	h.through = through
	h.err = nil // who waited for this sees no error of before
	close(h.progress)
	h.progress = make(chan struct{})
}

// readerStays reports whether somebody has held the file for so long that it is
// not worth much to wait for the next attempt.
func (h *health) readerStays(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return errors.Is(h.err, ErrBusy) && now.Sub(h.since) > syncWait
}

func (h *health) wrote(at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = at
}

// note takes the result of an attempt and logs the begin and the end of a
// streak. A reader that holds the lock is worth a line only after a while. The
// caller holds the lock.
func (h *health) note(err error, now time.Time, log logrus.FieldLogger) {
	if err == nil {
		if h.warned {
			log.Info("state file is written again")
		}
		h.err, h.warned = nil, false
		return
	}
	if h.err == nil {
		h.since = now
	}
	h.err = err
	if h.warned || errors.Is(err, ErrBusy) && now.Sub(h.since) < busyWarn {
		return
	}
	h.warned = true
	log.WithError(err).Warn("state file cannot be written; trying on, nothing else waits for it")
}
