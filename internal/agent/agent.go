package agent

import (
	"errors"
	"io"
	"time"

	"github.com/sirupsen/logrus"

	"reconciler/desired"
	"reconciler/gc"
	"reconciler/internal/allocdir"
	"reconciler/internal/check"
	"reconciler/internal/config"
	"reconciler/internal/docker"
	"reconciler/internal/host"
	"reconciler/observed"
	"reconciler/reconcile"
	"reconciler/store"
)

// Options are what an Agent is made from. Config is required; the zero value
// of everything else is what the program runs with.
type Options struct {
	// Config is the configuration, checked (config.Config.Validate).
	Config config.Config
	// Version is of the program, for the status and the state file.
	Version string
	// Log is the agent's; nil drops every line.
	Log logrus.FieldLogger

	// Client speaks to the engine; nil is a real one to where Config says. It
	// is closed with the agent.
	Client Client
	// Now is the system clock, for records and decisions; nil is time.Now.
	Now func() time.Time
	// Poll is how often the manifests are read without inotify; 0 is with it.
	Poll time.Duration
	// Dirs may stand between the controllers and the allocation directories;
	// nil is nothing.
	Dirs func(reconcile.Dirs) reconcile.Dirs
	// Mute leaves out the control socket and what systemd is told.
	Mute bool
}

// Client is what the agent's rooms need of a client of the engine: that of
// internal/docker, or one over an engine in memory.
type Client interface {
	observed.API
	docker.API
	io.Closer
}

// Rooms are the parts of an Agent, each with its state. Whoever runs an Agent
// may look into them, and ask of them what their methods offer.
type Rooms struct {
	Store      *store.Store
	Cache      *observed.Cache
	Engine     *docker.Engine
	Watcher    *desired.Watcher
	Controller *reconcile.Controller
	Collector  *gc.Worker
	Checks     *check.Runner
}

// Agent is every room, wired.
type Agent struct {
	Rooms

	cfg     config.Config
	version string
	log     logrus.FieldLogger
	now     func() time.Time
	mute    bool
	api     Client
	gate    *engineGate
	node    *nodeInfo
}

// New opens the data directory and wires the rooms. It calls no engine, and
// starts nothing: Run does, and gives the directory back. An error says that
// the agent cannot run as it is configured, or that another one runs.
func New(o Options) (*Agent, error) {
	o = o.withDefaults()
	st, err := store.Open(o.Config.DataDir, store.Options{Log: o.Log, Version: o.Version, Now: o.Now})
	if err != nil {
		return nil, err
	}
	a := &Agent{cfg: o.Config, version: o.Version, log: o.Log, now: o.Now, mute: o.Mute}
	a.Store = st
	if err := a.furnish(o); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	a.connect()
	return a, nil
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		log := logrus.New()
		log.SetOutput(io.Discard)
		o.Log = log
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Dirs == nil {
		o.Dirs = func(d reconcile.Dirs) reconcile.Dirs { return d }
	}
	return o
}

// client returns the client of the Options, else a real one.
func (o Options) client(dial func(docker.ClientConfig) (Client, error)) (Client, error) {
	if o.Client != nil {
		return o.Client, nil
	}
	return dial(clientConfig(o.Config))
}

// dial is docker.NewClient, whose nil would be no nil in an interface.
func dial(cfg docker.ClientConfig) (Client, error) {
	api, err := docker.NewClient(cfg)
	if err != nil {
		return nil, err
	}
	return api, nil
}

// furnish makes the rooms, each after those that it needs.
func (a *Agent) furnish(o Options) error {
	addr, err := host.Address(a.cfg.Client.NetworkIP, a.cfg.Client.NetworkInterface)
	if err != nil {
		return err
	}
	if a.api, err = o.client(dial); err != nil {
		return err
	}
	for _, w := range a.cfg.Warnings(a.api.DaemonHost()) {
		a.log.Warn(w)
	}
	st, log := a.Store, a.log
	a.Cache = observed.New(a.api, st.NodeID(), st, log)
	a.gate = newEngineGate(a.Cache, st.NodeID(), log)
	a.node = newNodeInfo(a.cfg, st.NodeID(), addr, a.Cache)
	dirs := allocdir.New(st.Dir(), allocdir.LocalSources(a.cfg.Client.Docker.VolumesEnabled))
	prov := &provenance{st: st, now: a.now}
	a.gate.opening = func() { prov.adoptLabelled(a.Cache, log) }
	a.Engine = docker.New(a.api, engineOptions(a.cfg), dockerDirs{dirs}, prov, log)
	a.Checks = check.New(a.Engine, log)
	a.Watcher = desired.New(watcherConfig(o), st, runningJobs{a.gate}, log)
	a.Controller = reconcile.New(reconcile.Config{
		Node: a.node.get, Store: st, Observe: a.gate, Runtime: a.Engine, Foresight: a.Engine,
		Ports: newPorts(a.cfg, addr, a.Cache), Dirs: o.Dirs(dirs), Artifacts: dirs,
		Checks: a.Checks, Auth: a.Watcher, Log: log,
		Ready: a.Watcher.Decided(), Now: a.now,
	})
	a.Collector = gc.New(gc.Config{
		Enabled: a.cfg.Client.Docker.CleanupImage, Delay: a.cfg.Client.Docker.CleanupImageDelay,
		Ready: a.Watcher.Decided(), Hold: a.manifestsAway, Now: a.now,
	}, st, gc.Parts{
		Observer: a.gate, Remover: a.Engine, Ledger: prov, Dirs: dirs, Reaper: a.Controller, InUse: imageInUse,
	}, log)
	return nil
}

// connect lets the rooms hear of each other's changes. Everything here must
// stand before Run.
func (a *Agent) connect() {
	a.Watcher.OnAuth(a.Controller.HintAuth)
	a.Checks.OnChange(a.Controller.HintAlloc)
	a.Store.AllocSpecs.OnChange(func(string) { a.Watcher.Nudge() })
	a.Cache.OnChange(a.hint)
	a.gate.opened = func() { a.hint(observed.Hint{All: true}) }
}

// imageInUse says which refusals of an image removal mean that it is needed.
func imageInUse(err error) bool {
	return errors.Is(err, docker.ErrInUse) || errors.Is(err, docker.ErrLeased)
}
