package docker

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"reconciler/internal/job"
	"reconciler/internal/testimage"
)

// guarded is a registry on 127.0.0.1 that wants a password, once it is locked,
// and can be made slow, broken and busy.
type guarded struct {
	addr   string
	locked atomic.Bool
	slow   atomic.Int64 // nanoseconds before each blob
	cut    atomic.Bool  // blobs end in the middle
	busy   atomic.Bool  // 429

	mu    sync.Mutex
	users map[string]int // who was let in, and how often
}

func (d *dockerd) guarded() *guarded {
	d.t.Helper()
	g := &guarded{users: map[string]int{}}
	addr, end, err := testimage.StartRegistry(g.wrap)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(sync.OnceFunc(end))
	g.addr = addr
	return g
}

func (g *guarded) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case g.busy.Load():
			w.Header().Set("Retry-After", "7")
			distributionError(w, http.StatusTooManyRequests)
			return
		case g.locked.Load() && (user != goodUser || password != goodPassword):
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			distributionError(w, http.StatusUnauthorized)
			return
		}
		g.mu.Lock()
		g.users[user]++
		g.mu.Unlock()
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			select {
			case <-time.After(time.Duration(g.slow.Load())):
			case <-r.Context().Done():
			}
			if g.cut.Load() {
				w = &halfWriter{ResponseWriter: w}
			}
		}
		h.ServeHTTP(w, r)
	})
}

func distributionError(w http.ResponseWriter, code int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"the registry says so"}]}`, registryCodes[code])
}

// halfWriter cuts the connection in the middle of a body.
type halfWriter struct{ http.ResponseWriter }

func (h *halfWriter) Write(p []byte) (int, error) {
	_, _ = h.ResponseWriter.Write(p[:len(p)/2])
	_ = http.NewResponseController(h.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

// configured is the engine of d with these agent options.
func (d *dockerd) configured(opts Options) *Engine {
	opts.VolumesEnabled = true
	return New(d.cli, opts, d, d.prov, quietLog())
}

// forget removes an image, so that the next one who asks must pull it.
func (d *dockerd) forget(res job.ImageResult, refs ...string) {
	d.t.Helper()
	if err := d.RemoveImage(d.t.Context(), res.ID, refs); err != nil {
		d.t.Fatal(err)
	}
}

// TestDockerd_Credentials: every source, against a registry that wants a
// password, through a real engine.
func TestDockerd_Credentials(t *testing.T) {
	d := realDockerd(t)
	g := d.guarded()
	ref := g.addr + "/secret/app:1"
	d.push(ref, d.image("", testimage.Options{}))
	g.locked.Store(true)
	helpers(t, map[string]string{
		"good": answer(goodUser, goodPassword), "wrong": answer(goodUser, "nope"), "broken": "echo out of order >&2; exit 1", "none": "exit 0",
	})
	good := bob(goodPassword)
	file := func(text string) string { return authJSON(t, strings.ReplaceAll(text, "REG", g.addr)) }
	inFile := `{"auths": {"http://REG/v2/": {"auth": "` + basic(goodUser, goodPassword) + `"}}}`
	for _, tc := range []struct {
		name   string
		opts   Options
		req    job.ImageRequest
		reason string // "" is success
		warn   string
	}{
		{"nobody", Options{}, job.ImageRequest{}, ReasonPullDenied, ""},
		{"own", Options{}, job.ImageRequest{Auth: good}, "", ""},
		{"own, with the server's address", Options{}, job.ImageRequest{Auth: &job.Auth{Username: goodUser, Password: good.Password, ServerAddress: g.addr}}, "", ""},
		{"own, for another server", Options{}, job.ImageRequest{Auth: &job.Auth{Username: goodUser, Password: good.Password, ServerAddress: "r.example"}}, "", WarnCredentialsServer},
		{"wrong password", Options{}, job.ImageRequest{Auth: bob("nope")}, ReasonPullDenied, ""},
		{"wrong password, softly, and private", Options{}, job.ImageRequest{Auth: bob("nope"), AuthSoftFail: true}, ReasonPullDenied, WarnAuthSoftFail},
		{"auths", Options{AuthConfig: file(inFile)}, job.ImageRequest{}, "", ""},
		{"auths, before a helper that is broken", Options{AuthConfig: file(inFile), AuthHelper: "broken"}, job.ImageRequest{}, "", ""},
		{"credHelpers", Options{AuthConfig: file(`{"credHelpers": {"REG": "good"}, "credsStore": "broken"}`)}, job.ImageRequest{}, "", ""},
		{"credsStore", Options{AuthConfig: file(`{"auths": {"REG": {}}, "credsStore": "good"}`)}, job.ImageRequest{}, "", ""},
		{"helper", Options{AuthConfig: file(`{"credsStore": "none"}`), AuthHelper: "good"}, job.ImageRequest{}, "", ""},
		{"helper with a wrong password", Options{AuthHelper: "wrong"}, job.ImageRequest{}, ReasonPullDenied, ""},
		{"helper that is broken", Options{AuthHelper: "broken"}, job.ImageRequest{}, ReasonCredentialHelperFailed, ""},
		{"helper that is broken, softly", Options{AuthHelper: "broken"}, job.ImageRequest{AuthSoftFail: true}, ReasonPullDenied, WarnAuthSoftFail},
		{"helper that is not there", Options{AuthHelper: "nowhere"}, job.ImageRequest{}, ReasonCredentialHelperMissing, ""},
		{"helper that is broken and not asked", Options{AuthHelper: "broken"}, job.ImageRequest{Auth: good}, "", ""},
		{"not stored, but in the file", Options{AuthConfig: file(inFile)}, job.ImageRequest{AuthMissing: true}, "", WarnCredentialsNotStored},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var told notice
			tc.req.Ref, tc.req.Warn = ref, told.take
			res, err := d.configured(tc.opts).Bring(t.Context(), tc.req)
			if tc.reason == "" && err != nil || tc.reason != "" && reasonOf(err) != tc.reason || told.reason != tc.warn {
				t.Errorf("%v, warned %v; want %q and %q", err, told, tc.reason, tc.warn)
			}
			if text := fmt.Sprint(err, told); strings.Contains(text, goodPassword) || strings.Contains(text, "nope") {
				t.Errorf("a password is told: %s", text)
			}
			if err == nil {
				d.forget(res, ref)
			}
		})
	}
	t.Run("softly, and public by now", func(t *testing.T) {
		g.locked.Store(false)
		helpers(t, nil)
		var told notice
		res, err := d.configured(Options{AuthHelper: "nowhere"}).Bring(t.Context(), job.ImageRequest{Ref: ref, AuthSoftFail: true, Warn: told.take})
		if err != nil || told.reason != WarnAuthSoftFail {
			t.Fatalf("%v, warned %v", err, told)
		}
		d.forget(res, ref)
	})
}

// TestDockerd_DigestsWithCredentials: what the engine is asked for by digest
// needs the password as well.
func TestDockerd_DigestsWithCredentials(t *testing.T) {
	d := realDockerd(t)
	g := d.guarded()
	img := d.image("", testimage.Options{})
	d.push(g.addr+"/pinned:1", img)
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	g.locked.Store(true)
	for _, ref := range []string{g.addr + "/pinned@" + digest.String(), g.addr + "/pinned:1@" + digest.String()} {
		if _, err := d.Bring(t.Context(), job.ImageRequest{Ref: ref}); reasonOf(err) != ReasonPullDenied {
			t.Errorf("%s as nobody: %v", ref, err)
		}
		res, err := d.Bring(t.Context(), job.ImageRequest{Ref: ref, Auth: bob(goodPassword)})
		if err != nil || !res.Ours {
			t.Fatalf("%s: %+v %v", ref, res, err)
		}
		d.forget(res, ref)
	}
	absent := g.addr + "/pinned@sha256:" + strings.Repeat("0", 64)
	if _, err := d.Bring(t.Context(), job.ImageRequest{Ref: absent, Auth: bob(goodPassword)}); reasonOf(err) != ReasonImageNotFound {
		t.Errorf("a digest that is not there: %v", err)
	}
}

// TestDockerd_BadRegistries: busy, slow and broken ones are retried and say
// why; once they are well again, the image comes.
func TestDockerd_BadRegistries(t *testing.T) {
	d := realDockerd(t)
	g := d.guarded()
	ref := g.addr + "/app:1"
	d.push(ref, d.image("", testimage.Options{}))
	g.locked.Store(true)
	req := job.ImageRequest{Ref: ref, Auth: bob(goodPassword)}
	try := func(what string, req job.ImageRequest, want string) {
		t.Helper()
		_, err := d.Bring(t.Context(), req)
		if kind, reason := job.KindOf(err); kind != job.Retried || reason != want {
			t.Errorf("%s: %s %s %v, want %s", what, kind, reason, err, want)
		}
		if strings.Contains(fmt.Sprint(err), goodPassword) {
			t.Errorf("a password is told: %v", err)
		}
	}
	g.busy.Store(true)
	try("429", req, ReasonRegistryUnreachable)
	g.busy.Store(false)

	g.slow.Store(int64(8 * time.Second))
	begin := time.Now()
	hasty := req
	hasty.Timeout = 2 * time.Second
	try("slow", hasty, ReasonImagePullTimeout)
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("it took %s to give up after 2s", took)
	}
	silent := d.configured(Options{PullActivityTimeout: 2 * time.Second})
	if _, err := silent.Bring(t.Context(), req); reasonOf(err) != ReasonImagePullFailed || !strings.Contains(err.Error(), "activity_timeout") {
		t.Errorf("silent: %v", err)
	}
	g.slow.Store(0)

	if len(d.Progress()) > 0 || len(d.prov.openIntents()) > 0 {
		t.Errorf("left behind: %v %v", d.Progress(), d.prov.openIntents())
	}

	g.cut.Store(true)
	cut := req
	cut.Timeout = 5 * time.Second // an engine tries again by itself, for long
	if _, err := d.Bring(t.Context(), cut); err == nil {
		t.Error("blobs are cut, and the pull succeeded")
	} else if _, reason := job.KindOf(err); reason != ReasonImagePullTimeout && reason != ReasonImagePullFailed {
		t.Errorf("cut: %v", err)
	}
	g.cut.Store(false)
	res, err := d.Bring(t.Context(), req)
	if err != nil || !res.Ours {
		t.Fatalf("well again: %+v %v", res, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.users[goodUser] == 0 {
		t.Errorf("let in: %v", g.users)
	}
}
