package reconcile

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// Workers. The plans are cheap; the number of allocs workers is how many slow
// containers can be waited for at once without holding up the others. How many
// writes dockerd has at once, the Runtime decides.
const (
	jobWorkers   = 2
	allocWorkers = 16
	// stopGrace is how long Docker calls that run may take after the agent was
	// told to stop. What is cut off is found again by the next start.
	stopGrace = 10 * time.Second
	// readyWait is how long Run waits for Config.Ready once the engine is in
	// sight: a directory that hangs or is missing must not keep tasks from being
	// repaired.
	readyWait = 10 * time.Second
	// jobsFirst is how long the allocations wait for the plans of the jobs when
	// all are looked at: more than a commit takes.
	jobsFirst = 100 * time.Millisecond
	// unknownFirst is how long an allocation that nobody knows the spec of is
	// left alone once the engine is in sight: after a loss of the state its file
	// is taken up only when its containers are known.
	unknownFirst = time.Second
)

// Config wires a Controller.
type Config struct {
	// Node returns this host. It is called for each placement, since the
	// attributes of a host change.
	Node      func() job.Node
	Store     *store.Store
	Observe   Observer
	Runtime   Runtime
	Ports     Ports
	Dirs      Dirs
	Artifacts Artifacts // nil if no task has any
	Checks    Checks    // nil runs none
	Auth      Auth      // nil if no task has any
	Foresight Foresight // of Forecast; nil foresees no obstacle
	Log       logrus.FieldLogger
	// Ready is closed once the manifests were read in the light of what runs:
	// what they do not want any more is not begun before. A nil channel is ready
	// at once.
	Ready <-chan struct{}
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// NewID makes allocation ids; nil makes random UUIDs.
	NewID func() string
}

// Controller runs the jobs and the allocs controller.
type Controller struct {
	Config
	jobs, allocs queue
	flights      flights
	refusals     refusals
	effects      effects
	sight        sight

	// deploy makes a read and the write that follows from it one: operators'
	// requests stand in the record that the jobs workers write.
	deploy sync.Mutex

	mu        sync.Mutex
	stale     map[string]string    // alloc id -> container that must be looked at before the next plan
	looks     map[string]time.Time // alloc id -> since when dockerd had been in sight at the last look
	published map[string][]string  // alloc id -> keys of its services in the store; nil before the first look
}

// New returns a Controller that has registered itself for changes of the
// store's tables. It does nothing before Run.
func New(cfg Config) *Controller {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.NewID == nil {
		cfg.NewID = newID
	}
	if cfg.Auth == nil {
		cfg.Auth = noAuth{}
	}
	if cfg.Checks == nil {
		cfg.Checks = noChecks{}
	}
	c := &Controller{
		Config: cfg,
		stale:  map[string]string{},
		looks:  map[string]time.Time{},
	}
	st := cfg.Store
	st.Jobs.OnChange(c.hintJob)
	st.Manifests.OnChange(c.hintManifest)
	st.AllocSpecs.OnChange(func(id string) { c.allocs.add(id); c.hintAlloc(id) })
	st.AllocStatuses.OnChange(c.hintAlloc)
	return c
}

// Hint takes note of a change of the engine. It never blocks.
func (c *Controller) Hint(h observed.Hint) {
	if h.All {
		c.sight.note(c.Observe.Status())
		c.addAll()
		return
	}
	if h.AllocID != "" {
		c.allocs.add(h.AllocID)
		if _, known := c.Store.AllocSpecs.Get(h.AllocID); !known {
			c.jobs.add(h.Job)
		}
	}
}

// HintAlloc takes note that something about an allocation has changed that no
// record and no container tells: the state of a check. It never blocks.
func (c *Controller) HintAlloc(id string) { c.allocs.add(id) }

// HintAuth takes note that the registry credentials of a job changed: what
// waits out a failed pull need not wait any longer. It never blocks.
func (c *Controller) HintAuth(name string) {
	for id, spec := range c.Store.AllocSpecs.All() {
		if spec.Job == name {
			c.allocs.add(id)
		}
	}
}

// Run works, once Ready is closed or has been waited for, until ctx ends. Calls to Docker that run then may take stopGrace
// longer; containers are left as they are.
func (c *Controller) Run(ctx context.Context) error {
	for id, spec := range c.Store.AllocSpecs.All() {
		if st, _ := c.Store.AllocStatuses.Get(id); st.EndedAt.IsZero() {
			c.Ports.Restore(id, held(spec))
		}
	}
	if !c.awaitReady(ctx) {
		return nil
	}
	c.sweepServices()
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	c.jobs.open()
	c.allocs.open()
	c.addAll()

	var g errgroup.Group
	for range jobWorkers {
		g.Go(func() error { c.jobs.work(func(key string) { c.syncJob(work, ctx, key) }); return nil })
	}
	for range allocWorkers {
		g.Go(func() error { c.allocs.work(func(key string) { c.syncAlloc(work, ctx, key) }); return nil })
	}
	stop := context.AfterFunc(ctx, func() {
		c.jobs.close()
		c.allocs.close()
	})
	defer stop()
	grace := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(stopGrace):
			cancel()
		case <-work.Done():
		}
	})
	defer grace()
	err := g.Wait()
	c.flights.wait()
	return err
}

// awaitReady waits for Ready, or until the engine has been in sight for
// readyWait; before it is, there is nothing to do anyway. It reports whether
// ctx goes on.
func (c *Controller) awaitReady(ctx context.Context) bool {
	tick := time.NewTicker(readyWait / 10)
	defer tick.Stop()
	for sight := time.Now(); c.Ready != nil && time.Since(sight) < readyWait; {
		select {
		case <-c.Ready:
			return true
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
		if !c.Observe.Synced() {
			sight = time.Now()
		}
	}
	return true
}

// held are the ports that an allocation holds: one that is only prepared
// leaves the static ones to its predecessor.
func held(a job.AllocSpec) []job.AllocPort {
	if a.Desired != job.DesiredPrepare {
		return a.Ports
	}
	return slices.DeleteFunc(slices.Clone(a.Ports), func(p job.AllocPort) bool { return p.Static })
}

// addAll puts every known key on its queue: the jobs, and a moment later the
// allocations, so that nothing is begun for one that its job wants no more.
func (c *Controller) addAll() {
	for _, name := range c.jobNames() {
		c.jobs.add(name)
	}
	now := c.Now()
	for _, id := range c.Store.AllocSpecs.Keys() {
		c.allocs.addAt(id, now.Add(jobsFirst), now)
	}
}

// jobNames lists the jobs that anything is known of.
func (c *Controller) jobNames() []string {
	seen := map[string]bool{}
	var names []string
	add := func(name string) {
		if name != "" && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	for _, name := range c.Store.Jobs.Keys() {
		add(name)
	}
	for _, name := range c.Store.Deployments.Keys() {
		add(name)
	}
	for _, a := range c.Store.AllocSpecs.All() {
		add(a.Job)
	}
	all, _ := c.Observe.Containers()
	for _, ct := range all {
		if ct.Ours {
			add(ct.Identity.Job)
		}
	}
	return names
}

// hintJob looks at a job whose record has changed, at its allocations, of
// which some fields change in place, and at the jobs that may wait for it.
func (c *Controller) hintJob(name string) {
	c.jobs.add(name)
	for id, spec := range c.Store.AllocSpecs.All() {
		if spec.Job == name {
			c.allocs.add(id)
		}
	}
	c.addWaiting(name)
}

// hintAlloc looks at the job of an allocation again, and at every other job
// that waits: once the allocation has ended its ports and directories are
// free, and once it is prepared its predecessor's ports are about to be.
func (c *Controller) hintAlloc(id string) {
	spec, ok := c.Store.AllocSpecs.Get(id)
	if !ok {
		return
	}
	c.jobs.add(spec.Job)
	a := job.Alloc{Spec: spec}
	a.Status, _ = c.Store.AllocStatuses.Get(id)
	switch {
	case a.Ended():
		c.refusals.lift()
		c.addWaiting(spec.Job)
	case spec.Desired == job.DesiredPrepare && isTrue(a, job.CondImageReady):
		c.addWaiting(spec.Job)
	}
}

// addWaiting looks again at the jobs that are not as wanted yet: one of them
// may wait for the job that changed.
func (c *Controller) addWaiting(changed string) {
	for name, d := range c.Store.Deployments.All() {
		if name != changed && d.Phase != PhaseRunning && d.Phase != PhaseComplete {
			c.jobs.add(name)
		}
	}
}

func (c *Controller) hintManifest(file string) {
	m, _ := c.Store.Manifests.Get(file)
	for _, name := range m.Jobs {
		c.jobs.add(name)
	}
	for name, rec := range c.Store.Jobs.All() {
		if rec.File == file {
			c.jobs.add(name)
		}
	}
}

// Stuck reports how long the slowest worker has been at one key. Every call to
// Docker has a deadline, so that minutes mean that the agent itself hangs.
func (c *Controller) Stuck() time.Duration {
	now := time.Now()
	return max(c.jobs.longest(now), c.allocs.longest(now))
}
