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
	var all map[string]job.AllocSpec
	var passing map[string]bool
	for _, a := range allocs {
		if a.Spec.Desired != job.DesiredPrepare || !hasStatic(a.Spec.Ports) {
			continue
		}
		spec := c.specOf(a.Spec)
		if spec == nil {
			continue
		}
		if all == nil {
			all = c.Store.AllocSpecs.All()
		}
		reqs := spec.Group(a.Spec.Group).PortRequests()
		if c.Ports.Probe(a.Spec.ID, reqs, leaving(a.Spec, all, nil)) == nil {
			continue // what others leave it need not count on, and that is dear to tell
		}
		if passing == nil {
			passing = c.passing(all)
		}
		if err := c.Ports.Probe(a.Spec.ID, reqs, leaving(a.Spec, all, passing)); err != nil {
			busy[a.Spec.ID] = err.Error()
		}
	}
	return busy
}

// hasStatic reports whether a port was asked for by number: others are reserved
// before an allocation is prepared, and nobody has to leave for them.
func hasStatic(ports []job.AllocPort) bool {
	return slices.ContainsFunc(ports, func(p job.AllocPort) bool { return p.Static })
}

// passing finds the allocations, of all jobs, whose predecessors are about to
// be stopped: all that they need is there, if the ports count as free that
// the others among them get free. Jobs that swap ports pass together; one
// whose port stays taken passes not, nor does any that counts on it.
func (c *Controller) passing(all map[string]job.AllocSpec) map[string]bool {
	out := map[string]bool{}
	reqs := map[string][]job.PortRequest{}
	for id, a := range all {
		if rec, ok := c.Store.Jobs.Get(a.Job); ok && a.Desired == job.DesiredPrepare && c.imageReady(id) &&
			rec.Deleted.IsZero() && matches(rec.Spec, a) && len(c.waitFor(a.Job, rec.Spec)) == 0 {
			out[id], reqs[id] = true, rec.Spec.Group(a.Group).PortRequests()
		}
	}
	for dropped := true; dropped; {
		dropped = false
		for _, id := range slices.Sorted(maps.Keys(out)) {
			if hasStatic(all[id].Ports) && c.Ports.Probe(id, reqs[id], leaving(all[id], all, out)) != nil {
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
func leaving(a job.AllocSpec, all map[string]job.AllocSpec, passing map[string]bool) []string {
	slots := map[place]bool{placeOf(a): true}
	for id := range passing {
		slots[placeOf(all[id])] = true
	}
	var out []string
	for id, other := range all {
		if id != a.ID && (other.Desired == job.DesiredStop || slots[placeOf(other)]) {
			out = append(out, id)
		}
	}
	return out
}

// place is an index of a group, on the whole host.
type place struct {
	job, group string
	index      int
}

func placeOf(a job.AllocSpec) place { return place{a.Job, a.Group, a.Index} }
