package reconcile

import (
	"maps"
	"slices"
	"strings"
	"time"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
	"reconciler/observed"
)

// adopt enters allocations that only containers know of: the state file was
// lost, or a container was made and the agent ended before its record was
// written.
func (c *Controller) adopt(name string) {
	for _, spec := range adopted(c.Observe.Job(name), c.knownAlloc, c.Now()) {
		c.Ports.Restore(spec.ID, spec.Ports)
		c.Store.AllocSpecs.Put(spec.ID, spec)
		c.Log.WithField("job", name).WithField("alloc", spec.ID).Info("allocation adopted")
	}
	c.nameImages(name)
}

// nameImages gives adopted allocations the references of their spec, once that
// is known, where a container knows its image by id alone: the tag had moved on
// when it was made.
func (c *Controller) nameImages(name string) {
	for _, a := range c.allocsOf(name) {
		if a.Ended() {
			continue
		}
		if refs, ok := c.named(a.Spec, c.specOf(a.Spec)); ok {
			a.Spec.Images = refs
			c.Store.AllocSpecs.Put(a.Spec.ID, a.Spec)
		}
	}
}

// named returns the references of an adopted allocation with those of its spec
// where only an id is known. ok is false if there is nothing to go by.
func (c *Controller) named(a job.AllocSpec, spec *job.Job) (refs map[string]string, ok bool) {
	if !a.Adopted || spec == nil {
		return nil, false
	}
	refs, err := c.images(spec, spec.Group(a.Group), a)
	if err != nil {
		return nil, false // what the labels say stays
	}
	for task, image := range a.Images {
		if refs[task] != "" && !isID(image) {
			refs[task] = image
		}
	}
	return refs, true
}

func (c *Controller) knownAlloc(id string) bool {
	_, ok := c.Store.AllocSpecs.Get(id)
	return ok
}

// adopted rebuilds the records of the allocations that known does not know,
// from the labels of their containers. It is a pure function.
func adopted(containers []observed.Container, known func(id string) bool, now time.Time) []job.AllocSpec {
	specs := map[string]job.AllocSpec{}
	for _, ct := range containers {
		id := ct.Identity
		if !ct.Ours || known(id.AllocID) {
			continue
		}
		spec, ok := specs[id.AllocID]
		if !ok {
			spec = job.AllocSpec{
				ID: id.AllocID, Job: id.Job, Group: id.Group, Index: id.AllocIndex,
				Generation: id.Generation, SpecHash: id.SpecHash,
				Desired: job.DesiredRun, Reason: "Adopted", Adopted: true,
				Ports: id.Ports, Images: map[string]string{}, CreatedAt: now.UTC(),
			}
		}
		spec.Generation = max(spec.Generation, id.Generation)
		if spec.Images[id.Task] == "" || ct.Live() {
			spec.Images[id.Task] = canonical(ct.Image)
		}
		if !ct.StartedAt.IsZero() && ct.StartedAt.Before(spec.CreatedAt) {
			spec.CreatedAt = ct.StartedAt.UTC()
		}
		specs[id.AllocID] = spec
	}
	out := make([]job.AllocSpec, 0, len(specs))
	for _, id := range slices.Sorted(maps.Keys(specs)) {
		out = append(out, specs[id])
	}
	return out
}

// canonical is the canonical form of the reference that a container was made
// with, which the engine keeps as people write it. An id stays as it is.
func canonical(image string) string {
	if isID(image) {
		return image
	}
	if ref, err := imageref.Parse(image); err == nil {
		return ref
	}
	return image
}

func isID(image string) bool { return strings.HasPrefix(image, "sha256:") }
