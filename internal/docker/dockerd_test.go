package docker

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"reconciler/internal/job"
	"reconciler/internal/testimage"
)

// dockerd is a real engine, and what a test made on it. All of it carries the
// label testimage.TestLabel=mark and goes with the test.
type dockerd struct {
	*Engine
	t    *testing.T
	cli  *client.Client
	prov *memory
	mark string
	root string
}

// realDockerd skips the test, and says why, where there is no engine.
func realDockerd(t *testing.T) *dockerd {
	t.Helper()
	cli, err := NewClient(ClientConfig{})
	if err != nil {
		t.Skipf("no dockerd: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), inspectDeadline)
	defer cancel()
	if _, err := cli.Ping(ctx); err != nil {
		_ = cli.Close()
		t.Skipf("no dockerd: %v", err)
	}
	d := &dockerd{
		t: t, cli: cli, prov: newMemory(), root: t.TempDir(),
		mark: fmt.Sprintf("docker-%d-%d", os.Getpid(), time.Now().UnixNano()),
	}
	d.Engine = New(cli, Options{VolumesEnabled: true}, d, d.prov, quietLog())
	t.Cleanup(d.clean)
	return d
}

// clean removes by the label, and by nothing else.
func (d *dockerd) clean() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	defer d.cli.Close()
	label := filters.NewArgs(filters.Arg("label", testimage.TestLabel+"="+d.mark))
	containers, err := d.cli.ContainerList(ctx, container.ListOptions{All: true, Filters: label})
	if err != nil {
		d.t.Error(err)
	}
	for _, c := range containers {
		if err := d.cli.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true}); err != nil {
			d.t.Error(err)
		}
	}
	networks, err := d.cli.NetworkList(ctx, network.ListOptions{Filters: label})
	if err != nil {
		d.t.Error(err)
	}
	for _, n := range networks {
		if err := d.cli.NetworkRemove(ctx, n.ID); err != nil {
			d.t.Error(err)
		}
	}
	volumes, err := d.cli.VolumeList(ctx, volume.ListOptions{Filters: label})
	if err != nil {
		d.t.Error(err)
	}
	for _, v := range volumes.Volumes {
		if err := d.cli.VolumeRemove(ctx, v.Name, false); err != nil {
			d.t.Error(err)
		}
	}
	images, err := d.cli.ImageList(ctx, image.ListOptions{Filters: label})
	if err != nil {
		d.t.Error(err)
	}
	for _, i := range images {
		_, _ = d.cli.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true, PruneChildren: true})
	}
}

func (d *dockerd) Task(alloc, task string) Paths {
	dir := filepath.Join(d.root, alloc, task)
	p := Paths{
		Alloc: filepath.Join(d.root, alloc, "alloc"), Dir: dir,
		Local: filepath.Join(dir, "local"), Secrets: filepath.Join(dir, "secrets"),
	}
	for _, p := range []string{p.Alloc, p.Local, p.Secrets} {
		if err := os.MkdirAll(p, 0o777); err != nil {
			d.t.Error(err)
		}
	}
	return p
}

func (d *dockerd) Resolve(alloc, task, rel string) (string, error) {
	p := filepath.Join(d.Task(alloc, task).Dir, rel)
	return p, os.MkdirAll(p, 0o777)
}

// image makes an image that carries the mark.
func (d *dockerd) image(salt string, opts testimage.Options) v1.Image {
	d.t.Helper()
	opts.Salt = d.mark + salt
	opts.Labels = map[string]string{testimage.TestLabel: d.mark}
	img, err := testimage.Image(opts)
	if err != nil {
		d.t.Fatal(err)
	}
	return img
}

// registry serves one, with a switch to make it answer otherwise.
func (d *dockerd) registry() (addr string, answer *atomic.Int32, stop func()) {
	d.t.Helper()
	answer = &atomic.Int32{}
	addr, end, err := testimage.StartRegistry(func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if code := answer.Load(); code != 0 {
				// The form of the distribution spec: an engine reads the code.
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(int(code))
				_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"the registry says so"}]}`, registryCodes[int(code)])
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	if err != nil {
		d.t.Fatal(err)
	}
	stop = sync.OnceFunc(end)
	d.t.Cleanup(stop)
	return addr, answer, stop
}

var registryCodes = map[int]string{
	http.StatusUnauthorized:        "UNAUTHORIZED",
	http.StatusForbidden:           "DENIED",
	http.StatusTooManyRequests:     "TOOMANYREQUESTS",
	http.StatusServiceUnavailable:  "UNAVAILABLE",
	http.StatusInternalServerError: "UNKNOWN",
}

func (d *dockerd) push(ref string, img v1.Image) {
	d.t.Helper()
	if err := testimage.Push(ref, img); err != nil {
		d.t.Fatal(err)
	}
}

// request is a container of the image that Bring gave.
func (d *dockerd) request(ref string, res job.ImageResult, change func(r *job.ContainerRequest)) job.ContainerRequest {
	r := request(nil)
	r.Alloc.ID = d.mark
	r.Node.ID = d.mark
	r.Alloc.Images = map[string]string{"web": ref}
	r.ImageID, r.ImageOurs = res.ID, res.Ours
	r.Task.Resources.MemoryMB = 64
	if change != nil {
		change(&r)
	}
	return r
}

func (d *dockerd) inspect(id string) container.InspectResponse {
	d.t.Helper()
	c, err := d.cli.ContainerInspect(d.t.Context(), id)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// eventually waits for what takes the engine a moment.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func fetch(url string) (string, error) {
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}
	resp, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
