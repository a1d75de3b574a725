package laws

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"reconciler/desired"
	"reconciler/internal/host"
	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/reconcile"
	"reconciler/store"
)

// forecast is what `reconciler plan` prints while no agent runs.
func (w *world) forecast() []job.Forecast {
	var st *store.Store
	if _, err := os.Stat(filepath.Join(w.data, "state.db")); err != nil {
		st = store.Memory(w.data)
	} else if st, _, err = store.Read(w.data); err != nil {
		w.bad("truthful: %v", err)
		return nil
	}
	cli, tap := newClient(w)
	cache := observed.New(cli, st.NodeID(), st, w.log)
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan error, 1)
	go func() { done <- cache.Run(ctx) }()
	defer func() {
		cancel()
		w.must(<-done)
		tap.base.CloseIdleConnections()
	}()
	select {
	case <-cache.Attempted():
	case <-time.After(time.Minute):
	}
	err := desired.Preview(desired.Config{Dir: w.dir, Grace: grace, Poll: poll}, st, runningJobs{cache})
	if err != nil {
		w.bad("truthful: %v", err)
	}
	c := reconcile.New(reconcile.Config{
		Node: w.node(st), Store: st, Observe: cache, Log: w.log, Now: w.now,
		Ports: host.NewPorts(w.ports(), published{cache}.list),
	})
	out, err := c.Forecast()
	if err != nil {
		w.bad("truthful: %v", err)
	}
	return out
}
