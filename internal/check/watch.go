package check

import (
	"context"
	"time"

	"reconciler/internal/job"
)

// key names a check among all.
type key struct{ alloc, check string }

// watch is one check with one target, from Set until a Set without it. Its
// fields but key, target and done belong to Runner.mu.
type watch struct {
	key    key
	target job.CheckTarget
	done   chan struct{} // closed when its goroutine has ended

	state  job.CheckState
	tally  tally
	cancel context.CancelFunc // nil until it is begun
	ended  bool               // results count no more
}

func newWatch(k key, t job.CheckTarget) *watch {
	w := &watch{key: k, target: t, done: make(chan struct{})}
	w.state = job.CheckState{Status: job.CheckPending, Since: time.Now().UTC(), Container: t.Container}
	if t.Known.Status != "" && t.Known.Container == t.Container {
		w.state = t.Known
	}
	return w
}

// follow looks again and again until ctx is done.
func (r *Runner) follow(ctx context.Context, w *watch) {
	every := interval(w.target.Check)
	next := time.Now().Add(firstDelay(w.key, every))
	for sleep(ctx, time.Until(next)) {
		next = nextLook(r.lookOnce(ctx, w), time.Now(), every)
	}
}

// lookOnce waits for its turn, looks, and returns when the look began.
func (r *Runner) lookOnce(ctx context.Context, w *watch) time.Time {
	give, ok := r.turn(ctx, w.target.Check.Type)
	if !ok {
		return time.Now()
	}
	defer give()
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, timeout(w.target.Check))
	defer cancel()
	if found := r.look(bounded, w.target); ctx.Err() == nil {
		r.record(w, found)
	}
	return began
}

// sleep waits for d and reports whether ctx is still wanted.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
