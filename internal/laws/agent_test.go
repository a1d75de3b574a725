package laws

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"reconciler/desired"
	"reconciler/gc"
	"reconciler/internal/allocdir"
	"reconciler/internal/docker"
	"reconciler/internal/host"
	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/reconcile"
	"reconciler/store"
)

const (
	grace = 5 * time.Second
	poll  = 20 * time.Second
	delay = 30 * time.Minute // docker.cleanup.image.delay
)

// agent is one process of the agent: every room, wired as in cmd.
type agent struct {
	w          *world
	st         *store.Store
	tap        *tap
	cache      *observed.Cache
	watcher    *desired.Watcher
	controller *reconcile.Controller
	end        func() // ends it in order
}

// start starts an agent on the data directory.
func (w *world) start() {
	st, err := store.Open(w.data, store.Options{Log: w.log, Now: w.now})
	if err != nil {
		w.bad("the agent does not start: %v", err)
		return
	}
	cli, tap := newClient(w)
	a := &agent{w: w, st: st, tap: tap}
	a.cache = observed.New(cli, st.NodeID(), st, w.log)
	dirs := allocdir.New(st.Dir())
	prov := ledger{st}
	engine := docker.New(cli, docker.Options{PullActivityTimeout: 2 * time.Minute}, dockerDirs{dirs}, prov, w.log)
	a.watcher = desired.New(desired.Config{Dir: w.dir, Grace: grace, Poll: poll}, st, runningJobs{a.cache}, w.log)
	a.controller = reconcile.New(reconcile.Config{
		Node: w.node(st), Store: st, Observe: a.cache, Runtime: engine, Dirs: countedDirs{dirs, w}, Log: w.log, Now: w.now, Ready: a.watcher.Scanned(),
		Ports: host.NewPorts(w.ports(), published{a.cache}.list),
	})
	begin := time.Now()
	collector := gc.New(gc.Config{
		Enabled: true, Delay: delay, Ready: a.watcher.Scanned(), Now: w.now,
		Elapsed: func() time.Duration { return time.Since(begin) },
	}, st, gc.Parts{
		Observer: a.cache, Remover: engine, Ledger: prov, Dirs: dirs, Reaper: a.controller,
		InUse: func(err error) bool { return errors.Is(err, docker.ErrInUse) || errors.Is(err, docker.ErrLeased) },
	}, w.log)
	st.AllocSpecs.OnChange(func(string) { a.watcher.Nudge() })
	a.cache.OnChange(func(h observed.Hint) {
		a.controller.Hint(h)
		collector.Nudge()
		if h.All || h.Job != "" {
			a.watcher.Nudge()
		}
	})
	w.agent = a
	a.run(collector)
}

// run starts the parts; the recorder outlives the others.
func (a *agent) run(collector *gc.Worker) {
	ctx, cancel := context.WithCancel(a.w.Context())
	rec, stopRecorder := context.WithCancel(a.w.Context())
	recorded := make(chan error, 1)
	go func() { recorded <- a.st.Run(rec) }()
	var g errgroup.Group
	for _, run := range []func(context.Context) error{a.cache.Run, a.watcher.Run, a.controller.Run, collector.Run} {
		g.Go(func() error { return run(ctx) })
	}
	g.Go(func() error { return a.watchCommits(ctx) })
	a.end = func() {
		cancel()
		err := g.Wait()
		stopRecorder()
		err = errors.Join(err, <-recorded, a.st.Close())
		if err != nil {
			a.w.bad("the agent ended with an error: %v", err)
		}
		a.tap.base.CloseIdleConnections()
		a.w.agent = nil
	}
}

// watchCommits counts commits as crash points.
func (a *agent) watchCommits(ctx context.Context) error {
	if !a.w.strike.Load().meets(afterCommit) {
		return nil
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for last := (time.Time{}); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if at, _ := a.st.LastCommit(); !at.Equal(last) {
			last = at
			if a.w.strike.Load().meet(afterCommit) {
				return nil
			}
		}
	}
}

// stop ends the agent as SIGTERM does.
func (w *world) stop() {
	if w.agent != nil {
		w.agent.end()
	}
}

// kill ends the agent as SIGKILL does, in the middle of what it does: its
// connections are cut, and what was not committed is lost.
func (w *world) kill() {
	if w.agent == nil {
		return
	}
	synctest.Wait() // no transaction is half written
	w.agent.tap.die()
	file := filepath.Join(w.data, "state.db")
	state, err := os.ReadFile(file)
	w.agent.end()
	if err != nil {
		w.must(os.RemoveAll(file))
		return
	}
	// Another file in its place, as the one that the process left.
	w.must(os.WriteFile(file+".new", state, 0o640))
	w.must(os.Rename(file+".new", file))
}

// lose removes the state file.
func (w *world) lose() { w.must(os.RemoveAll(filepath.Join(w.data, "state.db"))) }

func (w *world) node(st *store.Store) func() job.Node {
	return func() job.Node {
		return job.Node{ID: st.NodeID(), Name: "host", Datacenter: "dc1", Region: "global"}
	}
}

// runningJobs tells desired which jobs have containers of ours.
type runningJobs struct{ cache *observed.Cache }

func (r runningJobs) RunningJobs() (map[string]desired.RunningJob, bool) {
	all, ok := r.cache.Containers()
	if !ok {
		return nil, false
	}
	out := map[string]desired.RunningJob{}
	for _, c := range all {
		if !c.Ours {
			continue
		}
		id, j := c.Identity, out[c.Identity.Job]
		switch {
		case j.Hashes == nil || id.Generation > j.Generation:
			j = desired.RunningJob{Generation: id.Generation, Hashes: map[string]string{id.Group: id.SpecHash}}
		case id.Generation == j.Generation:
			j.Hashes[id.Group] = id.SpecHash
		}
		out[id.Job] = j
	}
	return out, true
}

type published struct{ cache *observed.Cache }

func (p published) list() []host.PublishedPort {
	all, _ := p.cache.Containers()
	var out []host.PublishedPort
	for _, c := range all {
		for _, port := range c.Ports {
			out = append(out, host.PublishedPort{HostIP: port.HostIP, Host: port.Host, AllocID: c.Identity.AllocID, Container: c.Name})
		}
	}
	return out
}

type dockerDirs struct{ dirs *allocdir.Dirs }

func (d dockerDirs) Task(alloc, task string) docker.Paths {
	p := d.dirs.Task(alloc, task)
	return docker.Paths{Alloc: p.Alloc, Local: p.Local, Secrets: p.Secrets, Dir: p.Dir}
}

func (d dockerDirs) Resolve(alloc, task, rel string) (string, error) {
	return d.dirs.Resolve(alloc, task, rel)
}

// countedDirs counts how often an allocation's directory is asked for: once for
// each image that is brought and each container that is made.
type countedDirs struct {
	*allocdir.Dirs
	w *world
}

func (d countedDirs) Build(a job.AllocSpec, g *job.Group) error {
	d.w.mu.Lock()
	d.w.builds[a.ID]++
	d.w.mu.Unlock()
	return d.Dirs.Build(a, g)
}

// ledger is the puller's memory in the store.
type ledger struct{ st *store.Store }

func (l ledger) Intend(ctx context.Context, ref, source string) error {
	l.st.Intents.Put(store.IntentKey(ref), store.ImageIntent{Ref: ref, Source: source, At: time.Now().UTC()})
	return l.st.Sync(ctx)
}

func (l ledger) Done(ref, id string, ours bool, size int64) {
	if id != "" && ours {
		l.Adopt(id, store.ImageProvenance{Refs: []string{ref}, Source: docker.SourcePull, Size: size, At: time.Now().UTC()})
	}
	l.DropIntent(ref)
}

func (l ledger) Known(id string) bool {
	_, ok := l.st.Provenance.Get(id)
	return ok
}

func (l ledger) Intended(ref string) bool {
	_, ok := l.st.Intents.Get(store.IntentKey(ref))
	return ok
}

func (l ledger) Adopt(id string, add store.ImageProvenance) {
	if old, had := l.st.Provenance.Get(id); had {
		add = gc.MergeProvenance(old, add)
	}
	l.st.Provenance.Put(id, add)
}

func (l ledger) Forget(id string)      { l.st.Provenance.Delete(id) }
func (l ledger) DropIntent(ref string) { l.st.Intents.Delete(store.IntentKey(ref)) }
