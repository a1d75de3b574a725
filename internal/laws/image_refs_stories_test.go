package laws

import (
	"os"
	"testing"
	"time"

	"reconciler/internal/docker"
	"reconciler/internal/dockertest"
)

// refStories are about digests, archives, references that share an image, and
// what an operator says of the cleanup.
var refStories = []imageTale{
	{"the state is lost while its containers go", func(c *curator) {
		c.save("a.hcl", hcl(spec{name: "a", tag: "1", count: 2}))
		c.save("k.hcl", hcl(app("k", "3")))
		c.start()
		c.after(time.Minute)
		c.save("a.hcl", hcl(spec{name: "a", tag: "1"}))
		c.act(step{what: "lose"})
		c.after(time.Minute + delay + gcBound)
		c.lacks("the labels of the containers that went at once said that it is ours", ref("1"))
	}},
	{"the answer of a pull breaks off, and the agent is stopped before the next try", func(c *curator) {
		c.save("k.hcl", hcl(app("k", "3"), app("l", "3")))
		c.start()
		c.after(time.Minute)
		r := c.e.Inject(dockertest.Fault{Method: "POST", Path: "/images/create", CutAfter: 5, Times: 1})
		c.save("a.hcl", hcl(app("a", "1")))
		for r.Hits() == 0 {
			c.after(time.Second)
		}
		c.stop()
		c.remove("a.hcl")
		c.lacks("its pull was cut off", ref("1"))
		c.e.AddImage(image("1")) // dockerd had gone on
		c.start()
		c.after(time.Minute)
		c.has("within the delay", ref("1"))
		c.after(delay + gcBound)
		c.lacks("after the delay", ref("1"))
	}},
	{"a pull that was cut off brings nothing, and a person pulls much later", func(c *curator) {
		c.save("k.hcl", hcl(app("k", "3"), app("l", "3")))
		c.start()
		c.after(time.Minute)
		r := c.e.Inject(dockertest.Fault{Method: "POST", Path: "/images/create", CutAfter: 5})
		c.save("a.hcl", hcl(app("a", "1")))
		c.after(time.Minute)
		c.remove("a.hcl")
		c.after(time.Hour)
		r.Lift()
		c.owned(c.e.AddImage(image("1")), ref("1"))
		c.after(delay + gcBound)
		c.has("a person pulled it", ref("1"))
	}},
	{"a digest, and the tag of the same image", func(c *curator) {
		c.start()
		c.save("a.hcl", hcl(app("a", "1@")))
		c.after(time.Minute)
		c.save("b.hcl", hcl(app("b", "1")))
		c.after(time.Minute)
		c.save("a.hcl", hcl(app("a", "3")))
		c.after(time.Minute + delay + gcBound)
		c.has("b runs it by its tag", ref("1"))
		c.has("b runs it by its tag", ref("@1"))
		c.save("b.hcl", hcl(app("b", "3")))
		c.after(time.Minute + delay + gcBound)
		c.lacks("after the delay", ref("1"))
		c.lacks("after the delay", ref("@1"))
	}},
	{"a tag that moves while a digest is wanted", func(c *curator) {
		c.start()
		c.save("a.hcl", hcl(app("a", "latest"), app("b", "@latest")))
		c.after(time.Minute)
		c.happen(step{what: "push latest"})
		c.save("a.hcl", hcl(spec{name: "a", tag: "latest", count: 1, meta: "x"}, app("b", "@latest")))
		c.after(time.Minute + delay + gcBound)
		c.has("b runs it", ref("@latest"))
		if c.present(ref("latest")) == c.present(ref("@latest")) {
			c.bad("the test itself: the tag did not move")
		}
		c.save("a.hcl", hcl(app("a", "latest")))
		c.after(time.Minute + delay + gcBound)
		c.lacks("after the delay", ref("@latest"))
	}},
	{"wanted again by tag and digest while it is being removed", func(c *curator) {
		c.start()
		c.save("a.hcl", hcl(app("a", "1@")))
		c.save("k.hcl", hcl(app("k", "3")))
		c.after(time.Minute)
		c.remove("a.hcl")
		c.wantedWhileRemoved(func() { c.save("b.hcl", hcl(app("b", "1@"))) })
	}},
	{"a tag of what a person pulled by digest", func(c *curator) {
		c.start()
		c.personPulls("@1")
		c.save("a.hcl", hcl(app("a", "1")))
		c.after(time.Minute)
		c.has("a runs it", ref("1"))
		c.save("a.hcl", hcl(app("a", "2")))
		c.after(time.Minute + delay + gcBound)
		c.has("a person pulled it", ref("@1"))
	}},
	{"an archive holds more than is wanted", func(c *curator) {
		c.archived()
		c.start()
		c.save("a.hcl", hcl(c.loads("a", "tar1")))
		c.after(time.Minute)
		c.has("it came with the archive", ref("side1"))
		c.after(delay + gcBound)
		c.has("a runs it", ref("tar1"))
		c.lacks("nobody wants it", ref("side1"))
		c.must(os.Remove(c.archivePath("tar1")))
		c.e.Exit(c.one("a").ID, 1)
		c.after(time.Minute)
		c.converged() // what was loaded once needs no archive
	}},
	{"an archive moves a person's reference", func(c *curator) {
		c.archived()
		c.owned(c.e.AddImage(image("tar1")), ref("tar1"))
		theirs := c.present(ref("tar1"))
		c.start()
		c.save("a.hcl", hcl(c.loads("a", "tar1")))
		c.after(time.Minute)
		ours := c.present(ref("tar1"))
		if ours == theirs {
			c.bad("the test itself: the reference did not move")
		}
		c.recorded()
		c.save("a.hcl", hcl(app("a", "1")))
		c.after(time.Minute + delay + gcBound)
		c.lacks("our load brought it", ref("tar1"))
	}},
	{"an archive is written anew", func(c *curator) {
		c.archived()
		c.start()
		c.save("a.hcl", hcl(c.loads("a", "tar1")))
		c.after(time.Minute)
		first := c.present(ref("tar1"))
		c.archived()
		again := c.loads("a", "tar1")
		again.meta = "x"
		c.save("a.hcl", hcl(again))
		c.after(time.Minute)
		if now := c.one("a").Image; now == first || now != c.present(ref("tar1")) {
			c.bad("a runs %.19s, want what the archive holds now", now)
		}
		c.after(delay + gcBound)
		if _, there := c.e.Images()[first]; there {
			c.bad("no leak: what the archive held before is there")
		}
	}},
	{"the operator keeps everything, and then does not", func(c *curator) {
		c.configure = cleanup{off: true, delay: delay}.configure
		c.unused("1")
		c.after(2 * delay)
		c.has("docker.cleanup.image is false", ref("1"))
		if clock := first(c.agent.Store.Clocks.Get(c.present(ref("1")))); clock.UnusedSince.IsZero() {
			c.bad("its clock does not run: %+v", clock)
		}
		c.says(cleanup{delay: delay})
		c.after(time.Minute)
		c.lacks("it was unused for long", ref("1"))
	}},
	{"the operator lengthens the delay, and shortens it", func(c *curator) {
		c.unused("1")
		c.says(cleanup{delay: 3 * delay})
		c.after(2 * delay)
		c.has("within the delay", ref("1"))
		c.says(cleanup{delay: delay})
		c.after(time.Minute)
		c.lacks("after the delay of now", ref("1"))
	}},
	{"a delay of 0", func(c *curator) {
		c.configure = cleanup{}.configure
		c.start()
		c.save("a.hcl", hcl(app("a", "1")))
		c.after(time.Minute)
		c.has("in use", ref("1"))
		c.save("a.hcl", hcl(app("a", "2")))
		c.after(time.Minute)
		c.lacks("nothing needs it", ref("1"))
		c.has("in use", ref("2"))
	}},
	{"a stranger's container made from the id, of an image by digest", func(c *curator) {
		c.start()
		c.save("a.hcl", hcl(app("a", "@1")))
		c.save("k.hcl", hcl(app("k", "3")))
		c.after(time.Minute)
		theirs := c.e.AddContainer(dockertest.Stranger{Image: c.present(ref("@1"))})
		c.remove("a.hcl")
		c.after(time.Minute + delay + gcBound)
		c.has("a container has it", ref("@1"))
		c.e.RemoveByHand(theirs)
		c.after(delay + gcBound)
		c.lacks("after the delay", ref("@1"))
	}},
}

func TestImageRefStories(t *testing.T) { tellAll(t, refStories) }

// wantedWhileRemoved wants an image again at the moment in which it is being
// removed: its container waits for that, and the image is brought anew.
func (c *curator) wantedWhileRemoved(again func()) {
	r := c.e.Inject(dockertest.Fault{Method: "DELETE", Path: "/images/**", Delay: 20 * time.Second})
	for begin := time.Now(); r.Hits() == 0; c.after(5 * time.Second) {
		if time.Since(begin) > time.Hour {
			c.bad("the test itself: nothing was removed")
			return
		}
	}
	again()
	c.after(5 * time.Minute)
	r.Lift()
	c.converged()
	for _, e := range c.agent.Store.Events() {
		if e.Reason == docker.ReasonImageGone {
			c.bad("lease: an image went between its bring and its container: %s", e.Message)
		}
	}
}
