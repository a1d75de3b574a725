package docker

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/registry"
	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

// private is a registry that lets in one user, behind a scripted engine.
type private struct {
	s    *script
	open bool // lets in everybody who shows nothing

	mu   sync.Mutex
	seen []string // who pulled and who asked, as user:password
}

const goodUser, goodPassword = "bob", "s3cret"

func newPrivate(s *script) *private {
	p := &private{s: s}
	s.pull = func(r *http.Request, ref string, w stream) {
		if !p.let(r, "pull") {
			w.status(http.StatusInternalServerError, "Head https://r/v2/: no basic auth credentials")
			return
		}
		w.say(`{"status":"x"}`)
		s.setImage(ref, "sha256:1")
	}
	s.handle["GET /distribution/"+redis+"/json"] = func(w http.ResponseWriter, r *http.Request) {
		if !p.let(r, "ask") {
			stream{w}.status(http.StatusUnauthorized, "no")
			return
		}
		_, _ = fmt.Fprint(w, "{}")
	}
	return p
}

func (p *private) let(r *http.Request, what string) bool {
	who := "nobody"
	if header := r.Header.Get(registry.AuthHeader); header != "" {
		a, err := registry.DecodeAuthConfig(header)
		if err != nil {
			p.s.t.Error(err)
		}
		who = a.Username + ":" + a.Password
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = append(p.seen, what+" as "+who)
	return who == goodUser+":"+goodPassword || p.open && who == "nobody"
}

func bob(password string) *job.Auth {
	return &job.Auth{Username: goodUser, Password: job.NewSecret(password)}
}

// warnings collects what a request warns of.
type warnings []notice

func (w *warnings) take(reason, message string) { *w = append(*w, notice{reason, message}) }

func (w *warnings) reasons() (out []string) {
	for _, n := range *w {
		out = append(out, n.reason)
	}
	return out
}

func TestPullWithCredentials(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "config.json")
	file := authJSON(t, `{"auths": {"https://index.docker.io/v1/": {"auth": "`+basic(goodUser, goodPassword)+`"}}}`)
	for _, tc := range []struct {
		name   string
		open   bool
		file   string
		req    job.ImageRequest
		seen   []string
		warn   []string
		reason string // "" is success
	}{
		{name: "own", req: job.ImageRequest{Auth: bob(goodPassword)}, seen: []string{"pull as bob:s3cret"}},
		{name: "file", file: file, seen: []string{"pull as bob:s3cret"}},
		{name: "own before the file", file: file, req: job.ImageRequest{Auth: bob("x")}, seen: []string{"pull as bob:x", "ask as bob:x"}, reason: ReasonPullDenied},
		{name: "none", seen: []string{"pull as nobody", "ask as nobody"}, reason: ReasonPullDenied},
		{name: "public", open: true, seen: []string{"pull as nobody"}},
		{name: "wrong password for a public image", open: true, req: job.ImageRequest{Auth: bob("x")}, seen: []string{"pull as bob:x", "ask as bob:x"}, reason: ReasonPullDenied},
		{
			name: "soft", open: true, req: job.ImageRequest{Auth: bob("x"), AuthSoftFail: true},
			seen: []string{"pull as bob:x", "ask as bob:x", "pull as nobody"}, warn: []string{WarnAuthSoftFail},
		},
		{
			name: "soft, and private", req: job.ImageRequest{Auth: bob("x"), AuthSoftFail: true},
			seen: []string{"pull as bob:x", "ask as bob:x", "pull as nobody", "ask as nobody"}, warn: []string{WarnAuthSoftFail}, reason: ReasonPullDenied,
		},
		{name: "soft with nothing to fail", open: true, req: job.ImageRequest{AuthSoftFail: true}, seen: []string{"pull as nobody"}},
		{name: "soft, and nobody is let in", req: job.ImageRequest{AuthSoftFail: true}, seen: []string{"pull as nobody", "ask as nobody"}, reason: ReasonPullDenied},
		{name: "soft, and the password is right", req: job.ImageRequest{Auth: bob(goodPassword), AuthSoftFail: true}, seen: []string{"pull as bob:s3cret"}},
		{name: "lookup fails", open: true, file: missing, reason: ReasonAuthConfigInvalid},
		{name: "lookup fails softly", open: true, file: missing, req: job.ImageRequest{AuthSoftFail: true}, seen: []string{"pull as nobody"}, warn: []string{WarnAuthSoftFail}},
		{name: "lookup that is not needed", file: missing, req: job.ImageRequest{Auth: bob(goodPassword)}, seen: []string{"pull as bob:s3cret"}},
		{
			name: "not stored", req: job.ImageRequest{AuthMissing: true}, seen: []string{"pull as nobody", "ask as nobody"},
			warn: []string{WarnCredentialsNotStored}, reason: ReasonPullDenied,
		},
		{name: "not stored, and the file has them", file: file, req: job.ImageRequest{AuthMissing: true}, seen: []string{"pull as bob:s3cret"}, warn: []string{WarnCredentialsNotStored}},
		{
			name: "another server", req: job.ImageRequest{Auth: &job.Auth{Username: goodUser, Password: job.NewSecret(goodPassword), ServerAddress: "r.example"}},
			seen: []string{"pull as bob:s3cret"}, warn: []string{WarnCredentialsServer},
		},
		{
			name: "Docker Hub by another name", req: job.ImageRequest{Auth: &job.Auth{Username: goodUser, Password: job.NewSecret(goodPassword), ServerAddress: "index.docker.io"}},
			seen: []string{"pull as bob:s3cret"},
		},
		{
			name: "the file's other server is none", file: authJSON(t, `{"auths": {"r.example": {"auth": "`+basic(goodUser, goodPassword)+`"}}}`),
			seen: []string{"pull as nobody", "ask as nobody"}, reason: ReasonPullDenied,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *script, e *Engine, books *memory) {
				e.logins.file = tc.file
				p := newPrivate(s)
				p.open = tc.open
				var told warnings
				tc.req.Ref, tc.req.Warn = redis, told.take
				res, err := e.Bring(t.Context(), tc.req)
				if tc.reason == "" && (err != nil || res.ID != "sha256:1") || tc.reason != "" && reasonOf(err) != tc.reason {
					t.Errorf("%+v %v, want %q", res, err, tc.reason)
				}
				if diff := cmp.Diff(tc.seen, p.seen); diff != "" {
					t.Errorf("the registry saw (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(tc.warn, told.reasons()); diff != "" {
					t.Errorf("warnings (-want +got):\n%s", diff)
				}
				if text := fmt.Sprint(err, told, res); strings.Contains(text, goodPassword) {
					t.Errorf("a password is told: %s", text)
				}
				if len(books.openIntents()) > 0 {
					t.Errorf("intents left open: %v", books.openIntents())
				}
			})
		})
	}
}

// A registry that says no, or credentials that cannot be had, are no reason to
// run an old copy.
func TestNoLocalCopyWithoutCredentials(t *testing.T) {
	helpers(t, map[string]string{"bad": "exit 1"})
	s, cli, stop := newScript(t)
	defer stop()
	newPrivate(s)
	e := New(cli, Options{AuthHelper: "bad"}, testDirs{}, newMemory(), quietLog())
	s.setImage(redis, "sha256:0")
	_, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis, Ask: true})
	if reasonOf(err) != ReasonCredentialHelperFailed || s.count(pullCall) > 0 {
		t.Errorf("%v, %d pulls", err, s.count(pullCall))
	}
	if _, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis, Ask: true, Auth: bob("x")}); reasonOf(err) != ReasonPullDenied {
		t.Errorf("%v", err)
	}
	if res, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis}); err != nil || res.ID != "sha256:0" {
		t.Errorf("an image that is there needs no credentials: %+v %v", res, err)
	}
}

// Who asks in the same name shares a pull; who asks in another waits, and gets
// one of their own.
func TestPullsAreSharedByName(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
		p := newPrivate(s)
		serve := s.pull
		s.pull = func(r *http.Request, ref string, w stream) {
			time.Sleep(time.Minute)
			serve(r, ref, w)
		}
		wrong := bring(t.Context(), e, job.ImageRequest{Ref: redis, Auth: bob("x")})
		synctest.Wait()
		var good, nobody []<-chan brought
		for range 3 {
			good = append(good, bring(t.Context(), e, job.ImageRequest{Ref: redis, Auth: bob(goodPassword)}))
		}
		time.Sleep(time.Second)
		if got := e.Progress(); len(got) != 1 || got[0].Waiters != 1 {
			t.Errorf("%+v", got)
		}
		if b := <-wrong; reasonOf(b.err) != ReasonPullDenied {
			t.Errorf("%+v", b)
		}
		synctest.Wait()
		for range 2 {
			nobody = append(nobody, bring(t.Context(), e, job.ImageRequest{Ref: redis}))
		}
		for _, c := range good {
			if b := <-c; b.err != nil || b.res.ID != "sha256:1" {
				t.Errorf("%+v", b)
			}
		}
		// What another brought meanwhile will do, since it need only be there.
		for _, c := range nobody {
			if b := <-c; b.err != nil || b.res.ID != "sha256:1" {
				t.Errorf("%+v", b)
			}
		}
		pulls := slices.DeleteFunc(p.seen, func(s string) bool { return !strings.HasPrefix(s, "pull") })
		if diff := cmp.Diff([]string{"pull as bob:x", "pull as bob:s3cret", "pull as nobody"}, pulls); diff != "" || s.most != 1 {
			t.Errorf("%d at a time: %s", s.most, diff)
		}
	})
}

// image_pull_timeout ends a task's wait, and the pull only if nobody else
// waits.
func TestPullTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, books *memory) {
		var cancelled atomic.Int32 // by the handlers, which nothing orders among themselves
		s.pull = func(r *http.Request, ref string, w stream) {
			for range 90 {
				w.say(`{"status":"Downloading","id":"a"}`)
				select {
				case <-time.After(time.Second):
				case <-r.Context().Done():
					cancelled.Add(1)
					return
				}
			}
			s.setImage(ref, "sha256:1")
		}
		start := time.Now()
		timedOut := func(what string, b brought, after time.Duration) {
			t.Helper()
			kind, reason := job.KindOf(b.err)
			if kind != job.Retried || reason != ReasonImagePullTimeout || !strings.Contains(b.err.Error(), "image_pull_timeout") || time.Since(start) != after {
				t.Errorf("%s: %s %s %v after %s", what, kind, reason, b.err, time.Since(start))
			}
		}
		patient := bring(t.Context(), e, job.ImageRequest{Ref: redis})
		hasty := bring(t.Context(), e, job.ImageRequest{Ref: redis, Timeout: 10 * time.Second})
		timedOut("hasty", <-hasty, 10*time.Second)
		if b := <-patient; b.err != nil || b.res.ID != "sha256:1" || cancelled.Load() != 0 {
			t.Errorf("the patient one: %+v, %d cancelled", b, cancelled.Load())
		}

		s.dropImage(redis)
		start = time.Now()
		timedOut("alone", <-bring(t.Context(), e, job.ImageRequest{Ref: redis, Timeout: 20 * time.Second}), 20*time.Second)
		synctest.Wait()
		if cancelled.Load() != 1 || len(e.Progress()) > 0 || len(books.openIntents()) > 0 {
			t.Errorf("%d cancelled, %v", cancelled.Load(), e.Progress())
		}

		// A local copy stands in, as for a registry that does not answer.
		s.setImage(redis, "sha256:0")
		var told warnings
		b := <-bring(t.Context(), e, job.ImageRequest{Ref: redis, Ask: true, Timeout: time.Second, Warn: told.take})
		if b.err != nil || b.res.ID != "sha256:0" || !slices.Equal(told.reasons(), []string{WarnImageFallback}) {
			t.Errorf("%+v %v", b, told)
		}
		b = <-bring(t.Context(), e, job.ImageRequest{Ref: redis, Ask: true, Force: true, Timeout: time.Second})
		if reasonOf(b.err) != ReasonImagePullTimeout {
			t.Errorf("force_pull: %+v", b)
		}

		// Who gives up before is no victim of the timeout.
		ctx, cancel := context.WithCancel(t.Context())
		left := bring(ctx, e, job.ImageRequest{Ref: redis, Ask: true, Timeout: time.Minute})
		synctest.Wait()
		cancel()
		if b := <-left; reasonOf(b.err) != ReasonCancelled {
			t.Errorf("%+v", b)
		}
	})
}

// The wait for one of the slots is part of the task's wait.
func TestPullTimeoutCountsTheQueue(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
		s.pull = func(_ *http.Request, ref string, w stream) {
			w.say(`{"status":"x"}`)
			time.Sleep(time.Minute)
			s.setImage(ref, "sha256:"+ref)
		}
		var others []<-chan brought
		for i := range maxPulls {
			others = append(others, bring(t.Context(), e, job.ImageRequest{Ref: fmt.Sprintf("docker.io/library/i%d:1", i)}))
		}
		synctest.Wait()
		start := time.Now()
		b := <-bring(t.Context(), e, job.ImageRequest{Ref: redis, Timeout: 5 * time.Second})
		if reasonOf(b.err) != ReasonImagePullTimeout || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %s", b.err, time.Since(start))
		}
		for _, c := range others {
			if b := <-c; b.err != nil {
				t.Error(b.err)
			}
		}
	})
}
