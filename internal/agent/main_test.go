package agent

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"reconciler/internal/config"
	"reconciler/internal/dockertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// app is the only image of the registry.
const app = "registry.example/app:1"

// rig is a host: an engine in memory, a directory of manifests, and no agent
// yet.
type rig struct {
	*dockertest.Engine
	t    *testing.T
	cfg  config.Config
	log  *logrus.Logger
	mute bool
}

func newRig(t *testing.T) *rig {
	t.Helper()
	base := t.TempDir()
	cfg := config.Default()
	cfg.Name, cfg.DataDir, cfg.ManifestDir = "host", filepath.Join(base, "data"), filepath.Join(base, "manifests")
	cfg.Client.NetworkIP = "127.0.0.1"
	r := &rig{Engine: dockertest.New(dockertest.Options{}), t: t, cfg: cfg, log: logrus.New(), mute: true}
	t.Cleanup(r.Close)
	r.log.SetOutput(io.Discard)
	image := dockertest.Image{}
	image.Config.Entrypoint = []string{"/app"}
	r.Registry().Push(app, image)
	if err := os.Mkdir(cfg.ManifestDir, 0o755); err != nil {
		t.Fatal(err)
	}
	return r
}

// bubble runs a test in virtual time.
func bubble(t *testing.T, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newRig(t)) })
}

// want writes the manifest of one job.
func (r *rig) want(name string) {
	r.t.Helper()
	text := `job "` + name + `" {
  task "main" {
    driver = "docker"
    config { image = "` + app + `" }
  }
}`
	if err := os.WriteFile(filepath.Join(r.cfg.ManifestDir, name+".hcl"), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) options() Options {
	return Options{Config: r.cfg, Version: "1.2.3", Log: r.log, Client: r.Client(), Poll: 20 * time.Second, Mute: r.mute}
}

// start makes an agent and runs it until stop is called or the test ends.
func (r *rig) start() (a *Agent, stop func()) {
	r.t.Helper()
	a, err := New(r.options())
	if err != nil {
		r.t.Fatal(err)
	}
	return a, r.run(a)
}

// run runs an agent until stop is called or the test ends.
func (r *rig) run(a *Agent) (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := a.Run(ctx); err != nil {
			r.t.Error(err)
		}
	}()
	stop = func() {
		cancel()
		<-done
	}
	r.t.Cleanup(stop)
	return stop
}

// running is how many containers run.
func (r *rig) running() int {
	n := 0
	for _, c := range r.Containers() {
		if c.State.Running {
			n++
		}
	}
	return n
}
