package observed

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
)

func TestAwayIsUnknownAndNothingChanges(t *testing.T) {
	f := newFake()
	a := f.create("a", ours("a", 1))
	f.start(a)
	running(t, f, func(t *testing.T, r *rig) {
		before, _ := r.Containers()
		r.told()
		f.stop()
		after(0)
		if r.Synced() {
			t.Error("synced although dockerd is gone")
		}
		if got, want := r.told(), []Hint{{All: true}}; !slices.Equal(got, want) {
			t.Errorf("hints %+v, want %+v", got, want)
		}
		after(time.Hour)
		if got, ok := r.Containers(); ok || len(got) != 1 || !same(got[0], before[0]) {
			t.Errorf("after an hour: %+v, %v, want what was last seen and false", got, ok)
		}
		if _, ok := r.rec.row("a"); !ok {
			t.Error("the record is gone")
		}
		st := r.Status()
		if st.Connected || !strings.Contains(st.Problem, errDown.Error()) || time.Since(st.Since) != time.Hour {
			t.Errorf("Status = %+v, want away for an hour and why", st)
		}
		if got := r.told(); len(got) != 0 {
			t.Errorf("hints while nothing changed: %+v", got)
		}
		if n := f.count("info"); n < 3600/7 || n > 3600/3 {
			t.Errorf("%d attempts in an hour, want one about every 5 s", n)
		}

		f.with(func() {
			f.down = false
			f.cons[a].state, f.cons[a].code, f.cons[a].finished = Exited, 0, time.Now()
		})
		f.create("b", ours("b", 1))
		after(backoffMax * 2)
		r.follows(t)
		if got := r.told(); !slices.Contains(got, Hint{All: true}) {
			t.Errorf("hints of the return %+v have no All", got)
		}
		if st := r.Status(); !st.Connected || st.Problem != "" {
			t.Errorf("Status = %+v", st)
		}
	})
}

func TestAttemptedWithDockerdAway(t *testing.T) {
	f := newFake()
	f.down = true
	running(t, f, func(t *testing.T, r *rig) {
		select {
		case <-r.Attempted():
		default:
			t.Error("Attempted is not closed after the first attempt has failed")
		}
		if r.Synced() {
			t.Error("synced with nobody")
		}
		if got := r.told(); len(got) != 0 {
			t.Errorf("hints %+v before anything was known", got)
		}
	})
}

func TestReconnectIsQuick(t *testing.T) {
	f := newFake()
	running(t, f, func(t *testing.T, r *rig) {
		after(time.Minute)
		f.with(func() { f.cutStreams() })
		f.create("a", ours("a", 1)) // nobody listens
		after(2 * backoffFirst)
		r.follows(t)
	})
}

func TestFailedListKeepsEverything(t *testing.T) {
	f := newFake()
	for i := range 5 {
		f.start(f.create(fmt.Sprintf("c%d", i), ours(fmt.Sprintf("j%d", i), 1)))
		f.create(fmt.Sprintf("s%d", i), nil)
	}
	running(t, f, func(t *testing.T, r *rig) {
		before, _ := r.Containers()
		f.with(func() { f.listErr = errors.New("boom") })
		after(2 * relistImages)
		if r.Synced() {
			t.Error("synced although lists fail")
		}
		got, _ := r.Containers()
		if !slices.EqualFunc(before, got, same) {
			t.Errorf("lists that failed changed the cache: %+v", got)
		}
		if n := len(r.rec.Names()); n != 5 {
			t.Errorf("%d records, want 5", n)
		}
		f.with(func() { f.listErr = nil })
		after(2 * backoffMax)
		r.follows(t)
	})
}

// One broken image is enough for some engines to list none. The containers are
// followed all the same, and the images are unknown for as long.
func TestImagesThatCannotBeListed(t *testing.T) {
	f := newFake()
	id := f.create("a", ours("a", 1))
	f.imgs, f.imageErr = []image.Summary{{ID: "sha256:1"}}, errors.New("content digest sha256:2: not found")
	unknown := func(t *testing.T, r *rig) {
		t.Helper()
		if !r.Synced() {
			t.Fatal("not synced")
		}
		if _, ok := r.Images(); ok {
			t.Error("images are said to be known")
		}
	}
	known := func(t *testing.T, r *rig) {
		t.Helper()
		if all, ok := r.Images(); !ok || len(all) != 1 {
			t.Errorf("images %v, known %v", all, ok)
		}
	}
	running(t, f, func(t *testing.T, r *rig) {
		after(2 * relistImages)
		unknown(t, r)
		f.start(id)
		after(time.Second)
		if c, _ := r.ByName("a"); c.State != Running {
			t.Errorf("state %s, want the one that the event told", c.State)
		}
		f.with(func() { f.imageErr = nil })
		after(2 * relistEvery)
		known(t, r)
		if !slices.Contains(r.told(), Hint{Image: true}) {
			t.Error("nobody was told that images are known")
		}
		f.with(func() { f.imageErr = errors.New("boom") })
		after(2 * relistImages)
		unknown(t, r)
		if n := f.count("events"); n != 1 {
			t.Errorf("%d subscriptions, want 1", n)
		}
		f.with(func() { f.imageErr = nil })
		if err := r.RefreshImages(t.Context()); err != nil {
			t.Fatal(err)
		}
		known(t, r)
		r.follows(t)
	})
}

func TestSilentStreamIsNoticedAndReopened(t *testing.T) {
	f := newFake()
	a := f.create("a", ours("a", 1))
	b := f.create("b", ours("b", 1))
	running(t, f, func(t *testing.T, r *rig) {
		f.with(func() { f.silent = true })
		f.start(a)
		after(relistEvery*2 + lateEvent)
		r.follows(t)
		if n := f.count("events"); n < 2 {
			t.Errorf("%d subscriptions, want a second one after events were missed", n)
		}
		n := f.count("events")
		f.with(func() { f.silent = false })
		f.start(b)
		after(0)
		r.follows(t)
		after(time.Hour)
		if got := f.count("events"); got != n {
			t.Errorf("%d subscriptions in a quiet hour", got-n)
		}
	})
}

func TestQuietHourCostsListsOnly(t *testing.T) {
	f := newFake()
	for i := range 20 {
		f.start(f.create(fmt.Sprintf("c%d", i), ours(fmt.Sprintf("j%d", i), 1)))
		f.die(f.create(fmt.Sprintf("d%d", i), ours(fmt.Sprintf("j%d", i), 2)), i)
		f.create(fmt.Sprintf("s%d", i), nil)
	}
	running(t, f, func(t *testing.T, r *rig) {
		if got := f.count("inspect"); got != 40 {
			t.Errorf("%d inspects by the fill, want one for each of our 40", got)
		}
		r.told()
		after(3 * relistEvery)
		if got := f.count("inspect"); got != 40 {
			t.Errorf("%d inspects by lists that showed nothing new", got-40)
		}
		after(time.Hour - 3*relistEvery)
		if got := f.count("inspect"); got < 8*40 || got > 14*40 {
			t.Errorf("%d inspects in a quiet hour, want each of our 40 about every 5 min", got-40)
		}
		if got := f.count("list"); got < 50 || got > 76 {
			t.Errorf("%d lists in an hour, want about 60", got)
		}
		if got := f.count("images"); got < 10 || got > 16 {
			t.Errorf("%d lists of images in an hour, want about 12", got)
		}
		if got := r.told(); len(got) != 0 {
			t.Errorf("hints %+v in a quiet hour", got)
		}
		if st := r.Status(); time.Since(st.LastList) > 2*relistEvery {
			t.Errorf("LastList is %s ago", time.Since(st.LastList))
		}
	})
}

func TestHangingInspectKeepsTheListsState(t *testing.T) {
	f := newFake()
	a, b := f.create("a", ours("a", 1)), f.create("b", ours("b", 1))
	f.start(a)
	running(t, f, func(t *testing.T, r *rig) {
		after(time.Second)
		f.with(func() {
			f.hang[a] = true
			f.cons[a].state = Removing
		})
		f.change(a, "die", func(*fakeContainer) {})
		f.start(b)
		after(time.Second)
		if c, _ := r.ByName("b"); c.State != Running {
			t.Errorf("b is %s: a hanging inspect of a held it up", c.State)
		}
		after(inspectTimeout)
		c, _ := r.ByName("a")
		if c.State != Removing || !c.Partial || !c.Ours || c.StartedAt.IsZero() {
			t.Errorf("a = %+v, want the list's state, Partial, and the rest as it was", c)
		}
		if rec, _ := r.rec.row("a"); rec.State != string(Removing) {
			t.Errorf("record of a = %+v", rec)
		}
		after(relistEvery)
		if !r.Synced() {
			t.Errorf("one hanging container ended the session: %+v", r.Status())
		}
		f.with(func() { f.hang[a] = false })
		f.remove(a)
		after(inspectTimeout + 2*lookAgain) // the inspect that hangs is one of those that are repeated
		r.follows(t)
	})
}

func TestFillWithAHangingContainer(t *testing.T) {
	f := newFake()
	a := f.create("a", ours("a", 1))
	f.hang[a] = true
	f.create("b", ours("b", 1))
	running(t, f, func(t *testing.T, r *rig) {
		after(inspectTimeout)
		if !r.Synced() {
			t.Fatalf("one hanging container keeps the cache from being filled: %+v", r.Status())
		}
		if c, ok := r.ByName("a"); !ok || !c.Partial || c.Identity.Job != "a" {
			t.Errorf("a = %+v, %v", c, ok)
		}
		f.with(func() { f.hang[a] = false })
		after(2 * relistEvery)
		r.follows(t) // what is owed is asked for again
	})
}

func TestListThatLagsDoesNotWin(t *testing.T) {
	f := newFake()
	a, s := f.create("a", ours("a", 1)), f.create("s", nil)
	f.start(a)
	f.start(s)
	running(t, f, func(t *testing.T, r *rig) {
		f.with(func() { f.lag = map[string]State{a: Running, s: Running} })
		f.die(a, 1)
		f.die(s, 1)
		after(2 * relistEvery)
		r.follows(t)
		if n := f.count("events"); n != 1 {
			t.Errorf("%d subscriptions: a list that lags was taken for lost events", n)
		}
	})
}

func TestOnlyNotFoundRemovesOneOfOurs(t *testing.T) {
	f := newFake()
	a, b := f.create("a", ours("a", 1)), f.create("b", ours("b", 1))
	running(t, f, func(t *testing.T, r *rig) {
		f.with(func() { f.hide = map[string]bool{a: true} })
		after(2 * relistEvery)
		r.follows(t)
		f.with(func() { f.silent = true })
		f.remove(b)
		after(2 * relistEvery)
		r.follows(t)
	})
}

func TestSubscriptionThatIsNotAnsweredIsGivenUp(t *testing.T) {
	f := newFake()
	f.slow = func() time.Duration { return time.Hour }
	running(t, f, func(t *testing.T, r *rig) {
		after(5 * time.Minute)
		if r.Synced() {
			t.Error("synced with an engine that answers nothing")
		}
		f.with(func() { f.slow = nil })
		after(time.Minute)
		r.follows(t)
	})
}

func TestBurstLeavesNothingBehind(t *testing.T) {
	f := newFake()
	running(t, f, func(t *testing.T, r *rig) {
		f.with(func() { f.slow = func() time.Duration { return 3 * time.Millisecond } })
		for range 500 {
			id := f.create("run-rm", nil)
			f.start(id)
			f.die(id, 0)
			f.remove(id)
			time.Sleep(time.Millisecond)
		}
		after(time.Minute)
		r.follows(t)
		r.settled(t)
	})
}
