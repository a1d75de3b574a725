package laws

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/go-connections/nat"

	"reconciler/internal/dockertest"
	"reconciler/reconcile"
)

// imageTale is a story about images, and its end.
type imageTale struct {
	name string
	tell func(c *curator)
}

// imageStories are moments at which an image can be lost, or kept for ever,
// that are too short or too long for stories which are drawn.
var imageStories = []imageTale{
	{"the agent dies between a pull and its record, and nobody wants it any more", func(c *curator) {
		c.strikeAt(afterWrite, func() { c.save("a.hcl", hcl(app("a", "1"))) })
		c.lacks("while its pull is not over", ref("1"))
		c.e.AddImage(image("1")) // dockerd had gone on
		c.remove("a.hcl")
		c.start()
		c.after(time.Minute)
		c.has("within the delay", ref("1"))
		c.after(delay + gcBound)
		c.lacks("after the delay", ref("1"))
	}},
	{"the agent dies before a pull: a person pulls instead", func(c *curator) {
		c.strikeAt(beforeWrite, func() { c.save("a.hcl", hcl(app("a", "1"))) })
		c.remove("a.hcl")
		c.start()
		c.after(time.Minute)
		c.owned(c.e.AddImage(image("1")), ref("1"))
		c.after(delay + gcBound)
		c.has("since a person pulled it", ref("1"))
	}},
	{"the answer of a pull breaks off and dockerd goes on, for a job that is gone", func(c *curator) {
		c.save("k.hcl", hcl(app("k", "3"), app("l", "3")))
		c.start()
		c.after(time.Minute)
		r := c.e.Inject(dockertest.Fault{Method: "POST", Path: "/images/create", CutAfter: 5, Times: 1})
		c.save("a.hcl", hcl(app("a", "1")))
		c.after(2 * time.Second)
		c.remove("a.hcl")
		c.after(time.Minute)
		if r.Hits() != 1 {
			c.bad("the test itself: %d pulls broke off, want 1", r.Hits())
		}
		c.e.AddImage(image("1")) // dockerd had gone on
		c.after(delay + gcBound + 10*time.Minute)
		c.lacks("after the delay", ref("1"))
	}},
	{"dockerd says that something needs it", func(c *curator) {
		c.unused("1")
		r := c.e.Inject(dockertest.Fault{Method: "DELETE", Path: "/images/**", Status: 409, Message: "conflict: injected", Times: 1})
		c.after(delay + time.Minute)
		if r.Hits() == 0 {
			c.bad("the test itself: nothing was refused")
		}
		c.after(delay - 5*time.Minute)
		c.has("since its clock began anew", ref("1"))
		c.after(gcBound)
		c.lacks("after the second delay", ref("1"))
	}},
	{"dockerd cannot remove it for a while", func(c *curator) {
		c.unused("1")
		r := c.e.Inject(dockertest.Fault{Method: "DELETE", Path: "/images/**", Status: 500, Message: "injected"})
		c.after(delay + time.Hour)
		n := 0
		for _, w := range c.written(0) {
			if strings.HasPrefix(w.what, "DELETE /images/") {
				n++
			}
		}
		// 10 s, doubled to 5 min: 5 tries and then one each 5 min.
		if n < 10 || n > 30 {
			c.bad("backoff: %d tries in an hour, want about 17", n)
		}
		r.Lift()
		c.after(gcBound)
		c.lacks("once it can be", ref("1"))
	}},
	{"its file is back before an agent is", func(c *curator) {
		c.unused("1")
		c.after(delay - time.Minute)
		c.stop()
		c.save("a.hcl", hcl(app("a", "1")))
		c.after(10 * time.Minute)
		pulls := c.e.Registry().Pulls()
		c.start()
		c.after(time.Minute)
		if n := c.e.Registry().Pulls() - pulls; n > 0 {
			c.bad("no early delete: an image that a file asks for was pulled %d times", n)
		}
		c.converged()
	}},
	{"a stranger's container that no event told of", func(c *curator) {
		c.unused("1")
		c.e.TagByHand(ref("1"), "person.example/keep:1")
		c.owned("", "person.example/keep:1")
		c.after(delay - 10*time.Minute)
		c.setEvents(func(events.Message) []time.Duration { return nil })
		c.after(8 * time.Minute)
		id := c.e.AddContainer(dockertest.Stranger{Image: ref("1")})
		c.after(3 * time.Minute)
		c.has("while a stranger's container is made from it", ref("1"))
		c.setEvents(nil)
		c.e.RemoveByHand(id)
		c.after(delay + gcBound)
		c.lacks("after the delay", ref("1"))
		c.has("a person's reference", "person.example/keep:1")
	}},
	{"a stranger's container that has ended", func(c *curator) {
		c.unused("1")
		id := c.e.AddContainer(dockertest.Stranger{Image: ref("1"), Running: true})
		c.e.Exit(id, 0)
		c.after(3 * delay)
		c.has("a dead container has it", ref("1"))
		for _, e := range c.agent.Store.Events() {
			if e.Reason == "ImageKept" {
				c.bad("mine only: the removal of an image in use was tried: %s", e.Message)
			}
		}
		c.e.RemoveByHand(id)
		c.after(delay + gcBound)
		c.lacks("after the delay", ref("1"))
	}},
	{"the manifests are away, at a start and later", func(c *curator) {
		c.unused("1")
		c.stop()
		c.happen(step{what: "dir away"})
		c.after(delay + time.Hour)
		c.start()
		c.after(delay)
		c.has("nobody can read what is wanted", ref("1"))
		c.happen(step{what: "dir back"})
		c.after(gcBound)
		c.lacks("the manifests are back and do not want it", ref("1"))
		c.save("a.hcl", hcl(app("a", "2")))
		c.after(time.Minute)
		c.remove("a.hcl")
		c.after(time.Minute)
		c.happen(step{what: "dir away"})
		c.after(delay + gcBound)
		c.has("nobody can read what is wanted", ref("2"))
		c.happen(step{what: "dir back"})
		c.after(gcBound)
		c.lacks("the manifests are back and do not want it", ref("2"))
	}},
	{"what an update that fails came from", func(c *curator) {
		c.start()
		c.save("a.hcl", hcl(app("a", "1")))
		c.after(time.Minute)
		c.save("a.hcl", hcl(spec{name: "a", tag: "2", count: 1, arg: "crash"}))
		c.after(delay + gcBound)
		c.has("while the update is degraded", ref("1"))
		c.save("a.hcl", hcl(app("a", "2")))
		c.after(time.Minute + delay + gcBound)
		c.lacks("since the update is healthy", ref("1"))
		c.has("in use", ref("2"))
	}},
	{"one image under two references of ours", func(c *curator) {
		i := image("1")
		i.Refs = []string{ref("2")}
		c.e.Registry().Push(ref("2"), i)
		c.start()
		c.save("a.hcl", hcl(app("a", "1")))
		c.save("b.hcl", hcl(app("b", "2")))
		c.after(time.Minute)
		if id := c.present(ref("1")); id == "" || id != c.present(ref("2")) {
			c.bad("the test itself: they are two images")
		}
		c.save("a.hcl", hcl(app("a", "3")))
		c.save("b.hcl", hcl(app("b", "3")))
		c.after(time.Minute + delay + gcBound)
		c.lacks("after the delay", ref("1"))
		c.lacks("after the delay", ref("2"))
	}},
	{"a tag that moves to an image of a person", func(c *curator) {
		c.start()
		c.save("a.hcl", hcl(app("a", "latest")))
		c.after(time.Minute)
		first := c.present(ref("latest"))
		i := image("latest")
		i.Salt, i.Refs = "another", []string{"person.example/keep:1"}
		theirs := c.e.AddImage(i)
		c.owned(theirs, "person.example/keep:1")
		i.Refs = []string{ref("latest")}
		c.e.Registry().Push(ref("latest"), i)
		c.save("a.hcl", hcl(spec{name: "a", tag: "latest", count: 1, meta: "x"}))
		c.after(time.Minute)
		if c.present(ref("latest")) != theirs {
			c.bad("the test itself: the tag did not move to the person's image")
		}
		c.remove("a.hcl")
		c.after(time.Minute + delay + gcBound)
		c.has("what was there before it was wanted", ref("latest"))
		if _, there := c.e.Images()[first]; there {
			c.bad("no leak: the first latest is still there")
		}
	}},
	{"two jobs share one, and one lets go", func(c *curator) {
		c.start()
		c.save("a.hcl", hcl(app("a", "1")))
		c.save("b.hcl", hcl(app("b", "1")))
		c.after(time.Minute)
		c.remove("a.hcl")
		c.after(delay + gcBound)
		c.has("b runs it", ref("1"))
		c.save("b.hcl", hcl(spec{name: "b", tag: "1", count: 0}))
		c.after(time.Minute + delay + gcBound)
		c.lacks("nobody needs it", ref("1"))
	}},
	{"wanted again while it is being removed", func(c *curator) {
		c.unused("1")
		c.wantedWhileRemoved(func() { c.save("b.hcl", hcl(app("b", "1"))) })
	}},
	{"back and forth within the delay, and beyond it", func(c *curator) {
		c.start()
		for _, wait := range []time.Duration{delay / 2, delay / 2, delay + gcBound} {
			for _, tag := range []string{"1", "2"} {
				c.save("a.hcl", hcl(app("a", tag)))
				c.after(wait)
			}
		}
		if n := c.e.Registry().Pulls(); n != 3 {
			c.bad("no early delete: %d pulls, want 3: 1 and 2, and 1 once more after its delay", n)
		}
		c.lacks("after the delay", ref("1"))
	}},
	{"a job that cannot be placed asks for it", func(c *curator) {
		c.thief(dockertest.Stranger{Image: ref("old"), Running: true, Publish: nat.PortMap{"8101/tcp": {{HostIP: c.addr, HostPort: "8101"}}}})
		c.save("b.hcl", hcl(spec{name: "b", tag: "1", count: 1, static: 8101}))
		c.unused("1")
		c.after(delay + gcBound)
		c.has("a job waits for its port with it", ref("1"))
		c.e.RemoveByHand(c.thieves[0])
		c.after(time.Minute)
		c.converged()
	}},
	{"a held job has lost its container, and the tag has moved", func(c *curator) {
		c.start()
		c.save("a.hcl", hcl(app("a", "latest")))
		c.after(time.Minute)
		first := c.present(ref("latest"))
		c.happen(step{what: "push latest"})
		c.save("b.hcl", hcl(app("b", "latest")))
		c.after(time.Minute)
		c.must(c.agent.Controller.Ask(c.Context(), "a", reconcile.Hold))
		c.e.RemoveByHand(c.one("a").ID)
		c.after(delay + gcBound)
		if _, there := c.e.Images()[first]; !there || c.present(ref("latest")) == first {
			c.bad("no early delete: the image that a was given is there: %t", there)
		}
		c.must(c.agent.Controller.Ask(c.Context(), "a", reconcile.Release))
		c.after(time.Minute)
		if got := c.one("a").Image; got != first {
			c.bad("deterministic: a runs %.19s after its hold, and ran %.19s", got, first)
		}
	}},
	{"the state is lost while it runs, beside a person's reference", func(c *curator) {
		c.start()
		c.save("a.hcl", hcl(app("a", "1")))
		c.after(time.Minute)
		c.e.TagByHand(ref("1"), "person.example/keep:1")
		c.owned("", "person.example/keep:1")
		c.act(step{what: "lose"})
		c.after(time.Minute)
		c.remove("a.hcl")
		c.after(time.Minute)
		_, err := c.agent.Watcher.ConfirmDeletions(c.Context())
		c.must(err)
		c.after(time.Minute + delay + gcBound)
		c.lacks("the label of its container said that it is ours", ref("1"))
		c.has("a person's reference", "person.example/keep:1")
	}},
}

func TestImageStories(t *testing.T) { tellAll(t, imageStories) }

func tellAll(t *testing.T, stories []imageTale) {
	t.Helper()
	t.Parallel()
	for _, s := range stories {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			tell(t, func(w *world) {
				c := newCurator(w)
				s.tell(c)
				c.collected()
				c.recorded()
			})
		})
	}
}

func newCurator(w *world) *curator {
	c := &curator{
		people:  &people{world: w, listeners: map[int]net.Listener{}},
		persons: map[string]bool{ref("old"): true}, forgotten: map[string]bool{},
	}
	w.guard = c.checkRemoval
	return c
}

// strikeAt kills the agent at its first effect of a kind after then.
func (c *curator) strikeAt(kind string, then func()) {
	at := newStrike(kind, 1)
	c.save("k.hcl", hcl(app("k", "3"), app("l", "3"))) // a file that is gone alone would be held
	c.start()
	c.after(time.Minute)
	c.strike.Store(at)
	then()
	<-at.struck
	c.excuse()
	c.kill()
	c.strike.Store(nil)
}

// unused lets an image be brought by us and then be wanted no more.
func (c *curator) unused(tag string) {
	c.start()
	c.save("a.hcl", hcl(app("a", tag)))
	c.save("k.hcl", hcl(app("k", "3")))
	c.after(time.Minute)
	c.remove("a.hcl")
	c.after(time.Minute)
}

func (c *curator) has(why, ref string) {
	if c.present(ref) == "" {
		c.bad("no early delete: %s is gone (%s)", ref, why)
	}
}

func (c *curator) lacks(why, ref string) {
	if id := c.present(ref); id != "" {
		c.bad("no leak: %s is there (%s): %+v", ref, why, first(c.agent.Store.Clocks.Get(id)))
	}
}
