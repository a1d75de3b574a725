package reconcile

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// rig is a controller with a real store on a fake engine, in virtual time.
type rig struct {
	*testing.T
	*engine
	ports *ports
	dir   string
	st    *store.Store
	c     *Controller
	puts  atomic.Int64 // changes of records
	lines lines
	end   func()
	ready <-chan struct{} // of the next start
	ids   atomic.Int64
}

// lines keeps the log above debug.
type lines struct {
	mu  sync.Mutex
	all []string
}

func (l *lines) Levels() []logrus.Level { return logrus.AllLevels }

func (l *lines) Fire(e *logrus.Entry) error {
	if e.Level >= logrus.DebugLevel {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprintf("%s %s %v", e.Level, e.Message, e.Data))
	return nil
}

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, s := range l.all {
		if strings.Contains(s, part) {
			n++
		}
	}
	return n
}

// live runs f with a rig whose controller runs, and checks at the end that
// nothing happened which must never happen.
func live(t *testing.T, f func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, engine: newEngine(), ports: newPorts(), dir: t.TempDir()}
		r.start()
		f(r)
		if r.end != nil {
			r.end()
		}
		for _, w := range r.wrong {
			t.Error(w)
		}
	})
}

// start starts the agent on the state in dir.
func (r *rig) start() {
	r.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	log.SetLevel(logrus.TraceLevel)
	log.AddHook(&r.lines)
	st, err := store.Open(r.dir, store.Options{})
	if err != nil {
		r.Fatal(err)
	}
	count := func(string) { r.puts.Add(1) }
	st.Jobs.OnChange(count)
	st.Deployments.OnChange(count)
	st.AllocSpecs.OnChange(count)
	st.AllocStatuses.OnChange(count)
	st.Services.OnChange(count)
	r.st = st
	r.c = New(Config{
		Node: func() job.Node { return job.Node{ID: "n", Name: "host"} }, Store: st,
		Observe: r.engine, Runtime: r.engine, Ports: r.ports, Dirs: dirs{}, Log: log, Ready: r.ready,
		Now:   r.now,
		NewID: func() string { return fmt.Sprintf("alloc%d", r.ids.Add(1)) },
	})
	r.with(func() {
		r.hint = r.c.Hint
		r.dead = false
	})
	ctx, cancel := context.WithCancel(r.Context())
	recorder, stopRecorder := context.WithCancel(r.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = st.Run(recorder) })
	done := make(chan error, 1)
	go func() { done <- r.c.Run(ctx) }()
	r.end = func() {
		cancel()
		if err := <-done; err != nil {
			r.Error(err)
		}
		stopRecorder()
		wg.Wait()
		if err := st.Close(); err != nil {
			r.Error(err)
		}
		r.end = nil
	}
}

// restart ends the agent in order and starts another. dockerd is connected to
// anew.
func (r *rig) restart() {
	r.Helper()
	r.end()
	r.reconnect()
	r.start()
}

// kill ends the agent at this very moment, in the middle of a call that hangs
// if there is one, and starts another on what was committed until now.
func (r *rig) kill() {
	r.Helper()
	synctest.Wait()
	state, err := os.ReadFile(filepath.Join(r.dir, "state.db"))
	if err != nil && !os.IsNotExist(err) {
		r.Fatal(err)
	}
	r.with(func() { r.dead = true })
	r.end()
	r.with(func() { r.hang = func(string, observed.Container) bool { return false } })
	r.dir = r.TempDir()
	if state != nil {
		if err := os.WriteFile(filepath.Join(r.dir, "state.db"), state, 0o640); err != nil {
			r.Fatal(err)
		}
	}
	r.reconnect()
	r.start()
}

// lose is restart after the loss of the state.
func (r *rig) lose() {
	r.end()
	r.dir = r.TempDir()
	r.reconnect()
	r.start()
}

// reconnect is what a new process does: list, with nobody to tell.
func (r *rig) reconnect() {
	r.mu.Lock()
	r.hint = func(observed.Hint) {}
	r.mu.Unlock()
	next := r.ports.next // what containers publish is seen to be taken
	r.ports = newPorts()
	r.ports.next = next
	r.connect(true)
}

// write puts a job as desired does.
func (r *rig) write(j *job.Job) {
	old, _ := r.st.Jobs.Get(j.Name)
	rec := store.JobRecord{Generation: old.Generation + 1, Hash: job.Hash(j), File: j.Name + ".hcl", Spec: j}
	r.st.Specs.Put(store.SpecKey(j.Name, rec.Generation), store.SpecRecord{Spec: j})
	r.st.Jobs.Put(j.Name, rec)
}

// mark changes a job's record.
func (r *rig) mark(name string, f func(rec *store.JobRecord)) {
	rec, _ := r.st.Jobs.Get(name)
	f(&rec)
	r.st.Jobs.Put(name, rec)
}

func (r *rig) drop(name string) {
	r.mark(name, func(rec *store.JobRecord) { rec.Deleted = time.Now() })
}

// ask records what an operator asks of a job.
func (r *rig) ask(name string, what func(*store.DeploymentRecord, time.Time)) {
	r.Helper()
	if err := r.c.Ask(r.Context(), name, what); err != nil {
		r.Fatal(err)
	}
}

// after lets time pass, and what happens in it be done.
func (r *rig) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// one returns the only running container of a job.
func (r *rig) one(name string) observed.Container {
	r.Helper()
	all := r.running(name)
	if len(all) != 1 {
		r.Fatalf("%d containers of %s run, want 1", len(all), name)
	}
	return all[0]
}

// task returns the status of task web of an allocation.
func (r *rig) task(allocID string) job.TaskStatus {
	st, _ := r.st.AllocStatuses.Get(allocID)
	return st.Tasks["web"]
}

// did checks the writes since the last look, "run web" each.
func (r *rig) did(want ...string) {
	r.Helper()
	if got := short(r.done()); !slices.Equal(got, want) {
		r.Errorf("writes %q, want %q", got, want)
	}
}

// quiet checks that everything is as wanted and that for an hour nothing
// happens.
func (r *rig) quiet() {
	r.Helper()
	r.after(15 * time.Minute) // crashes are forgotten
	for name, rec := range r.st.Jobs.All() {
		want := 0
		if rec.Deleted.IsZero() && rec.Spec != nil {
			want = rec.Spec.Groups[0].Count
		}
		all := r.running(name)
		if len(all) != want {
			r.Errorf("%d containers of %s run, want %d", len(all), name, want)
		}
		for _, c := range all {
			if rec.Spec != nil && c.Identity.SpecHash != job.SpecHash(rec.Spec, &rec.Spec.Groups[0]) {
				r.Errorf("%s is of another spec", c.Name)
			}
		}
		d, _ := r.st.Deployments.Get(name)
		if rec.Held == "" && d.Phase != PhaseRunning && d.Phase != PhaseStopped {
			r.Errorf("job %s is %s: %+v", name, d.Phase, d.Conditions)
		}
	}
	r.done()
	puts, logged := r.puts.Load(), r.lines.count("")
	commit, _ := r.st.LastCommit()
	r.after(time.Hour)
	if calls := r.done(); len(calls) > 0 {
		r.Errorf("writes in a quiet hour: %q", calls)
	}
	if n := r.puts.Load() - puts; n > 0 {
		r.Errorf("%d records changed in a quiet hour", n)
	}
	if last, _ := r.st.LastCommit(); !last.Equal(commit) {
		r.Errorf("committed at %v in a quiet hour", last)
	}
	if n := r.lines.count("") - logged; n > 0 {
		r.Errorf("%d lines logged in a quiet hour: %q", n, r.lines.all[logged:])
	}
}
