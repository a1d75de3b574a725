package dockertest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"reconciler/internal/agent"
	"reconciler/internal/config"
	"reconciler/internal/job"
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

// process is the whole agent, without the parts that need sockets and inotify.
type process struct {
	*agent.Agent
	manifests string
	rig       *rig
}

func startAgent(t *testing.T, r *rig) *process {
	t.Helper()
	cfg := config.Default()
	cfg.DataDir, cfg.ManifestDir = filepath.Join(t.TempDir(), "data"), t.TempDir()
	cfg.Client.NetworkIP, cfg.Client.Docker.CleanupImageDelay = "127.0.0.1", time.Hour
	a, err := agent.New(agent.Options{Config: cfg, Client: r.cli, Poll: 20 * time.Second, Mute: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &process{Agent: a, manifests: cfg.ManifestDir, rig: r}
}

// edit puts a manifest in the place of the one before.
func (a *process) edit(t *testing.T, tag string) {
	t.Helper()
	err := os.WriteFile(filepath.Join(a.manifests, "app.hcl"), []byte(`
job "app" {
  group "app" {
    task "app" {
      driver = "docker"
      config { image = "registry.example/`+tag+`" }
    }
  }
}`), 0o644)
	if err != nil {
		t.Fatal(err)
	}
}

// running returns the id of the one container of the job that runs.
func (a *process) running(t *testing.T, image string) string {
	t.Helper()
	var ids []string
	for _, c := range a.rig.Containers() {
		if c.Config.Labels[job.LabelNodeID] != a.Store.NodeID() || !c.State.Running {
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
