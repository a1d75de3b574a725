package laws

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"reconciler/internal/dockertest"
	"reconciler/store"
)

// imageCrashStories are those of archives, digests, and images that nobody
// wants any more, that the agent is killed in.
var imageCrashStories = []crashStory{
	{
		name: "load", images: true,
		before: func(w *world) { w.archive("tar1", "1", "side1"); w.save("k.hcl", hcl(app("k", "3"))) },
		then:   func(w *world) { w.save("a.hcl", hcl(w.loads("a", "tar1"))) },
		wait:   30 * time.Second,
	},
	{
		name: "load of another version", images: true,
		before: func(w *world) {
			w.archive("tar1", "1", "side1")
			w.save("a.hcl", hcl(w.loads("a", "tar1")))
			w.after(30 * time.Second)
			w.archive("tar1", "2")
		},
		then: func(w *world) {
			again := w.loads("b", "tar1")
			w.save("b.hcl", hcl(again))
		},
		wait: 30 * time.Second,
	},
	{
		name: "digest", images: true,
		then: func(w *world) { w.save("a.hcl", hcl(app("a", "1@"), app("b", "1"))) },
		wait: 30 * time.Second,
	},
	{
		name: "gc of a digest and an archive", images: true,
		before: func(w *world) {
			w.archive("tar1", "1", "side1")
			w.save("a.hcl", hcl(app("a", "1@")))
			w.save("b.hcl", hcl(w.loads("b", "tar1")))
			w.after(30 * time.Second)
			w.save("a.hcl", hcl(app("a", "2")))
			w.save("b.hcl", hcl(app("b", "2")))
			w.after(delay - time.Minute)
		},
		then: func(*world) {},
		wait: 5 * time.Minute,
	},
}

// TestCrashAroundTheIntent kills the agent at every effect of a pull and of a
// load for a job that is gone when the next agent starts. The engine goes on, or
// nothing comes of it and a person brings the same later. Whatever the file
// knows, what we brought goes after its delay, and what a person brought stays.
func TestCrashAroundTheIntent(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"1", "tar1"} {
		for _, kind := range []string{beforeWrite, afterWrite, afterCommit} {
			t.Run(fmt.Sprintf("%s, %s", what, kind), func(t *testing.T) {
				t.Parallel()
				points := 0
				for points < 5 && aroundIntent(t, what, kind, points+1) {
					points++ // what comes later is about its container
				}
				if points == 0 {
					t.Error("the story has no point of this kind")
				}
			})
		}
	}
}

// aroundIntent plays the story up to the n-th point, once for each that may come
// of it, and reports whether there is one.
func aroundIntent(t *testing.T, what, kind string, n int) (reached bool) {
	t.Helper()
	for _, then := range []string{"the engine goes on", "a person brings it later"} {
		wrong, told := play(t, dockertest.Options{LiveRestore: true, Seed: 1}, func(w *world) {
			c := newCurator(w)
			c.archived()
			c.save("k.hcl", hcl(app("k", "3"), app("l", "3")))
			c.start()
			c.after(time.Minute)
			c.stop()
			at := newStrike(kind, n)
			c.strike.Store(at)
			c.start()
			c.after(5 * time.Second)
			c.save("a.hcl", c.wish(app("a", ""), what))
			select {
			case <-at.struck:
				reached = true
				c.excuse()
				c.kill()
				c.strike.Store(nil)
				c.goneWith(then, what)
			case <-time.After(time.Minute):
				c.strike.Store(nil)
			}
		})
		for _, msg := range wrong {
			t.Errorf("%s %s no. %d, %s: %s", what, kind, n, then, msg)
		}
		if len(wrong) > 0 {
			t.Log(strings.Join(told, "\n"))
			return false
		}
	}
	return reached
}

// goneWith goes on after the agent was killed while it brought an image for a
// job, which is gone now.
func (c *curator) goneWith(then, what string) {
	came := c.present(ref(what)) != ""
	c.remove("a.hcl")
	// With an archive the engine goes on by itself.
	if then == "the engine goes on" && !came && c.intended(what) && !strings.HasPrefix(what, "tar") {
		i := image("1")
		i.Refs = []string{plain(ref(what))}
		c.e.AddImage(i)
	}
	c.start()
	c.after(2 * time.Minute)
	if then == "a person brings it later" && c.present(ref(what)) == "" {
		i := image("1")
		i.Refs = []string{plain(ref(what))}
		c.owned(c.e.AddImage(i), i.Refs...)
	}
	c.after(delay + gcBound)
	c.collected()
	c.recorded()
}

// intended reports whether the file has an intent to bring an image: only then
// can an engine be at it.
func (c *curator) intended(what string) bool {
	file, _, err := store.Read(c.data)
	c.must(err)
	for _, i := range file.Intents.All() {
		if plain(i.Ref) == plain(ref(what)) {
			return true
		}
	}
	return false
}
