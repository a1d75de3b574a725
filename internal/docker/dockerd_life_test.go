package docker

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/docker/docker/api/types/container"

	"reconciler/internal/job"
	"reconciler/internal/testimage"
)

// TestDockerd_Life is one container from the registry to the image's end.
func TestDockerd_Life(t *testing.T) {
	d := realDockerd(t)
	ctx := t.Context()
	addr, _, _ := d.registry()
	ref := addr + "/life:1"
	d.push(ref, d.image("", testimage.Options{}))

	res, err := d.Bring(ctx, job.ImageRequest{Ref: ref})
	if err != nil || !res.Ours {
		t.Fatalf("bring: %+v %v", res, err)
	}
	port := freePort(t)
	req := d.request(ref, res, func(r *job.ContainerRequest) {
		r.Task.Config.Args = []string{"-port", "${NOMAD_PORT_http}", "-text", "${NOMAD_JOB_NAME}", "-write", "/local/said=hello"}
		r.Task.Config.PortMap = map[string]int{"http": 80}
		r.Task.Config.Volumes = []string{"data:/data"}
		r.Alloc.Ports = []job.AllocPort{{Label: "http", Task: "web", HostIP: "127.0.0.1", Host: port, To: 80}}
	})
	id, err := d.Run(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	eventually(t, "an answer over HTTP", func() bool { s, err := fetch(url + "/text"); return err == nil && s == "shop" })
	if b, err := os.ReadFile(filepath.Join(d.Task(d.mark, "web").Local, "said")); err != nil || string(b) != "hello" {
		t.Errorf("the bind of /local: %q %v", b, err)
	}
	d.checkContainer(id, ref)

	if again, err := d.Run(ctx, req); err != nil || again != id {
		t.Errorf("run again: %s %v", again, err)
	}
	if err := d.RemoveImage(ctx, res.ID, []string{ref}); !errors.Is(err, ErrInUse) {
		t.Errorf("an image with a container was removed: %v", err)
	}
	d.changeAndStop(id, req)
	if err := d.RemoveImage(ctx, res.ID, []string{ref}); err != nil {
		t.Errorf("remove image: %v", err)
	}
	if local, err := d.localImage(ctx, res.ID); err != nil || local.id != "" {
		t.Errorf("still there: %+v %v", local, err)
	}
	if err := d.RemoveImage(ctx, res.ID, []string{ref}); err != nil {
		t.Errorf("remove image again: %v", err)
	}
	if id, err := d.Run(ctx, req); id != "" || reasonOf(err) != ReasonImageGone {
		t.Errorf("run without the image: %q %v", id, err)
	}
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	_, reason := job.KindOf(err)
	return reason
}

func (d *dockerd) checkContainer(id, ref string) {
	d.t.Helper()
	c := d.inspect(id)
	ident, ok, err := job.ParseLabels(c.Config.Labels)
	if !ok || err != nil || ident.AllocID != d.mark || ident.Attempt != 3 {
		d.t.Errorf("labels: %+v %v %v", ident, ok, err)
	}
	if c.Name != "/web-"+d.mark || c.Config.Image != ref || c.HostConfig.RestartPolicy.Name != "no" ||
		c.HostConfig.Memory != 64<<20 || c.HostConfig.MemorySwap != 64<<20 || c.HostConfig.LogConfig.Config["max-file"] != "3" {
		d.t.Errorf("container: %s %s %+v", c.Name, c.Config.Image, c.HostConfig)
	}
	if got := len(c.NetworkSettings.Ports); got != 2 {
		d.t.Errorf("%d ports published, want tcp and udp: %v", got, c.NetworkSettings.Ports)
	}
}

// changeAndStop goes through every action on a container that lives.
func (d *dockerd) changeAndStop(id string, req job.ContainerRequest) {
	t, ctx := d.t, d.t.Context()
	t.Helper()
	if err := d.Update(ctx, id, job.Limits{CPUShares: 500, MemoryBytes: 96 << 20}); err != nil {
		t.Errorf("update: %v", err)
	}
	if h := d.inspect(id).HostConfig; h.CPUShares != 500 || h.Memory != 96<<20 || h.MemorySwap != 96<<20 {
		t.Errorf("after update: %+v", h.Resources)
	}
	if err := d.cli.ContainerPause(ctx, id); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Unpause(ctx, id); err != nil {
			t.Errorf("unpause: %v", err)
		}
		// An engine on a busy machine says so a moment after it is done.
		eventually(t, "the container goes on", func() bool { return d.inspect(id).State.Status == container.StateRunning })
	}
	for range 2 {
		if err := d.Rename(ctx, id, "web-"+d.mark+"-3"); err != nil {
			t.Errorf("rename: %v", err)
		}
	}
	if err := d.Remove(ctx, id); reasonOf(err) != ReasonContainerLive {
		t.Errorf("a container that runs was removed: %v", err)
	}
	if err := d.Kill(ctx, id, ""); err != nil {
		t.Errorf("kill: %v", err)
	}
	eventually(t, "the container ended", func() bool { return d.inspect(id).State.Status == container.StateExited })
	if err := d.Kill(ctx, id, "SIGTERM"); err != nil {
		t.Errorf("kill what has ended: %v", err)
	}
	if err := d.Rename(ctx, id, "web-"+d.mark); err != nil {
		t.Errorf("rename: %v", err)
	}
	if again, err := d.Run(ctx, req); err != nil || again != id || d.inspect(id).State.Running {
		t.Errorf("run of an attempt that has ended: %s %v", again, err)
	}
	req.Attempt++
	if _, err := d.Run(ctx, req); reasonOf(err) != ReasonNameTaken {
		t.Errorf("the name is taken: %v", err)
	}
	for range 2 {
		if err := d.Remove(ctx, id); err != nil {
			t.Errorf("remove: %v", err)
		}
	}
	if err := d.Start(ctx, id); reasonOf(err) != ReasonContainerGone {
		t.Errorf("start of what is gone: %v", err)
	}
}

func TestDockerd_CannotStart(t *testing.T) {
	d := realDockerd(t)
	ctx := t.Context()
	tag := "reconciler-test-" + d.mark + ":1"
	ref := "docker.io/library/" + tag
	path := filepath.Join(d.Task(d.mark, "web").Local, "web.tar")
	if err := testimage.WriteArchive(path, []string{tag}, d.image("", testimage.Options{})); err != nil {
		t.Fatal(err)
	}
	res, err := d.Bring(ctx, job.ImageRequest{Task: "web", AllocID: d.mark, Ref: ref, Load: "web.tar"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for _, tc := range []struct {
		name   string
		change func(r *job.ContainerRequest)
		kind   job.Kind
		reason string
	}{
		{"port taken", func(r *job.ContainerRequest) {
			r.Alloc.Ports = []job.AllocPort{{Label: "http", Task: "web", HostIP: "127.0.0.1", Host: port, To: 80}}
		}, job.Retried, ReasonPortTaken},
		{"network missing", func(r *job.ContainerRequest) { r.Task.Config.NetworkMode = "no-" + d.mark }, job.Retried, ReasonNetworkMissing},
		{"no such command", func(r *job.ContainerRequest) { r.Task.Config.Entrypoint = []string{"/no/such"} }, job.WaitsForUser, ReasonInvalidConfig},
		{"mount twice", func(r *job.ContainerRequest) { r.Task.Config.Volumes = []string{"a:/local"} }, job.WaitsForUser, ReasonInvalidConfig},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id, err := d.Run(ctx, d.request(ref, res, tc.change))
			if id != "" {
				defer func() { _ = d.Remove(ctx, id) }()
			}
			kind, reason := job.KindOf(err)
			if err == nil || kind != tc.kind || reason != tc.reason {
				t.Errorf("%s %s: %v", kind, reason, err)
			}
			if id == "" {
				return
			}
			// The container that cannot start is found again by the next try.
			if again, err := d.Run(ctx, d.request(ref, res, tc.change)); again != id || err == nil {
				t.Errorf("the next try: %q %v", again, err)
			}
		})
	}
}
