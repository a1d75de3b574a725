package docker

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"reconciler/internal/job"
)

// putArchive writes an archive with web:1 and side:1, and returns its size.
func putArchive(t *testing.T, local string) int64 {
	t.Helper()
	data := saved(t, map[string]string{"web:1": "one", "side:1": "s"})
	if err := os.WriteFile(filepath.Join(local, "web.tar"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return int64(len(data))
}

// TestLoadThatGoesOn: the engine goes on with an archive that it has, whether
// or not we listen, unless it says what is wrong. What comes of it is ours.
func TestLoadThatGoesOn(t *testing.T) {
	for _, tc := range []struct {
		name   string
		load   func(w stream, cancel func(), ended <-chan struct{})
		open   bool // the intents stay
		kind   job.Kind
		reason string
	}{
		{"nobody waits", func(w stream, cancel func(), ended <-chan struct{}) {
			w.say(`{"status":"Loading layer"}`)
			cancel()
			<-ended
		}, true, job.Indeterminate, ReasonCancelled},
		{"the connection breaks", func(w stream, _ func(), _ <-chan struct{}) {
			w.say(`{"status":"Loading layer"}`)
			panic(http.ErrAbortHandler)
		}, true, job.Indeterminate, ReasonEngineUnavailable},
		{"it breaks before the answer", func(stream, func(), <-chan struct{}) {
			panic(http.ErrAbortHandler)
		}, true, job.Indeterminate, ReasonEngineUnavailable},
		{"the answer is not to be read", func(w stream, _ func(), _ <-chan struct{}) {
			w.say(`{"status":}`)
		}, true, job.Retried, ReasonImageLoadFailed},
		{"the engine says what is wrong", func(w stream, _ func(), _ <-chan struct{}) {
			w.say(`{"errorDetail":{"message":"no space left on device"}}`)
		}, false, job.Retried, ReasonImageLoadFailed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, e, p, local := archiveEngine(t, false)
			putArchive(t, local)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ended := make(chan struct{})
			defer close(ended)
			s.load = func(_ []byte, w stream) { tc.load(w, cancel, ended) }
			_, err := e.Bring(ctx, loadRequest(webRef, "web.tar"))
			if kind, reason := job.KindOf(err); kind != tc.kind || reason != tc.reason {
				t.Errorf("%s %s %v, want %s %s", kind, reason, err, tc.kind, tc.reason)
			}
			if p.Intended(webRef) != tc.open || p.Intended(sideRef) != tc.open {
				t.Errorf("intents %v, want them open: %t", p.openIntents(), tc.open)
			}
			s.setImage(webRef, configID("one"))
			res, err := e.Bring(t.Context(), loadRequest(webRef, "web.tar"))
			if err != nil || res.Ours != tc.open || p.Intended(webRef) {
				t.Errorf("%+v %v, intents %v", res, err, p.openIntents())
			}
		})
	}
}

// TestSlowLoad: a load is not given up while the engine reads, or says that it
// goes on, and tells how far it is.
func TestSlowLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e, _, local := archiveEngine(t, false)
		size := putArchive(t, local)
		s.handle[loadCall] = func(w http.ResponseWriter, r *http.Request) {
			for {
				n, err := io.CopyN(io.Discard, r.Body, 1<<19)
				time.Sleep(100 * time.Second)
				if got := e.Progress(); len(got) != 1 || got[0].BytesTotal != size || got[0].BytesDone < n {
					t.Errorf("progress %+v", got)
				}
				if err != nil {
					break
				}
			}
			w.Header().Set("Content-Type", "application/json")
			for range 5 {
				stream{w}.say(`{"status":"Loading layer"}`)
				time.Sleep(100 * time.Second)
			}
			s.setImage(webRef, configID("one"))
		}
		start := time.Now()
		res, err := e.Bring(t.Context(), loadRequest(webRef, "web.tar"))
		if err != nil || !res.Ours || time.Since(start) < 1000*time.Second {
			t.Errorf("%+v %v after %s", res, err, time.Since(start))
		}
	})
}

// TestLoadLeavesNothingOpen: neither leases nor files.
func TestLoadLeavesNothingOpen(t *testing.T) {
	s, e, _, local := archiveEngine(t, false)
	putArchive(t, local)
	files := func() int {
		open, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(open)
	}
	const rounds = 20
	before := files()
	for range rounds {
		s.dropImage(webRef)
		for _, name := range []string{"web.tar", "web.tar", "."} { // loaded, there, and no file
			_, err := e.Bring(t.Context(), loadRequest(webRef, name))
			if (err == nil) != (name == "web.tar") {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	if n := files() - before; n >= rounds {
		t.Errorf("%d files more are open after %d rounds", n, rounds)
	}
	if len(e.leases.held)+len(e.leases.exclusive) > 0 {
		t.Errorf("leases left: %v %v", e.leases.held, e.leases.exclusive)
	}
}
