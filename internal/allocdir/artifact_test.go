package allocdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

// fetching makes the directories of tasks web and db of an allocation that may
// have artifacts from anywhere.
func fetching(t *testing.T) *Dirs {
	t.Helper()
	d := New(t.TempDir(), LocalSources(true))
	mustBuild(t, d, allocID, group(job.Task{Name: "web"}, job.Task{Name: "db"}))
	return d
}

// site serves the pages by path and counts the requests.
func site(t *testing.T, pages map[string][]byte) (base string, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		page, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write(page)
	}))
	t.Cleanup(s.Close)
	return s.URL, requests
}

// fetch brings artifacts for the task web.
func fetch(t *testing.T, d *Dirs, artifacts ...job.Artifact) error {
	t.Helper()
	err := d.Fetch(t.Context(), allocID, "web", artifacts)
	noStages(t, d)
	return err
}

func mustFetch(t *testing.T, d *Dirs, artifacts ...job.Artifact) {
	t.Helper()
	if err := fetch(t, d, artifacts...); err != nil {
		t.Fatal(err)
	}
}

// noStages checks that nothing is left of what was prepared.
func noStages(t *testing.T, d *Dirs) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(d.root, stagesName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) || len(left) != 0 {
		t.Errorf("left of what was prepared: %v, %v", left, err)
	}
}

// wants checks the kind and the reason of an error.
func wants(t *testing.T, err error, kind job.Kind, reason string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", reason)
	}
	if k, r := job.KindOf(err); k != kind || r != reason {
		t.Errorf("%s %s, want %s %s: %v", k, r, kind, reason, err)
	}
}

// local is the content of the files in the task's local directory.
func local(t *testing.T, d *Dirs) map[string]string {
	t.Helper()
	return content(t, d.Task(allocID, "web").Local)
}

func content(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if e.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			out[rel] = "-> " + target
			return err
		}
		b, err := os.ReadFile(path)
		out[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t *testing.T, want, got map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files differ (-want +got):\n%s", diff)
	}
}

func write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func TestFetchOverHTTP(t *testing.T) {
	base, _ := site(t, map[string][]byte{"/dir/app.bin": []byte("program")})
	d := fetching(t)
	mustFetch(t, d,
		job.Artifact{Source: base + "/dir/app.bin"},
		job.Artifact{Source: base + "/dir/app.bin?v=1", Destination: "local/deep/er"},
		job.Artifact{Source: base + "/dir/app.bin", Destination: "local/as", Mode: job.ArtifactFile},
		job.Artifact{Source: base + "/dir/app.bin", Destination: "/local/abs"},
		job.Artifact{Source: "http::" + base + "/dir/app.bin", Destination: "${x}/"},
		job.Artifact{Source: base + "/dir/app.bin", Options: map[string]string{"filename": "named"}},
		job.Artifact{Source: base + "/dir/app.bin", Destination: "/secrets"},
	)
	same(t, map[string]string{
		"app.bin": "program", "deep/er/app.bin": "program", "as": "program", "abs/app.bin": "program", "named": "program",
	}, local(t, d))
	p := d.Task(allocID, "web")
	same(t, map[string]string{"app.bin": "program"}, content(t, filepath.Join(p.Dir, "${x}")))
	same(t, map[string]string{"app.bin": "program"}, content(t, p.Secrets))
	for path, want := range map[string]fs.FileMode{"app.bin": 0o644, "deep": fs.ModeDir | 0o777, "deep/er": fs.ModeDir | 0o777} {
		if info, err := os.Stat(filepath.Join(p.Local, path)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
}

// The file modes do not depend on how the agent was started.
func TestFetchWhateverTheUmask(t *testing.T) {
	d := fetching(t)
	base, _ := site(t, map[string][]byte{"/f": []byte("x"), "/a.tar": tarOf(t, file("implicit/run", "x", 0o755))})
	old := syscallUmask(0o077)
	err := d.Fetch(t.Context(), allocID, "web", []job.Artifact{{Source: base + "/f"}, {Source: base + "/a.tar", Destination: "local/new"}})
	syscallUmask(old)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{"f": 0o644, "new": fs.ModeDir | 0o777, "new/implicit": fs.ModeDir | 0o755, "new/implicit/run": 0o755} {
		if info, err := os.Stat(filepath.Join(d.Task(allocID, "web").Local, path)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info, err, want)
		}
	}
}

func TestFetchOnce(t *testing.T) {
	base, requests := site(t, map[string][]byte{"/a": []byte("a"), "/b": []byte("b")})
	d := fetching(t)
	a := job.Artifact{Source: base + "/a", Options: map[string]string{"x": "1", "y": "2", "z": "3"}}
	mustFetch(t, d, a)
	write(t, filepath.Join(d.Task(allocID, "web").Local, "a"), "changed by the task", 0o644)
	mustFetch(t, d, a, a)
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
	same(t, map[string]string{"a": "changed by the task"}, local(t, d))

	// Another agent process, another task, another spelling, another allocation.
	again := New(filepath.Dir(d.root))
	if err := again.Fetch(t.Context(), allocID, "web", []job.Artifact{a}); err != nil || requests.Load() != 1 {
		t.Errorf("%v, %d requests", err, requests.Load())
	}
	if err := d.Fetch(t.Context(), allocID, "db", []job.Artifact{a}); err != nil || requests.Load() != 2 {
		t.Errorf("%v, %d requests", err, requests.Load())
	}
	mustFetch(t, d, job.Artifact{Source: base + "/a"})
	if requests.Load() != 3 {
		t.Errorf("%d requests", requests.Load())
	}
	mustBuild(t, d, "other", group(job.Task{Name: "web"}))
	if err := d.Fetch(t.Context(), "other", "web", []job.Artifact{a}); err != nil || requests.Load() != 4 {
		t.Errorf("%v, %d requests", err, requests.Load())
	}
}

// What goes with its directory is fetched again for a new one of its name.
func TestRemoveForgetsArtifacts(t *testing.T) {
	base, requests := site(t, map[string][]byte{"/a": []byte("a")})
	d := fetching(t)
	a := job.Artifact{Source: base + "/a"}
	mustFetch(t, d, a)
	if err := d.Remove(allocID); err != nil {
		t.Fatal(err)
	}
	if ids, err := d.List(); err != nil || len(ids) != 0 {
		t.Errorf("%v, %v", ids, err)
	}
	mustBuild(t, d, allocID, group(job.Task{Name: "web"}))
	mustFetch(t, d, a)
	if n := requests.Load(); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func TestFailedArtifactIsTriedAgainAndStopsThoseBehind(t *testing.T) {
	pages := map[string][]byte{"/a": []byte("a"), "/c": []byte("c")}
	base, requests := site(t, pages)
	d := fetching(t)
	all := []job.Artifact{{Source: base + "/a"}, {Source: base + "/b"}, {Source: base + "/c"}}
	wants(t, fetch(t, d, all...), job.WaitsForUser, ReasonArtifactNotFound)
	same(t, map[string]string{"a": "a"}, local(t, d))
	pages["/b"] = []byte("b")
	mustFetch(t, d, all...)
	same(t, map[string]string{"a": "a", "b": "b", "c": "c"}, local(t, d))
	if n := requests.Load(); n != 4 {
		t.Errorf("%d requests", n)
	}
}

func TestFetchNeedsTheDirectories(t *testing.T) {
	base, _ := site(t, map[string][]byte{"/a": []byte("a")})
	d := fetching(t)
	for _, at := range [][2]string{{"nobody", "web"}, {allocID, "nobody"}} {
		err := d.Fetch(t.Context(), at[0], at[1], []job.Artifact{{Source: base + "/a"}})
		wants(t, err, job.Retried, ReasonIO)
	}
	for _, at := range [][2]string{{"../x", "web"}, {allocID, "../web"}, {allocID, ".artifacts"}, {stagesName, "web"}} {
		err := d.Fetch(t.Context(), at[0], at[1], []job.Artifact{{Source: base + "/a"}})
		wants(t, err, job.WaitsForUser, ReasonName)
	}
	if err := fetch(t, d); err != nil {
		t.Errorf("nothing to fetch: %v", err)
	}
}

// What a crash left goes with the next artifact; what another process holds
// does not.
func TestLeftoversAreSwept(t *testing.T) {
	base, _ := site(t, map[string][]byte{"/a": []byte("a")})
	d := fetching(t)
	stages := filepath.Join(d.root, stagesName)
	held, err := d.newStage()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(stages, "dead", "tree", "half"), "x", 0o600)
	if err := d.Fetch(t.Context(), allocID, "web", []job.Artifact{{Source: base + "/a"}}); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(stages)
	if err != nil || len(left) != 1 || left[0].Name() != filepath.Base(held.path) {
		t.Errorf("%v, %v", left, err)
	}
	if info, err := os.Stat(stages); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	held.remove()
	noStages(t, d)
}

// At most fetchSlots at once, and one that waits for its turn ends with its
// context.
func TestSlots(t *testing.T) {
	var now, most atomic.Int64
	hold := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-hold
		_, _ = fmt.Fprint(w, r.URL.Path)
	}))
	defer s.Close()
	d := New(t.TempDir())
	var wg sync.WaitGroup
	for i := range 4 {
		id := fmt.Sprintf("alloc%d", i)
		mustBuild(t, d, id, group(job.Task{Name: "web"}, job.Task{Name: "db"}))
		for _, task := range []string{"web", "db"} {
			wg.Go(func() {
				err := d.Fetch(t.Context(), id, task, []job.Artifact{{Source: s.URL + "/1/" + id}, {Source: s.URL + "/2/" + task}})
				if err != nil {
					t.Errorf("%s %s: %v", id, task, err)
				}
			})
		}
	}
	for now.Load() < fetchSlots {
		time.Sleep(time.Millisecond) // a real server: no bubble to wait in
	}
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error)
	go func() { waits <- d.Fetch(ctx, "alloc0", "web", []job.Artifact{{Source: s.URL + "/late"}}) }()
	cancel()
	if err := <-waits; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	close(hold)
	wg.Wait()
	if most.Load() != fetchSlots {
		t.Errorf("%d at once", most.Load())
	}
	noStages(t, d)
	for i := range 4 {
		id := fmt.Sprintf("alloc%d", i)
		same(t, map[string]string{id: "/1/" + id, "web": "/2/web"}, content(t, d.Task(id, "web").Local))
	}
}

// The same artifact asked for by several at once is there in the end, whole.
func TestTheSameAtOnce(t *testing.T) {
	base, _ := site(t, map[string][]byte{"/a.tar": tarOf(t, file("x/y/z", strings.Repeat("z", 1<<16), 0o644), file("w", "w", 0o644))})
	d := fetching(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := d.Fetch(t.Context(), allocID, "web", []job.Artifact{{Source: base + "/a.tar", Destination: "local/to/here"}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	noStages(t, d)
	same(t, map[string]string{"to/here/x/y/z": strings.Repeat("z", 1<<16), "to/here/w": "w"}, local(t, d))
}
