package gc

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"

	"reconciler/store"
)

const (
	// settle gathers the hints of one change into one pass (swarmkit's task
	// reaper waits as long).
	settle = 250 * time.Millisecond
	// interval bounds the time between two passes, should a hint be lost.
	interval = time.Minute
	// relistRetry is how long to wait after a list that did not succeed.
	relistRetry = 10 * time.Second
)

// Config is what an operator and cmd decide about gc.
type Config struct {
	// Enabled and Delay are docker.cleanup.image and its delay.
	Enabled bool
	Delay   time.Duration
	// Ready is closed once all manifests were read; nothing is removed before.
	// A nil channel is ready at once.
	Ready <-chan struct{}
	// Hold reports whether the manifests cannot be read just now: then nothing
	// is removed either. nil is never.
	Hold func() bool
	// Now is the system clock; nil is time.Now.
	Now func() time.Time
	// Elapsed is the time that passed by the monotonic clock; nil measures
	// from New on.
	Elapsed func() time.Duration
}

// Parts are what the Worker acts through. All but InUse are required.
type Parts struct {
	Observer Observer
	Remover  Remover
	Ledger   Ledger
	Dirs     AllocDirs
	Reaper   AllocReaper
	// InUse reports whether an error of the Remover means that something
	// needs the image, beside an errdefs conflict, which always does.
	InUse func(error) bool
}

// Worker carries out the plans. Its methods but Nudge are not safe for
// concurrent use.
type Worker struct {
	cfg   Config
	st    *store.Store
	parts Parts
	log   logrus.FieldLogger

	nudge chan struct{}
	clock stepClock
	ready bool
	// left are the intents of earlier processes of the agent. One that a pull
	// of this process wrote anew differs in its time.
	left    map[string]store.ImageIntent
	sights  map[string]sight // of the other intents, by key
	refused map[string]*refusal
	blind   bool // the last list did not succeed, and that was said

	recordsAt time.Duration // by Elapsed: directories and records are looked at again
	seen      map[string]time.Time
	dirErrors map[string]bool // directories whose removal did not succeed, and that was said
}

// New returns a Worker. It must be called before anything is put into st: it
// hooks itself to the tables that say what is in use, and takes the intents
// that are in the store for those of an earlier process.
func New(cfg Config, st *store.Store, parts Parts, log logrus.FieldLogger) *Worker {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Elapsed == nil {
		start := time.Now()
		cfg.Elapsed = func() time.Duration { return time.Since(start) }
	}
	w := &Worker{
		cfg: cfg, st: st, parts: parts, log: log,
		nudge:     make(chan struct{}, 1),
		clock:     stepClock{now: cfg.Now, elapsed: cfg.Elapsed},
		ready:     cfg.Ready == nil,
		left:      st.Intents.All(),
		refused:   map[string]*refusal{},
		seen:      map[string]time.Time{},
		dirErrors: map[string]bool{},
	}
	hint := func(string) { w.Nudge() }
	st.Jobs.OnChange(hint)
	st.Deployments.OnChange(hint)
	st.AllocSpecs.OnChange(hint)
	st.AllocStatuses.OnChange(hint)
	st.Provenance.OnChange(hint)
	st.Intents.OnChange(hint)
	return w
}

// Nudge says that what is in use may have changed: containers or images. It
// never blocks; several calls may lead to one pass. The tables of the store
// need no Nudge.
func (w *Worker) Nudge() {
	select {
	case w.nudge <- struct{}{}:
	default:
	}
}

// Run collects until ctx ends; it returns nil then.
func (w *Worker) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		wake := w.images(ctx)
		w.records()
		w.wait(ctx, wake)
	}
	return nil
}

// wait returns at wake, after a hint, when the manifests were read, after
// interval at the latest, or when ctx ends.
func (w *Worker) wait(ctx context.Context, wake time.Time) {
	d := interval
	if !wake.IsZero() {
		d = min(d, max(wake.Sub(w.cfg.Now().Round(0)), 0))
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	ready := w.cfg.Ready
	if w.ready {
		ready = nil // closed for good: it would end every wait
	}
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-ready:
		w.ready = true
	case <-w.nudge:
		timer.Reset(settle)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
}

// now returns the system time. If the clock was set forward meanwhile, all
// that waits for a time waits as much longer; a step back makes it wait
// longer by itself, and Plan begins anew with clocks that are in the future.
func (w *Worker) now() time.Time {
	now, step := w.clock.read()
	if step <= 0 {
		return now
	}
	pushed := 0
	for id, c := range w.st.Clocks.All() {
		if !c.UnusedSince.IsZero() {
			c.UnusedSince = c.UnusedSince.Add(step)
			w.st.Clocks.Put(id, c)
			pushed++
		}
	}
	if pushed > 0 {
		w.log.WithFields(logrus.Fields{"step": step.Round(time.Second).String(), "images": pushed}).
			Info("system clock was set forward: unused images are kept as much longer")
	}
	for _, r := range w.refused {
		r.Until = r.Until.Add(step)
	}
	for id, t := range w.seen {
		w.seen[id] = t.Add(step)
	}
	return now
}
