package docker

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reconciler/internal/job"
)

// The model: a key has holders, or one exclusive owner, or nobody.
func TestLeaseProperties(t *testing.T) {
	keys := []string{"a", "b", "c"}
	rapid.Check(t, func(t *rapid.T) {
		l := newLeases()
		holders, owner := map[string]int{}, map[string]int{}
		open := map[int]func(){} // what was taken and how to give it back
		next := 0
		some := rapid.SliceOfNDistinct(rapid.SampledFrom(keys), 1, 3, rapid.ID)
		free := func(ks []string, alsoHolders bool) bool {
			for _, k := range ks {
				if owner[k] > 0 || alsoHolders && holders[k] > 0 {
					return false
				}
			}
			return true
		}
		take := func(ks []string, count map[string]int, end func()) {
			for _, k := range ks {
				count[k]++
			}
			open[next] = func() {
				end()
				for _, k := range ks {
					count[k]--
				}
			}
			next++
		}
		t.Repeat(map[string]func(*rapid.T){
			"hold": func(t *rapid.T) {
				ks := some.Draw(t, "keys")
				ctx, cancel := context.WithCancel(t.Context())
				cancel() // who would have to wait says so at once
				release, err := l.hold(ctx, ks...)
				if want := free(ks, false); want != (err == nil) {
					t.Fatalf("hold %v: %v, want %v", ks, err, want)
				}
				if err == nil {
					take(ks, holders, release)
				}
			},
			"alone": func(t *rapid.T) {
				ks := some.Draw(t, "keys")
				end, ok := l.alone(ks...)
				if want := free(ks, true); want != ok {
					t.Fatalf("alone %v: %v, want %v", ks, ok, want)
				}
				if ok {
					take(ks, owner, end)
				}
			},
			"end one": func(t *rapid.T) {
				if len(open) == 0 {
					t.Skip("nothing taken")
				}
				i := rapid.IntRange(0, next-1).Filter(func(i int) bool { return open[i] != nil }).Draw(t, "which")
				open[i]()
				delete(open, i)
			},
		})
		for _, end := range open {
			end()
		}
		if len(l.held)+len(l.exclusive) != 0 {
			t.Fatalf("left behind: %v %v", l.held, l.exclusive)
		}
	})
}

func TestHolderWaitsForRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLeases()
		end, _ := l.alone("a")
		got := false
		go func() {
			release, err := l.hold(t.Context(), "a", "b")
			got = err == nil
			release()
		}()
		synctest.Wait()
		if got {
			t.Fatal("the lease was given during the removal")
		}
		end()
		synctest.Wait()
		if !got {
			t.Fatal("the lease was not given after the removal")
		}
	})
}

// imageStore makes the script delete and inspect images with tags.
func (s *script) removable(tags map[string][]string, conflict bool) {
	for id, refs := range tags {
		s.images[id] = id
		for _, r := range refs {
			s.images[r] = id
		}
	}
	inspect := func(ref string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			id := s.image(ref)
			if id == "" {
				stream{w}.status(404, "no such image")
				return
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"Id": id, "RepoTags": tags[id]})
		}
	}
	del := func(ref string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("force") != "" {
				s.t.Errorf("forced removal of %s", ref)
			}
			if conflict {
				stream{w}.status(409, "in use")
				return
			}
			id := s.image(ref)
			s.mu.Lock()
			delete(s.images, ref)
			var rest []string
			for _, other := range tags[id] {
				if other != ref {
					rest = append(rest, other)
				}
			}
			tags[id] = rest
			if len(rest) == 0 {
				delete(s.images, id)
			}
			s.mu.Unlock()
			_, _ = w.Write([]byte("[]"))
		}
	}
	for id, refs := range tags {
		for _, ref := range append([]string{id}, refs...) {
			s.handle["GET /images/"+ref+"/json"] = inspect(ref)
			s.handle["DELETE /images/"+ref] = del(ref)
		}
	}
}

func TestRemoveImage(t *testing.T) {
	const a, b, stranger = "docker.io/library/a:1", "docker.io/library/b:1", "docker.io/library/stranger:1"
	for _, tc := range []struct {
		name     string
		tags     map[string][]string
		ours     bool
		refs     []string
		user     string // image id of a container in any state
		conflict bool
		want     error
		calls    []string
	}{
		{"references one by one", map[string][]string{"sha256:1": {a, b}}, true, []string{a, b}, "", false, nil, []string{"DELETE /images/" + a, "DELETE /images/" + b}},
		{"a stranger's tag keeps it", map[string][]string{"sha256:1": {a, stranger}}, true, []string{a}, "", false, nil, []string{"DELETE /images/" + a}},
		{"superseded, by id", map[string][]string{"sha256:1": {}, "sha256:2": {a}}, true, []string{a}, "sha256:2", false, nil, []string{"DELETE /images/sha256:1"}},
		{"superseded, not ours", map[string][]string{"sha256:1": {}}, false, []string{a}, "", false, nil, nil},
		{"a container has it", map[string][]string{"sha256:1": {a}}, true, []string{a}, "sha256:1", false, ErrInUse, nil},
		{"the engine says in use", map[string][]string{"sha256:1": {a}}, true, []string{a}, "", true, ErrInUse, []string{"DELETE /images/" + a}},
		{"gone", map[string][]string{}, true, []string{a}, "", false, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
				s.removable(tc.tags, tc.conflict)
				if tc.user != "" {
					s.containerList("c1", "user", tc.user, "created", nil)
				}
				if tc.ours {
					p.Done(a, SourcePull, "sha256:1", true, 1)
				}
				err := e.RemoveImage(t.Context(), "sha256:1", tc.refs)
				if !errors.Is(err, tc.want) {
					t.Errorf("%v, want %v", err, tc.want)
				}
				if diff := cmp.Diff(tc.calls, s.calls); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// No removal between "it is there" and "a container has it", nor during a pull.
func TestLaw_NoEarlyDelete_Leases(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, p *memory) {
		p.Done(redis, SourcePull, "sha256:11", true, 1)
		s.setImage("redis:7", "sha256:11")
		s.setImage(redis, "sha256:11")
		hang := make(chan struct{})
		s.handle[createCall] = func(w http.ResponseWriter, _ *http.Request) {
			<-hang
			stream{w}.status(500, "no")
		}
		s.pull = func(_ *http.Request, _ string, w stream) { w.say(`{}`); <-hang }
		ran := make(chan error, 1)
		go func() { _, err := e.Run(t.Context(), request(nil)); ran <- err }()
		pulled := bring(t.Context(), e, job.ImageRequest{Ref: "docker.io/library/b:1"})
		synctest.Wait()
		if err := e.RemoveImage(t.Context(), "sha256:11", []string{redis}); !errors.Is(err, ErrLeased) {
			t.Errorf("while a container is made from it: %v", err)
		}
		if err := e.RemoveImage(t.Context(), "sha256:2", []string{"docker.io/library/b:1"}); !errors.Is(err, ErrLeased) {
			t.Errorf("while its reference is pulled: %v", err)
		}
		s.setImage("bare", "sha256:3")
		p.Done("x", SourcePull, "sha256:3", true, 1)
		if err := e.RemoveImage(t.Context(), "sha256:3", nil); !errors.Is(err, ErrLeased) {
			t.Errorf("by id while anything is pulled: %v", err)
		}
		if s.count("DELETE /images/sha256:3") != 0 {
			t.Error("it was deleted")
		}
		close(hang)
		if err := <-ran; err == nil {
			t.Error("a create that the engine refused counts as done")
		}
		<-pulled
	})
}
