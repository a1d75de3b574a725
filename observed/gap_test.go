package observed

import (
	"errors"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"reconciler/store"
)

// TestLateEventIsNoGap: a list may be ahead of the event that tells the same.
func TestLateEventIsNoGap(t *testing.T) {
	for _, tt := range []struct {
		name        string
		slow, delay time.Duration
	}{
		{"after the list", 0, time.Second},
		{"while the list's findings are inspected", 100 * time.Millisecond, 300 * time.Millisecond},
		{"before the list", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			a := f.create("a", ours("a", 1))
			running(t, f, func(t *testing.T, r *rig) {
				after(time.Second)
				f.with(func() {
					f.slow = func() time.Duration { return tt.slow }
					f.deliver = func() []time.Duration { return []time.Duration{tt.delay} }
				})
				f.start(a)
				f.create("s", nil)
				poke(r.again)
				after(5 * time.Second)
				r.follows(t)
				if n := f.count("list"); n != 2 {
					t.Errorf("%d lists, want that of the fill and the one asked for", n)
				}
				if n := f.count("events"); n != 1 {
					t.Errorf("%d subscriptions: a late event was taken for a lost one", n)
				}
			})
		})
	}
}

// TestLossIsSaidAtOnce: not only when the last call on its way has ended.
func TestLossIsSaidAtOnce(t *testing.T) {
	f := newFake()
	a := f.create("a", ours("a", 1))
	running(t, f, func(t *testing.T, r *rig) {
		after(time.Second)
		f.with(func() { f.deaf = true })
		f.start(a)
		after(time.Second)
		f.stop()
		after(0)
		if r.Synced() {
			t.Error("synced although the stream has ended")
		}
		f.with(func() { f.deaf, f.down = false, false })
		after(time.Minute)
		r.follows(t)
	})
}

// TestFailedSessionIsNeverSynced: its fill may end after its stream.
func TestFailedSessionIsNeverSynced(t *testing.T) {
	r := newRig(newFake())
	s := r.newSession()
	s.lost(t.Context(), errors.New("boom"))
	if s.synced(t.Context(), Engine{}) || r.Synced() {
		t.Error("a session that was lost is synced")
	}
	if got := r.Status().Problem; got != "boom" {
		t.Errorf("Problem = %q", got)
	}
}

// TestReturnLooksAtAllOfOurs: after a gap also what no list shows.
func TestReturnLooksAtAllOfOurs(t *testing.T) {
	f := newFake()
	a := f.create("a", ours("a", 1))
	running(t, f, func(t *testing.T, r *rig) {
		after(time.Second)
		f.with(func() {
			f.cons[a].oom = true
			f.cutStreams()
		})
		after(time.Second)
		r.follows(t)
	})
}

func TestFillPrunesRecords(t *testing.T) {
	f := newFake()
	f.create("stranger", nil)
	f.create("a", ours("a", 1))
	f.listErr = errors.New("boom")
	r := newRig(f)
	r.rec.rows = map[string]store.ContainerRecord{"ghost": {}, "stranger": {}, "a": {}}
	if _, err := r.relist(t.Context(), true); err == nil || len(r.rec.rows) != 3 {
		t.Errorf("a failed list: error %v, records %v", err, r.rec.Names())
	}
	f.listErr = nil
	if _, err := r.relist(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if got := r.rec.Names(); len(got) != 1 || r.rec.rows["a"].Job != "a" {
		t.Errorf("records %v, want that of a", got)
	}
}

// TestCompareLeavesNewerAlone: a list tells nothing of containers that a
// request begun after it has told.
func TestCompareLeavesNewerAlone(t *testing.T) {
	r := newRig(newFake())
	list := r.begin()
	for _, id := range []string{"listed", "missing", "ours"} {
		tk := r.begin()
		r.set(tk, entry{Container: Container{ID: id, Name: id, State: Running, Ours: id == "ours"}}, nil)
		r.end(tk)
	}
	gone := r.begin()
	r.drop(gone, "gone")
	r.end(gone)
	f := r.compare(list, []container.Summary{{ID: "listed", State: "exited"}, {ID: "gone", State: "running"}}, true)
	r.end(list)
	if len(f.inspect)+len(f.moved)+len(f.hints)+len(f.owed) != 0 {
		t.Errorf("found %+v", f)
	}
	if got, _ := r.Containers(); len(got) != 3 {
		t.Errorf("%+v, want the three that newer requests told", got)
	}
}

func TestOlderImagesNeverWin(t *testing.T) {
	r := newRig(newFake())
	older, newer := r.begin(), r.begin()
	if !r.setImages(newer, []Image{{ID: "new"}}) {
		t.Error("new images were not news")
	}
	if r.setImages(older, []Image{{ID: "old"}}) {
		t.Error("an older list was news")
	}
	if got, _ := r.Images(); len(got) != 1 || got[0].ID != "new" {
		t.Errorf("images %+v", got)
	}
}

// TestNameBelongsToTheNewer: a swap of names is seen entry by entry.
func TestNameBelongsToTheNewer(t *testing.T) {
	tbl := newTable()
	for range 20 { // the order of a map is chance
		for _, id := range []string{"a", "b", "c"} {
			tbl.put(tbl.begin(time.Time{}), entry{Container: Container{ID: id, Name: "web"}})
		}
		if c, ok := tbl.named("web"); !ok || c.ID != "c" {
			t.Fatalf("named = %+v, %v, want c", c, ok)
		}
	}
	if _, ok := tbl.named("db"); ok {
		t.Error("somebody is called db")
	}
}
