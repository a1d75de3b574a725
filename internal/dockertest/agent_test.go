package dockertest

import (
	"context"
	"path/filepath"
	"testing"
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

// TestAgentLivesInABubble is the reason for this package: the cache, both
// controllers, the write half, gc and the state file run a job for hours of
// virtual time, over the real client.
func TestAgentLivesInABubble(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.Registry().Push("registry.example/app:1", Image{Salt: "1"}.withProgram())
		r.Registry().Push("registry.example/app:2", Image{Salt: "2"}.withProgram())
		stranger := r.AddContainer(Stranger{Name: "stranger", Image: "web:1", Running: true})
		a := startAgent(t, r)

		a.edit(t, "app:1")
		time.Sleep(time.Minute)
		first := a.running(t, "registry.example/app:1")
		r.quiet(t, time.Hour)

		r.Exit(first, 1)
		time.Sleep(5 * time.Minute)
		if second := a.running(t, "registry.example/app:1"); second == first {
			t.Error("the container that died is the current one")
		}
		a.edit(t, "app:2")
		time.Sleep(5 * time.Minute)
		a.running(t, "registry.example/app:2")
		r.quiet(t, 30*time.Second)

		time.Sleep(6 * time.Hour)
		if ids := r.Images(); len(ids) != 2 {
			t.Errorf("images after six hours: %v, want the stranger's and app:2", ids)
		}
		r.quiet(t, time.Hour)
		for _, w := range r.Writes() {
			if w.Target == stranger {
				t.Errorf("a call on a stranger: %s", w)
			}
		}
	})
}

// withProgram gives the image a command.
func (i Image) withProgram() Image {
	i.Config.Entrypoint = []string{"/app"}
	return i
}

// quiet fails if anything is written for so long.
func (r *rig) quiet(t *testing.T, d time.Duration) {
	t.Helper()
	before := len(r.Writes())
	time.Sleep(d)
	if w := r.Writes(); len(w) > before {
		t.Errorf("writes although nothing changed: %v", w[before:])
	}
}

// agent is what cmd wires, without the parts that need sockets and inotify.
type agent struct {
	st  *store.Store
	gen uint64
	rig *rig
}

func startAgent(t *testing.T, r *rig) *agent {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "data"), store.Options{Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	cache := observed.New(r.cli, st.NodeID(), st, quiet())
	dirs := allocdir.New(st.Dir())
	prov := ledger{st}
	engine := docker.New(r.cli, docker.Options{}, dockerDirs{dirs}, prov, quiet())
	controller := reconcile.New(reconcile.Config{
		Node:  func() job.Node { return job.Node{ID: st.NodeID(), Name: "host", Datacenter: "dc1", Region: "global"} },
		Store: st, Observe: cache, Runtime: engine, Dirs: dirs, Log: quiet(),
		Ports: host.NewPorts(host.PortOptions{Address: "127.0.0.1", Min: 20000, Max: 20100}, func() []host.PublishedPort { return nil }),
	})
	collector := gc.New(gc.Config{Enabled: true, Delay: time.Hour}, st,
		gc.Parts{Observer: cache, Remover: engine, Ledger: prov, Dirs: dirs, Reaper: controller}, quiet())
	cache.OnChange(func(h observed.Hint) { controller.Hint(h); collector.Nudge() })

	ctx, cancel := context.WithCancel(t.Context())
	g, ctx := errgroup.WithContext(ctx)
	for _, run := range []func(context.Context) error{st.Run, cache.Run, controller.Run, collector.Run} {
		g.Go(func() error { return run(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	time.Sleep(time.Second)
	return &agent{st: st, rig: r}
}

// edit is what desired does with a manifest.
func (a *agent) edit(t *testing.T, tag string) {
	t.Helper()
	jobs, problems := desired.Parse("app.hcl", []byte(`
job "app" {
  group "app" {
    task "app" {
      driver = "docker"
      config { image = "registry.example/`+tag+`" }
    }
  }
}`))
	if len(jobs) != 1 {
		t.Fatalf("%+v", problems)
	}
	a.gen++
	a.st.Specs.Put(store.SpecKey("app", a.gen), store.SpecRecord{Spec: jobs[0]})
	a.st.Jobs.Put("app", store.JobRecord{Generation: a.gen, Hash: job.Hash(jobs[0]), File: "app.hcl", Spec: jobs[0]})
}

// running returns the id of the one container of the job that runs.
func (a *agent) running(t *testing.T, image string) string {
	t.Helper()
	var ids []string
	for _, c := range a.rig.Containers() {
		if c.Config.Labels[job.LabelNodeID] != a.st.NodeID() || !c.State.Running {
			continue
		}
		if c.Config.Image != image {
			t.Errorf("%s runs %s, want %s", c.Name, c.Config.Image, image)
		}
		ids = append(ids, c.ID)
	}
	if len(ids) != 1 {
		t.Fatalf("%d containers of ours run, want one; calls: %v", len(ids), a.rig.Writes())
	}
	return ids[0]
}

type dockerDirs struct{ dirs *allocdir.Dirs }

func (d dockerDirs) Task(alloc, task string) docker.Paths {
	p := d.dirs.Task(alloc, task)
	return docker.Paths{Alloc: p.Alloc, Local: p.Local, Secrets: p.Secrets, Dir: p.Dir}
}

func (d dockerDirs) Resolve(alloc, task, rel string) (string, error) {
	return d.dirs.Resolve(alloc, task, rel)
}

// ledger is the puller's memory in the store, as cmd has it.
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
