package laws

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"reconciler/internal/dockertest"
)

// crashStory is one that the agent is killed in.
type crashStory struct {
	name   string
	before func(w *world) // with an agent that is settled afterwards
	then   func(w *world) // what starts the effects
	wait   time.Duration  // until they are over
	images bool           // it is about images: what ran goes on, and those that nothing needs go
}

var crashStories = []crashStory{
	{
		name: "place",
		then: func(w *world) { w.save("a.hcl", hcl(spec{name: "a", tag: "1", count: 1, two: true, port: true})) },
		wait: 30 * time.Second,
	},
	{
		name:   "replace",
		before: func(w *world) { w.save("a.hcl", hcl(spec{name: "a", tag: "1", count: 1, port: true})) },
		then:   func(w *world) { w.save("a.hcl", hcl(spec{name: "a", tag: "2", count: 1, port: true})) },
		wait:   40 * time.Second,
	},
	{
		name:   "restart of a task",
		before: func(w *world) { w.save("a.hcl", hcl(spec{name: "a", tag: "1", count: 1, static: 8081})) },
		then:   func(w *world) { w.e.Exit(w.one("a").ID, 1) },
		wait:   10 * time.Second,
	},
	{
		name: "stop",
		before: func(w *world) {
			w.save("a.hcl", hcl(spec{name: "a", tag: "1", count: 1, arg: "stubborn", static: 8081}))
			w.save("k.hcl", hcl(app("k", "2")))
		},
		then: func(w *world) { w.remove("a.hcl") },
		wait: 50 * time.Second,
	},
	{
		name:   "pull",
		images: true,
		then: func(w *world) {
			w.e.Registry().Fail(ref("latest"), dockertest.RegistryFault{Layer: 3 * time.Second})
			w.save("a.hcl", hcl(app("a", "latest"), app("b", "latest")))
		},
		wait: 40 * time.Second,
	},
	{
		name:   "gc",
		images: true,
		before: func(w *world) {
			w.save("a.hcl", hcl(app("a", "1")))
			w.after(30 * time.Second)
			w.save("a.hcl", hcl(app("a", "2")))
			w.after(delay - time.Minute)
		},
		then: func(*world) {},
		wait: 5 * time.Minute,
	},
}

// TestCrashPoints kills the agent between every two outside effects of each
// story, writes to the engine and commits alike: before a call is sent, after
// its effect and before its answer, and after a commit. Once as SIGKILL, once
// (for the points at which the agent goes on) as SIGTERM. Then another is
// started, and the laws must hold.
func TestCrashPoints(t *testing.T) {
	for _, s := range slices.Concat(crashStories, lifeCrashStories, imageCrashStories) {
		for _, kind := range []string{beforeWrite, afterWrite, afterCommit} {
			t.Run(s.name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				points := 0
				for s.crash(t, kind, points+1) {
					points++
				}
				if points == 0 {
					t.Errorf("the story has no point of this kind")
				}
				t.Logf("%d points", points)
			})
		}
	}
}

// crash plays the story up to the n-th point and reports whether there is one.
func (s crashStory) crash(t *testing.T, kind string, n int) (reached bool) {
	for _, gently := range []bool{false, true} {
		if gently && kind != beforeWrite {
			continue // one that ends in order hears its answers and commits what it knows
		}
		wrong, told := play(t, dockertest.Options{LiveRestore: true, Seed: 1}, func(w *world) {
			if s.crashed(w, newStrike(kind, n), gently) {
				reached = true
			}
		})
		for _, msg := range wrong {
			t.Errorf("%s: %s no. %d (in order: %t): %s", s.name, kind, n, gently, msg)
		}
		if len(wrong) > 0 {
			for _, line := range told {
				t.Log(line)
			}
			return false
		}
	}
	return reached
}

func (s crashStory) crashed(w *world, at *strike, gently bool) bool {
	w.start()
	if s.before != nil {
		s.before(w)
	}
	w.after(10 * time.Second)
	w.stop()
	w.strike.Store(at) // an agent without one would not count its commits
	w.start()
	w.after(5 * time.Second)
	kept := w.lives()
	s.then(w)
	select {
	case <-at.struck:
	case <-time.After(s.wait):
		w.strike.Store(nil)
		w.settle(s, kept)
		return false
	}
	w.say("%s no. %d, in order: %t", at.kind, at.n, gently)
	if gently {
		close(at.spared)
		w.stop()
	} else {
		w.excuse()
		w.kill()
	}
	w.strike.Store(nil)
	w.after(500 * time.Millisecond)
	w.start()
	w.settle(s, kept)
	return true
}

// settle checks the laws once the story is over.
func (w *world) settle(s crashStory, kept map[string]string) {
	w.after(s.wait + 30*time.Second)
	w.converged()
	w.truthful()
	if s.images || s.name == "place" {
		// What ran before had nothing to do with it.
		for id, was := range kept {
			if now := w.lives()[id]; now != was {
				w.bad("restart safe: %s ran and is %q", was, now)
			}
		}
	}
	if s.images {
		w.after(delay + 10*time.Minute)
		w.images()
	}
	w.noneTwice()
	w.quiet(time.Minute)
}

// noneTwice: no container more than one per task that is wanted, and the one
// kept dead.
func (w *world) noneTwice() {
	seen := map[string]bool{}
	for _, c := range w.ours() {
		key := fmt.Sprintf("%s/%s/%t", c.Config.Labels["reconciler.alloc_id"], c.Config.Labels["reconciler.task"], c.State.Running)
		if seen[key] {
			w.bad("replay safe: two containers of %s", key)
		}
		seen[key] = true
	}
}
