package docker

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"reconciler/internal/job"
	"reconciler/internal/testimage"
)

// TestDockerd_PullErrors shows that the statuses of this engine tell apart
// what the texts would.
func TestDockerd_PullErrors(t *testing.T) {
	d := realDockerd(t)
	ctx := t.Context()
	addr, answer, stop := d.registry()
	there := addr + "/there:1"
	d.push(there, d.image("", testimage.Options{}))
	try := func(what, ref, want string) {
		t.Helper()
		if _, err := d.Bring(ctx, job.ImageRequest{Ref: ref, Ask: true, Force: true}); reasonOf(err) != want {
			t.Errorf("%s: %v is %s, want %s", what, err, reasonOf(err), want)
		}
	}
	try("no such repository", addr+"/nothing:1", ReasonImageNotFound)
	try("no such tag", addr+"/there:2", ReasonImageNotFound)
	answer.Store(http.StatusForbidden)
	try("403", there, ReasonPullDenied)
	answer.Store(http.StatusUnauthorized)
	try("401", there, ReasonPullDenied)
	answer.Store(http.StatusTooManyRequests)
	try("429", there, ReasonRegistryUnreachable)
	answer.Store(http.StatusServiceUnavailable)
	try("503", there, ReasonRegistryUnreachable)
	answer.Store(0)
	if res, err := d.Bring(ctx, job.ImageRequest{Ref: there}); err != nil || !res.Ours {
		t.Fatalf("%+v %v", res, err)
	}
	stop()
	try("nobody there", addr+"/there:2", ReasonRegistryUnreachable)
	try("nobody there, force_pull", there, ReasonRegistryUnreachable)
	var told notice
	res, err := d.Bring(ctx, job.ImageRequest{Ref: there, Ask: true, Warn: told.take})
	if err != nil || !res.Ours || !strings.Contains(told.message, "local copy") {
		t.Errorf("the local copy: %+v %v", res, err)
	}
	if open := d.prov.openIntents(); len(open) > 0 {
		t.Errorf("intents left open: %v", open)
	}
}

// TestDockerd_SupersededLatest: the tag moves on, the old id is removed by id
// and the new one by its reference; a stranger's tag keeps the layers.
func TestDockerd_SupersededLatest(t *testing.T) {
	d := realDockerd(t)
	ctx := t.Context()
	addr, _, _ := d.registry()
	ref := addr + "/moving:latest"
	bring := func(salt string) job.ImageResult {
		t.Helper()
		d.push(ref, d.image(salt, testimage.Options{}))
		res, err := d.Bring(ctx, job.ImageRequest{Ref: ref, Ask: true})
		if err != nil || !res.Ours {
			t.Fatalf("%+v %v", res, err)
		}
		return res
	}
	old, current := bring("a"), bring("b")
	if old.ID == current.ID {
		t.Fatal("the tag did not move")
	}
	if err := d.RemoveImage(ctx, old.ID, []string{ref}); err != nil {
		t.Errorf("superseded: %v", err)
	}
	if local, _ := d.localImage(ctx, old.ID); local.id != "" {
		t.Errorf("the superseded image is still there: %+v", local)
	}
	if local, _ := d.localImage(ctx, ref); local.id != current.ID {
		t.Errorf("the current image went with it: %+v", local)
	}
	stranger := "reconciler-test-" + d.mark + ":1"
	if err := d.cli.ImageTag(ctx, ref, stranger); err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveImage(ctx, current.ID, []string{ref}); err != nil {
		t.Errorf("with a stranger's tag: %v", err)
	}
	if local, _ := d.localImage(ctx, stranger); local.id != current.ID {
		t.Error("the stranger's tag went")
	}
	if local, _ := d.localImage(ctx, ref); local.id != "" {
		t.Error("our reference is still there")
	}
}

func TestDockerd_Digests(t *testing.T) {
	d := realDockerd(t)
	ctx := t.Context()
	addr, _, _ := d.registry()
	img := d.image("", testimage.Options{})
	d.push(addr+"/pinned:1", img)
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{addr + "/pinned@" + digest.String(), addr + "/pinned:1@" + digest.String()} {
		res, err := d.Bring(ctx, job.ImageRequest{Ref: ref})
		if err != nil || !res.Ours {
			t.Fatalf("%s: %+v %v", ref, res, err)
		}
		id, err := d.Run(ctx, d.request(ref, res, nil))
		if err != nil || d.inspect(id).Image != res.ID {
			t.Fatalf("%s: %v", ref, err)
		}
		if err := d.cli.ContainerRemove(ctx, id, container.RemoveOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
		if err := d.RemoveImage(ctx, res.ID, []string{ref}); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
		if local, _ := d.localImage(ctx, res.ID); local.id != "" {
			t.Errorf("%s is still there: %+v", ref, local)
		}
	}
}

func TestDockerd_Load(t *testing.T) {
	d := realDockerd(t)
	ctx := t.Context()
	tag := "reconciler-test-" + d.mark + ":1"
	ref := "docker.io/library/" + tag
	req := job.ImageRequest{Task: "web", AllocID: d.mark, Ref: ref, Load: "web.tar"}
	if _, err := d.Bring(ctx, req); reasonOf(err) != ReasonArchiveMissing {
		t.Errorf("no archive: %v", err)
	}
	write := func(salt string, tags ...string) {
		t.Helper()
		path := filepath.Join(d.Task(d.mark, "web").Local, "web.tar")
		if err := testimage.WriteArchive(path, tags, d.image(salt, testimage.Options{})); err != nil {
			t.Fatal(err)
		}
	}
	write("a", "other-"+tag)
	if _, err := d.Bring(ctx, req); reasonOf(err) != ReasonArchiveWithoutImage || !strings.Contains(err.Error(), "other-"+tag) {
		t.Errorf("another image: %v", err)
	}
	write("a", tag)
	first, err := d.Bring(ctx, req)
	if err != nil || !first.Ours {
		t.Fatalf("%+v %v", first, err)
	}
	d.loaded = newLoadedArchives() // a restart: the ids tell that nothing is new
	if again, err := d.Bring(ctx, req); err != nil || again != first {
		t.Errorf("again: %+v %v", again, err)
	}
	write("b", tag)
	second, err := d.Bring(ctx, req)
	if err != nil || !second.Ours || second.ID == first.ID {
		t.Fatalf("a changed archive: %+v %v", second, err)
	}
	for _, id := range []string{first.ID, second.ID} {
		if err := d.RemoveImage(ctx, id, []string{ref}); err != nil {
			t.Errorf("remove %s: %v", id, err)
		}
		if local, _ := d.localImage(ctx, id); local.id != "" {
			t.Errorf("%s is still there", id)
		}
	}
}

// TestDockerd_CancelledPull: a registry that stalls in the middle of a layer.
func TestDockerd_CancelledPull(t *testing.T) {
	d := realDockerd(t)
	release := make(chan struct{})
	var stalled atomic.Bool
	addr, end, err := testimage.StartRegistry(func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
				stalled.Store(true)
				select {
				case <-release:
				case <-r.Context().Done():
				}
			}
			h.ServeHTTP(w, r)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	defer close(release)
	ref := addr + "/slow:1"
	d.push(ref, d.image("", testimage.Options{}))
	ctx, cancel := context.WithCancel(t.Context())
	got := bring(ctx, d.Engine, job.ImageRequest{Ref: ref})
	eventually(t, "the registry is asked for a layer", stalled.Load)
	if p := d.Progress(); len(p) != 1 || p[0].Ref != ref || p[0].Waiters != 1 {
		b, _ := json.Marshal(p)
		t.Errorf("progress: %s", b)
	}
	cancel()
	if b := <-got; reasonOf(b.err) != ReasonCancelled {
		t.Errorf("%+v", b)
	}
	// Silence is measured on the engine's stream, so this one is cut as well.
	d.opts.PullActivityTimeout = 300 * time.Millisecond
	_, err = d.Bring(t.Context(), job.ImageRequest{Ref: ref})
	if reasonOf(err) != ReasonImagePullFailed || !strings.Contains(err.Error(), errSilent.Error()) {
		t.Errorf("a stalled registry: %v", err)
	}
	if open := d.prov.openIntents(); len(open) > 0 || slices.Contains(d.prov.idsOurs(), "") {
		t.Errorf("books: %v %v", open, d.prov.idsOurs())
	}
}
