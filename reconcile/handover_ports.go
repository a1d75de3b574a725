package reconcile

import (
	"maps"
	"slices"

	"reconciler/internal/job"
)

// probePorts says, for each of the allocations that is prepared, which static
// port it could not have even once its predecessor has ended.
func (c *Controller) probePorts(allocs []job.Alloc) map[string]string {
	busy := map[string]string{}
	var passing map[string]bool
	for _, a := range allocs {
		spec := c.specOf(a.Spec)
		if a.Spec.Desired != job.DesiredPrepare || spec == nil {
			continue
		}
		if passing == nil {
			passing = c.passing()
		}
		if err := c.Ports.Probe(a.Spec.ID, spec.Group(a.Spec.Group).PortRequests(), c.leaving(a.Spec, passing)); err != nil {
			busy[a.Spec.ID] = err.Error()
		}
	}
	return busy
}

// passing finds the allocations, of all jobs, whose predecessors are about to
// be stopped: all that they need is there, if the ports count as free that
// the others among them get free. Jobs that swap ports pass together; one
// whose port stays taken passes not, nor does any that counts on it.
func (c *Controller) passing() map[string]bool {
	out := map[string]bool{}
	reqs := map[string][]job.PortRequest{}
	specs := c.Store.AllocSpecs.All()
	for id, a := range specs {
		if rec, ok := c.Store.Jobs.Get(a.Job); ok && a.Desired == job.DesiredPrepare && c.imageReady(id) &&
			rec.Deleted.IsZero() && matches(rec.Spec, a) && len(c.waitFor(a.Job, rec.Spec)) == 0 {
			out[id], reqs[id] = true, rec.Spec.Group(a.Group).PortRequests()
		}
	}
	for dropped := true; dropped; {
		dropped = false
		for _, id := range slices.Sorted(maps.Keys(out)) {
			if c.Ports.Probe(id, reqs[id], c.leaving(specs[id], out)) != nil {
				delete(out, id)
				dropped = true
			}
		}
	}
	return out
}

func (c *Controller) imageReady(id string) bool {
	st, _ := c.Store.AllocStatuses.Get(id)
	return isTrue(job.Alloc{Status: st}, job.CondImageReady)
}

// leaving names the allocations whose static ports a prepared allocation may
// count on: its predecessor's, those of all that are stopping, and those of
// the predecessors of all that pass.
func (c *Controller) leaving(a job.AllocSpec, passing map[string]bool) []string {
	all := c.Store.AllocSpecs.All()
	slots := map[string]bool{slotOf(a): true}
	for id := range passing {
		slots[slotOf(all[id])] = true
	}
	var out []string
	for id, other := range all {
		if id != a.ID && (other.Desired == job.DesiredStop || slots[slotOf(other)]) {
			out = append(out, id)
		}
	}
	return out
}

func slotOf(a job.AllocSpec) string { return a.Job + "/" + slotKey(a.Group, a.Index) }
