package e2e

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestAdopt: an agent that comes back finds its containers, however much it
// has forgotten: the same ones, none restarted, none twice. And it goes on
// with them.
func TestAdopt(t *testing.T) {
	for _, tc := range []struct {
		name string
		lose func(w *world)
	}{
		{"killed", func(*world) {}},
		{"state lost", func(w *world) { must(w.t, os.Remove(w.state())) }},
		{"state damaged", func(w *world) { must(w.t, os.WriteFile(w.state(), []byte("not a database"), 0o640)) }},
		{"data directory lost", func(w *world) { must(w.t, os.RemoveAll(w.data)) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := start(t, "--image-delay", "2s")
			ref, _ := w.images.push("web:1", "1")
			s := spec{Job: "web", Count: 2, Image: ref, Text: "one", Port: true}
			w.drop("web.hcl", s.String())
			w.awaitRunning("web", 2)
			w.settle()
			before := w.running("web")
			node := w.nodeID()

			w.crash()
			tc.lose(w)
			w.up()
			if got := w.nodeID(); got != node {
				t.Fatalf("node id %s, was %s", got, node)
			}
			w.staysSame(4*time.Second, "web", before)
			if !w.images.has(ref) {
				t.Error("the image of a running job is gone")
			}

			s.Count = 3
			w.drop("web.hcl", s.String())
			after := w.awaitRunning("web", 3)
			for i := range before {
				if err := sameContainer(before[i], after[i]); err != nil {
					t.Errorf("index %d after a scale-up: %v", i, err)
				}
			}
			w.take("web.hcl")
			w.awaitNone("web")
			w.images.awaitGone(ref)
		})
	}
}

// TestRestartWritesNothing: an agent that is stopped and started over a quiet
// host changes neither Docker nor its state file.
func TestRestartWritesNothing(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.drop("web.hcl", spec{Job: "web", Count: 2, Image: ref}.String())
	before := w.awaitRunning("web", 2)
	was := w.settle()
	w.stop()
	w.staysSame(time.Second, "web", before)
	w.up()
	w.staysSame(4*time.Second, "web", before)
	if is := w.digest(); is != was {
		t.Errorf("the state file changed: %s, was %s", is, was)
	}
}

// TestKilledInTheMiddle: the agent is killed at odd moments of bringing a job
// up, and there is never one container too many.
func TestKilledInTheMiddle(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	for i, after := range []time.Duration{50, 150, 300, 450} {
		name := fmt.Sprintf("web%d", i)
		w.drop(name+".hcl", spec{Job: name, Count: 2, Image: ref}.String())
		time.Sleep(after * time.Millisecond)
		w.crash()
		w.up()
		w.awaitRunning(name, 2)
	}
	steadily(t, 2*time.Second, "eight containers in all", func() error {
		if got := w.boxes(); len(got) != 8 {
			return errors.New(brief(got))
		}
		return nil
	})
}

// TestOrphan: containers whose job no file has named since the state was lost
// are held, not deleted, until somebody says so.
func TestOrphan(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.drop("web.hcl", spec{Job: "web", Image: ref}.String())
	w.drop("other.hcl", spec{Job: "other", Image: ref}.String())
	before := w.awaitRunning("web", 1)
	w.awaitRunning("other", 1)
	w.settle()

	w.crash()
	must(t, os.Remove(w.state()))
	w.take("web.hcl")
	w.up()
	w.awaitHeld("web", "OrphanHeld")
	w.staysSame(3*time.Second, "web", before)

	if r := w.run("confirm-deletions", "--data-dir", w.data); r.code != 0 || !containsAll(r.out, "web") {
		t.Fatalf("confirm-deletions: exit %d, %q, %q", r.code, r.out, r.err)
	}
	w.awaitNone("web")
	w.awaitRunning("other", 1)
}

// awaitHeld waits until status shows that a job is held for a reason.
func (w *world) awaitHeld(name, reason string) {
	w.t.Helper()
	eventually(w.t, "job "+name+" is held", func() error {
		s, err := w.status()
		if err != nil {
			return err
		}
		if j, ok := s.job(name); !ok || j.Held != reason {
			return fmt.Errorf("held: %q (in status: %t)", j.Held, ok)
		}
		return nil
	})
}

// digest is a hash over the state file, with the time of its last write.
func (w *world) digest() string {
	w.t.Helper()
	b, err := os.ReadFile(w.state())
	must(w.t, err)
	info, err := os.Stat(w.state())
	must(w.t, err)
	return fmt.Sprintf("%x at %s", sha256.Sum256(b), info.ModTime().Format(time.RFC3339Nano))
}

// settle waits until nothing has been written to the state file for three
// seconds, and returns its digest.
func (w *world) settle() string {
	w.t.Helper()
	last, since := "", time.Now()
	eventually(w.t, "the agent is at rest", func() error {
		if now := w.digest(); now != last {
			last, since = now, time.Now()
		}
		if quiet := time.Since(since); quiet < 3*time.Second {
			return fmt.Errorf("%s was written %s ago", filepath.Base(w.state()), quiet)
		}
		return nil
	})
	return last
}
