package dockertest

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"reconciler/internal/testimage"
)

// fixture is an engine under test, the double or a real one, with one image of
// the program web loaded and everything marked by a label.
type fixture struct {
	*testing.T
	cli   *client.Client
	mark  string // value of testimage.TestLabel on all that the tests make
	image string // reference of the image
	real  bool
	reg   pullSource
}

// pullSource is where the engine under test can pull from.
type pullSource interface {
	// host is what references of the registry begin with.
	host() string
	push(ref, salt string)
	// answer makes the registry answer everything with an HTTP status; 0 ends it.
	answer(status int)
	// dead is a host that nobody listens on.
	dead() string
}

// conformance is what holds for the double and for a real engine alike.
var conformance = map[string]func(*fixture){}

// runConformance runs every case with the fixture that open gives it.
func runConformance(t *testing.T, run func(t *testing.T, body func(*fixture))) {
	for _, name := range slices.Sorted(maps.Keys(conformance)) {
		t.Run(name, func(t *testing.T) { run(t, conformance[name]) })
	}
}

// archive builds the test image once per process.
var archive = sync.OnceValues(func() (string, error) {
	if err := os.Mkdir(archiveDir(), 0o700); err != nil {
		return "", err
	}
	path, err := testimage.Build(archiveDir(), testimage.Options{
		Refs: []string{markOfProcess() + ":1"}, Env: []string{"PATH=/bin", "A=image"}, StopSignal: "SIGINT",
		Volumes: []string{"/data"}, Expose: []string{"8080/tcp"},
		Labels: map[string]string{testimage.TestLabel: markOfProcess(), "from": "image"},
	})
	return path, err
})

// archiveDir is removed at the end of the process.
func archiveDir() string { return filepath.Join(os.TempDir(), markOfProcess()) }

func markOfProcess() string { return fmt.Sprintf("dockertest-%d", os.Getpid()) }

func TestDoubleConforms(t *testing.T) {
	path, err := archive()
	if err != nil {
		t.Fatal(err)
	}
	// Loaded once: to unpack it takes longer than most cases.
	first := New(Options{})
	defer first.Close()
	loader := &fixture{T: t, cli: first.Client()}
	defer loader.cli.Close()
	loader.load(path)
	runConformance(t, func(t *testing.T, body func(*fixture)) {
		synctest.Test(t, func(t *testing.T) {
			e := New(Options{})
			defer e.Close()
			f := &fixture{T: t, cli: e.Client(), mark: markOfProcess(), image: markOfProcess() + ":1", reg: &doubleSource{e}}
			defer f.cli.Close()
			e.images, e.refs = maps.Clone(first.images), maps.Clone(first.refs)
			body(f)
		})
	})
}

// doubleSource pushes images of the double's own making.
type doubleSource struct{ e *Engine }

func (d *doubleSource) host() string { return "registry.example" }
func (d *doubleSource) dead() string { return "dead.example" }

func (d *doubleSource) push(ref, salt string) {
	d.e.Registry().Push(ref, Image{Salt: salt, Config: container.Config{
		Entrypoint: []string{"/web"}, Labels: map[string]string{testimage.TestLabel: markOfProcess()},
	}})
	d.e.Registry().Fail(d.dead(), RegistryFault{Kind: Unreachable})
}

func (d *doubleSource) answer(status int) {
	kinds := map[int]string{401: Denied, 403: Forbidden, 429: Limited, 500: Broken}
	if status == 0 {
		d.e.Registry().Heal(d.host())
		return
	}
	d.e.Registry().Fail(d.host(), RegistryFault{Kind: kinds[status]})
}

// Helpers of the cases.

func (f *fixture) name(s string) string { return f.mark + "-" + s }

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// is fails unless err is of the kind.
func (f *fixture) is(what string, err error, kind func(error) bool) {
	f.Helper()
	if err == nil || !kind(err) {
		f.Errorf("%s: %v, which is of another kind than expected", what, err)
	}
}

func (f *fixture) load(path string) {
	f.Helper()
	file, err := os.Open(path)
	f.must(err)
	defer file.Close()
	resp, err := f.cli.ImageLoad(f.Context(), file)
	f.must(err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	f.must(err)
}

type spec struct {
	config  container.Config
	host    container.HostConfig
	network *network.NetworkingConfig
}

func (f *fixture) create(name string, cmd ...string) string {
	f.Helper()
	return f.createWith(name, spec{config: container.Config{Cmd: cmd}})
}

func (f *fixture) createWith(name string, s spec) string {
	f.Helper()
	id, err := f.tryCreate(name, s)
	f.must(err)
	return id
}

func (f *fixture) tryCreate(name string, s spec) (string, error) {
	if s.config.Image == "" {
		s.config.Image = f.image
	}
	resp, err := f.cli.ContainerCreate(f.Context(), &s.config, &s.host, s.network, nil, f.name(name))
	if err == nil {
		f.Cleanup(func() { f.discard(resp.ID) })
	}
	return resp.ID, err
}

func (f *fixture) discard(id string) {
	if !f.real {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_ = f.cli.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
}

func (f *fixture) start(id string) {
	f.Helper()
	f.must(f.cli.ContainerStart(f.Context(), id, container.StartOptions{}))
}

func (f *fixture) run(name string, cmd ...string) string {
	f.Helper()
	id := f.create(name, cmd...)
	f.start(id)
	f.settle()
	return id
}

// settle gives the program time to listen for signals.
func (f *fixture) settle() { time.Sleep(200 * time.Millisecond) }

func (f *fixture) inspect(id string) container.InspectResponse {
	f.Helper()
	c, err := f.cli.ContainerInspect(f.Context(), id)
	f.must(err)
	return c
}

// state fails unless the container is in the state, soon, with the exit code.
func (f *fixture) state(id, want string, code int) *container.State {
	f.Helper()
	var s *container.State
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if s = f.inspect(id).State; s.Status == want && s.ExitCode == code {
			return s
		}
	}
	f.Fatalf("state is %s with code %d, want %s with %d", s.Status, s.ExitCode, want, code)
	return nil
}

func (f *fixture) remove(id string) {
	f.Helper()
	f.must(f.cli.ContainerRemove(f.Context(), id, container.RemoveOptions{Force: true, RemoveVolumes: true}))
}

// record notes events of containers and images of the tests from now on. The
// function that it returns gives them once the last is as expected.
func (f *fixture) record(id string) (told func(last string) []string) {
	f.Helper()
	ctx, cancel := context.WithCancel(f.Context())
	f.Cleanup(cancel)
	msgs, errs := f.cli.Events(ctx, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", "container"), filters.Arg("container", id),
	)})
	time.Sleep(50 * time.Millisecond) // the engine answers before it listens
	return func(last string) []string {
		f.Helper()
		defer cancel()
		var out []string
		late := time.After(15 * time.Second)
		for {
			select {
			case m := <-msgs:
				s := string(m.Action)
				for _, k := range []string{"signal", "exitCode"} {
					if v, ok := m.Actor.Attributes[k]; ok {
						s += " " + v
					}
				}
				out = append(out, s)
				if s == last {
					return out
				}
			case err := <-errs:
				f.Fatalf("events: %v", err)
			case <-late:
				f.Fatalf("events are %q, and %q never came", out, last)
			}
		}
	}
}

func (f *fixture) told(got []string, want ...string) {
	f.Helper()
	if !slices.Equal(got, want) {
		f.Errorf("events are %q, want %q", got, want)
	}
}

func (f *fixture) list(args ...filters.KeyValuePair) []string {
	f.Helper()
	list, err := f.cli.ContainerList(f.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(
		append(args, filters.Arg("label", testimage.TestLabel+"="+f.mark))...)})
	f.must(err)
	var out []string
	for _, c := range list {
		out = append(out, strings.TrimPrefix(c.Names[0], "/"+f.mark+"-"))
	}
	slices.Sort(out)
	return out
}

func (f *fixture) imageID(ref string) string {
	f.Helper()
	i, err := f.cli.ImageInspect(f.Context(), ref)
	f.must(err)
	return i.ID
}

func (f *fixture) untag(ref string, force bool) ([]image.DeleteResponse, error) {
	return f.cli.ImageRemove(f.Context(), ref, image.RemoveOptions{Force: force, PruneChildren: true})
}

func isInternal(err error) bool { return errdefs.IsInternal(err) }
