package laws

import (
	"slices"
	"strings"

	"reconciler/gc"
	"reconciler/internal/docker"
	"reconciler/internal/job"
	"reconciler/store"
)

// kept are the references that people give to images of ours: one of them in
// the repository that we pull from.
var kept = []string{"person.example/keep:1", "person.example/keep:2", repo + ":mine"}

// owned says that references, and an image unless its id is empty, are a person's.
func (c *curator) owned(id string, refs ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id != "" {
		c.theirs[id] = true
		delete(c.byHand, id)
	}
	for _, r := range refs {
		c.persons[r] = true
	}
}

// personPulls is docker pull, or load, by a person, of what is not there: it is theirs.
// While a pull of ours may be under way nobody could say whose it is.
func (c *curator) personPulls(tag string) {
	if c.present(ref(tag)) != "" || c.agent == nil || c.agent.Store.Intents.Len() > 0 || tag == "latest" {
		return
	}
	name := strings.Trim(tag, "@")
	i := image(name)
	if name == "twin" {
		i = image("1")
	}
	refs := []string{repo + "@" + i.Digest()}
	if !strings.Contains(tag, "@") {
		refs = append(refs, ref(tag))
	}
	i.Refs = refs
	if id := i.ID(); c.e.Images()[id] != nil && !c.theirs[id] {
		// An image of ours gets a reference of theirs.
		c.owned("", refs...)
		c.e.AddImage(i)
		return
	}
	c.owned(c.e.AddImage(i), refs...)
}

// rmi is docker rmi -f by a person, of an image with all its references.
func (c *curator) rmi(ref string) {
	id := c.present(ref)
	refs := c.e.Images()[id]
	c.mu.Lock()
	if id != "" {
		c.byHand[id] = true
		delete(c.theirs, id)
	}
	for _, r := range refs {
		delete(c.persons, r)
	}
	c.mu.Unlock()
	c.e.RemoveImageByHand(plain(ref))
}

// untag is docker rmi of a reference by a person. An image of theirs that has no
// name any more is nobody's: what brings it again under a name owns that.
func (c *curator) untag(ref string) {
	id := c.present(ref)
	c.e.UntagByHand(ref)
	left := c.e.Images()[id]
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.persons, ref)
	if len(left) == 0 && c.theirs[id] {
		delete(c.theirs, id)
		c.forgotten[id] = true
	}
}

// checkRemoval: no reference of a person is taken away, nor anything while the
// operator wants everything kept, nor what a container of anybody has.
func (c *curator) checkRemoval(wr write) {
	name, ok := strings.CutPrefix(wr.what, "DELETE /images/")
	if !ok {
		return
	}
	name, _, _ = strings.Cut(name, "?")
	id := name
	if !strings.HasPrefix(name, "sha256:") {
		id = c.present(name)
	}
	for _, ct := range c.e.Containers() {
		if ct.Image == id {
			c.bad("no early delete: %s, and container %s has it", wr, ct.Name)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cleanup.off {
		c.badLocked("no early delete: %s, and docker.cleanup.image is false", wr)
	}
	if c.persons[name] && (c.theirs[id] || slices.Contains(kept, name)) {
		c.badLocked("mine only: %s names what a person brought", wr)
	}
}

// forget notes what the loss of the state takes from us: images, and their
// tags, that no container of ours says are ours.
func (c *curator) forget() {
	c.lost = true
	claimed := map[string][]string{}
	for _, ct := range c.ours() {
		if ct.Config.Labels[job.LabelImageOurs] == "true" {
			claimed[ct.Image] = append(claimed[ct.Image], plain(ct.Config.Image))
		}
	}
	for id, refs := range c.e.Images() {
		known := claimed[id] != nil
		for _, r := range refs {
			known = known && (strings.Contains(r, "@") || slices.Contains(claimed[id], r))
		}
		c.forgotten[id] = c.forgotten[id] || !known
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
				name := plain(t.Config.Image)
				wanted[name] = wanted[name] || g.Count > 0
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

// recorded checks that the records name only what is there, and say whence it
// came, and that no pull is thought to be under way.
func (c *curator) recorded() {
	have, st := c.e.Images(), c.agent.Store
	for id, prov := range st.Provenance.All() {
		if _, there := have[id]; !there {
			c.bad("records: image %.19s is gone and its provenance is kept", id)
			continue
		}
		c.checkProvenance(id, prov)
	}
	for _, id := range st.Clocks.Keys() {
		if _, there := have[id]; !there {
			c.bad("records: image %.19s is gone and its clock runs", id)
		}
	}
	for key, intent := range st.Intents.All() {
		c.bad("records: intent %s is open: %+v", key, intent)
	}
}

// checkProvenance holds the record of an image against the engine, and against
// what happened.
func (c *curator) checkProvenance(id string, prov store.ImageProvenance) {
	real, err := c.hand.ImageInspect(c.Context(), id)
	c.must(err)
	if prov.Size == 0 || prov.Size != real.Size {
		c.bad("records: image %.19s has %d bytes, its record says %d", id, real.Size, prov.Size)
	}
	sources := c.fromArchive(id)
	if len(sources) == 0 {
		sources = []string{docker.SourcePull}
	}
	if !slices.Contains(sources, prov.Source) && (!c.lost || prov.Source != gc.SourceLabel) {
		c.bad("records: image %.19s is said to come from %q, want one of %q", id, prov.Source, sources)
	}
	for _, r := range prov.Refs {
		if c.theirs[id] && c.persons[plain(r)] {
			c.bad("records: %s of image %.19s is a person's and counts as ours", r, id)
		}
	}
}
