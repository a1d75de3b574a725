package reconcile

import (
	"context"
	"sync"
	"time"

	"reconciler/internal/job"
)

// flights are the images that are being brought beside the queue. A worker
// starts one, goes on, and finds the result when the key comes round again.
type flights struct {
	mu sync.Mutex
	wg sync.WaitGroup
	m  map[string]map[string]*flight // alloc id -> task
}

type flight struct {
	cancel context.CancelFunc
	done   bool
	took   time.Duration
	res    job.ImageResult
	err    error
}

// start runs f for a task unless that is under way, and calls wake when it is
// done.
func (fs *flights) start(ctx context.Context, allocID, task string, f func(context.Context) (job.ImageResult, error), wake func()) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.m == nil {
		fs.m = map[string]map[string]*flight{}
	}
	if fs.m[allocID] == nil {
		fs.m[allocID] = map[string]*flight{}
	}
	if fs.m[allocID][task] != nil {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	fl := &flight{cancel: cancel}
	fs.m[allocID][task] = fl
	fs.wg.Go(func() {
		defer cancel()
		start := time.Now()
		res, err := f(ctx)
		fs.mu.Lock()
		fl.done, fl.took, fl.res, fl.err = true, time.Since(start), res, err
		fs.mu.Unlock()
		wake()
	})
}

// landed removes and returns the finished flights of an allocation, and names
// those that are still under way.
func (fs *flights) landed(allocID string) (done map[string]*flight, under map[string]bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	done, under = map[string]*flight{}, map[string]bool{}
	for task, fl := range fs.m[allocID] {
		if fl.done {
			done[task] = fl
			delete(fs.m[allocID], task)
		} else {
			under[task] = true
		}
	}
	if len(fs.m[allocID]) == 0 {
		delete(fs.m, allocID)
	}
	return done, under
}

// under names the tasks of an allocation for which something is under way.
func (fs *flights) under(allocID string) map[string]bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	out := map[string]bool{}
	for task := range fs.m[allocID] {
		out[task] = true
	}
	return out
}

// cancel ends what an allocation waits for: it is wanted no more.
func (fs *flights) cancel(allocID string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, fl := range fs.m[allocID] {
		fl.cancel()
	}
}

func (fs *flights) wait() { fs.wg.Wait() }
