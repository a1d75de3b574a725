package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"reconciler/desired"
	"reconciler/internal/allocdir"
	"reconciler/internal/docker"
	"reconciler/internal/host"
	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/reconcile"
	"reconciler/store"
)

// planWait is how long a plan waits for dockerd's first answer.
const planWait = 15 * time.Second

// Forecast is what an agent would plan that was started now. It works on
// copies in memory, and its own client refuses to write. It is
// reconcile.ErrBlind if dockerd does not answer.
func Forecast(ctx context.Context, o Options) ([]job.Forecast, error) {
	o = o.withDefaults()
	st, err := readStore(o.Config.DataDir)
	if err != nil {
		return nil, err
	}
	addr, err := host.Address(o.Config.Client.NetworkIP, o.Config.Client.NetworkInterface)
	if err != nil {
		return nil, err
	}
	api, err := o.client(dialReadOnly)
	if err != nil {
		return nil, err
	}
	defer func() { _ = api.Close() }() // a dry run: nothing is lost
	cache := observed.New(api, st.NodeID(), st, o.Log)
	stop := begin(ctx, cache)
	defer stop()
	if err := awaitList(ctx, cache); err != nil {
		return nil, err
	}
	if err := desired.Preview(watcherConfig(o), st, runningJobs{cache}); err != nil {
		return nil, err
	}
	dirs := allocdir.New(st.Dir(), allocdir.LocalSources(o.Config.Client.Docker.VolumesEnabled))
	engine := docker.New(api, engineOptions(o.Config), dockerDirs{dirs}, &provenance{st: st, now: o.Now}, o.Log)
	controller := reconcile.New(reconcile.Config{
		Node: newNodeInfo(o.Config, st.NodeID(), addr, cache).get, Store: st, Observe: cache, Foresight: engine,
		Ports: newPorts(o.Config, addr, cache), Log: o.Log, Now: o.Now,
	})
	return controller.Forecast()
}

// readStore reads the state file; the state of one that is missing is empty.
func readStore(dir string) (*store.Store, error) {
	st, _, err := store.Read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return store.Memory(dir), nil
	}
	return st, err
}

func dialReadOnly(cfg docker.ClientConfig) (Client, error) {
	api, err := docker.NewReadOnlyClient(cfg)
	if err != nil {
		return nil, err
	}
	return api, nil
}

// begin lets the cache fill until the returned function is called, which
// waits for its end.
func begin(ctx context.Context, cache *observed.Cache) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cache.Run(ctx) // nil by contract; what it saw tells the rest
	}()
	return func() {
		cancel()
		<-done
	}
}

func awaitList(ctx context.Context, cache *observed.Cache) error {
	select {
	case <-cache.Attempted():
	case <-time.After(planWait):
	case <-ctx.Done():
		return ctx.Err()
	}
	if !cache.Synced() {
		return fmt.Errorf("%w: %s", reconcile.ErrBlind, cache.Status().Problem)
	}
	return nil
}
