package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"reconciler/desired"
	"reconciler/gc"
	"reconciler/internal/allocdir"
	"reconciler/internal/config"
	"reconciler/internal/control"
	"reconciler/internal/docker"
	"reconciler/internal/host"
	"reconciler/observed"
	"reconciler/reconcile"
	"reconciler/store"
)

func newAgentCommand(o *options) *cobra.Command {
	var f agentFlags
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Run the agent",
		Long: `Run the agent in the foreground. SIGTERM ends it and leaves all containers
running; the next start finds them as they are.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.load(cmd)
			if err != nil {
				return err
			}
			if err := f.override(cmd, &cfg); err != nil {
				return err
			}
			log, err := newLogger(cmd.ErrOrStderr(), cfg.LogLevel, cfg.LogFormat)
			if err != nil {
				return err
			}
			return runAgent(cmd.Context(), cfg, log)
		},
	}
	f.register(cmd)
	return cmd
}

// agent is the running program: every room, wired.
type agent struct {
	cfg   config.Config
	log   logrus.FieldLogger
	store *store.Store
	cache *observed.Cache
	gate  *engineGate
	node  *nodeInfo

	engine     *docker.Engine
	watcher    *desired.Watcher
	controller *reconcile.Controller
	collector  *gc.Worker
}

// runAgent runs until ctx ends. It returns nil after an orderly end.
func runAgent(ctx context.Context, cfg config.Config, log *logrus.Logger) error {
	st, err := store.Open(cfg.DataDir, store.Options{Log: log, Version: agentVersion()})
	if err != nil {
		return err
	}
	a, err := newAgent(cfg, st, log)
	if err != nil {
		return errors.Join(err, st.Close())
	}
	log.WithFields(logrus.Fields{
		"version": agentVersion(), "node_id": st.NodeID(), "data_dir": st.Dir(), "manifests": cfg.ManifestDir,
	}).Info("agent started")
	err = a.run(ctx)
	if cerr := st.Close(); cerr != nil {
		err = errors.Join(err, cerr)
	}
	log.Info("agent stopped; containers run on")
	return err
}

func newAgent(cfg config.Config, st *store.Store, log *logrus.Logger) (*agent, error) {
	api, err := docker.NewClient(clientConfig(cfg))
	if err != nil {
		return nil, err
	}
	for _, w := range docker.Warnings(clientConfig(cfg), api) {
		log.Warn(w)
	}
	addr, err := host.Address(cfg.Client.NetworkIP, cfg.Client.NetworkInterface)
	if err != nil {
		return nil, err
	}
	a := &agent{cfg: cfg, log: log, store: st}
	a.cache = observed.New(api, st.NodeID(), st, log)
	a.gate = newEngineGate(a.cache, st.NodeID(), log)
	a.node = newNodeInfo(cfg, st.NodeID(), addr, a.cache)
	dirs := allocdir.New(st.Dir())
	prov := &provenance{st: st, now: time.Now}
	a.engine = docker.New(api, engineOptions(cfg), dockerDirs{dirs}, prov, log)
	a.watcher = desired.New(desired.Config{
		Dir: cfg.ManifestDir, Grace: cfg.DeleteGrace, AllowMassDeletion: cfg.AllowMassDeletion,
	}, st, runningJobs{a.gate}, log)
	a.controller = reconcile.New(reconcile.Config{
		Node: a.node.get, Store: st, Observe: a.gate, Runtime: a.engine,
		Ports: host.NewPorts(portOptions(cfg, addr), publishedPorts{a.cache}.list), Dirs: dirs, Auth: a.watcher, Log: log,
	})
	a.watcher.OnAuth(a.controller.HintAuth)
	a.collector = gc.New(gc.Config{
		Enabled: cfg.Client.Docker.CleanupImage, Delay: cfg.Client.Docker.CleanupImageDelay, Ready: a.watcher.Scanned(),
	}, st, gc.Parts{
		Observer: a.gate, Remover: a.engine, Ledger: prov, Dirs: dirs, Reaper: a.controller,
		InUse: func(err error) bool { return errors.Is(err, docker.ErrInUse) || errors.Is(err, docker.ErrLeased) },
	}, log)
	st.AllocSpecs.OnChange(func(string) { a.watcher.Nudge() })
	a.cache.OnChange(a.hint)
	a.gate.opened = func() { a.hint(observed.Hint{All: true}) }
	return a, nil
}

// hint passes on that something on the engine may have changed.
func (a *agent) hint(h observed.Hint) {
	if h.All {
		a.gate.hint()
	}
	a.controller.Hint(h)
	a.collector.Nudge()
	if h.All || h.Job != "" {
		a.watcher.Nudge()
	}
}

// run starts every part once and waits. The store's recorder outlives the
// others, so that their last records reach the file.
func (a *agent) run(ctx context.Context) error {
	rec, stopRecorder := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRecorder()
	recorded := make(chan error, 1)
	go func() { recorded <- a.store.Run(rec) }()

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return part("observer", a.cache.Run(ctx)) })
	g.Go(func() error { return part("engine claim", a.gate.Run(ctx)) })
	g.Go(func() error { return part("manifests", a.watcher.Run(ctx)) })
	g.Go(func() error { return part("controllers", a.controller.Run(ctx)) })
	g.Go(func() error { return part("gc", a.collector.Run(ctx)) })
	g.Go(func() error { return part("control", a.server().Run(ctx)) })
	g.Go(func() error { return part("notify", a.notify(ctx)) })
	err := g.Wait()
	stopRecorder()
	if rerr := <-recorded; err == nil {
		err = part("store", rerr)
	}
	return err
}

// part names the part that an error ended; the end of the context is none.
func part(name string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

func (a *agent) server() *control.Server {
	return &control.Server{Agent: a, Dir: a.store.Dir(), HTTP: a.cfg.HTTP, Log: a.log}
}

// nodeName is the configured name, for people.
func (a *agent) nodeName() string { return a.cfg.Name }
