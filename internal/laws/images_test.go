package laws

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"reconciler/internal/dockertest"
)

// gcBound is how long after its delay an image may still be there: a pass that
// a refusal put off, and the looks in between.
const gcBound = 12 * time.Minute

// TestImages: whatever people, strangers, registries and crashes do to images,
// ours go after their delay and not before, and nobody else's do.
func TestImages(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		says := drawCleanup(rt)
		steps := rapid.SliceOfN(rapid.Custom(drawImageStep), 2, 20).Draw(rt, "steps")
		wrong, told := play(t, dockertest.Options{LiveRestore: true, Seed: 1}, func(w *world) { imageStory(w, says, steps) })
		if len(wrong) > 0 {
			rt.Fatalf("%s\nthe story:\n%s", strings.Join(wrong, "\n"), strings.Join(told, "\n"))
		}
	})
}

var imageHappenings = []string{
	"edit", "edit", "edit", "edit", "edit", "edit", "remove", "remove", "count 0", "push latest", "archive", "archive gone",
	"rmi", "untag", "person pulls", "person tags", "person untags", "stranger runs", "stranger is made", "stranger of an id",
	"stranger ends", "strangers go",
	"slow", "denied", "cut", "heal", "operator", "restart", "kill", "kill", "lose", "crash", "clock",
}

// wishes are the images that jobs ask for: by tag, by digest and by both; two
// names of one image; and what only an archive has.
var wishes = []string{"old", "1", "2", "3", "latest", "@1", "1@", "@2", "3@", "twin", "tar1", "tar2"}

func drawImageStep(rt *rapid.T) step {
	wait := rapid.OneOf(rapid.IntRange(0, 3000), rapid.IntRange(0, 90000), rapid.SampledFrom([]int{20 * 60000, 29 * 60000, 31 * 60000, 50 * 60000}))
	return step{
		what: rapid.SampledFrom(imageHappenings).Draw(rt, "what"),
		a:    rapid.IntRange(0, 63).Draw(rt, "a"), b: rapid.IntRange(0, 63).Draw(rt, "b"),
		wait: time.Duration(wait.Draw(rt, "ms")) * time.Millisecond,
	}
}

// curator is a people that knows whose each image is.
type curator struct {
	*people
	visitors  []string        // strangers' containers
	persons   map[string]bool // references that a person made
	forgotten map[string]bool // ids that no record and no container of ours claims since the state was lost
	lost      bool            // the state was lost once
	version   int             // of the archives
}

func imageStory(w *world, says cleanup, steps []step) {
	c := newCurator(w)
	w.configure = says.configure
	w.say("%+v", says)
	c.archived()
	c.e.Registry().Push(ref("twin"), image("1"))
	w.start()
	w.save("a.hcl", hcl(app("a", "1")))
	w.after(10 * time.Second)
	for _, s := range steps {
		w.say("%s %d %d", s.what, s.a, s.b)
		c.act(s)
		w.after(s.wait)
	}
	c.settled()
}

// archived writes the archives anew, with other images.
func (c *curator) archived() {
	c.version++
	c.archive("tar1", fmt.Sprint(c.version), "side1")
	c.archive("tar2", fmt.Sprint(c.version/2))
}

// settled ends all that goes on, lets every delay pass, and checks.
func (c *curator) settled() {
	c.e.Registry().Heal("registry.example")
	c.archived()
	c.up()
	c.after(2 * time.Minute)
	_, err := c.agent.Watcher.ConfirmDeletions(c.Context())
	c.must(err)
	c.after(10 * time.Minute) // until the last backoff is over
	c.converged()
	c.after(c.cleanup.delay + gcBound)
	if c.cleanup.off {
		// Its clocks have run all the same.
		c.says(cleanup{delay: c.cleanup.delay})
		c.after(gcBound)
	}
	c.converged()
	c.collected()
	c.recorded()
	c.after(5 * time.Hour) // records of an hour, by a clock that was set back
	c.quiet(time.Hour)
}

// says is an operator's edit of the agent's own file, and a restart.
func (c *curator) says(now cleanup) {
	c.say("  %+v", now)
	c.stop()
	c.configure = now.configure
	c.start()
}

// wish is a job that asks for an image.
func (c *curator) wish(s spec, tag string) string {
	s.tag = tag
	if strings.HasPrefix(tag, "tar") {
		s.load = c.archivePath(tag)
	}
	return hcl(s)
}

func (c *curator) act(s step) {
	name, tag := string(rune('a'+s.a%2)), pick(wishes, s.b)
	switch s.what {
	case "edit":
		c.save(name+".hcl", c.wish(spec{name: name, count: 1 + s.a/2%2, two: s.a%8 == 7}, tag))
	case "remove":
		c.remove(name + ".hcl")
	case "count 0":
		c.save(name+".hcl", c.wish(spec{name: name}, tag))
	case "archive":
		c.archived()
	case "archive gone":
		c.must(os.RemoveAll(c.archivePath(pick([]string{"tar1", "tar2"}, s.a))))
	case "operator":
		c.says(cleanup{off: s.a%4 == 0, delay: pick([]time.Duration{delay, 0, 3 * time.Minute, 50 * time.Minute}, s.b)})
	case "clock", "kill", "restart", "crash", "push latest":
		c.happen(s)
	case "lose":
		c.forget()
		c.happen(s)
	default:
		c.visit(s, tag)
	}
}

func (c *curator) visit(s step, tag string) {
	fault := func(f dockertest.RegistryFault) { c.e.Registry().Fail("registry.example", f) }
	switch s.what {
	case "person pulls":
		c.personPulls(tag)
	case "rmi":
		c.rmi(ref(tag))
	case "untag":
		c.untag(plain(ref(tag)))
	case "person tags":
		if c.present(ref(tag)) != "" {
			mine := pick(kept, s.a)
			c.e.TagByHand(plain(ref(tag)), mine)
			c.owned("", mine)
		}
	case "person untags":
		c.untag(pick(kept, s.a))
	case "stranger runs", "stranger is made":
		if c.present(ref(tag)) != "" {
			c.visitors = append(c.visitors, c.e.AddContainer(dockertest.Stranger{Image: plain(ref(tag)), Running: s.what == "stranger runs"}))
		}
	case "stranger of an id":
		if id := pick(slices.Sorted(maps.Keys(c.e.Images())), s.b); id != "" {
			c.visitors = append(c.visitors, c.e.AddContainer(dockertest.Stranger{Image: id, Running: s.a%2 == 0}))
		}
	case "stranger ends":
		if len(c.visitors) > 0 {
			c.e.Exit(pick(c.visitors, s.a), 0)
		}
	case "strangers go":
		for _, id := range c.visitors {
			c.e.RemoveByHand(id)
		}
		c.visitors = nil
	case "slow":
		fault(dockertest.RegistryFault{Layer: time.Duration(1+s.b%40) * time.Second})
	case "denied":
		fault(dockertest.RegistryFault{Kind: dockertest.Denied, Times: 1 + s.b%3})
	case "cut":
		fault(dockertest.RegistryFault{Kind: dockertest.Truncated, Times: 1 + s.b%3})
	case "heal":
		c.e.Registry().Heal("registry.example")
	default:
		c.bad("the test itself: nothing does %q", s.what)
	}
}
