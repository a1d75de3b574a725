package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"reconciler/internal/control"
	"reconciler/observed"
)

// part is something that runs as long as the agent does.
type part struct {
	name string // for the error that it ends with
	run  func(context.Context) error
}

// parts are all that run. A new room that has something to run stands here.
func (a *Agent) parts() []part {
	all := []part{
		{"observer", a.Cache.Run},
		{"engine claim", a.gate.Run},
		{"manifests", a.Watcher.Run},
		{"controllers", a.Controller.Run},
		{"checks", a.Checks.Run},
		{"gc", a.Collector.Run},
	}
	if a.mute {
		return all
	}
	server := &control.Server{Agent: a, Dir: a.Store.Dir(), HTTP: a.cfg.HTTP, Log: a.log}
	return append(all, part{"control", server.Run}, part{"notify", a.notify})
}

// hint passes on that something on the engine may have changed.
func (a *Agent) hint(h observed.Hint) {
	if h.All { // dockerd came or went
		a.node.refresh()
		a.gate.hint()
	}
	a.Controller.Hint(h)
	a.Collector.Nudge()
	if h.All || h.Job != "" {
		a.Watcher.Nudge()
	}
}

// Run runs until ctx ends or a part fails, and then gives back the data
// directory. It returns nil after an orderly end; the containers run on. An
// Agent runs once.
func (a *Agent) Run(ctx context.Context) error {
	a.log.WithFields(logrus.Fields{
		"version": a.version, "node_id": a.Store.NodeID(), "data_dir": a.Store.Dir(), "manifests": a.cfg.ManifestDir,
	}).Info("agent started")
	err := a.runParts(ctx)
	_ = a.api.Close() // its idle connections: nothing is lost
	if cerr := a.Store.Close(); cerr != nil {
		err = errors.Join(err, cerr)
	}
	a.log.Info("agent stopped; containers run on")
	return err
}

// runParts starts every part once and waits. The store's recorder outlives
// the others, so that their last records reach the file.
func (a *Agent) runParts(ctx context.Context) error {
	rec, stopRecorder := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRecorder()
	recorded := make(chan error, 1)
	go func() { recorded <- a.Store.Run(rec) }()

	g, ctx := errgroup.WithContext(ctx)
	for _, p := range a.parts() {
		g.Go(func() error { return p.ended(p.run(ctx)) })
	}
	err := g.Wait()
	stopRecorder()
	if rerr := <-recorded; err == nil {
		err = part{name: "store"}.ended(rerr)
	}
	return err
}

// ended names the part that an error ended; the end of the context is none.
func (p part) ended(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("%s: %w", p.name, err)
}
