package docker

import (
	"errors"
	"net/http"
	"testing"
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
	const ref = "docker.io/library/a:1"
	bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
		s.setImage(ref, "sha256:1")
		s.handle["GET /containers/json"] = func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`[{"Id":"c1","Names":["/user"],"Image":"a:1","ImageID":"sha256:manifest","State":"created"}]`))
		}
		if err := e.RemoveImage(t.Context(), "sha256:1", []string{ref}); !errors.Is(err, ErrInUse) || len(s.calls) > 0 {
			t.Errorf("%v, calls %q; want it kept", err, s.calls)
		}
	})
}
