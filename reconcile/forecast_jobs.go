package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"reconciler/internal/job"
)

// planJob plans a job and carries out what can be. acted is false if all of
// it was refused: then it is tried again at wake.
func (p *play) planJob(name string) (acted bool, wake time.Time) {
	in := p.jobInput(name)
	plan := PlanJob(in)
	p.deploy[name] = plan.Deployment
	for _, a := range plan.Actions {
		if err := p.apply(in, a); err != nil {
			wake = earliest(wake, p.refuse(in, a, err))
			continue
		}
		p.refusals.clear(name, slotKey(a.Group, a.Index))
		acted = true
	}
	return acted, earliest(wake, plan.WakeAt)
}

// jobInput is the controller's, in a play.
func (p *play) jobInput(name string) JobInput {
	in := JobInput{
		Name: name, Deployment: p.deploy[name], Specs: map[string]*job.Job{},
		Highest: p.highest[name], PortBusy: map[string]string{}, Now: p.now,
		Allocs: p.allocsOf(name), Refused: p.refusals.of(name, p.records[name].Generation),
	}
	in.Record, in.Known = p.records[name]
	in.SpecProblem = p.c.specProblem(name, in.Record)
	for _, a := range in.Allocs {
		if p.made[a.Spec.ID] != nil {
			in.Specs[a.Spec.ID] = p.made[a.Spec.ID]
		}
	}
	in.GapTo, in.Stable = passed(p.seen, p.now), p.c.stable(name, in.Deployment)
	if in.Record.Spec != nil && in.Record.Deleted.IsZero() {
		in.Unmet = unmet(p.c.Node(), in.Record.Spec)
		in.WaitFor = sharing(name, in.Record.Spec, p.records, p.live)
		p.probe(&in)
	}
	return in
}

// allocsOf returns the allocations of a job, by id.
func (p *play) allocsOf(name string) []job.Alloc {
	var out []job.Alloc
	for _, id := range slices.Sorted(maps.Keys(p.allocs)) {
		if a := p.allocs[id]; a.Spec.Job == name {
			out = append(out, *a)
		}
	}
	return out
}

func (p *play) live(name string) bool {
	for _, a := range p.allocs {
		if a.Spec.Job == name && !a.Ended() {
			return true
		}
	}
	return false
}

// refuse is the controller's, in a play. It returns when the action may be
// tried again.
func (p *play) refuse(in JobInput, a Action, err error) time.Time {
	kind, reason := job.KindOf(err)
	slot := slotKey(a.Group, a.Index)
	p.refusals.set(in.Name, in.Record.Generation, slot, Refusal{Reason: reason, Message: err.Error()}, kind == job.WaitsForUser, p.now)
	return p.refusals.of(in.Name, in.Record.Generation)[slot].Until
}

// apply carries out an action, or says like the controller why it cannot be.
func (p *play) apply(in JobInput, a Action) error {
	f := job.Forecast{Job: in.Name, Alloc: a.AllocID, Do: string(a.Kind), What: a.String(), Reason: a.Reason, Fields: a.Fields}
	switch a.Kind {
	case ActionPlace, ActionPrepare:
		spec, err := p.place(in, a)
		if err != nil {
			return err
		}
		f.Alloc = spec.ID
	case ActionPromote:
		spec := &p.allocs[a.AllocID].Spec
		if err := p.reserve(spec.ID, in.target(a).Group(a.Group).PortRequests()); err != nil {
			return err
		}
		spec.Desired, spec.Reason, spec.RunAt = job.DesiredRun, a.Reason, p.now
	case ActionStop:
		spec := &p.allocs[a.AllocID].Spec
		spec.Desired, spec.Reason = job.DesiredStop, a.Reason
	case ActionAdvance:
		p.allocs[a.AllocID].Spec.Generation = a.Generation
		p.specs[a.AllocID], p.made[a.AllocID] = in.target(a), in.target(a)
	}
	p.say(f)
	return nil
}

// place is the controller's, in a play.
func (p *play) place(in JobInput, a Action) (job.AllocSpec, error) {
	target := in.target(a)
	g := target.Group(a.Group)
	spec := job.AllocSpec{
		ID: fmt.Sprintf("new-%d", p.placed+1), Job: in.Name, Group: a.Group, Index: a.Index, Generation: a.Generation,
		SpecHash: job.SpecHash(target, g), Desired: job.DesiredRun, Reason: a.Reason, CreatedAt: p.now, RunAt: p.now,
		RestartAt: in.Deployment.RestartAt,
	}
	reqs := g.PortRequests()
	if a.Kind == ActionPrepare {
		spec.Desired, spec.RunAt = job.DesiredPrepare, time.Time{}
		reqs = slices.DeleteFunc(reqs, func(r job.PortRequest) bool { return r.Static != 0 })
	}
	if err := p.reserve(spec.ID, reqs); err != nil {
		return spec, err
	}
	spec.Ports = foreseenPorts(g.PortRequests())
	var err error
	if spec.Images, err = p.c.images(target, g, spec); err != nil {
		return spec, err
	}
	p.placed++
	p.allocs[spec.ID] = &job.Alloc{Spec: spec}
	p.specs[spec.ID], p.made[spec.ID] = target, target
	return spec, nil
}
