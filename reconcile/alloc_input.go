package reconcile

import (
	"maps"
	"slices"
	"time"

	"reconciler/internal/job"
	"reconciler/store"
)

// allocInput reads everything that PlanAlloc needs, and takes in what was
// brought since the last look.
func (c *Controller) allocInput(id string) (AllocInput, bool) {
	in, ok := c.lookAt(id)
	if ok {
		c.land(&in)
	}
	return in, ok
}

// currentStatus is the status of an allocation as its next look will find it,
// if there was none since dockerd came in sight: what the record says of it
// may be from before. It writes nothing.
func (c *Controller) currentStatus(a job.Alloc) job.AllocStatus {
	if a.Ended() || c.lookedAt(a.Spec.ID) {
		return a.Status
	}
	in, ok := c.lookAt(a.Spec.ID)
	if !ok || in.Job == nil {
		return a.Status
	}
	return PlanAlloc(in).Status
}

// noteLook notes that the status of an allocation is as of now.
func (c *Controller) noteLook(id string, seenSince time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks[id] = seenSince
}

func (c *Controller) lookedAt(id string) bool {
	since := c.Observe.Status().Since
	c.mu.Lock()
	defer c.mu.Unlock()
	at, ok := c.looks[id]
	return ok && at.Equal(since)
}

// lookAt reads everything that PlanAlloc needs but what was brought.
func (c *Controller) lookAt(id string) (AllocInput, bool) {
	spec, ok := c.Store.AllocSpecs.Get(id)
	if !ok {
		return AllocInput{}, false
	}
	status, _ := c.Store.AllocStatuses.Get(id)
	now := c.Now()
	engine := c.Observe.Status()
	in := AllocInput{
		Spec: spec, Status: status,
		Containers: c.Observe.Alloc(id),
		Pinned:     c.pinned(spec),
		SeenSince:  engine.Since,
		NewAuth:    c.Auth.AuthChanged(spec.Job),
		Now:        now,
	}
	node := c.Node()
	in.CoreMHz, in.HostAddress = node.CoreMHz(), node.Attributes[job.AttrHostAddress]
	if in.GapFrom, in.GapTo = c.sight.note(engine); in.GapTo.After(now) {
		in.GapFrom, in.GapTo = time.Time{}, time.Time{} // the clock was set back into it
	}
	c.requested(&in)
	if in.Job = c.specOf(spec); in.Job != nil {
		in.Group = in.Job.Group(spec.Group)
		in.Services = allocServices(node, in)
	}
	in.Checks = maps.Clone(status.Checks)
	if live := c.Checks.States(id); in.Checks == nil {
		in.Checks = live
	} else {
		maps.Copy(in.Checks, live)
	}
	in.InFlight = c.flights.under(id)
	return in, true
}

// land takes in what was brought for an allocation since the last look. One
// that is wanted no more has cancelled it.
func (c *Controller) land(in *AllocInput) {
	done, under := c.flights.landed(in.Spec.ID)
	in.InFlight = under
	if len(done) == 0 || in.Spec.Desired == job.DesiredStop {
		return
	}
	in.Status.Tasks = maps.Clone(in.Status.Tasks)
	if in.Status.Tasks == nil {
		in.Status.Tasks = map[string]job.TaskStatus{}
	}
	for task, fl := range done {
		ts := in.Status.Tasks[task]
		if fl.err != nil {
			s := Step{Kind: StepBring, Task: task, Reason: ReasonImageRequired}
			c.report(*in, s, fl.err, ts.LastError, fl.took)
			ts = stepFailed(ts, fl.err, in.Spec.ID+"/"+task, in.Now)
		} else {
			ts = brought(ts, in.Spec.Images[task], fl.res, in.Pinned[task])
		}
		in.Status.Tasks[task] = ts
	}
}

// specOf returns what an allocation was made from, with what may change in
// place as the newest generation says; nil if nobody knows.
func (c *Controller) specOf(a job.AllocSpec) *job.Job {
	if rec, ok := c.Store.Jobs.Get(a.Job); ok && matches(rec.Spec, a) {
		return rec.Spec
	}
	if rec, ok := c.Store.Specs.Get(store.SpecKey(a.Job, a.Generation)); ok && matches(rec.Spec, a) {
		return rec.Spec
	}
	return nil
}

// madeFrom returns the spec of the generation that an allocation is in, else
// what specOf knows.
func (c *Controller) madeFrom(a job.AllocSpec) *job.Job {
	if rec, ok := c.Store.Specs.Get(store.SpecKey(a.Job, a.Generation)); ok && matches(rec.Spec, a) {
		return rec.Spec
	}
	return c.specOf(a)
}

func matches(spec *job.Job, a job.AllocSpec) bool {
	if spec == nil {
		return false
	}
	g := spec.Group(a.Group)
	return g != nil && job.SpecHash(spec, g) == a.SpecHash
}

// allocsOf returns both halves of the allocations of a job, by id.
func (c *Controller) allocsOf(name string) []job.Alloc {
	all := c.Store.AllocSpecs.All()
	var out []job.Alloc
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if all[id].Job != name {
			continue
		}
		st, _ := c.Store.AllocStatuses.Get(id)
		out = append(out, job.Alloc{Spec: all[id], Status: st})
	}
	return out
}
