package gc

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// other is a second image of ours.
const otherID, other = "sha256:2222", "docker.io/library/web:1"

// second gives the host a second image of ours, which nothing uses.
func (h *host) second() {
	h.engine.with(func() {
		h.engine.images = append(h.engine.images, observed.Image{ID: otherID, Refs: []string{other}, Size: 7})
		h.engine.seenImages = h.engine.images
	})
	h.st.Provenance.Put(otherID, store.ImageProvenance{Refs: []string{other}, Source: "pull", At: time.Now().UTC()})
}

// TestWorkerKeepsTheTimeOfEach: that one image goes puts off no other.
func TestWorkerKeepsTheTimeOfEach(t *testing.T) {
	inBubble(t, func(h *host) {
		h.second()
		h.start()
		h.after(10*time.Second - settle)
		h.release() // 10 s later than the second
		h.after(3*time.Minute - 10*time.Second)
		if h.engine.has(otherID) {
			t.Error("the first to be due is there")
		}
		h.after(10*time.Second - 1)
		h.wantThere(true)
		h.after(1)
		h.wantThere(false)
	})
}

// TestWorkerTriesSoon: the first retries do not wait for the next round.
func TestWorkerTriesSoon(t *testing.T) {
	for name, set := range map[string]func(e *engine){
		"error":                   func(e *engine) { e.removeErr = errdefs.ErrUnavailable },
		"success without a trace": func(e *engine) { e.stuck = true },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(h *host) {
				set(h.engine)
				h.start()
				h.release()
				h.after(3 * time.Minute)
				h.after(firstRetry - 1)
				if n := h.engine.asked(); n != 1 {
					t.Errorf("%d tries before the first retry", n)
				}
				h.after(firstRetry/5 + 1)
				if n := h.engine.asked(); n != 2 {
					t.Errorf("%d tries after the first retry", n)
				}
			})
		})
	}
}

// TestWorkerWithoutOneOfTheLists: without a good list of the images, as without
// one of the containers, nothing is decided.
func TestWorkerWithoutOneOfTheLists(t *testing.T) {
	for name, set := range map[string]func(e *engine, away bool){
		"images":     func(e *engine, away bool) { e.noImages = away },
		"containers": func(e *engine, away bool) { e.noList = away },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(h *host) {
				h.engine.with(func() { set(h.engine, true); h.engine.containers = nil })
				h.start()
				h.after(time.Hour)
				if h.st.Clocks.Len() > 0 || h.st.Provenance.Len() != 1 || h.engine.asked()+h.engine.listed() > 0 {
					t.Errorf("clocks %v, provenance %v, %d removals", h.st.Clocks.All(), h.st.Provenance.Keys(), h.engine.asked())
				}
				h.engine.with(func() { set(h.engine, false) })
				h.worker.Nudge()
				h.after(settle)
				since := h.clock().UnusedSince
				if since.IsZero() {
					t.Fatal("its clock does not run once it is seen")
				}
				h.engine.with(func() { set(h.engine, true); h.engine.seenImages = nil })
				h.after(time.Hour)
				h.wantThere(true)
				if !h.clock().UnusedSince.Equal(since) || h.st.Provenance.Len() != 1 {
					t.Errorf("clock %+v, provenance %v", h.clock(), h.st.Provenance.Keys())
				}
			})
		})
	}
}

// TestWorkerEndsQuietly: a list that the agent's end cuts off is no trouble.
func TestWorkerEndsQuietly(t *testing.T) {
	inBubble(t, func(h *host) {
		h.start()
		h.release()
		h.engine.with(func() {
			h.engine.onList = func() { h.cancel() }
			h.engine.listErr = context.Canceled
		})
		h.after(time.Hour)
		if said := h.said(logrus.InfoLevel); len(said) > 0 || h.engine.listed() != 1 {
			t.Errorf("log %q, %d lists", said, h.engine.listed())
		}
	})
}

// TestWorkerForgetsARefusal: an image that was in use again and is not any more
// is tried like any other.
func TestWorkerForgetsARefusal(t *testing.T) {
	inBubble(t, func(h *host) {
		h.cfg.Delay = 0
		h.engine.with(func() { h.engine.removeErr = errdefs.ErrUnavailable })
		h.start()
		h.release()
		h.after(time.Hour) // the next try is minutes away
		h.engine.with(func() { h.engine.containers = []observed.Container{ourContainer()} })
		h.worker.Nudge()
		h.after(settle)
		h.engine.with(func() { h.engine.removeErr = nil })
		h.release()
		h.wantThere(false)
	})
}

// TestWorkerHearsOfEveryUse: a change of any table that says what is in use is
// seen at once, and not in the next round.
func TestWorkerHearsOfEveryUse(t *testing.T) {
	pinned := settled(1, redisID)
	for name, tc := range map[string]struct {
		change func(st *store.Store)
		want   string
	}{
		"jobs": {func(st *store.Store) {
			st.Jobs.Put("db", store.JobRecord{Generation: 1, Spec: spec("redis:7", 1)})
		}, "job db wants it"},
		"deployments": {func(st *store.Store) { st.Deployments.Put("web", pinned) }, "job web wants it"},
		"allocations": {func(st *store.Store) {
			st.AllocSpecs.Put("a9", job.AllocSpec{ID: "a9", Job: "web", Images: map[string]string{"web": redis}})
		}, "allocation a9 of job web has it"},
		"statuses": {func(st *store.Store) {
			st.AllocStatuses.Put("a9", job.AllocStatus{Tasks: map[string]job.TaskStatus{"web": {Image: redis}}})
		}, "allocation a9 has not ended"},
		"provenance": {func(st *store.Store) { st.Provenance.Delete(redisID) }, keptNotOurs},
		"intents": {func(st *store.Store) {
			st.Intents.Put(store.IntentKey(redis), store.ImageIntent{Ref: redis, At: time.Now().UTC()})
		}, "it is being brought"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(h *host) {
				h.st.Jobs.Put("web", store.JobRecord{Generation: 1, Spec: spec("redis:8", 1)})
				h.start()
				h.release()
				h.after(2*interval - settle) // between two rounds
				if h.clock().UnusedSince.IsZero() {
					t.Fatalf("in use before: %+v", h.clock())
				}
				tc.change(h.st)
				h.after(settle)
				if c := h.clock(); c.Kept != tc.want || !c.UnusedSince.IsZero() {
					t.Errorf("clock %+v, want it kept since %s", c, tc.want)
				}
			})
		})
	}
}

// TestWorkerSaysWhyItIsKept: the engine's words reach the record and an event.
func TestWorkerSaysWhyItIsKept(t *testing.T) {
	inBubble(t, func(h *host) {
		h.engine.with(func() { h.engine.removeErr = errdefs.ErrUnavailable })
		h.start()
		h.release()
		h.after(3 * time.Minute)
		if c := h.clock(); c.Kept != errdefs.ErrUnavailable.Error() {
			t.Errorf("clock %+v", c)
		}
		events := h.st.Events()
		if len(events) != 1 || events[0].Reason != "ImageKept" || events[0].Type != store.EventWarning ||
			events[0].Object != redisID || events[0].Message != "redis:7: "+errdefs.ErrUnavailable.Error() {
			t.Errorf("events %+v", events)
		}
	})
}

// TestWorkerEndsInARemoval: a removal that the agent's end cuts off was not
// refused.
func TestWorkerEndsInARemoval(t *testing.T) {
	inBubble(t, func(h *host) {
		h.engine.with(func() {
			h.engine.onRemove, h.engine.removeErr = func() { h.cancel() }, context.Canceled
		})
		h.start()
		h.release()
		h.after(time.Hour)
		if said := h.said(logrus.InfoLevel); len(said)+len(h.st.Events()) > 0 || h.engine.asked() != 1 {
			t.Errorf("log %q, events %v, %d removals", said, h.st.Events(), h.engine.asked())
		}
	})
}

// TestWorkerDropsNoNewerIntent: a pull that begins while the images are listed
// has an intent of its own.
func TestWorkerDropsNoNewerIntent(t *testing.T) {
	inBubble(t, func(h *host) {
		key := store.IntentKey(other)
		h.st.Intents.Put(key, store.ImageIntent{Ref: other, Source: "pull", At: time.Now().UTC()})
		again := store.ImageIntent{Ref: other, Source: "pull", At: time.Now().Add(time.Minute).UTC()}
		h.engine.with(func() {
			h.engine.onList = func() { h.st.Intents.Put(key, again) }
		})
		h.start()
		h.after(time.Minute)
		if got, ok := h.st.Intents.Get(key); !ok || got != again || h.engine.listed() == 0 {
			t.Errorf("intent %+v (%t) after %d lists", got, ok, h.engine.listed())
		}
	})
}

// TestLaw_NoBlindActOnDirectories: without a good list of containers nobody
// knows which allocation still has one.
func TestLaw_NoBlindActOnDirectories(t *testing.T) {
	inBubble(t, func(h *host) {
		h.engine.with(func() { h.engine.noList = true; h.engine.containers = nil })
		h.dirs.ids = []string{"a1"}
		h.st.AllocSpecs.Put("a1", job.AllocSpec{ID: "a1", Job: "web", Desired: job.DesiredStop})
		h.st.AllocStatuses.Put("a1", job.AllocStatus{EndedAt: time.Now()})
		h.start()
		h.after(2 * KeepEnded)
		if h.st.AllocSpecs.Len() != 1 || h.dirs.len() != 1 {
			t.Error("an ended allocation went without a list of containers")
		}
		h.engine.with(func() { h.engine.noList = false; h.engine.containers = []observed.Container{ourContainer()} })
		h.after(2 * interval)
		if h.dirs.len() != 1 {
			t.Error("a directory went whose container is there")
		}
		h.engine.with(func() { h.engine.containers = nil })
		h.after(2 * interval)
		if h.st.AllocSpecs.Len()+h.dirs.len() != 0 {
			t.Error("it stays")
		}
	})
}

// TestWorkerLooksAtDirectoriesOnceInAWhile: hints come by the hundred, the look
// at the disk once in an interval; each streak of trouble is told once.
func TestWorkerLooksAtDirectoriesOnceInAWhile(t *testing.T) {
	inBubble(t, func(h *host) {
		h.start()
		h.dirs.with(func() { h.dirs.lists = 0 })
		for range 60 {
			h.after(10 * time.Second)
			h.worker.Nudge()
		}
		if h.dirs.lists < 9 || h.dirs.lists > 11 {
			t.Errorf("%d looks in ten minutes", h.dirs.lists)
		}
		for range 2 {
			h.dirs.with(func() { h.dirs.listErr = os.ErrPermission })
			h.after(10 * interval)
			if said := h.said(logrus.InfoLevel); len(said) != 1 {
				t.Errorf("said %q of one streak", said)
			}
			h.dirs.with(func() { h.dirs.listErr = nil })
			h.after(2 * interval)
		}
	})
}

// TestWorkerStepAndRefusal: a step of the clock does not bring the next try
// nearer.
func TestWorkerStepAndRefusal(t *testing.T) {
	inBubble(t, func(h *host) {
		h.engine.with(func() { h.engine.removeErr = errdefs.ErrUnavailable })
		h.start()
		h.release()
		h.after(3 * time.Minute)
		h.skew.Store(int64(time.Hour))
		h.worker.Nudge()
		h.after(firstRetry - 1)
		if n := h.engine.asked(); n != 1 {
			t.Errorf("%d tries, want the first alone", n)
		}
		h.after(time.Minute)
		if n := h.engine.asked(); n < 2 {
			t.Errorf("%d tries a minute later", n)
		}
	})
}
