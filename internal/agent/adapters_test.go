package agent

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/desired"
	"reconciler/internal/allocdir"
	"reconciler/internal/docker"
	"reconciler/internal/host"
	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// view is a list of containers, or the lack of one.
type view struct {
	all []observed.Container
	ok  bool
}

func (v view) Containers() ([]observed.Container, bool) { return v.all, v.ok }

func mine(name string, gen uint64, group, hash string) observed.Container {
	return observed.Container{Ours: true, Identity: job.Identity{Job: name, Generation: gen, Group: group, SpecHash: hash}}
}

func TestRunningJobs(t *testing.T) {
	stranger := observed.Container{Identity: job.Identity{Job: "theirs", Generation: 1}}
	for _, tc := range []struct {
		name string
		view view
		want map[string]desired.RunningJob
	}{
		{"nothing", view{nil, true}, map[string]desired.RunningJob{}},
		{"strangers", view{[]observed.Container{stranger}, true}, map[string]desired.RunningJob{}},
		{
			"the newest generation, by group",
			view{[]observed.Container{mine("a", 2, "g", "h2"), mine("a", 1, "g", "h1"), mine("a", 2, "k", "k2"), mine("b", 7, "g", "h7")}, true},
			map[string]desired.RunningJob{
				"a": {Generation: 2, Hashes: map[string]string{"g": "h2", "k": "k2"}},
				"b": {Generation: 7, Hashes: map[string]string{"g": "h7"}},
			},
		},
		{
			"an older one first",
			view{[]observed.Container{mine("a", 1, "old", "h1"), mine("a", 2, "g", "h2")}, true},
			map[string]desired.RunningJob{"a": {Generation: 2, Hashes: map[string]string{"g": "h2"}}},
		},
		{"a list that is not to be trusted", view{[]observed.Container{mine("a", 1, "g", "h")}, false}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := runningJobs{tc.view}.RunningJobs()
			if diff := cmp.Diff(tc.want, got); diff != "" || ok != tc.view.ok {
				t.Errorf("ok %t, jobs (-want +got):\n%s", ok, diff)
			}
		})
	}
}

// TestPublishedPorts: what was last seen counts also while dockerd is away,
// and a stranger's port as well as ours.
func TestPublishedPorts(t *testing.T) {
	ours := observed.Container{
		Name: "web", Ours: true, Identity: job.Identity{AllocID: "id"},
		Ports: []observed.PublishedPort{{HostIP: "127.0.0.1", Host: 80}, {Host: 81}},
	}
	stranger := observed.Container{Name: "x", Ports: []observed.PublishedPort{{Host: 90}}}
	want := []host.PublishedPort{
		{HostIP: "127.0.0.1", Host: 80, AllocID: "id", Container: "web"},
		{Host: 81, AllocID: "id", Container: "web"},
		{Host: 90, Container: "x"},
	}
	for _, ok := range []bool{true, false} {
		if diff := cmp.Diff(want, publishedPorts{view{[]observed.Container{ours, stranger}, ok}}.list()); diff != "" {
			t.Errorf("synced %t (-want +got):\n%s", ok, diff)
		}
	}
}

func TestDockerDirs(t *testing.T) {
	dir := t.TempDir()
	dirs := allocdir.New(dir)
	d := dockerDirs{dirs}
	task := filepath.Join(dir, "allocs", "id", "web")
	p, want := d.Task("id", "web"), dirs.Task("id", "web")
	if p.Alloc != want.Alloc || p.Local != want.Local || p.Secrets != want.Secrets || p.Dir != want.Dir || p.Dir == "" {
		t.Errorf("%+v, want %+v (as %s)", p, want, task)
	}
	if _, err := d.Resolve("id", "web", "../../../etc"); err == nil {
		t.Error("a path out of the allocation was let through")
	}
}

// loadSource is the source of an image that came from an archive.
const loadSource = "/y.tar"

// ledger is a provenance on a store whose recorder runs.
func ledger(t *testing.T) *provenance {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "data"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- st.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return &provenance{st: st, now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }}
}

func TestProvenance(t *testing.T) {
	const ref = "docker.io/library/app:1"
	p := ledger(t)
	if err := p.Intend(t.Context(), ref, loadSource); err != nil {
		t.Fatal(err)
	}
	if at, err := p.st.LastCommit(); at.IsZero() || err != nil || !p.Intended(ref) {
		t.Errorf("the intent is not in the file: committed %s, %v", at, err)
	}
	p.Done(ref, docker.SourcePull, "sha256:1", true, 42)
	want := store.ImageProvenance{Refs: []string{ref}, Source: loadSource, Size: 42, At: p.now()}
	got, _ := p.st.Provenance.Get("sha256:1")
	if diff := cmp.Diff(want, got); diff != "" || p.Intended(ref) || !p.Known("sha256:1") {
		t.Errorf("after it was loaded: intended %t (-want +got):\n%s", p.Intended(ref), diff)
	}
	p.Done("docker.io/library/app:2", docker.SourcePull, "sha256:1", true, 42)
	if got, _ := p.st.Provenance.Get("sha256:1"); len(got.Refs) != 2 || got.Source != loadSource {
		t.Errorf("a second reference of one image: %+v", got)
	}
	// A reference that was there has moved: there was no intent.
	p.Done(ref, "/x.tar", "sha256:3", true, 7)
	want = store.ImageProvenance{Refs: []string{ref}, Source: "/x.tar", Size: 7, At: p.now()}
	if got, _ := p.st.Provenance.Get("sha256:3"); !cmp.Equal(want, got) {
		t.Errorf("without an intent (-want +got):\n%s", cmp.Diff(want, got))
	}
	p.Forget("sha256:1")
	if p.Known("sha256:1") {
		t.Error("a record outlived its image")
	}
}

// TestProvenanceOfOthers: an image that somebody else brought meanwhile, and
// one that did not come, are not ours; the intent ends all the same.
func TestProvenanceOfOthers(t *testing.T) {
	p := ledger(t)
	for _, tc := range []struct {
		id   string
		ours bool
	}{{"sha256:2", false}, {"", true}} {
		if err := p.Intend(t.Context(), "app", docker.SourcePull); err != nil {
			t.Fatal(err)
		}
		p.Done("app", docker.SourcePull, tc.id, tc.ours, 1)
		if p.Intended("app") || p.st.Provenance.Len() > 0 {
			t.Errorf("%+v: intended %t, %d records", tc, p.Intended("app"), p.st.Provenance.Len())
		}
	}
	if err := p.Intend(t.Context(), "app", docker.SourcePull); err != nil {
		t.Fatal(err)
	}
	if p.DropIntent("app"); p.Intended("app") {
		t.Error("a dropped intent is there")
	}
}
