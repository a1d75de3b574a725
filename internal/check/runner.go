package check

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"reconciler/internal/job"
)

// Execer runs commands in containers.
type Execer interface {
	// Exec runs cmd in a container of ours that runs, and returns when it has
	// ended or ctx is done. A command that had begun and not ended by then is a
	// result (job.ExecResult.Running); an error says that none is known: the
	// engine does not answer, the container does not run.
	Exec(ctx context.Context, containerID string, cmd []string) (job.ExecResult, error)
}

// Runner runs the checks of all allocations. It is safe for concurrent use,
// but for OnChange.
type Runner struct {
	look    func(ctx context.Context, t job.CheckTarget) result
	changed func(allocID string)
	log     logrus.FieldLogger
	all     slots // looks
	scripts slots // looks that run a command in a container
	wake    chan struct{}

	mu      sync.Mutex
	allocs  map[string]map[string]*watch // by allocation and key
	fresh   map[*watch]bool              // not begun yet
	running map[key]chan struct{}        // the done of the last watch of a key that was begun, while it runs
}

// New returns a Runner that looks at nothing before Run.
func New(exec Execer, log logrus.FieldLogger) *Runner {
	return &Runner{
		look: looker(exec), changed: func(string) {}, log: log,
		all: make(slots, maxLooks), scripts: make(slots, maxScripts), wake: make(chan struct{}, 1),
		allocs: map[string]map[string]*watch{}, fresh: map[*watch]bool{}, running: map[key]chan struct{}{},
	}
}

// OnChange makes f be called, with an allocation's id, after the state of one
// of its checks has changed. f is called from several goroutines and should
// return soon. To be called before Run.
func (r *Runner) OnChange(f func(allocID string)) { r.changed = f }

// Set makes the checks of an allocation these; nil ends them all. A check that
// runs already with an equal target, Known aside, goes on undisturbed; one that
// has changed starts again from its Known state if that is of the same
// container, else pending. It never blocks. What is set before Run begins with
// it.
func (r *Runner) Set(allocID string, targets []job.CheckTarget) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, next := r.allocs[allocID], make(map[string]*watch, len(targets))
	for _, t := range targets {
		if w := old[t.Key]; w != nil && sameTarget(w.target, t) {
			next[t.Key] = w
			continue
		}
		r.end(next[t.Key]) // the same key twice: the last counts
		w := newWatch(key{allocID, t.Key}, t)
		next[t.Key], r.fresh[w] = w, true
	}
	for name, w := range old {
		if next[name] != w {
			r.end(w)
		}
	}
	if len(next) == 0 {
		delete(r.allocs, allocID)
	} else {
		r.allocs[allocID] = next
	}
	select {
	case r.wake <- struct{}{}:
	default: // a token is there already
	}
}

// sameTarget compares but for what is known, which moves with each result.
func sameTarget(a, b job.CheckTarget) bool {
	a.Known, b.Known = job.CheckState{}, job.CheckState{}
	return reflect.DeepEqual(a, b)
}

// end makes a watch, or nil, count no more; the caller holds mu.
func (r *Runner) end(w *watch) {
	if w == nil {
		return
	}
	w.ended = true
	delete(r.fresh, w)
	if w.cancel != nil {
		w.cancel()
	}
}

// States returns where the checks of an allocation stand, by key.
func (r *Runner) States(allocID string) map[string]job.CheckState {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string]job.CheckState, len(r.allocs[allocID]))
	for name, w := range r.allocs[allocID] {
		out[name] = w.state
	}
	return out
}

// Run looks at what is set until ctx is done, which is no error, and returns
// when nothing of it runs any more. It may be called once.
func (r *Runner) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	for {
		r.begin(ctx, &work)
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		}
	}
}

// begin starts the goroutines of what is fresh.
func (r *Runner) begin(ctx context.Context, work *sync.WaitGroup) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := range r.fresh {
		before := r.running[w.key]
		r.running[w.key] = w.done
		var own context.Context
		own, w.cancel = context.WithCancel(ctx)
		work.Go(func() {
			defer r.over(w)
			if before != nil {
				<-before // it was ended, but its last look may still be under way
			}
			r.follow(own, w)
		})
	}
	clear(r.fresh)
}

// over is the end of a watch's goroutine.
func (r *Runner) over(w *watch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.cancel()
	if r.running[w.key] == w.done {
		delete(r.running, w.key)
	}
	close(w.done)
}

// record counts a result and tells of a change.
func (r *Runner) record(w *watch, found result) {
	log := r.log.WithField("alloc", w.key.alloc).WithField("check", w.key.check)
	if found.status == "" {
		log.Debug("check without a result: " + found.output)
		return
	}
	r.mu.Lock()
	was := w.state.Status
	is := w.tally.add(w.target.Check, was, found.status)
	if is == was || w.ended {
		r.mu.Unlock()
		return
	}
	w.state = job.CheckState{
		Status: is, Since: time.Now().UTC(), Output: line(found.output), Container: w.target.Container,
	}
	r.mu.Unlock()
	log.WithField("status", string(is)).Info("check changed from " + string(was))
	r.changed(w.key.alloc)
}
