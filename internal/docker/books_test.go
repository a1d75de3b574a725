package docker

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reconciler/internal/job"
)

// scriptSize is the size of each image of a script, in bytes.
const scriptSize = 42

// wantBook checks what the books say of an image.
func (p *memory) wantBook(t *testing.T, id, source string, size int64) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sources[id] != source || p.sizes[id] != size {
		t.Errorf("%s: %d bytes from %q, want %d from %q", id, p.sizes[id], p.sources[id], size, source)
	}
}

// TestBooksOfAPull: size and source, be it the pull that tells or, after a
// crash, a look at what is there.
func TestBooksOfAPull(t *testing.T) {
	pulls := func(s *script, id string) {
		s.pull = func(_ *http.Request, ref string, w stream) { w.say(`{}`); s.setImage(ref, id) }
	}
	t.Run("absent", func(t *testing.T) {
		bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
			pulls(s, "sha256:1")
			if _, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis}); err != nil {
				t.Fatal(err)
			}
			p.wantBook(t, "sha256:1", SourcePull, scriptSize)
		})
	})
	t.Run("moved", func(t *testing.T) {
		bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
			s.setImage(redis, "sha256:1")
			pulls(s, "sha256:2")
			if _, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis, Ask: true}); err != nil {
				t.Fatal(err)
			}
			p.wantBook(t, "sha256:2", SourcePull, scriptSize)
		})
	})
	t.Run("a crash left the intent, of an archive", func(t *testing.T) {
		bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
			_ = p.Intend(t.Context(), redis, "/srv/redis.tar")
			s.setImage(redis, "sha256:1")
			if _, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis}); err != nil {
				t.Fatal(err)
			}
			p.wantBook(t, "sha256:1", "/srv/redis.tar", scriptSize)
		})
	})
}

// TestBooksOfAnArchive: what a load brings came from the archive, also where
// its reference was there before and has moved.
func TestBooksOfAnArchive(t *testing.T) {
	for name, before := range map[string]string{"absent": "", "moved": "sha256:1"} {
		t.Run(name, func(t *testing.T) {
			s, e, p, local := archiveEngine(t, false)
			path := filepath.Join(local, "web.tar")
			if err := os.WriteFile(path, saved(t, map[string]string{"web:1": "one"}), 0o600); err != nil {
				t.Fatal(err)
			}
			if before != "" {
				s.setImage(webRef, before)
			}
			res, err := e.Bring(t.Context(), loadRequest(webRef, "web.tar"))
			if err != nil || !res.Ours {
				t.Fatalf("%+v %v", res, err)
			}
			p.wantBook(t, configID("one"), path, scriptSize)
		})
	}
}

// TestNoIntentNoLoad: an archive is not loaded before all that it brings is in
// the file.
func TestNoIntentNoLoad(t *testing.T) {
	s, e, p, local := archiveEngine(t, false)
	data := saved(t, map[string]string{"web:1": "one", "side:1": "s"})
	if err := os.WriteFile(filepath.Join(local, "web.tar"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	load := s.load
	s.load = func(b []byte, w stream) {
		if !p.Intended(webRef) || !p.Intended(sideRef) {
			t.Errorf("the load began with the intents %v", p.openIntents())
		}
		load(b, w)
	}
	p.refuse = errors.New("disk full")
	_, err := e.Bring(t.Context(), loadRequest(webRef, "web.tar"))
	if _, reason := job.KindOf(err); reason != ReasonStateNotWritten || s.count(loadCall) > 0 || len(p.openIntents()) > 0 {
		t.Errorf("%v; %d loads, intents %v", err, s.count(loadCall), p.openIntents())
	}
	p.refuse = nil
	if _, err := e.Bring(t.Context(), loadRequest(webRef, "web.tar")); err != nil || len(p.openIntents()) > 0 {
		t.Errorf("%v, intents %v", err, p.openIntents())
	}
}

// TestCutStreamThatIsThrough: the image is there by the time at which we look,
// so there is nothing to wait for.
func TestCutStreamThatIsThrough(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
		s.pull = func(_ *http.Request, ref string, w stream) {
			s.setImage(ref, "sha256:1")
			w.say(`{"status":"Downloading","id":"a","progr`)
		}
		_, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis})
		if !p.Known("sha256:1") || len(p.openIntents()) > 0 {
			t.Errorf("%v; ours %v, intents %v", err, p.idsOurs(), p.openIntents())
		}
	})
}

// TestPullThatCannotBeLookedAt: whose the image is nobody knows while the engine
// cannot be asked; the next look tells.
func TestPullThatCannotBeLookedAt(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
		blind := false
		s.handle["GET /images/"+redis+"/json"] = func(w http.ResponseWriter, _ *http.Request) {
			if blind {
				stream{w}.status(500, "disk full")
				return
			}
			s.serveImage(w, redis)
		}
		s.pull = func(_ *http.Request, ref string, w stream) {
			blind = true
			w.say(`{}`)
			s.setImage(ref, "sha256:1")
		}
		_, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis})
		if err == nil || !strings.Contains(err.Error(), "disk full") || !p.Intended(redis) {
			t.Fatalf("%v, intents %v", err, p.openIntents())
		}
		blind = false
		res, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis})
		if err != nil || !res.Ours || len(p.openIntents()) > 0 {
			t.Errorf("%+v %v, intents %v", res, err, p.openIntents())
		}
	})
}

// TestWarningsThatNobodyTakes: a request need not take them.
func TestWarningsThatNobodyTakes(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
		s.setImage(redis, "sha256:1")
		s.distribution = http.StatusInternalServerError
		s.pull = func(_ *http.Request, _ string, w stream) { w.status(500, "the registry is down") }
		res, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis, Ask: true})
		if err != nil || res.ID != "sha256:1" {
			t.Errorf("%+v %v", res, err)
		}
	})
}
