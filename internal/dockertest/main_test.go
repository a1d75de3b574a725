package dockertest

import (
	"os"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(archiveDir())
		os.Exit(code)
	}))
}

// web is a plain image for tests of the double alone.
var web = Image{Refs: []string{"web:1"}, Config: container.Config{
	Entrypoint: []string{"/web"}, Env: []string{"PATH=/bin", "A=image"}, Labels: map[string]string{"from": "image"},
	Volumes: map[string]struct{}{"/data": {}},
}}

// rig is an engine with the image web and a client.
type rig struct {
	*Engine
	cli *client.Client
	t   testing.TB
}

func newRig(t testing.TB, opts Options) *rig {
	t.Helper()
	e := New(opts)
	e.AddImage(web)
	r := &rig{Engine: e, cli: e.Client(), t: t}
	t.Cleanup(func() {
		_ = r.cli.Close()
		e.Close()
	})
	return r
}

func (r *rig) create(name string, cmd ...string) string {
	r.t.Helper()
	resp, err := r.cli.ContainerCreate(r.t.Context(), &container.Config{Image: "web:1", Cmd: cmd}, nil, nil, nil, name)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.ID
}

func (r *rig) run(name string, cmd ...string) string {
	r.t.Helper()
	id := r.create(name, cmd...)
	if err := r.cli.ContainerStart(r.t.Context(), id, container.StartOptions{}); err != nil {
		r.t.Fatal(err)
	}
	return id
}

func (r *rig) state(id string) *container.State {
	r.t.Helper()
	c, err := r.cli.ContainerInspect(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	return c.State
}

func map8000() nat.PortMap { return nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1", HostPort: "8000"}}} }
