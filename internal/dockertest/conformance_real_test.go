package dockertest

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"reconciler/internal/testimage"
)

func TestDockerdConforms(t *testing.T) {
	if testing.Short() {
		t.Skip("a real dockerd is not asked in short mode")
	}
	cli := realClient(t)
	path, err := archive()
	if err != nil {
		t.Fatal(err)
	}
	defer sweep(t, cli)
	src := newRealSource(t)
	runConformance(t, func(t *testing.T, body func(*fixture)) {
		f := &fixture{T: t, cli: cli, mark: markOfProcess(), image: markOfProcess() + ":1", real: true, reg: src}
		f.load(path) // again: a case may have removed it
		body(f)
	})
}

// realClient skips the test where there is no engine that the suite describes.
func realClient(t *testing.T) *client.Client {
	t.Helper()
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Skipf("no dockerd: %v", err)
	}
	t.Cleanup(func() { _ = cli.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	v, err := cli.ServerVersion(ctx)
	if err != nil {
		t.Skipf("no dockerd: %v", err)
	}
	if v.APIVersion != "1.41" {
		t.Skipf("dockerd speaks API %s; the suite describes 1.41", v.APIVersion)
	}
	return cli
}

// sweep removes what the tests made, by their label alone.
func sweep(t *testing.T, cli *client.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	label := filters.NewArgs(filters.Arg("label", testimage.TestLabel+"="+markOfProcess()))
	containers, err := cli.ContainerList(ctx, container.ListOptions{All: true, Filters: label})
	if err != nil {
		t.Error(err)
	}
	for _, c := range containers {
		if err := cli.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			t.Error(err)
		}
	}
	images, err := cli.ImageList(ctx, image.ListOptions{Filters: label})
	if err != nil {
		t.Error(err)
	}
	for _, i := range images {
		_, _ = cli.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true, PruneChildren: true})
	}
	networks, err := cli.NetworkList(ctx, network.ListOptions{Filters: label})
	if err != nil {
		t.Error(err)
	}
	for _, n := range networks {
		_ = cli.NetworkRemove(ctx, n.ID)
	}
}

// realSource is a registry on 127.0.0.1.
type realSource struct {
	t      *testing.T
	addr   string
	status atomic.Int32
}

var registryCodes = map[int32]string{401: "UNAUTHORIZED", 403: "DENIED", 429: "TOOMANYREQUESTS", 500: "UNKNOWN"}

func newRealSource(t *testing.T) *realSource {
	t.Helper()
	s := &realSource{t: t}
	addr, stop, err := testimage.StartRegistry(func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			code := s.status.Load()
			if code == 0 {
				h.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(int(code))
			_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"the registry says so"}]}`, registryCodes[code])
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	s.addr = addr
	return s
}

func (s *realSource) host() string      { return s.addr }
func (s *realSource) dead() string      { return "127.0.0.1:1" }
func (s *realSource) answer(status int) { s.status.Store(int32(status)) }

func (s *realSource) push(ref, salt string) {
	img, err := testimage.Image(testimage.Options{
		Salt: markOfProcess() + salt, Labels: map[string]string{testimage.TestLabel: markOfProcess()},
	})
	if err == nil {
		err = testimage.Push(ref, img)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
