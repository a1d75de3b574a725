package observed

import (
	"context"
	"sync"
)

// queue holds the keys that events named. A key is in it once, however often
// it is added, and is never worked on twice at a time: added meanwhile, it
// comes again. It is safe for concurrent use.
type queue struct {
	wake chan struct{} // 1-slot: there may be something to take

	mu    sync.Mutex
	order []string        // what can be taken now
	dirty map[string]bool // what is to be done
	busy  map[string]bool // what is being done
}

func newQueue() *queue {
	return &queue{wake: make(chan struct{}, 1), dirty: map[string]bool{}, busy: map[string]bool{}}
}

// add puts key into the queue.
func (q *queue) add(key string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.dirty[key] {
		return
	}
	q.dirty[key] = true
	if !q.busy[key] {
		q.order = append(q.order, key)
		poke(q.wake)
	}
}

// keys returns what is to be done or being done.
func (q *queue) keys() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]string, 0, len(q.dirty)+len(q.busy))
	for k := range q.dirty {
		out = append(out, k)
	}
	for k := range q.busy {
		out = append(out, k)
	}
	return out
}

// work calls f with one key after the other until ctx is done. Any number of
// workers may run at once.
func (q *queue) work(ctx context.Context, f func(context.Context, string)) {
	for ctx.Err() == nil {
		key, ok := q.take()
		if !ok {
			select {
			case <-ctx.Done():
			case <-q.wake:
			}
			continue
		}
		f(ctx, key)
		q.done(key)
	}
}

func (q *queue) take() (string, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.order) == 0 {
		return "", false
	}
	key := q.order[0]
	q.order = q.order[1:]
	delete(q.dirty, key)
	q.busy[key] = true
	if len(q.order) > 0 {
		poke(q.wake) // wakes the next worker
	}
	return key, true
}

func (q *queue) done(key string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.busy, key)
	if q.dirty[key] {
		q.order = append(q.order, key)
		poke(q.wake)
	}
}

// poke puts a token into a 1-slot channel, or leaves the one that is there:
// calls coalesce.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
