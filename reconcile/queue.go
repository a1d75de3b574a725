package reconcile

import (
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
)

// queue is a work queue of keys that can be added to before it is open: what
// is added then is dropped, since opening is followed by adding every key.
type queue struct {
	mu sync.Mutex
	q  workqueue.TypedDelayingInterface[string]

	busy map[string]time.Time // key -> since when a worker has it
}

// open makes the queue; the library starts a goroutine that ends with close.
func (q *queue) open() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.q = workqueue.NewTypedDelayingQueueWithConfig(workqueue.TypedDelayingQueueConfig[string]{})
}

func (q *queue) get() workqueue.TypedDelayingInterface[string] {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.q
}

// add puts a key on the queue. A key that is on it already, or that a worker
// has and somebody added meanwhile, is looked at once more, not twice.
func (q *queue) add(key string) {
	if w := q.get(); w != nil && key != "" {
		w.Add(key)
	}
}

// addAt puts a key on the queue at a time; zero is never.
func (q *queue) addAt(key string, at, now time.Time) {
	if w := q.get(); w != nil && !at.IsZero() {
		w.AddAfter(key, at.Sub(now))
	}
}

// work gives keys to f, one at a time, until the queue is closed.
func (q *queue) work(f func(key string)) {
	w := q.get()
	for {
		key, closed := w.Get()
		if closed {
			return
		}
		q.mark(key, time.Now())
		f(key)
		q.mark(key, time.Time{})
		w.Done(key)
	}
}

// mark notes that a worker has taken a key, or (zero) is done with it.
func (q *queue) mark(key string, since time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy == nil {
		q.busy = map[string]time.Time{}
	}
	if since.IsZero() {
		delete(q.busy, key)
		return
	}
	q.busy[key] = since
}

// longest is how long the slowest worker has had its key.
func (q *queue) longest(now time.Time) time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	var d time.Duration
	for _, since := range q.busy {
		d = max(d, now.Sub(since))
	}
	return d
}

// close lets the workers end; keys that wait are dropped.
func (q *queue) close() { q.get().ShutDown() }
