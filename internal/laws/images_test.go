package laws

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"reconciler/internal/dockertest"
	"reconciler/internal/job"
)

// gcBound is how long after its delay an image may still be there: a pass that
// a refusal put off, and the looks in between.
const gcBound = 12 * time.Minute

// TestImages: whatever people, strangers, registries and crashes do to images,
// ours go after their delay and not before, and nobody else's do.
func TestImages(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(drawImageStep), 2, 20).Draw(rt, "steps")
		wrong, told := play(t, dockertest.Options{LiveRestore: true, Seed: 1}, func(w *world) { imageStory(w, steps) })
		if len(wrong) > 0 {
			rt.Fatalf("%s\nthe story:\n%s", strings.Join(wrong, "\n"), strings.Join(told, "\n"))
		}
	})
}

var imageHappenings = []string{
	"edit", "edit", "edit", "edit", "edit", "edit", "remove", "remove", "count 0", "push latest",
	"rmi", "person pulls", "person tags", "person untags", "stranger runs", "stranger is made", "stranger ends", "strangers go",
	"slow", "denied", "cut", "heal", "restart", "kill", "kill", "lose", "crash", "clock",
}

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
}

func imageStory(w *world, steps []step) {
	c := newCurator(w)
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

// settled ends all that goes on, lets every delay pass, and checks.
func (c *curator) settled() {
	c.e.Registry().Heal("registry.example")
	c.up()
	c.after(2 * time.Minute)
	_, err := c.agent.Watcher.ConfirmDeletions(c.Context())
	c.must(err)
	c.after(10 * time.Minute) // until the last backoff is over
	c.converged()
	c.after(delay + gcBound)
	c.converged()
	c.collected()
	c.recorded()
	c.after(5 * time.Hour) // records of an hour, by a clock that was set back
	c.quiet(time.Hour)
}

func (c *curator) act(s step) {
	name, tag := string(rune('a'+s.a%2)), pick(tags, s.b)
	switch s.what {
	case "edit":
		c.save(name+".hcl", hcl(spec{name: name, tag: tag, count: 1 + s.a/2%2, two: s.a%8 == 7}))
	case "remove":
		c.remove(name + ".hcl")
	case "count 0":
		c.save(name+".hcl", hcl(spec{name: name, tag: tag, count: 0}))
	case "rmi":
		c.removeImage(s.b)
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
	case "person tags":
		if c.present(ref(tag)) != "" {
			mine := fmt.Sprintf("person.example/keep:%d", s.a%3)
			c.e.TagByHand(ref(tag), mine)
			c.persons[mine] = true
		}
	case "person untags":
		c.e.UntagByHand(fmt.Sprintf("person.example/keep:%d", s.a%3))
	case "stranger runs", "stranger is made":
		if c.present(ref(tag)) != "" {
			c.visitors = append(c.visitors, c.e.AddContainer(dockertest.Stranger{Image: ref(tag), Running: s.what == "stranger runs"}))
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

// present is the id that a reference means on the engine; "" if none.
func (c *curator) present(ref string) string {
	for id, refs := range c.e.Images() {
		if slices.Contains(refs, ref) {
			return id
		}
	}
	return ""
}

// personPulls is docker pull by a person, of what is not there: it is theirs.
// While a pull of ours may be under way nobody could say whose it is.
func (c *curator) personPulls(tag string) {
	if c.present(ref(tag)) != "" || c.agent == nil || c.agent.Store.Intents.Len() > 0 || tag == "latest" {
		return
	}
	id := c.e.AddImage(image(tag))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.theirs[id] = true
	delete(c.byHand, id)
	c.persons[ref(tag)] = true
}

// forget notes what the loss of the state takes from us: images that no
// container of ours says are ours.
func (c *curator) forget() {
	claimed := map[string]bool{}
	for _, ct := range c.ours() {
		if ct.Config.Labels[job.LabelImageOurs] == "true" {
			claimed[ct.Image] = true
		}
	}
	for id := range c.e.Images() {
		c.forgotten[id] = c.forgotten[id] || !claimed[id]
	}
}

// collected checks that of the images of the host each has a reason to be
// there, from what happened and not from what the agent remembers.
func (c *curator) collected() {
	used, wanted := map[string]bool{}, map[string]bool{}
	for _, ct := range c.e.Containers() {
		used[ct.Image] = true
	}
	for _, j := range c.wanted() {
		for _, g := range j.Groups {
			for _, t := range g.Tasks {
				wanted[t.Config.Image] = wanted[t.Config.Image] || g.Count > 0
			}
		}
	}
	have := c.e.Images()
	for id, refs := range have {
		theirs := slices.ContainsFunc(refs, func(r string) bool { return c.persons[r] })
		if used[id] || c.theirs[id] || c.forgotten[id] || theirs || slices.ContainsFunc(refs, func(r string) bool { return wanted[r] }) {
			continue
		}
		c.bad("no leak: image %.19s %v is there and nothing needs it: %+v", id, refs, first(c.agent.Store.Clocks.Get(id)))
	}
	for id := range c.theirs {
		if _, there := have[id]; !there && !c.byHand[id] {
			c.bad("mine only: image %.19s of a person is gone", id)
		}
	}
}

// recorded checks that the records name only what is there, and that no pull
// is thought to be under way.
func (c *curator) recorded() {
	have, st := c.e.Images(), c.agent.Store
	for id, prov := range st.Provenance.All() {
		if prov.Size == 0 || prov.Source == "" {
			c.bad("records: image %.19s came from %q and has %d bytes", id, prov.Source, prov.Size)
		}
		if _, there := have[id]; !there {
			c.bad("records: image %.19s is gone and its provenance is kept", id)
		}
		if c.theirs[id] && !c.byHand[id] {
			c.bad("records: image %.19s is a person's and counts as ours", id)
		}
	}
	for _, id := range st.Clocks.Keys() {
		if _, there := have[id]; !there {
			c.bad("records: image %.19s is gone and its clock runs", id)
		}
	}
	for key, intent := range st.Intents.All() {
		c.bad("records: intent %s is open: %+v", key, intent)
	}
	for _, write := range c.written(0) {
		if strings.HasPrefix(write.what, "DELETE /images/person.example") {
			c.bad("mine only: %s", write)
		}
	}
}
