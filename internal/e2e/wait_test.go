package e2e

import (
	"testing"
	"time"
)

// patience is how long a story waits for one step. It is long, because the
// machine may be busy with other tests; a step that works takes a second.
const patience = 45 * time.Second

// eventually waits until check returns nil, and fails with its last error.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	eventuallyIn(t, patience, what, check)
}

func eventuallyIn(t *testing.T, limit time.Duration, what string, check func() error) {
	t.Helper()
	begin := time.Now()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Since(begin) > limit {
			t.Fatalf("%s: not so after %s: %v", what, limit, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// steadily demands that check returns nil for the whole of d.
func steadily(t *testing.T, d time.Duration, what string, check func() error) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < d; time.Sleep(100 * time.Millisecond) {
		if err := check(); err != nil {
			t.Fatalf("%s: no longer so after %s: %v", what, time.Since(begin).Round(time.Millisecond), err)
		}
	}
}
