package gc

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"
	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"go.uber.org/goleak"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// host is a machine on which workers come and go: the store and the engine
// outlast them.
type host struct {
	t      *testing.T
	st     *store.Store
	engine *engine
	dirs   *dirs
	logs   *logtest.Hook
	log    *logrus.Logger
	skew   atomic.Int64 // of the system clock, nanoseconds
	cfg    Config
	worker *Worker
	cancel context.CancelFunc
}

// inBubble runs a test in virtual time, on a host with one image of ours, a
// container that has it, and a delay of three minutes.
func inBubble(t *testing.T, test func(h *host)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(dir, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := &host{t: t, st: st, engine: &engine{}, dirs: &dirs{}}
		h.log, h.logs = logtest.NewNullLogger()
		h.log.SetLevel(logrus.DebugLevel)
		h.cfg = Config{Enabled: true, Delay: 3 * time.Minute, Now: func() time.Time { return time.Now().Add(time.Duration(h.skew.Load())) }}
		h.engine.set([]observed.Image{{ID: redisID, Refs: []string{redis, digest}, Size: 42}}, ourContainer())
		st.Provenance.Put(redisID, store.ImageProvenance{Refs: []string{redis}, Source: "pull", At: time.Now().UTC()})
		test(h)
		h.stop()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (h *host) start() {
	ctx, cancel := context.WithCancel(h.t.Context())
	h.cancel = cancel
	parts := Parts{
		Observer: h.engine, Remover: h.engine, Ledger: ledger{h.st}, Dirs: h.dirs, Reaper: reaper{h.st},
		InUse: func(err error) bool { return errors.Is(err, errLeased) },
	}
	h.worker = New(h.cfg, h.st, parts, h.log)
	go func() {
		if err := h.worker.Run(ctx); err != nil {
			h.t.Error(err)
		}
	}()
	synctest.Wait()
}

func (h *host) stop() {
	if h.cancel != nil {
		h.cancel()
	}
	synctest.Wait()
}

// after lets time pass.
func (h *host) after(d time.Duration) {
	h.t.Helper()
	time.Sleep(d)
	synctest.Wait()
}

// release ends the use of the image.
func (h *host) release() {
	h.engine.with(func() { h.engine.containers = nil })
	h.worker.Nudge()
	h.after(settle)
}

func (h *host) wantThere(want bool) {
	h.t.Helper()
	if got := h.engine.has(redisID); got != want {
		h.t.Fatalf("image there: %t, want %t (clock %+v)", got, want, h.clock())
	}
}

func (h *host) clock() store.ImageClock {
	c, _ := h.st.Clocks.Get(redisID)
	return c
}

// said returns the messages of the log from level on, and forgets them.
func (h *host) said(level logrus.Level) []string {
	var out []string
	for _, e := range h.logs.AllEntries() {
		if e.Level <= level {
			out = append(out, e.Message)
		}
	}
	h.logs.Reset()
	return out
}

func TestWorkerDeletesAfterTheDelay(t *testing.T) {
	inBubble(t, func(h *host) {
		h.start()
		h.after(time.Hour)
		if c := h.clock(); c.Kept != "container web-a1 of job web has it" || !c.UnusedSince.IsZero() {
			t.Errorf("clock of an image in use: %+v", c)
		}
		h.release()
		since := time.Now().UTC()
		want := store.ImageClock{UnusedSince: since, DeleteAt: since.Add(3 * time.Minute)}
		if diff := cmp.Diff(want, h.clock()); diff != "" {
			t.Errorf("clock (-want +got):\n%s", diff)
		}
		if n := h.engine.listed(); n != 0 {
			t.Errorf("%d lists while nothing was due", n)
		}
		h.after(3*time.Minute - 1)
		h.wantThere(true)
		h.after(1)
		h.wantThere(false)

		if diff := cmp.Diff([]string{"image deleted"}, h.said(logrus.InfoLevel)); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
		events := h.st.Events()
		if len(events) != 1 || events[0].Reason != "ImageDeleted" || events[0].Object != redisID ||
			!strings.Contains(events[0].Message, "redis:7: image deleted, 42 bytes, unused for 3m0s") {
			t.Errorf("events: %+v", events)
		}
		if h.st.Clocks.Len()+h.st.Provenance.Len() != 0 {
			t.Errorf("records of an image that is gone: %v %v", h.st.Clocks.Keys(), h.st.Provenance.Keys())
		}
	})
}

func TestWorkerKeepsAnImageThatIsWantedAgain(t *testing.T) {
	inBubble(t, func(h *host) {
		h.start()
		h.release()
		h.after(2 * time.Minute)
		h.st.AllocSpecs.Put("a2", job.AllocSpec{ID: "a2", Job: "web", Desired: job.DesiredPrepare, Images: map[string]string{"web": redis}})
		h.after(time.Hour)
		h.wantThere(true)
		h.st.AllocSpecs.Delete("a2")
		h.after(3 * time.Minute)
		h.wantThere(true) // the clock began anew, a settle time later
		h.after(settle)
		h.wantThere(false)
	})
}

// TestLaw_RestartSafe: the clock runs on over a restart inside the delay, and
// the time in between counts.
func TestLaw_RestartSafe(t *testing.T) {
	inBubble(t, func(h *host) {
		h.start()
		h.release()
		h.after(time.Minute)
		h.stop()
		before := h.clock()
		h.after(time.Minute)
		h.start()
		if diff := cmp.Diff(before, h.clock()); diff != "" {
			t.Errorf("clock over a restart (-before +after):\n%s", diff)
		}
		h.after(time.Minute - time.Second)
		h.wantThere(true)
		h.after(time.Second)
		h.wantThere(false)
	})
}

// TestLaw_RestartSafeAfterTheDelay: after a long downtime nothing goes before
// a fresh list, on which the image may turn out to be used.
func TestLaw_RestartSafeAfterTheDelay(t *testing.T) {
	inBubble(t, func(h *host) {
		h.start()
		h.release()
		h.stop()
		h.engine.with(func() { h.engine.away = true })
		h.after(time.Hour)
		h.start()
		h.after(time.Hour)
		h.wantThere(true)
		h.engine.with(func() { h.engine.away = false })
		h.engine.set(h.engine.images, observed.Container{Name: "theirs", ImageID: redisID, State: observed.Created})
		h.worker.Nudge()
		h.after(settle)
		h.wantThere(true)
		if h.engine.asked() != 0 {
			t.Error("a removal was asked for")
		}
		if c := h.clock(); !c.UnusedSince.IsZero() || !strings.Contains(c.Kept, "theirs") {
			t.Errorf("clock: %+v", c)
		}
	})
}

func TestWorkerWaitsForTheManifests(t *testing.T) {
	inBubble(t, func(h *host) {
		ready := make(chan struct{})
		h.cfg.Ready = ready
		h.start()
		h.release()
		h.after(time.Hour)
		h.wantThere(true)
		close(ready)
		synctest.Wait()
		h.wantThere(false)
		h.after(time.Hour) // a channel that is closed for good does not make it spin
	})
}

// TestLaw_NothingGoesWhileTheManifestsAreAway: an image may be wanted by what
// nobody can read.
func TestLaw_NothingGoesWhileTheManifestsAreAway(t *testing.T) {
	inBubble(t, func(h *host) {
		var away atomic.Bool
		away.Store(true)
		h.cfg.Hold = away.Load
		h.start()
		h.release()
		h.after(time.Hour)
		h.wantThere(true)
		if c := h.clock(); c.UnusedSince.IsZero() {
			t.Errorf("its clock does not run meanwhile: %+v", c)
		}
		away.Store(false)
		h.after(interval)
		h.wantThere(false)
	})
}

// TestLaw_ClockStepsLengthen: the system clock is set forward or back at any
// point of the delay, and the image goes no earlier by the monotonic clock.
func TestLaw_ClockStepsLengthen(t *testing.T) {
	for _, tc := range []struct {
		name        string
		steps       []time.Duration // one a minute, beginning after the first
		stays, gone time.Duration   // after the last use
	}{
		{"forward a day", []time.Duration{24 * time.Hour}, 3*time.Minute - 1, 3*time.Minute + settle},
		{"forward, twice", []time.Duration{time.Hour, time.Hour}, 3*time.Minute - 1, 3*time.Minute + settle},
		{"back a little", []time.Duration{-30 * time.Second}, 3*time.Minute + 29*time.Second, 3*time.Minute + 30*time.Second + settle},
		{"back a day", []time.Duration{-24 * time.Hour}, 4*time.Minute - 1, 5 * time.Minute},
		{"back and forward", []time.Duration{-24 * time.Hour, 24 * time.Hour}, 4*time.Minute - 1, 5 * time.Minute},
		{"forward and back", []time.Duration{24 * time.Hour, -24 * time.Hour}, 3*time.Minute - 1, 6 * time.Minute},
		{"slewed by less than a step", []time.Duration{400 * time.Millisecond}, 3*time.Minute - time.Second, 3*time.Minute + settle},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inBubble(t, func(h *host) {
				h.start()
				h.release()
				start := time.Now()
				for _, step := range tc.steps {
					h.after(time.Minute)
					h.skew.Add(int64(step))
					h.worker.Nudge()
				}
				h.after(tc.stays - time.Since(start))
				h.wantThere(true)
				h.after(tc.gone - time.Since(start))
				h.wantThere(false)
			})
		})
	}
}

func TestWorkerConflictResetsTheClock(t *testing.T) {
	for _, refused := range []error{errdefs.ErrConflict, errLeased} {
		inBubble(t, func(h *host) {
			h.engine.with(func() { h.engine.removeErr = refused })
			h.start()
			h.release()
			h.after(3 * time.Minute)
			h.wantThere(true)
			c := h.clock()
			if now := time.Now().UTC(); !c.UnusedSince.Equal(now) || !c.DeleteAt.Equal(now.Add(3*time.Minute)) || !strings.Contains(c.Kept, refused.Error()) {
				t.Errorf("clock after a refusal: %+v", c)
			}
			if diff := cmp.Diff([]string{"image kept"}, h.said(logrus.InfoLevel)); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
			h.after(time.Hour)
			if said := h.said(logrus.InfoLevel); len(said) != 0 {
				t.Errorf("said again: %q", said)
			}
			if n := h.engine.asked(); n < 5 || n > 21 {
				t.Errorf("%d tries in an hour with a delay of 3 min", n)
			}
			h.st.Jobs.Put("web", store.JobRecord{Generation: 1, Spec: spec("redis:7", 1)})
			h.after(time.Minute)
			h.st.Jobs.Delete("web")
			h.after(4 * time.Minute)
			if diff := cmp.Diff([]string{"image kept"}, h.said(logrus.InfoLevel)); diff != "" {
				t.Errorf("log after it was in use again (-want +got):\n%s", diff)
			}
			h.engine.with(func() { h.engine.removeErr = nil })
			h.after(10 * time.Minute)
			h.wantThere(false)
		})
	}
}

// TestWorkerBacksOff: an error that is none of the image's does not reset its
// clock, and neither delay 0 nor anything else makes a tight loop.
func TestWorkerBacksOff(t *testing.T) {
	for name, set := range map[string]func(e *engine){
		"error":                   func(e *engine) { e.removeErr = errdefs.ErrUnavailable },
		"conflict":                func(e *engine) { e.removeErr = errdefs.ErrConflict },
		"success without a trace": func(e *engine) { e.stuck = true },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(h *host) {
				h.cfg.Delay = 0
				set(h.engine)
				h.start()
				h.release()
				since := h.clock().UnusedSince
				h.after(time.Hour)
				// 10 s, 20 s, … 160 s, then every 5 to 6 min.
				if n := h.engine.asked(); n < 13 || n > 17 {
					t.Errorf("%d tries in an hour", n)
				}
				if c := h.clock(); name == "error" && !c.UnusedSince.Equal(since) {
					t.Errorf("clock was reset: %+v, began %s", c, since)
				}
			})
		})
	}
}

func TestWorkerDelayZero(t *testing.T) {
	inBubble(t, func(h *host) {
		h.cfg.Delay = 0
		h.start()
		h.wantThere(true)
		h.release()
		h.wantThere(false)
	})
}

func TestWorkerDisabledStillRecords(t *testing.T) {
	inBubble(t, func(h *host) {
		h.cfg.Enabled = false
		h.start()
		h.release()
		since := time.Now().UTC()
		h.after(time.Hour)
		h.wantThere(true)
		if diff := cmp.Diff(store.ImageClock{UnusedSince: since, Kept: keptDisabled}, h.clock()); diff != "" {
			t.Errorf("clock (-want +got):\n%s", diff)
		}
		h.stop()
		h.cfg.Enabled = true
		h.start()
		h.wantThere(false) // unused for an hour
	})
}

// TestLaw_NoBlindAct: without a list nothing is removed and no clock moves.
func TestLaw_NoBlindAct(t *testing.T) {
	inBubble(t, func(h *host) {
		h.start()
		h.release()
		h.engine.with(func() { h.engine.listErr = errors.New("boom") })
		h.after(10 * time.Minute)
		h.wantThere(true)
		if diff := cmp.Diff([]string{"no image is removed: no fresh list"}, h.said(logrus.InfoLevel)); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
		h.engine.with(func() { h.engine.listErr = nil; h.engine.removeErr = errdefs.ErrUnavailable })
		h.after(time.Minute)
		h.said(logrus.InfoLevel)
		h.engine.with(func() { h.engine.listErr = errors.New("boom") })
		h.after(10 * time.Minute)
		if diff := cmp.Diff([]string{"no image is removed: no fresh list"}, h.said(logrus.InfoLevel)); diff != "" {
			t.Errorf("log of the second time (-want +got):\n%s", diff)
		}
		h.engine.with(func() { h.engine.listErr, h.engine.removeErr, h.engine.away = nil, nil, true })
		before := h.clock()
		h.after(10 * time.Minute)
		h.wantThere(true)
		if diff := cmp.Diff(before, h.clock()); diff != "" {
			t.Errorf("clock while dockerd is away (-before +after):\n%s", diff)
		}
		h.engine.with(func() { h.engine.away = false })
		h.worker.Nudge()
		h.after(settle)
		h.wantThere(false)
	})
}

// TestWorkerLooksAgainBeforeRemoval: what came into use since the last list
// is seen by the list that precedes the removal.
func TestWorkerLooksAgainBeforeRemoval(t *testing.T) {
	inBubble(t, func(h *host) {
		h.start()
		h.release()
		h.engine.with(func() {
			h.engine.onList = func() {
				h.st.Jobs.Put("web", store.JobRecord{Generation: 1, Spec: spec("redis:7", 1)})
			}
		})
		h.after(time.Hour)
		h.wantThere(true)
		if h.engine.asked() != 0 {
			t.Error("a removal was asked for")
		}
	})
}

// TestWorkerForgetsOnlyAfterAFreshList: a pull writes provenance before the
// view shows its image.
func TestWorkerForgetsOnlyAfterAFreshList(t *testing.T) {
	inBubble(t, func(h *host) {
		h.engine.with(func() { h.engine.seenImages = nil })
		h.start()
		if h.st.Provenance.Len() != 1 {
			t.Fatal("provenance was forgotten on an old view")
		}
		h.after(time.Hour)
		if h.st.Provenance.Len() != 1 || h.engine.listed() == 0 {
			t.Errorf("provenance %v after %d lists", h.st.Provenance.Keys(), h.engine.listed())
		}
	})
}

// TestLaw_StateLoss: with the store gone, labels tell what is ours, and the
// delay begins anew.
func TestLaw_StateLoss(t *testing.T) {
	inBubble(t, func(h *host) {
		h.st.Provenance.Delete(redisID)
		h.start()
		p, ok := h.st.Provenance.Get(redisID)
		if diff := cmp.Diff([]string{redis}, p.Refs); !ok || diff != "" {
			t.Fatalf("adopted references (-want +got):\n%s", diff)
		}
		h.after(time.Hour)
		h.wantThere(true)
		h.release()
		h.after(3*time.Minute - 1)
		h.wantThere(true)
		h.after(1)
		h.wantThere(false)
	})
}

func TestWorkerIntents(t *testing.T) {
	intent := store.ImageIntent{Ref: redis, Source: "pull"}
	key := store.IntentKey(redis)
	wanting := job.AllocSpec{ID: "a2", Job: "web", Desired: job.DesiredPrepare, Images: map[string]string{"web": redis}}
	t.Run("of a crash", func(t *testing.T) {
		inBubble(t, func(h *host) {
			h.st.Provenance.Delete(redisID)
			h.engine.set(h.engine.images)
			intent.At = time.Now().UTC()
			h.st.Intents.Put(key, intent)
			h.start()
			if h.st.Intents.Len() != 0 || h.st.Provenance.Len() != 1 {
				t.Errorf("intents %v, provenance %v", h.st.Intents.Keys(), h.st.Provenance.Keys())
			}
		})
	})
	t.Run("of this process", func(t *testing.T) {
		inBubble(t, func(h *host) {
			h.start()
			h.st.Provenance.Delete(redisID)
			h.engine.set(nil)
			h.st.AllocSpecs.Put("a2", wanting)
			h.st.Intents.Put(key, intent)
			h.after(time.Hour)
			if h.st.Intents.Len() != 1 {
				t.Fatal("the intent of a running pull was dropped")
			}
			// It arrives, and is taken away again.
			h.engine.set([]observed.Image{{ID: redisID, Refs: []string{redis}}})
			h.worker.Nudge()
			h.after(interval)
			h.engine.set(nil)
			h.after(openFor)
			// The pull is through, and the engine could not say so.
			h.st.AllocSpecs.Delete("a2")
			h.engine.set([]observed.Image{{ID: redisID, Refs: []string{redis}}})
			h.worker.Nudge()
			h.after(openFor)
			if h.st.Intents.Len() != 1 {
				t.Error("the intent was dropped while its pull may settle it")
			}
			h.after(interval + settle)
			if h.st.Intents.Len() != 0 || h.st.Provenance.Len() != 1 {
				t.Errorf("intents %v, provenance %v", h.st.Intents.Keys(), h.st.Provenance.Keys())
			}
		})
	})
	t.Run("of a crash, and written anew", func(t *testing.T) {
		inBubble(t, func(h *host) {
			h.st.Intents.Put(key, intent)
			h.engine.with(func() { h.engine.away = true })
			h.start()
			again := intent
			again.At = time.Now().Add(time.Second).UTC()
			h.st.Intents.Put(key, again)
			h.engine.with(func() { h.engine.away = false })
			h.engine.set(nil)
			h.worker.Nudge()
			h.after(openFor - time.Minute)
			if h.st.Intents.Len() != 1 {
				t.Error("the intent of a running pull was dropped")
			}
		})
	})
	// The engine ended a pull that was cut off, and its job is gone: what a
	// person brings an hour later is theirs.
	t.Run("of this process, and nothing came", func(t *testing.T) {
		inBubble(t, func(h *host) {
			h.start()
			h.st.Provenance.Delete(redisID)
			h.engine.set(nil)
			h.st.Intents.Put(key, intent)
			h.worker.Nudge()
			h.after(openFor)
			if h.st.Intents.Len() != 1 {
				t.Error("the intent was dropped while the engine may go on")
			}
			again := intent // a pull that begins just then has its own
			again.At = time.Now().UTC()
			h.st.Intents.Put(key, again)
			h.after(openFor)
			if h.st.Intents.Len() != 1 {
				t.Error("the intent of another pull was dropped")
			}
			h.after(2 * interval)
			if h.st.Intents.Len() != 0 {
				t.Fatalf("the intent stays: %v", h.st.Intents.All())
			}
			h.engine.set([]observed.Image{{ID: redisID, Refs: []string{redis}}})
			h.worker.Nudge()
			h.after(time.Hour)
			h.wantThere(true)
			if h.st.Provenance.Len() > 0 {
				t.Error("a person's image counts as ours")
			}
		})
	})
}

// TestLaw_QuietWorker: nothing to do, nothing done, for a day.
func TestLaw_QuietWorker(t *testing.T) {
	inBubble(t, func(h *host) {
		var changes atomic.Int64
		h.st.Clocks.OnChange(func(string) { changes.Add(1) })
		h.start()
		h.after(time.Minute)
		changes.Store(0)
		h.logs.Reset()
		for range 24 * 60 {
			h.worker.Nudge()
			h.after(time.Minute)
		}
		if said := h.said(logrus.DebugLevel); int(changes.Load())+h.engine.listed()+h.engine.asked()+len(said) != 0 {
			t.Errorf("%d changes, %d lists, %d removals, log %q", changes.Load(), h.engine.listed(), h.engine.asked(), said)
		}
	})
}

func TestWorkerUntagsAnImageWithAStrangersTag(t *testing.T) {
	inBubble(t, func(h *host) {
		keep := "docker.io/library/keep:1"
		h.engine.set([]observed.Image{{ID: redisID, Refs: []string{keep, redis, digest}}})
		h.start()
		h.after(3 * time.Minute)
		h.wantThere(true)
		if diff := cmp.Diff([]string{keep}, h.engine.images[0].Refs); diff != "" {
			t.Errorf("references left (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(store.ImageClock{Kept: "other references hold it: keep:1"}, h.clock()); diff != "" {
			t.Errorf("clock (-want +got):\n%s", diff)
		}
		if said := h.said(logrus.InfoLevel); len(said) != 1 || !strings.HasPrefix(said[0], "our references removed; the image stays") {
			t.Errorf("log: %q", said)
		}
		h.after(time.Hour)
		if h.engine.asked() != 1 {
			t.Errorf("%d removals", h.engine.asked())
		}
	})
}

func TestWorkerReapsAllocations(t *testing.T) {
	inBubble(t, func(h *host) {
		h.engine.set(nil)
		h.dirs.ids = []string{"a1", "stray"}
		h.st.AllocSpecs.Put("a1", job.AllocSpec{ID: "a1", Job: "web", Desired: job.DesiredStop})
		h.st.AllocStatuses.Put("a1", job.AllocStatus{EndedAt: time.Now()})
		h.dirs.with(func() { h.dirs.err = os.ErrPermission })
		h.start()
		h.after(KeepEnded)
		h.after(2 * interval)
		if h.st.AllocSpecs.Len() != 1 {
			t.Fatal("the record went before the directory")
		}
		if diff := cmp.Diff([]string{"allocation directory: kept"}, h.said(logrus.InfoLevel)); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
		h.dirs.with(func() { h.dirs.err = nil })
		h.after(interval)
		if diff := cmp.Diff([]string{"ended allocation removed"}, h.said(logrus.InfoLevel)); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
		if h.st.AllocSpecs.Len()+h.st.AllocStatuses.Len() != 0 {
			t.Error("the record stays")
		}
		// This run is one after a loss of the state: nothing unknown goes.
		h.after(3 * KeepUnknown)
		if h.dirs.len() != 1 {
			t.Error("the unknown directory went")
		}
	})
}

func TestWorkerRemovesUnknownDirectories(t *testing.T) {
	dir := t.TempDir()
	first, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	first.Provenance.Put(redisID, store.ImageProvenance{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // one last flush
	if err := first.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(dir, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = st.Close() }()
		h := &host{t: t, st: st, engine: &engine{}, dirs: &dirs{ids: []string{"stray"}, listErr: os.ErrPermission}}
		h.log, h.logs = logtest.NewNullLogger()
		h.cfg = Config{Now: func() time.Time { return time.Now().Add(time.Duration(h.skew.Load())) }}
		h.start()
		h.after(time.Hour)
		h.dirs.with(func() { h.dirs.listErr = nil })
		h.after(23 * time.Hour)
		h.skew.Store(int64(48 * time.Hour)) // a step is no time
		h.after(59 * time.Minute)
		if h.dirs.len() != 1 {
			t.Fatal("the directory went early")
		}
		h.after(2 * interval)
		if h.dirs.len() != 0 {
			t.Fatal("the directory stays")
		}
		if diff := cmp.Diff([]string{"allocation directory: kept", "directory of an unknown allocation removed"}, h.said(logrus.InfoLevel)); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
		h.stop()
	})
}

func TestStepClock(t *testing.T) {
	wall, mono := t0, time.Duration(0)
	c := stepClock{now: func() time.Time { return wall }, elapsed: func() time.Duration { return mono }}
	for _, tc := range []struct{ wall, mono, want time.Duration }{
		{0, 0, 0},
		{time.Minute, time.Minute, 0},
		{time.Hour, time.Minute, time.Hour - time.Minute},
		{time.Minute, time.Minute, 0},
		{0, time.Minute, -time.Minute},
		{maxSkew / 2, 0, 0},       // kept in mind,
		{maxSkew / 2, 0, maxSkew}, // and made up for
		{time.Minute, time.Minute, 0},
	} {
		wall, mono = wall.Add(tc.wall), mono+tc.mono
		if now, step := c.read(); !now.Equal(wall) || step != tc.want {
			t.Errorf("after %s (%s): step %s, want %s", tc.wall, tc.mono, step, tc.want)
		}
	}
}
