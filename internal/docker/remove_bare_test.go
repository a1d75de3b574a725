package docker

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"reconciler/internal/job"
)

const (
	tagOfA  = "docker.io/library/a:1"
	byIDOfA = "DELETE /images/sha256:1"
)

// bareImage makes the script have an image of ours that shows these references,
// and the tags of later from the second look on.
func (s *script) bareImage(p *memory, tags, digests, later []string) {
	p.Done(tagOfA, SourcePull, "sha256:1", true, 1)
	s.setImage("sha256:1", "sha256:1")
	looks := 0
	s.handle["GET /images/sha256:1/json"] = func(w http.ResponseWriter, _ *http.Request) {
		if looks++; looks > 1 {
			tags = append(tags, later...)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"Id": "sha256:1", "RepoTags": tags, "RepoDigests": digests})
	}
	s.handle[byIDOfA] = func(w http.ResponseWriter, _ *http.Request) {
		s.dropImage("sha256:1")
		_, _ = w.Write([]byte("[]"))
	}
}

// TestRemoveBareImage: an image whose tag has moved on goes by its id, unless
// anybody else names it.
func TestRemoveBareImage(t *testing.T) {
	for _, tc := range []struct {
		name          string
		tags, digests []string
		later         []string // tags that it gets before the second look
		gone          bool
	}{
		{"no reference", nil, nil, nil, true},
		{"a digest that came with our tag", nil, []string{"a" + testDigest}, nil, true},
		{"a digest of another repository", nil, []string{"b" + testDigest}, nil, false},
		{"both digests", nil, []string{"a" + testDigest, "b" + testDigest}, nil, false},
		{"a tag", []string{"b:1"}, []string{"a" + testDigest}, nil, false},
		{"a tag that comes meanwhile", nil, nil, []string{"b:1"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
				s.bareImage(p, tc.tags, tc.digests, tc.later)
				if err := e.RemoveImage(t.Context(), "sha256:1", []string{tagOfA}); err != nil {
					t.Error(err)
				}
				if gone := s.count(byIDOfA) == 1; gone != tc.gone {
					t.Errorf("removed by its id: %t, want %t", gone, tc.gone)
				}
			})
		})
	}
}

// TestRemovalGivesBack: pulls and removals leave no lease behind, and an image
// with a stranger's tag does not wait for pulls.
func TestRemovalGivesBack(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
		s.pull = func(_ *http.Request, ref string, w stream) { w.say(`{}`); s.setImage(ref, "sha256:7") }
		for n := range 2 {
			s.bareImage(p, nil, nil, nil)
			if _, err := e.Bring(t.Context(), job.ImageRequest{Ref: redis, Ask: true}); err != nil {
				t.Fatal(err)
			}
			if err := e.RemoveImage(t.Context(), "sha256:1", []string{tagOfA}); err != nil || s.count(byIDOfA) != n+1 {
				t.Fatalf("%v, %d removals", err, s.count(byIDOfA))
			}
		}
		if len(e.leases.held)+len(e.leases.exclusive) > 0 {
			t.Errorf("leases left: %v %v", e.leases.held, e.leases.exclusive)
		}
		s.bareImage(p, []string{"b:1"}, nil, nil)
		hang := make(chan struct{})
		s.pull = func(_ *http.Request, _ string, w stream) { w.say(`{}`); <-hang }
		pulled := bring(t.Context(), e, job.ImageRequest{Ref: redis, Ask: true})
		synctest.Wait()
		if err := e.RemoveImage(t.Context(), "sha256:1", []string{tagOfA}); err != nil {
			t.Errorf("beside a pull: %v", err)
		}
		close(hang)
		<-pulled
	})
}

// TestRemoveImageNamesItsUser: people are told which container has it.
func TestRemoveImageNamesItsUser(t *testing.T) {
	for names, want := range map[string]string{`["/user"]`: "container user", `[]`: "container 0123456789ab"} {
		bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
			s.setImage(tagOfA, "sha256:1")
			s.handle["GET /containers/json"] = func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(`[{"Id":"0123456789abcdef","Names":` + names + `,"Image":"sha256:1","ImageID":"sha256:1","State":"exited"}]`))
			}
			err := e.RemoveImage(t.Context(), "sha256:1", []string{tagOfA})
			if !errors.Is(err, ErrInUse) || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%v, want that of %s", err, want)
			}
		})
	}
}
