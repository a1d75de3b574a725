package observed

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"
	"github.com/sirupsen/logrus"

	"reconciler/internal/job"
	"reconciler/store"
)

// program is the only file of the test's image: it sleeps, or eats memory.
const program = `package main

import (
	"os"
	"time"
)

func main() {
	for eaten := [][]byte{}; len(os.Args) > 1; {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = 1
		}
		eaten = append(eaten, b)
	}
	time.Sleep(time.Hour)
}
`

// realEngine is a test's corner of the dockerd of this machine: everything in
// it carries the label reconciler.test=TAG, and goes by that label.
type realEngine struct {
	*client.Client
	tag string
	ref string
}

func newRealEngine(t *testing.T) *realEngine {
	t.Helper()
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Skipf("no Docker client: %v", err)
	}
	t.Cleanup(func() { _ = cli.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := cli.Ping(ctx); err != nil {
		t.Skipf("no dockerd: %v", err)
	}
	e := &realEngine{Client: cli, tag: fmt.Sprintf("observed-%d", os.Getpid())}
	e.ref = "reconciler-test:" + e.tag
	t.Cleanup(func() { e.clean(t) })
	e.load(t)
	return e
}

func (e *realEngine) label() filters.Args {
	return filters.NewArgs(filters.Arg("label", "reconciler.test="+e.tag))
}

func (e *realEngine) clean(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	list, err := e.ContainerList(ctx, container.ListOptions{All: true, Filters: e.label()})
	if err != nil {
		t.Errorf("clean: %v", err)
	}
	for _, c := range list {
		_ = e.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true})
	}
	images, err := e.ImageList(ctx, image.ListOptions{Filters: e.label()})
	if err != nil {
		t.Errorf("clean: %v", err)
	}
	for _, i := range images {
		_, _ = e.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true})
	}
}

// load makes the image from a static Go binary, without a registry.
func (e *realEngine) load(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	src, bin := filepath.Join(dir, "main.go"), filepath.Join(dir, "app")
	if err := os.WriteFile(src, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, src)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Name: "app", Mode: 0o755, Size: int64(len(b))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := e.ImageImport(t.Context(), image.ImportSource{Source: &buf, SourceName: "-"}, e.ref, image.ImportOptions{
		Changes: []string{`ENTRYPOINT ["/app"]`, "LABEL reconciler.test=" + e.tag},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
}

// run creates and starts a container; name is its task, labels what it says.
func (e *realEngine) run(t *testing.T, name string, labels map[string]string, cmd []string, host container.HostConfig) string {
	t.Helper()
	labels["reconciler.test"] = e.tag
	r, err := e.ContainerCreate(t.Context(), &container.Config{
		Image: e.ref, Cmd: cmd, Labels: labels, StopSignal: "SIGQUIT", ExposedPorts: nat.PortSet{"80/tcp": {}},
	}, &host, nil, nil, e.tag+"-"+name)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.ContainerStart(t.Context(), r.ID, container.StartOptions{}); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// soon waits, with a deadline that an overloaded machine keeps as well.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	begin := time.Now()
	for !ok() {
		if time.Since(begin) > 15*time.Second {
			t.Fatalf("not within 15 s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Logf("%s: %s", what, time.Since(begin).Round(time.Millisecond))
}

// TestFollowsDockerd is the cache against the dockerd of this machine.
func TestFollowsDockerd(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: dockerd is left alone")
	}
	e := newRealEngine(t)
	id := func(jobName string) map[string]string {
		return job.Identity{
			NodeID: e.tag, Job: jobName, Group: "g", Task: "t", AllocID: jobName + "-alloc",
			Attempt: 1, SpecHash: "v1:x",
		}.Labels()
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	rec := &memory{rows: map[string]store.ContainerRecord{}}
	c := newCache(e.Client, e.tag, rec, log)
	before := e.run(t, "before", id("before"), nil, container.HostConfig{})

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	}()
	state := func(id string) State { return c.peek(id).State }

	soon(t, "synced with what runs already", func() bool { return c.Synced() && state(before) == Running })
	if got := c.Engine(); got.ID == "" || got.Version == "" || got.APIVersion == "" {
		t.Errorf("Engine() = %+v", got)
	}
	if want := interfaceIP("docker0"); want != "" && c.Engine().BridgeIP != want {
		t.Errorf("BridgeIP = %q, docker0 has %s", c.Engine().BridgeIP, want)
	}

	pids := int64(64)
	web := e.run(t, "web", id("web"), nil, container.HostConfig{
		PortBindings: nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1"}}},
		Resources:    container.Resources{Memory: 64 << 20, MemorySwap: 64 << 20, CPUShares: 128, MemoryReservation: 32 << 20, CPUPeriod: 100_000, CPUQuota: 50_000, PidsLimit: &pids},
	})
	soon(t, "a start is seen", func() bool { return state(web) == Running })
	got := c.Alloc("web-alloc")[0]
	if len(got.Ports) != 1 || got.Ports[0].HostIP != "127.0.0.1" || got.Ports[0].Host == 0 || got.Ports[0].To != 80 {
		t.Errorf("Ports = %+v", got.Ports)
	}
	if got.MemorySoft != 32<<20 || got.CPUPeriod != 100_000 || got.CPUQuota != 50_000 || got.PidsLimit != pids ||
		got.MemoryBytes != 64<<20 || got.CPUShares != 128 || got.RestartPolicy != "no" || got.StopSignal != "SIGQUIT" {
		t.Errorf("%+v", got)
	}
	if got.Networks["bridge"].IPAddress == "" || got.StartedAt.IsZero() || !got.Live() {
		t.Errorf("%+v", got)
	}
	imageIDs := []string{}
	images, _ := c.Images()
	for _, i := range images {
		if slices.Contains(i.Refs, "docker.io/library/"+e.ref) {
			imageIDs = append(imageIDs, i.ID)
		}
	}
	if !slices.Equal(imageIDs, []string{got.ImageID}) {
		t.Errorf("images called %s: %v, the container has %s", e.ref, imageIDs, got.ImageID)
	}

	stranger := e.run(t, "stranger", map[string]string{}, nil, container.HostConfig{})
	soon(t, "a stranger is seen", func() bool { return state(stranger) == Running })

	must(t, e.ContainerPause(ctx, web))
	soon(t, "a pause is seen", func() bool { return state(web) == Paused })
	must(t, e.ContainerUnpause(ctx, web))
	must(t, e.ContainerRename(ctx, web, e.tag+"-web-1"))
	soon(t, "unpause and rename are seen", func() bool {
		w, ok := c.ByName(e.tag + "-web-1")
		return ok && w.State == Running
	})
	must(t, e.ContainerKill(ctx, web, "KILL"))
	soon(t, "a kill is seen", func() bool { return state(web) == Exited && c.peek(web).ExitCode == 137 })
	if r, ok := rec.row(e.tag + "-web-1"); !ok || r.ExitCode != 137 || r.State != string(Exited) {
		t.Errorf("record = %+v, %v", r, ok)
	}
	moved, err := c.relist(ctx, false)
	for _, id := range moved {
		if id == web || id == before || id == stranger { // others' containers come and go
			t.Errorf("a list shows %.12s unlike what events told", id)
		}
	}
	must(t, err)

	must(t, e.ContainerRemove(ctx, stranger, container.RemoveOptions{Force: true}))
	must(t, e.ContainerRemove(ctx, web, container.RemoveOptions{}))
	must(t, c.Refresh(ctx, web))
	if len(c.Job("web")) != 0 {
		t.Error("a removed container is still there after its refresh")
	}
	soon(t, "the removal of a stranger is seen", func() bool { return state(stranger) == "" })
	soon(t, "the record goes", func() bool { return len(rec.Names()) == 1 })

	if info, err := e.Info(ctx); err != nil || !info.MemoryLimit {
		t.Logf("oom not tested: the engine has no memory limit (%v)", err)
		return
	}
	// Now and then an engine does not notice itself why the kernel killed one.
	eater, noticed := "", false
	for i := 0; i < 5 && !noticed; i++ {
		eater = e.run(t, fmt.Sprintf("eater%d", i), id("eater"), []string{"eat"}, container.HostConfig{
			Resources: container.Resources{Memory: 16 << 20, MemorySwap: 16 << 20},
		})
		soon(t, "an exit is seen", func() bool { return state(eater) == Exited })
		is, err := e.ContainerInspect(ctx, eater)
		must(t, err)
		noticed = is.State.OOMKilled
	}
	if !noticed {
		t.Fatal("the engine does not tell of an oom kill")
	}
	soon(t, "an oom kill is seen", func() bool { return c.peek(eater).OOMKilled })
	soon(t, "an oom kill is recorded", func() bool {
		rec.mu.Lock()
		defer rec.mu.Unlock()
		return slices.ContainsFunc(rec.events, func(ev store.Event) bool {
			return ev.Reason == ReasonOOMKilled && ev.Job == "eater"
		})
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
