package reconcile

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"reconciler/internal/job"
)

// reserve reports, as Ports.Reserve would in a play, why an allocation cannot
// have ports. It takes nothing: what an allocation has stands in its record,
// and who has ended in the play has given its ports back.
func (p *play) reserve(id string, reqs []job.PortRequest) error {
	var ended []string
	for other, a := range p.allocs {
		if a.Ended() {
			ended = append(ended, other)
		}
	}
	// What was placed in the play takes its dynamic ports out of the range.
	var before []job.PortRequest
	for other, a := range p.allocs {
		if _, real := p.c.Store.AllocSpecs.Get(other); !real && !a.Spec.Adopted && !a.Ended() && other != id {
			for _, port := range a.Spec.Ports {
				if !port.Static {
					before = append(before, job.PortRequest{Port: job.Port{Label: port.Label, HostIP: port.HostIP}, Task: other + "/" + port.Task})
				}
			}
		}
	}
	return p.test(id, slices.Concat(before, reqs), ended)
}

// test is Ports.Probe in a play: the table, and then what the allocations of
// the play have. Those of which a table knows that is made for a forecast
// alone are the ones that have a container.
func (p *play) test(id string, reqs []job.PortRequest, except []string) error {
	if err := p.ask(id, reqs, except); err != nil {
		return err
	}
	for _, other := range slices.Sorted(maps.Keys(p.allocs)) {
		a := p.allocs[other]
		if other == id || a.Ended() || slices.Contains(except, other) {
			continue
		}
		for _, has := range held(a.Spec) {
			i := slices.IndexFunc(reqs, func(r job.PortRequest) bool {
				return r.Static != 0 && r.Static == has.Host && sameAddress(r.HostIP, has.HostIP)
			})
			if i >= 0 {
				err := fmt.Errorf("port %q: %d is held by allocation %s", reqs[i].Label, has.Host, other)
				return job.NewError(job.Retried, errPortBusy, err)
			}
		}
	}
	return nil
}

// ask is Ports.Probe, asked once: strangers do not change in a play, and to
// find out who holds a port is dear.
func (p *play) ask(id string, reqs []job.PortRequest, except []string) error {
	slices.Sort(except)
	key := fmt.Sprint(id, reqs, except)
	err, known := p.probed[key]
	if !known {
		err = p.c.Ports.Probe(id, reqs, except)
		p.probed[key] = err
	}
	return err
}

// errPortBusy is the reason of Ports for a port that somebody has.
const errPortBusy = "PortBusy"

// sameAddress reports whether two addresses of the host meet. One that is not
// named, or is every address, meets all.
func sameAddress(a, b string) bool {
	every := func(s string) bool {
		addr, err := netip.ParseAddr(s)
		return err != nil || addr.IsUnspecified()
	}
	return a == b || every(a) || every(b)
}

// foreseenPorts are the ports of an allocation before anybody has given it
// any: a dynamic one has no number yet.
func foreseenPorts(reqs []job.PortRequest) []job.AllocPort {
	out := make([]job.AllocPort, len(reqs))
	for i, r := range reqs {
		out[i] = job.AllocPort{Label: r.Label, Task: r.Task, HostIP: r.HostIP, Host: r.Static, To: r.To, Static: r.Static != 0}
	}
	return out
}

// probe is probePorts in a play.
func (p *play) probe(in *JobInput) {
	var passing map[string]bool
	for _, a := range in.Allocs {
		spec := p.specs[a.Spec.ID] // which may be that of a generation that is put back
		if spec == nil || a.Spec.Desired != job.DesiredPrepare || a.Ended() || !hasStatic(a.Spec.Ports) {
			continue
		}
		if passing == nil {
			passing = p.passing()
		}
		if err := p.test(a.Spec.ID, spec.Group(a.Spec.Group).PortRequests(), p.leaving(a.Spec, passing)); err != nil {
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
			if hasStatic(p.allocs[id].Spec.Ports) && p.test(id, reqs[id], p.leaving(p.allocs[id].Spec, out)) != nil {
				delete(out, id)
				dropped = true
			}
		}
	}
	return out
}

// leaving is the controller's, in a play.
func (p *play) leaving(a job.AllocSpec, passing map[string]bool) []string {
	slots := map[place]bool{placeOf(a): true}
	for id := range passing {
		slots[placeOf(p.allocs[id].Spec)] = true
	}
	var out []string
	for id, other := range p.allocs {
		if id != a.ID && (other.Spec.Desired == job.DesiredStop || slots[placeOf(other.Spec)]) {
			out = append(out, id)
		}
	}
	return out
}
