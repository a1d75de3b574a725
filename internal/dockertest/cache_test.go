package dockertest

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

func quiet() logrus.FieldLogger {
	l := logrus.New()
	l.SetOutput(io.Discard)
	return l
}

// follow runs a cache over the engine inside the bubble.
func follow(t *testing.T, r *rig) *observed.Cache {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	c := observed.New(r.cli, "node", st, quiet())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = st.Close()
	})
	time.Sleep(time.Second)
	return c
}

func labels(alloc string) map[string]string {
	return job.Identity{
		NodeID: "node", Node: "host", Job: "web", Group: "web", Task: "web", AllocID: alloc,
		Generation: 1, Attempt: 1, SpecHash: "v1:x",
	}.Labels()
}

func TestCacheFollowsInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{LiveRestore: true})
		r.AddContainer(Stranger{Name: "stranger", Image: "web:1", Running: true})
		cache := follow(t, r)
		if !cache.Synced() {
			t.Fatalf("not synced: %+v", cache.Status())
		}
		ours := r.AddContainer(Stranger{Name: "web-a", Image: "web:1", Labels: labels("a"), Running: true})
		want := func(state observed.State, code int) {
			t.Helper()
			c, ok := cache.ByName("web-a")
			if !ok || c.State != state || c.ExitCode != code || !c.Ours {
				t.Fatalf("cache has %+v, want state %s with code %d", c, state, code)
			}
		}
		time.Sleep(time.Second)
		want(observed.Running, 0)
		r.Exit(ours, 3)
		time.Sleep(time.Second)
		want(observed.Exited, 3)

		r.Stop()
		time.Sleep(time.Minute)
		if cache.Synced() {
			t.Fatal("synced with an engine that is stopped")
		}
		r.Start()
		time.Sleep(time.Minute)
		if !cache.Synced() {
			t.Fatalf("not synced after the engine is back: %+v", cache.Status())
		}
		want(observed.Exited, 3)
		r.RemoveByHand("web-a")
		time.Sleep(time.Second)
		if _, ok := cache.ByName("web-a"); ok {
			t.Error("the cache has a container that was removed")
		}
		if w := r.Writes(); len(w) != 0 {
			t.Errorf("a cache made write calls: %v", w)
		}
		time.Sleep(24 * time.Hour)
		if !cache.Synced() {
			t.Errorf("a day later: %+v", cache.Status())
		}
	})
}

func TestCacheSurvivesSilenceAndCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		cache := follow(t, r)
		r.SilenceEvents(true)
		r.AddContainer(Stranger{Name: "web-a", Image: "web:1", Labels: labels("a"), Running: true})
		time.Sleep(3 * time.Minute)
		if c, ok := cache.ByName("web-a"); !ok || c.State != observed.Running {
			t.Errorf("after silence the cache has %+v, %v", c, ok)
		}
		r.SilenceEvents(false)
		for range 5 {
			r.CloseEvents()
			time.Sleep(time.Minute)
		}
		if !cache.Synced() {
			t.Errorf("after cuts: %+v", cache.Status())
		}
	})
}

// TestExecCausesNoInspect: the events of an exec are of no interest to a cache,
// and the engine does not even send them.
func TestExecCausesNoInspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		id := r.AddContainer(Stranger{Name: "web-a", Image: "web:1", Labels: labels("a"), Running: true})
		follow(t, r)
		inspects := func() (n int) {
			for _, c := range r.Calls() {
				if c.Path == "/containers/"+id+"/json" {
					n++
				}
			}
			return n
		}
		before := inspects()
		for range 20 {
			r.exec(id, "/web", "-port=none", "-exit=0")
		}
		time.Sleep(time.Second)
		if got := inspects(); got != before || before == 0 {
			t.Errorf("%d inspects before 20 commands, %d after", before, got)
		}
		r.Exit(id, 3) // the stream is alive
		time.Sleep(time.Second)
		if got := inspects(); got == before {
			t.Error("no inspect after an exit")
		}
	})
}
