package docker

import (
	"context"
	"sync"
)

// leases keeps the removal of an image apart from its use. Holders share a
// key; a removal has its keys alone. It never waits for holders, holders wait
// for it, so there is no deadlock.
type leases struct {
	mu        sync.Mutex
	held      map[string]int
	exclusive map[string]bool
	freed     chan struct{} // closed, and made anew, when an exclusive section ends
}

// anyRef is held with every reference: the removal of an image by its id must
// not overlap any pull, which might give it a new reference.
const anyRef = "ref:*"

// refKey is of what a reference means: a removal names by digest what a task
// may name by tag and digest.
func refKey(ref string) string { return "ref:" + apiRef(ref) }
func idKey(id string) string   { return "id:" + id }

func newLeases() *leases {
	return &leases{held: map[string]int{}, exclusive: map[string]bool{}, freed: make(chan struct{})}
}

// hold leases all keys, after every exclusive section on one of them. The
// release function must be called once.
func (l *leases) hold(ctx context.Context, keys ...string) (release func(), err error) {
	for {
		l.mu.Lock()
		if !l.anyExclusive(keys) {
			for _, k := range keys {
				l.held[k]++
			}
			l.mu.Unlock()
			return func() { l.release(keys) }, nil
		}
		freed := l.freed
		l.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (l *leases) anyExclusive(keys []string) bool {
	for _, k := range keys {
		if l.exclusive[k] {
			return true
		}
	}
	return false
}

func (l *leases) release(keys []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range keys {
		if l.held[k]--; l.held[k] == 0 {
			delete(l.held, k)
		}
	}
}

// alone begins an exclusive section on all keys. ok is false, at once and with
// nothing taken, if anybody has one of them.
func (l *leases) alone(keys ...string) (end func(), ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.anyExclusive(keys) {
		return nil, false
	}
	for _, k := range keys {
		if l.held[k] > 0 {
			return nil, false
		}
	}
	for _, k := range keys {
		l.exclusive[k] = true
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, k := range keys {
			delete(l.exclusive, k)
		}
		close(l.freed)
		l.freed = make(chan struct{})
	}, true
}

// holdRefs leases references for a pull or load.
func (l *leases) holdRefs(ctx context.Context, refs ...string) (release func(), err error) {
	keys := []string{anyRef}
	for _, r := range refs {
		keys = append(keys, refKey(r))
	}
	return l.hold(ctx, keys...)
}
