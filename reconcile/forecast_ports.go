package reconcile

import (
	"maps"
	"slices"

	"reconciler/internal/job"
)

// probe is probePorts in a play. The table of ports is the real one: who has
// left in the play has given back what stands there.
func (p *play) probe(in *JobInput) {
	var passing map[string]bool
	for _, a := range in.Allocs {
		g := in.Record.Spec.Group(a.Spec.Group)
		if g == nil || a.Spec.Desired != job.DesiredPrepare || a.Ended() {
			continue
		}
		if passing == nil {
			passing = p.passing()
		}
		if err := p.c.Ports.Probe(a.Spec.ID, g.PortRequests(), p.leaving(a.Spec, passing)); err != nil {
			in.PortBusy[a.Spec.ID] = err.Error()
		}
	}
}

// passing is the controller's, in a play.
func (p *play) passing() map[string]bool {
	out := map[string]bool{}
	reqs := map[string][]job.PortRequest{}
	for id, a := range p.allocs {
		rec := p.records[a.Spec.Job]
		if a.Spec.Desired == job.DesiredPrepare && isTrue(*a, job.CondImageReady) && rec.Deleted.IsZero() &&
			matches(rec.Spec, a.Spec) && len(sharing(a.Spec.Job, rec.Spec, p.records, p.live)) == 0 {
			out[id], reqs[id] = true, rec.Spec.Group(a.Spec.Group).PortRequests()
		}
	}
	for dropped := true; dropped; {
		dropped = false
		for _, id := range slices.Sorted(maps.Keys(out)) {
			if p.c.Ports.Probe(id, reqs[id], p.leaving(p.allocs[id].Spec, out)) != nil {
				delete(out, id)
				dropped = true
			}
		}
	}
	return out
}

// leaving is the controller's, in a play.
func (p *play) leaving(a job.AllocSpec, passing map[string]bool) []string {
	slots := map[string]bool{slotOf(a): true}
	for id := range passing {
		slots[slotOf(p.allocs[id].Spec)] = true
	}
	var out []string
	for id, other := range p.allocs {
		if id != a.ID && (other.Spec.Desired == job.DesiredStop || slots[slotOf(other.Spec)]) {
			out = append(out, id)
		}
	}
	return out
}
