package observed

import (
	"context"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"reconciler/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tb is what testing.T and rapid.T have in common here.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// memory is a recorder in memory.
type memory struct {
	mu     sync.Mutex
	rows   map[string]store.ContainerRecord
	events []store.Event
}

func (m *memory) Names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.rows))
}

func (m *memory) Put(name string, r store.ContainerRecord) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows[name] = r
}

func (m *memory) Delete(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rows, name)
}

func (m *memory) Event(e store.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, e)
}

func (m *memory) row(name string) (store.ContainerRecord, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.rows[name]
	return r, ok
}

// rig is a cache over a fake engine, with what it told.
type rig struct {
	*Cache
	engine *fakeEngine
	rec    *memory

	mu    sync.Mutex
	hints []Hint
}

func newRig(f *fakeEngine) *rig {
	log := logrus.New()
	log.SetOutput(io.Discard)
	r := &rig{engine: f, rec: &memory{rows: map[string]store.ContainerRecord{}}}
	r.Cache = newCache(f, testNode, r.rec, log)
	r.OnChange(func(h Hint) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.hints = append(r.hints, h)
	})
	return r
}

// told returns the hints since the last call.
func (r *rig) told() []Hint {
	r.mu.Lock()
	defer r.mu.Unlock()
	h := r.hints
	r.hints = nil
	return h
}

// running runs f beside the rig's Run, in virtual time.
func running(t *testing.T, f *fakeEngine, body func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(f)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		synctest.Wait()
		body(t, r)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v after its context was done, want nil", err)
		}
		r.settled(t)
	})
}

// settled checks what must hold whenever no request is on its way.
func (r *rig) settled(t tb) {
	t.Helper()
	r.Cache.mu.RLock()
	defer r.Cache.mu.RUnlock()
	if n := len(r.tbl.flying); n != 0 {
		t.Errorf("%d requests were begun and never ended", n)
	}
	if n := len(r.tbl.gone); n != 0 {
		t.Errorf("%d removed containers are remembered with no request on its way", n)
	}
	ids := 0
	for _, x := range []index{r.tbl.names, r.tbl.allocs, r.tbl.jobs} {
		for key, set := range x {
			for id := range set {
				if _, ok := r.tbl.entries[id]; !ok {
					t.Errorf("index has %q -> %.12s, which is no entry", key, id)
				}
			}
			ids += len(set)
		}
	}
	want := 0
	for _, e := range r.tbl.entries {
		want++
		if e.Ours {
			want += 2
		}
	}
	if ids != want {
		t.Errorf("indexes hold %d ids, want %d", ids, want)
	}
}

// truth is what a cache that is right would hold.
func truth(f *fakeEngine) []Container {
	f.mu.Lock()
	defer f.mu.Unlock()
	tbl := newTable()
	for _, c := range f.cons {
		con, _ := fromInspect(c.inspect(), testNode)
		tbl.put(tbl.begin(time.Time{}), entry{Container: con})
	}
	return tbl.all()
}

// follows fails unless the cache and the records are what the engine has.
func (r *rig) follows(t tb) {
	t.Helper()
	got, ok := r.Containers()
	if !ok {
		t.Errorf("not synced: %+v", r.Status())
	}
	for i := range got {
		got[i].AsOf = time.Time{}
	}
	want := truth(r.engine)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("cache is not what the engine has (-engine +cache):\n%s", diff)
	}
	var names []string
	for _, c := range want {
		if !c.Ours {
			continue
		}
		names = append(names, c.Name)
		rec, _ := r.rec.row(c.Name)
		if rec.ID != c.ID || rec.State != string(c.State) || rec.ExitCode != c.ExitCode || rec.Job != c.Identity.Job {
			t.Errorf("record %q is %+v, the container %+v", c.Name, rec, c)
		}
	}
	if diff := cmp.Diff(names, r.rec.Names()); diff != "" {
		t.Errorf("records are not those of our containers (-want +got):\n%s", diff)
	}
}

// after lets virtual time pass and everything that follows from it happen.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
