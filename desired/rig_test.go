package desired

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"reconciler/store"
)

// fakeRunning is what runs, as the tests say.
type fakeRunning struct {
	mu   sync.Mutex
	jobs map[string]RunningJob
	away bool
}

func (f *fakeRunning) RunningJobs() (map[string]RunningJob, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.jobs, !f.away
}

// rig is a watcher on a real directory and a real store. Nothing but events
// makes it look, unless a test says otherwise.
type rig struct {
	t       *testing.T
	dir     string
	st      *store.Store
	running *fakeRunning
	w       *Watcher
	log     *logtest.Hook
	stop    func()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &rig{t: t, dir: filepath.Join(t.TempDir(), "manifests"), st: st, running: &fakeRunning{}, stop: func() {}}
	r.mkdir("")
	return r
}

// start runs a new watcher, as after a start of the agent.
func (r *rig) start(change ...func(*Watcher)) {
	r.t.Helper()
	log := quiet()
	r.log = logtest.NewLocal(log)
	w := New(Config{Dir: r.dir, Grace: 150 * time.Millisecond}, r.st, r.running, log)
	w.files = newFiles(tinyParse)
	w.timing.rescan = time.Hour
	w.timing.retry = 30 * time.Millisecond
	for _, f := range change {
		f(w)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	r.w = w
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("Run: %v", err)
		}
	})
	r.t.Cleanup(r.stop)
	select {
	case <-w.Scanned():
	case <-time.After(5 * time.Second):
		r.t.Fatal("no first scan")
	}
}

func quiet() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

func (r *rig) path(name string) string { return filepath.Join(r.dir, filepath.FromSlash(name)) }

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) mkdir(name string) { r.t.Helper(); r.must(os.MkdirAll(r.path(name), 0o755)) }

// save writes a file as careful programs do: beside it, and renamed.
func (r *rig) save(name, text string) {
	r.t.Helper()
	tmp := r.path(name) + ".tmp"
	r.must(os.WriteFile(tmp, []byte(text), 0o644))
	r.must(os.Rename(tmp, r.path(name)))
}

func (r *rig) remove(name string) { r.t.Helper(); r.must(os.RemoveAll(r.path(name))) }

// state is the jobs as world.state writes them.
func (r *rig) state() string {
	w := world{jobs: r.st.Jobs.All()}
	return strings.Join(w.state(), ", ")
}

func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: not after 5s; jobs %q, manifests %+v, directory %+v", what, r.state(), r.st.Manifests.All(), r.w.DirStatus())
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func (r *rig) wantJobs(want string) {
	r.t.Helper()
	r.eventually(want, func() bool { return r.state() == want })
}

// stays fails if the jobs become others within the time that a deletion takes.
func (r *rig) stays(want string) {
	r.t.Helper()
	for end := time.Now().Add(300 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if got := r.state(); got != want {
			r.t.Fatalf("jobs became %q, want %q", got, want)
		}
	}
}

func (r *rig) wantProblem(file, part string) {
	r.t.Helper()
	r.eventually(file+": "+part, func() bool {
		rec, _ := r.st.Manifests.Get(file)
		return slices.ContainsFunc(rec.Problems, func(p store.Problem) bool { return strings.Contains(p.String(), part) })
	})
}

func (r *rig) reasons() []string {
	var out []string
	for _, e := range r.st.Events() {
		out = append(out, e.Reason)
	}
	return out
}
