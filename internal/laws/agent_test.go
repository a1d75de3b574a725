package laws

import (
	"context"
	"os"
	"path/filepath"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"reconciler/internal/agent"
	"reconciler/internal/config"
	"reconciler/internal/job"
	"reconciler/reconcile"
)

const (
	grace = 5 * time.Second
	poll  = 20 * time.Second
	delay = 30 * time.Minute // docker.cleanup.image.delay, unless a story says otherwise
)

// process is one process of the agent.
type process struct {
	*agent.Agent
	w   *world
	tap *tap
	end func() // ends it in order
}

// options are those of an agent on the data directory that speaks through the
// tap. Its bubble cannot wait for inotify, nor for sockets.
func (w *world) options(cli agent.Client) agent.Options {
	cfg := config.Default()
	cfg.Name, cfg.ManifestDir, cfg.DataDir, cfg.DeleteGrace = "host", w.dir, w.data, grace
	cfg.Client.NetworkIP, cfg.Client.MinDynamicPort, cfg.Client.MaxDynamicPort = w.addr, 21000, 21100
	cfg.Client.Docker.CleanupImageDelay = delay
	cfg.Client.Meta = map[string]string{"rack": w.rack}
	if w.configure != nil {
		w.configure(&cfg)
	}
	w.takes(cfg)
	return agent.Options{
		Config: cfg, Log: w.log, Client: cli, Now: w.now, Poll: poll, Mute: true,
		Dirs: func(d reconcile.Dirs) reconcile.Dirs { return countedDirs{d, w} },
	}
}

// start starts an agent on the data directory.
func (w *world) start() {
	cli, tap := newClient(w)
	a, err := agent.New(w.options(cli))
	if err != nil {
		w.bad("the agent does not start: %v", err)
		return
	}
	w.agent = &process{Agent: a, w: w, tap: tap}
	w.arrived(w.agent)
	w.sees(false)
	w.live.Store(w.agent)
	w.agent.run()
}

// run starts the process.
func (a *process) run() {
	ctx, cancel := context.WithCancel(a.w.Context())
	var g errgroup.Group
	g.Go(func() error { return a.Run(ctx) })
	g.Go(func() error { return a.watchCommits(ctx) })
	a.end = func() {
		a.w.live.Store(nil)
		a.w.departed()
		cancel()
		if err := g.Wait(); err != nil {
			a.w.bad("the agent ended with an error: %v", err)
		}
		a.tap.base.CloseIdleConnections()
		a.w.agent = nil
	}
}

// watchCommits counts commits as crash points.
func (a *process) watchCommits(ctx context.Context) error {
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
		if at, _ := a.Store.LastCommit(); !at.Equal(last) {
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

// countedDirs counts how often an allocation's directory is asked for: once for
// each image that is brought and each container that is made.
type countedDirs struct {
	reconcile.Dirs
	w *world
}

func (d countedDirs) Build(a job.AllocSpec, g *job.Group) error {
	d.w.mu.Lock()
	d.w.builds[a.ID]++
	d.w.mu.Unlock()
	return d.Dirs.Build(a, g)
}
