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
// else what another allocation found.
func pinnedImages(a job.AllocSpec, d store.DeploymentRecord, others []job.Alloc, have map[string]bool) map[string]string {
	out := map[string]string{}
	g := d.Groups[a.Group]
	if g.SpecHash == a.SpecHash {
		maps.Copy(out, g.Images)
	} else if g.Stable != nil && g.Stable.SpecHash == a.SpecHash {
		maps.Copy(out, g.Stable.Images)
	}
	for _, other := range others {
		if other.Spec.ID == a.ID || other.Spec.SpecHash != a.SpecHash || other.Spec.Desired == job.DesiredStop {
			continue
		}
		if !other.Spec.MadeSince(d.PullAt) && a.MadeSince(d.PullAt) {
			continue // what it runs is what an operator wants to be asked for anew
		}
		for task, ts := range other.Status.Tasks {
			if out[task] == "" && ts.ImageID != "" {
				out[task] = ts.ImageID
			}
		}
	}
	maps.DeleteFunc(out, func(_, id string) bool { return !have[id] })
	return out
}
