package store

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"reconciler/internal/job"
)

// actor puts and deletes in one table; the property test needs no more of it.
type actor struct {
	name string
	put  func(key string, n int) bool
	del  func(key string) bool
}

var anyTime = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

func actors(s *Store) []actor {
	text := func(n int) string { return fmt.Sprintf("v%d \u00a0\u2028\x7f", n) }
	return []actor{
		{"manifests", func(k string, n int) bool { return s.Manifests.Put(k, ManifestRecord{Hash: text(n), Since: anyTime}) }, s.Manifests.Delete},
		{"jobs", func(k string, n int) bool {
			return s.Jobs.Put(k, JobRecord{Generation: uint64(n), Spec: &job.Job{Name: text(n)}})
		}, s.Jobs.Delete},
		{"specs", func(k string, n int) bool { return s.Specs.Put(k, SpecRecord{Spec: &job.Job{Name: text(n)}}) }, s.Specs.Delete},
		{"deployments", func(k string, n int) bool { return s.Deployments.Put(k, DeploymentRecord{Phase: text(n)}) }, s.Deployments.Delete},
		{"alloc specs", func(k string, n int) bool { return s.AllocSpecs.Put(k, job.AllocSpec{ID: k, Index: n}) }, s.AllocSpecs.Delete},
		{"alloc statuses", func(k string, n int) bool {
			return s.AllocStatuses.Put(k, job.AllocStatus{Tasks: map[string]job.TaskStatus{text(n): {Attempt: n}}})
		}, s.AllocStatuses.Delete},
		{"containers", func(k string, n int) bool { return s.Containers.Put(k, ContainerRecord{ID: text(n)}) }, s.Containers.Delete},
		{"provenance", func(k string, n int) bool {
			return s.Provenance.Put(k, ImageProvenance{Source: text(n), Size: int64(n)})
		}, s.Provenance.Delete},
		{"clocks", func(k string, n int) bool {
			return s.Clocks.Put(k, ImageClock{UnusedSince: anyTime.Add(time.Duration(n))})
		}, s.Clocks.Delete},
		{"intents", func(k string, n int) bool {
			return s.Intents.Put(IntentKey(k), ImageIntent{Ref: k, Source: text(n)})
		}, func(k string) bool { return s.Intents.Delete(IntentKey(k)) }},
	}
}

// contents is everything in memory as the file would hold it.
func contents(s *Store) map[string]string {
	out := map[string]string{}
	for bucket, rows := range s.collect(true).values {
		for key, value := range rows {
			if value != nil {
				out[bucket+"/"+key] = string(value)
			}
		}
	}
	return out
}

// TestReopenedEqualsCommitted: after a crash at any point the store is what
// the last commit held, whatever was put, deleted or done to the file.
func TestReopenedEqualsCommitted(t *testing.T) {
	base := t.TempDir()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		dir := filepath.Join(base, fmt.Sprint(runs))
		s, err := Open(dir, Options{})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = s.instance.Close() }()
		committed := contents(s)
		keys := rapid.SampledFrom([]string{"a", "b", "c\x00\xff", `d\`, "日 本"})
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				a := rapid.SampledFrom(actors(s)).Draw(rt, "table")
				a.put(keys.Draw(rt, "key"), rapid.IntRange(0, 3).Draw(rt, "value"))
			},
			"delete": func(rt *rapid.T) {
				a := rapid.SampledFrom(actors(s)).Draw(rt, "table")
				a.del(keys.Draw(rt, "key"))
			},
			"event": func(rt *rapid.T) {
				s.Event(Event{Time: anyTime, Reason: rapid.SampledFrom([]string{"A", "B"}).Draw(rt, "reason"), Job: keys.Draw(rt, "job")})
			},
			"commit": func(rt *rapid.T) {
				if err := s.commit(t.Context()); err != nil {
					rt.Fatal(err)
				}
				committed = contents(s)
				if s.dirty() {
					rt.Fatal("dirty after a commit")
				}
			},
			"lose file and commit": func(rt *rapid.T) {
				_ = os.Remove(s.file.path)
				s.look()
				if err := s.commit(t.Context()); err != nil {
					rt.Fatal(err)
				}
				committed = contents(s)
			},
			"crash": func(rt *rapid.T) {
				_ = s.instance.Close() // nothing is flushed
				if s, err = Open(dir, Options{}); err != nil {
					rt.Fatal(err)
				}
				if got := contents(s); !maps.Equal(got, committed) {
					rt.Fatalf("reopened:\n%q\ncommitted:\n%q", got, committed)
				}
				if s.dirty() || s.all {
					rt.Fatal("dirty after loading")
				}
			},
		})
		boltCheck(t, s.file.path)
	})
}

// TestEverythingInTheFileIsPrintable is what the bbolt CLI needs to show text.
func TestEverythingInTheFileIsPrintable(t *testing.T) {
	s := mustOpen(t, tempDir(t))
	for _, a := range actors(s) {
		for i, key := range []string{"a", "b\x00\xff\n", "c\u2028"} {
			a.put(key, i)
		}
	}
	s.Event(Event{Reason: "R", Message: "tab\tand \x1b[31m"})
	mustCommit(t, s)
	rows := 0
	for bucket, values := range dump(t, s.Dir()) {
		for k, v := range values {
			rows++
			if !isPrintable([]byte(k)) || !isPrintable([]byte(v)) {
				t.Errorf("%s/%q = %q", bucket, k, v)
			}
		}
	}
	if rows < 28 {
		t.Errorf("%d rows", rows)
	}
}

func TestHalvesShareOneValue(t *testing.T) {
	s := mustOpen(t, tempDir(t))
	s.AllocSpecs.Put("1", allocSpec("1"))
	s.Clocks.Put("sha256:1", ImageClock{Kept: "used by web"})
	mustCommit(t, s)
	diff(t, "spec alone", `{"spec":{"id":"1","job":"web","group":"web","index":0,"generation":0,"spec_hash":"","desired":"run","created_at":"0001-01-01T00:00:00Z"}}`,
		dump(t, s.Dir())[bucketAllocs]["1"])
	s.AllocStatuses.Put("1", job.AllocStatus{})
	s.Provenance.Put("sha256:1", ImageProvenance{Refs: []string{"a"}, Source: "pull", At: anyTime})
	mustCommit(t, s)
	s.AllocSpecs.Delete("1")
	mustCommit(t, s)
	got := dump(t, s.Dir())
	diff(t, "status alone", `{"status":{}}`, got[bucketAllocs]["1"])
	diff(t, "image", `{"provenance":{"refs":["a"],"source":"pull","at":"2026-01-02T03:04:05.000000006Z"},"clock":{"kept":"used by web"}}`, got[bucketImages]["sha256:1"])
	s.AllocStatuses.Delete("1")
	mustCommit(t, s)
	if v, ok := dump(t, s.Dir())[bucketAllocs]["1"]; ok {
		t.Errorf("both halves are gone and the key holds %q", v)
	}
}
