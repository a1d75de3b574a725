package reconcile

import (
	"maps"

	"reconciler/internal/job"
	"reconciler/store"
)

// pinned returns the image ids that allocations of the same spec_hash run
// already, as far as the engine still has them; nil while nobody knows which
// it has.
func (c *Controller) pinned(a job.AllocSpec) map[string]string {
	images, ok := c.Observe.Images()
	if !ok {
		return nil
	}
	have := map[string]bool{}
	for _, img := range images {
		have[img.ID] = true
	}
	d, _ := c.Store.Deployments.Get(a.Job)
	return pinnedImages(a, d, c.allocsOf(a.Job), have)
}

// pinnedImages is pinned over given records: what the deployment has pinned,
// else what another allocation found, for the same reference.
func pinnedImages(a job.AllocSpec, d store.DeploymentRecord, others []job.Alloc, have map[string]bool) map[string]string {
	out := map[string]string{}
	take := func(images, refs map[string]string) {
		for task, id := range images {
			if out[task] == "" && sameRef(refs[task], a.Images[task]) {
				out[task] = id
			}
		}
	}
	g := d.Groups[a.Group]
	if g.SpecHash == a.SpecHash {
		take(g.Images, g.Refs)
	} else if g.Stable != nil && g.Stable.SpecHash == a.SpecHash {
		take(g.Stable.Images, g.Stable.Refs)
	}
	for _, other := range others {
		if other.Spec.ID == a.ID || other.Spec.SpecHash != a.SpecHash || other.Spec.Desired == job.DesiredStop {
			continue
		}
		if !other.Spec.MadeSince(d.PullAt) && a.MadeSince(d.PullAt) {
			continue // what it runs is what an operator wants to be asked for anew
		}
		take(foundBy(other), other.Spec.Images)
	}
	maps.DeleteFunc(out, func(_, id string) bool { return !have[id] })
	return out
}

// foundBy are the image ids that an allocation has found, by task.
func foundBy(a job.Alloc) map[string]string {
	out := map[string]string{}
	for task, ts := range a.Status.Tasks {
		if ts.ImageID != "" {
			out[task] = ts.ImageID
		}
	}
	return out
}

// sameRef reports whether two tasks of one spec_hash may be given the same
// image: not if a runtime name makes their references differ. A record of
// before has none, and an adopted allocation may know the id alone.
func sameRef(a, b string) bool {
	return a == b || a == "" || b == "" || isID(a) || isID(b)
}
