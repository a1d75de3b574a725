package docker

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"

	"reconciler/internal/job"
)

// A reference that somebody else removed first is gone, which is all that was
// wanted.
func TestRemoveImageThatGoesMeanwhile(t *testing.T) {
	const ref = "docker.io/library/a:1"
	bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
		s.setImage(ref, "sha256:1")
		p.Done(ref, SourcePull, "sha256:1", true, 1)
		s.handle["DELETE /images/"+ref] = func(w http.ResponseWriter, _ *http.Request) {
			s.dropImage(ref)
			stream{w}.status(http.StatusNotFound, "no such image")
		}
		if err := e.RemoveImage(t.Context(), "sha256:1", []string{ref}); err != nil {
			t.Error(err)
		}
	})
}

// While an image is removed nobody may take a lease on it, be the removal by a
// reference or by its id.
func TestRemoveImageIsAlone(t *testing.T) {
	const ref = "docker.io/library/a:1"
	for name, tags := range map[string]map[string][]string{
		"DELETE /images/" + ref:   {"sha256:1": {ref}},
		"DELETE /images/sha256:1": {"sha256:1": {}},
	} {
		bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
			s.removable(tags, false)
			p.Done(ref, SourcePull, "sha256:1", true, 1)
			del, asked := s.handle[name], false
			s.handle[name] = func(w http.ResponseWriter, r *http.Request) {
				asked = true
				if end, ok := e.leases.alone(idKey("sha256:1")); ok {
					end()
					t.Errorf("%s: the id is free while it runs", name)
				}
				if end, ok := e.leases.alone(anyRef); ok && len(tags["sha256:1"]) == 0 {
					end()
					t.Errorf("%s: a pull may begin while it runs", name)
				}
				del(w, r)
			}
			if err := e.RemoveImage(t.Context(), "sha256:1", []string{ref}); err != nil || !asked {
				t.Errorf("%s: %v, asked %t", name, err, asked)
			}
		})
	}
}

// An engine may name a container's image by another of its ids: the reference
// tells all the same.
func TestRemoveImageThatAContainerNames(t *testing.T) {
	for _, tc := range []struct{ named, ref string }{
		{"a:1", "docker.io/library/a:1"},
		{"a:1" + testDigest, "docker.io/library/a" + testDigest},
	} {
		bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
			s.setImage(tc.ref, "sha256:1")
			s.handle["GET /containers/json"] = func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`[{"Id":"c1","Names":["/user"],"Image":"` + tc.named + `","ImageID":"sha256:manifest","State":"created"}]`))
			}
			if err := e.RemoveImage(t.Context(), "sha256:1", []string{tc.ref}); !errors.Is(err, ErrInUse) || len(s.calls) > 0 {
				t.Errorf("%s: %v, calls %q; want it kept", tc.named, err, s.calls)
			}
		})
	}
}

const testDigest = "@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// TestRemovalAndBringOfOneDigest: a task that names an image by tag and digest
// waits for its removal by the digest, and does not take it for there.
func TestRemovalAndBringOfOneDigest(t *testing.T) {
	const ref = "docker.io/library/a" + testDigest
	bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
		s.setImage(ref, "sha256:1")
		hang := make(chan struct{})
		s.handle["DELETE /images/"+ref] = func(w http.ResponseWriter, _ *http.Request) {
			<-hang
			s.dropImage(ref)
			_, _ = w.Write([]byte("[]"))
		}
		removed := make(chan error, 1)
		go func() { removed <- e.RemoveImage(t.Context(), "sha256:1", []string{ref}) }()
		synctest.Wait()
		s.pull = func(_ *http.Request, _ string, w stream) { w.say(`{}`); s.setImage(ref, "sha256:2") }
		got := bring(t.Context(), e, job.ImageRequest{Ref: "docker.io/library/a:1" + testDigest})
		synctest.Wait()
		close(hang)
		if err := <-removed; err != nil {
			t.Error(err)
		}
		if b := <-got; b.err != nil || b.res.ID != "sha256:2" {
			t.Errorf("%+v, want what was pulled after the removal", b)
		}
	})
}
