package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

const redis = "docker.io/library/redis:7"

// bubble runs f in virtual time with an engine of its own.
func bubble(t *testing.T, f func(t *testing.T, s *script, e *Engine, p *memory)) {
	synctest.Test(t, func(t *testing.T) {
		s, cli, stop := newScript(t)
		defer stop()
		p := newMemory()
		f(t, s, New(cli, Options{VolumesEnabled: true}, testDirs{}, p, quietLog()), p)
	})
}

type brought struct {
	res job.ImageResult
	err error
}

func bring(ctx context.Context, e *Engine, req job.ImageRequest) <-chan brought {
	out := make(chan brought, 1)
	go func() {
		res, err := e.Bring(ctx, req)
		out <- brought{res, err}
	}()
	return out
}

// take is a job.ImageRequest's Warn that keeps the last warning.
func (n *notice) take(reason, message string) { *n = notice{reason, message} }

func TestPresentImageIsNotPulled(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
		s.setImage(redis, "sha256:1")
		res, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis})
		if err != nil || res != (job.ImageResult{ID: "sha256:1"}) || len(s.calls) > 0 || len(p.trace) > 0 {
			t.Errorf("%+v %v, calls %v, books %v", res, err, s.calls, p.trace)
		}
	})
}

func TestPullIsOursAndIntendedFirst(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
		s.pull = func(_ *http.Request, ref string, w stream) {
			if !p.Intended(redis) {
				t.Error("the pull began before the intent was committed")
			}
			w.say(`{"status":"Pulling from library/redis","id":"7"}`)
			s.setImage(ref, "sha256:1")
		}
		res, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis})
		if err != nil || res != (job.ImageResult{ID: "sha256:1", Ours: true}) {
			t.Fatalf("%+v %v", res, err)
		}
		if diff := cmp.Diff([]string{"intend " + redis, "done " + redis + " sha256:1"}, p.trace); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNoIntentNoPull(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
		p.refuse = errors.New("disk full")
		_, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis})
		if kind, reason := job.KindOf(err); kind != job.Retried || reason != ReasonStateNotWritten || s.count(pullCall) > 0 {
			t.Errorf("%s %s %v, %d pulls", kind, reason, err, s.count(pullCall))
		}
		if p.Intended(redis) {
			t.Error("the intent is open, and would make ours what a person brings now")
		}
		// That of a pull which was cut off before stays open.
		p.refuse = nil
		_ = p.Intend(t.Context(), redis, SourcePull)
		p.refuse = errors.New("disk full")
		if _, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis}); err == nil || !p.Intended(redis) {
			t.Errorf("%v; an intent of before is open: %t", err, p.Intended(redis))
		}
	})
}

// Whose the image is afterwards, by what was there before.
func TestProvenanceOfAPull(t *testing.T) {
	for _, tc := range []struct {
		name   string
		before map[string]string
		known  string // an id that is ours already
		after  string
		ours   bool
	}{
		{"absent", nil, "", "sha256:1", true},
		{"absent, and the id was there under a stranger's name", map[string]string{"other:1": "sha256:1"}, "", "sha256:1", true},
		{"absent, and a person pulled the id by its digest", map[string]string{"redis" + testDigest: "sha256:1"}, "", "sha256:1", false},
		{"absent, and we pulled the id by its digest", map[string]string{"redis" + testDigest: "sha256:1"}, "sha256:1", "sha256:1", true},
		{"absent, and the id was there by a digest of another repository", map[string]string{"other" + testDigest: "sha256:1"}, "", "sha256:1", true},
		{"there, nothing new", map[string]string{redis: "sha256:1"}, "", "sha256:1", false},
		{"ours, nothing new", map[string]string{redis: "sha256:1"}, "sha256:1", "sha256:1", true},
		{"there, moved to a new id", map[string]string{redis: "sha256:1"}, "", "sha256:2", true},
		{"there, moved to a stranger's id", map[string]string{redis: "sha256:1", "other:1": "sha256:2"}, "", "sha256:2", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
				for ref, id := range tc.before {
					s.setImage(ref, id)
				}
				if tc.known != "" {
					p.Done(redis, SourcePull, tc.known, true, 1)
				}
				s.pull = func(_ *http.Request, ref string, w stream) { w.say(`{}`); s.setImage(ref, tc.after) }
				res, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis, Ask: true})
				if err != nil || res.ID != tc.after || res.Ours != tc.ours || p.Known(tc.after) != tc.ours {
					t.Errorf("%+v %v; ours: %v", res, err, p.idsOurs())
				}
				if open := p.openIntents(); len(open) > 0 {
					t.Errorf("intents left open: %v", open)
				}
			})
		})
	}
}

func TestCrashLeavesKnowledge(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
		_ = p.Intend(t.Context(), redis, SourcePull) // and then the agent was killed, the engine went on
		s.setImage(redis, "sha256:1")
		res, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis})
		if err != nil || !res.Ours || !p.Known("sha256:1") || p.Intended(redis) {
			t.Errorf("%+v %v, open %v", res, err, p.openIntents())
		}
	})
}

// TestCutStreamLeavesKnowledge: the engine goes on with a pull of which we hear
// no more, and what comes of it is ours.
func TestCutStreamLeavesKnowledge(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
		s.pull = func(_ *http.Request, _ string, w stream) { w.say(`{"status":"Downloading","id":"a","progr`) }
		if _, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis}); err == nil {
			t.Fatal("half a line is no pull")
		}
		if !p.Intended(redis) {
			t.Error("the intent of a pull that may go on was closed")
		}
		s.setImage(redis, "sha256:1")
		res, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis})
		if err != nil || !res.Ours || p.Intended(redis) {
			t.Errorf("%+v %v, open %v", res, err, p.openIntents())
		}
	})
}

func TestPullErrors(t *testing.T) {
	inStream := func(_ *http.Request, _ string, w stream) {
		w.say(`{"status":"Downloading","id":"a","progressDetail":{"current":1,"total":10}}`)
		w.say(`{"errorDetail":{"message":"unexpected EOF"},"error":"unexpected EOF"}`)
	}
	answer := func(code int) func(*http.Request, string, stream) {
		return func(_ *http.Request, _ string, w stream) { w.status(code, "the engine says so") }
	}
	for _, tc := range []struct {
		name         string
		pull         func(*http.Request, string, stream)
		distribution int
		local, force bool
		kind         job.Kind
		reason       string // "" is the local copy with a warning
	}{
		{"in the stream", inStream, 200, false, false, job.Retried, ReasonImagePullFailed},
		{"in the stream, registry down by now", inStream, 500, false, false, job.Retried, ReasonRegistryUnreachable},
		{"error without detail", func(_ *http.Request, _ string, w stream) { w.say(`{"error":"x"}`) }, 200, false, false, job.Retried, ReasonImagePullFailed},
		{"not found", answer(404), 404, false, false, job.Retried, ReasonImageNotFound},
		{"not found, and no more is known", answer(404), 500, false, false, job.Retried, ReasonImageNotFound},
		{"denied looks like not found", answer(404), 401, false, false, job.Retried, ReasonPullDenied},
		{"denied looks like an engine error", answer(500), 403, false, false, job.Retried, ReasonPullDenied},
		{"registry down", answer(500), 500, false, false, job.Retried, ReasonRegistryUnreachable},
		{"too many requests", answer(500), 429, false, false, job.Retried, ReasonRegistryUnreachable},
		{"bad reference", answer(400), 200, false, false, job.WaitsForUser, ReasonInvalidConfig},
		{"registry down, local copy", answer(500), 500, true, false, "", ""},
		{"registry down, local copy, force_pull", answer(500), 500, true, true, job.Retried, ReasonRegistryUnreachable},
		{"broken pull, local copy", inStream, 200, true, false, "", ""},
		{"not found, local copy", answer(404), 404, true, false, job.Retried, ReasonImageNotFound},
		{"denied, local copy", answer(404), 401, true, false, job.Retried, ReasonPullDenied},
		{"pulled and not there", func(_ *http.Request, _ string, w stream) { w.say(`{}`) }, 200, false, false, job.Retried, ReasonImagePullFailed},
		{"connection cut", func(_ *http.Request, _ string, w stream) {
			w.say(`{"status":"x"}`)
			panic(http.ErrAbortHandler)
		}, 200, true, false, job.Indeterminate, ReasonEngineUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
				s.pull, s.distribution = tc.pull, tc.distribution
				if tc.local {
					s.setImage(redis, "sha256:1")
				}
				var told notice
				res, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis, Ask: true, Force: tc.force, Warn: told.take})
				if tc.reason == "" {
					if err != nil || res.ID != "sha256:1" || res.Ours || told.reason != WarnImageFallback || !strings.Contains(told.message, "redis:7") {
						t.Errorf("%+v %v %v", res, told, err)
					}
				} else if kind, reason := job.KindOf(err); kind != tc.kind || reason != tc.reason {
					t.Errorf("%s %s %v, want %s %s", kind, reason, err, tc.kind, tc.reason)
				}
				if open := p.openIntents(); len(open) > 0 || len(p.idsOurs()) > 0 {
					t.Errorf("a failed pull left intents %v and images %v", open, p.idsOurs())
				}
			})
		})
	}
}

func TestEngineAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, cli, stop := newScript(t)
		stop()
		e := New(cli, Options{}, testDirs{}, newMemory(), quietLog())
		for name, call := range map[string]func() error{
			"bring":  func() error { _, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis}); return err },
			"run":    func() error { _, err := e.Run(t.Context(), request(nil)); return err },
			"kill":   func() error { return e.Kill(t.Context(), "c", "") },
			"remove": func() error { return e.Remove(t.Context(), "c") },
			"image":  func() error { return e.RemoveImage(t.Context(), "sha256:1", nil) },
		} {
			if kind, reason := job.KindOf(call()); kind != job.Indeterminate || reason != ReasonEngineUnavailable {
				t.Errorf("%s: %s %s", name, kind, reason)
			}
		}
	})
}

func TestSilentPullIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
		s.pull = func(r *http.Request, _ string, w stream) {
			for i := range 10 { // slow, but alive: 10 × 100 s
				w.say(`{"status":"Downloading","id":"a","progressDetail":{"current":%d,"total":10}}`, i)
				time.Sleep(100 * time.Second)
			}
			<-r.Context().Done()
		}
		start := time.Now()
		_, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis})
		if _, reason := job.KindOf(err); reason != ReasonImagePullFailed || !strings.Contains(err.Error(), "2m0s") {
			t.Errorf("%s: %v", reason, err)
		}
		if took := time.Since(start); took != 900*time.Second+DefaultPullActivityTimeout {
			t.Errorf("given up after %s", took)
		}
		synctest.Wait()
	})
}

func TestOnePullForAllWaiters(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
		release := make(chan struct{})
		s.pull = func(_ *http.Request, ref string, w stream) {
			w.say(`{"status":"Downloading","id":"a","progressDetail":{"current":3,"total":10}}`)
			w.say(`{"status":"Already exists","id":"b"}`)
			<-release
			s.setImage(ref, "sha256:1")
		}
		first, cancel := context.WithCancel(t.Context())
		gone := bring(first, e, job.ImageRequest{Ref: redis})
		synctest.Wait()
		var rest []<-chan brought
		for range 3 {
			rest = append(rest, bring(t.Context(), e, job.ImageRequest{Ref: redis, Ask: true}))
		}
		synctest.Wait()
		want := []PullProgress{{
			Ref: redis, Source: SourcePull, BytesDone: 3, BytesTotal: 10, Layers: 2, LayersDone: 1,
			Since: time.Now(), Waiters: 4,
		}}
		if diff := cmp.Diff(want, e.Progress()); diff != "" {
			t.Errorf("progress (-want +got):\n%s", diff)
		}
		cancel() // the one that began it leaves; the pull goes on
		if b := <-gone; !errors.Is(b.err, context.Canceled) {
			t.Errorf("the one that left: %+v", b)
		}
		close(release)
		for _, c := range rest {
			if b := <-c; b.err != nil || b.res.ID != "sha256:1" || !b.res.Ours {
				t.Errorf("%+v", b)
			}
		}
		if n := s.count(pullCall); n != 1 {
			t.Errorf("%d pulls", n)
		}
		if p := e.Progress(); len(p) != 0 {
			t.Errorf("progress of a pull that ended: %+v", p)
		}
	})
}

func TestPullEndsWhenNobodyWaits(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
		cancelled := false
		s.pull = func(r *http.Request, _ string, w stream) {
			w.say(`{"status":"Downloading"}`)
			<-r.Context().Done()
			cancelled = true
		}
		ctx, cancel := context.WithCancel(t.Context())
		a, b := bring(ctx, e, job.ImageRequest{Ref: redis}), bring(ctx, e, job.ImageRequest{Ref: redis})
		synctest.Wait()
		cancel()
		for _, c := range []<-chan brought{a, b} {
			got := <-c
			if kind, reason := job.KindOf(got.err); kind != job.Indeterminate || reason != ReasonCancelled {
				t.Errorf("%s %s %v", kind, reason, got.err)
			}
		}
		synctest.Wait()
		if !cancelled || len(e.Progress()) > 0 || len(p.openIntents()) > 0 {
			t.Errorf("cancelled %v, progress %v, intents %v", cancelled, e.Progress(), p.openIntents())
		}
		// Somebody who comes now gets a pull of their own.
		s.pull = func(_ *http.Request, ref string, w stream) { w.say(`{}`); s.setImage(ref, "sha256:1") }
		if res, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis}); err != nil || res.ID != "sha256:1" {
			t.Errorf("%+v %v", res, err)
		}
	})
}

func TestThreePullsAtATime(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
		s.pull = func(_ *http.Request, ref string, w stream) {
			w.say(`{"status":"x"}`)
			time.Sleep(time.Minute)
			s.setImage(ref, "sha256:"+ref)
		}
		var all []<-chan brought
		for i := range 7 {
			all = append(all, bring(t.Context(), e, job.ImageRequest{Ref: fmt.Sprintf("docker.io/library/i%d:1", i)}))
		}
		synctest.Wait()
		waiting := 0
		for _, p := range e.Progress() {
			if p.Waiting {
				waiting++
			}
		}
		start := time.Now()
		for _, c := range all {
			if b := <-c; b.err != nil {
				t.Error(b.err)
			}
		}
		if s.most != maxPulls || waiting != 4 || time.Since(start) != 3*time.Minute {
			t.Errorf("%d pulls at a time, %d waiting, %s in all", s.most, waiting, time.Since(start))
		}
	})
}

func TestMeter(t *testing.T) {
	m := newMeter()
	for _, msg := range []message{
		{Status: "Pulling from library/redis", ID: "7"},
		{Status: "Pulling fs layer", ID: "a"},
		{Status: "Waiting", ID: "b"},
		{Status: "Already exists", ID: "c"},
		{Status: "Downloading", ID: "a", Progress: progressDetail{5, 10}},
		{Status: "Downloading", ID: "b", Progress: progressDetail{1, 100}},
		{Status: "Verifying Checksum", ID: "a"},
		{Status: "Download complete", ID: "a"},
		{Status: "Extracting", ID: "a", Progress: progressDetail{2, 10}},
		{Status: "Pull complete", ID: "a"},
		{Status: "Digest: sha256:1"},
	} {
		m.add(msg)
	}
	var p PullProgress
	m.read(&p)
	want := PullProgress{Waiting: true, BytesDone: 11, BytesTotal: 110, Layers: 3, LayersDone: 2}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
