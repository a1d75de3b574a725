package docker

import (
	"context"
	"sync"
	"time"
)

// flights shares pulls and loads: one at a time per reference, whoever waits
// for it in the same name, and a bounded number in all. A flight ends early when nobody waits
// for it any more.
type flights struct {
	now   func() time.Time
	slots chan struct{}

	mu    sync.Mutex
	byRef map[string]*flight
}

// cargo is what a flight brings. Two waiters share one only if all of it is
// the same.
type cargo struct {
	ref    string
	source string // SourcePull, or the path of an archive
	as     string // who asks the registry, see identityOf; "" for an archive
}

type flight struct {
	cargo
	since   time.Time
	meter   *meter
	cancel  context.CancelFunc
	waiters int // under flights.mu; 0 means it was given up and is ending

	done   chan struct{} // closed when result and err are set
	result outcome
	err    error
}

// outcome is what a pull or load brought.
type outcome struct {
	id   string
	ours bool
	size int64
	// notices are told to every waiter; a flight that failed has them as well.
	notices []notice
}

// notice is a warning about a pull that goes on.
type notice struct{ reason, message string }

// work does what a flight is for. It ends soon after ctx is done.
type work func(ctx context.Context, m *meter) (outcome, error)

func newFlights(slots int, now func() time.Time) *flights {
	return &flights{now: now, slots: make(chan struct{}, slots), byRef: map[string]*flight{}}
}

// join waits for the flight with c, and starts it with do if there is none. One
// of the same reference with other cargo, or one that was given up, is waited
// for first. When the last waiter leaves, it returns only
// after the flight has ended: no goroutine outlives its waiters.
func (f *flights) join(ctx context.Context, c cargo, do work) (outcome, error) {
	for {
		fl, joined := f.board(ctx, c, do)
		select {
		case <-fl.done:
			if joined {
				return fl.result, fl.err
			}
		case <-ctx.Done():
			if joined {
				f.leave(fl)
			}
			return outcome{}, ctx.Err()
		}
	}
}

// board returns the flight of the reference and whether the caller is now one of its
// waiters.
func (f *flights) board(ctx context.Context, c cargo, do work) (fl *flight, joined bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl = f.byRef[c.ref]; fl != nil {
		if fl.cargo != c || fl.waiters == 0 {
			return fl, false
		}
		fl.waiters++
		return fl, true
	}
	// The flight must not end with the waiter that happened to be first.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl = &flight{
		cargo: c, since: f.now(), meter: newMeter(),
		cancel: cancel, waiters: 1, done: make(chan struct{}),
	}
	f.byRef[c.ref] = fl
	go f.fly(ctx, fl, do)
	return fl, true
}

func (f *flights) fly(ctx context.Context, fl *flight, do work) {
	defer fl.cancel()
	fl.result, fl.err = f.inSlot(ctx, fl.meter, do)
	f.mu.Lock()
	delete(f.byRef, fl.ref)
	f.mu.Unlock()
	close(fl.done)
}

func (f *flights) inSlot(ctx context.Context, m *meter, do work) (outcome, error) {
	select {
	case f.slots <- struct{}{}:
		defer func() { <-f.slots }()
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	}
	m.start()
	return do(ctx, m)
}

func (f *flights) leave(fl *flight) {
	f.mu.Lock()
	fl.waiters--
	last := fl.waiters == 0
	f.mu.Unlock()
	if last {
		fl.cancel()
		<-fl.done
	}
}

func (f *flights) progress() []PullProgress {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]PullProgress, 0, len(f.byRef))
	for _, fl := range f.byRef {
		p := PullProgress{Ref: fl.ref, Source: fl.source, Since: fl.since, Waiters: fl.waiters}
		fl.meter.read(&p)
		out = append(out, p)
	}
	return out
}
