package reconcile

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
)

func (p *play) planAlloc(id string) (acted bool, wake time.Time) {
	a := p.allocs[id]
	in := p.allocInput(a)
	plan := PlanAlloc(in)
	ended := a.Status.EndedAt
	changed := !slices.EqualFunc(a.Status.Conditions, plan.Status.Conditions, func(x, y job.Condition) bool { return x == y })
	a.Status = plan.Status
	if ended.IsZero() && !a.Status.EndedAt.IsZero() {
		p.refusals.lift()
	}
	s := plan.Step
	switch {
	case s.Kind == StepNone:
		return changed || !ended.Equal(a.Status.EndedAt), plan.WakeAt
	case s.Kind == StepRun && p.images.gone(a.Status.Tasks[s.Task].ImageID):
		// A create looks for its image first, and does nothing without it.
		err := job.NewError(job.Retried, errImageGone, errors.New("the image is not there any more"))
		a.Status.Tasks[s.Task] = stepFailed(a.Status.Tasks[s.Task], err, id+"/"+s.Task, p.now)
	case s.Kind == StepBring && p.obstacle(in, a.Status, s) != nil:
		ts := a.Status.Tasks[s.Task]
		a.Status.Tasks[s.Task] = stepFailed(ts, p.obstacle(in, a.Status, s), id+"/"+s.Task, p.now)
		return ts.LastError == nil, a.Status.Tasks[s.Task].NextRetry
	default:
		p.say(job.Forecast{Job: a.Spec.Job, Alloc: id, Task: s.Task, Do: string(s.Kind), What: s.String(), Reason: s.Reason, Fields: s.Fields})
		p.do(a, s)
	}
	return true, time.Time{}
}

// allocInput is the controller's, in a play.
func (p *play) allocInput(a *job.Alloc) AllocInput {
	in := AllocInput{
		Spec: a.Spec, Status: a.Status, Job: p.specs[a.Spec.ID], Containers: p.containers[a.Spec.ID],
		Pinned: p.pinned(a), SeenSince: p.seen, GapFrom: p.gapFrom, GapTo: p.gapTo,
		NewAuth: p.c.Auth.AuthChanged(a.Spec.Job), Now: p.now, CoreMHz: p.c.Node().CoreMHz(),
	}
	if in.Job != nil {
		in.Group = in.Job.Group(a.Spec.Group)
		in.Services = allocServices(p.c.Node(), in)
	}
	in.Checks = foreseenChecks(&in)
	p.c.requested(&in)
	return in
}

// foreseenChecks lets every check of an allocation pass from the moment at
// which its container runs: a forecast is about what goes well. A state that is
// known stays until there is another container.
func foreseenChecks(in *AllocInput) map[string]job.CheckState {
	out := map[string]job.CheckState{}
	for _, c := range checksOf(in) {
		cur := in.current(c.task(in))
		if cur == nil {
			continue
		}
		out[c.key] = job.CheckState{Status: job.CheckPassing, Since: cur.StartedAt, Container: cur.ID}
		if st, known := in.Status.Checks[c.key]; known && st.Container == cur.ID {
			out[c.key] = st
		}
	}
	return out
}

// do lets a step succeed.
func (p *play) do(a *job.Alloc, s Step) {
	id, ts := a.Spec.ID, a.Status.Tasks[s.Task]
	if s.Kind == StepBring {
		ref := a.Spec.Images[s.Task]
		res := job.ImageResult{ID: ts.ImageID}
		if res.ID == "" { // else another allocation found it
			res.ID = p.images.bring(ref)
		}
		a.Status.Tasks[s.Task] = brought(ts, ref, res, p.pinned(a)[s.Task])
		return
	}
	a.Status.Tasks[s.Task] = stepDone(ts, s, p.now)
	if s.Kind == StepRun {
		p.containers[id] = append(p.containers[id], p.started(a, s))
		return
	}
	i := slices.IndexFunc(p.containers[id], func(c observed.Container) bool { return c.ID == s.Container })
	if i < 0 {
		return
	}
	c := &p.containers[id][i]
	switch s.Kind {
	case StepStart:
		c.State, c.StartedAt, c.Error = observed.Running, p.now, ""
	case StepUnpause:
		c.State = observed.Running
	case StepKill:
		c.State, c.FinishedAt = observed.Exited, p.now
	case StepRename:
		c.Name = s.Name
	case StepUpdate:
		// What it sets is not compared again.
		c.RestartPolicy, c.CPUShares, c.MemoryBytes, c.MemorySwap = "no", 0, 0, 0
		c.MemorySoft, c.CPUQuota, c.CPUPeriod, c.PidsLimit = 0, 0, 0, 0
		if c.State == observed.Restarting {
			c.State, c.StartedAt = observed.Running, p.now
		}
	case StepRemove:
		p.containers[id] = slices.Delete(p.containers[id], i, i+1)
	}
}

func (p *play) started(a *job.Alloc, s Step) observed.Container {
	return observed.Container{
		ID: fmt.Sprintf("%s/%d", a.Spec.ID, s.Attempt), Name: s.Name, State: observed.Running, Ours: true,
		ImageID: a.Status.Tasks[s.Task].ImageID, StartedAt: p.now, RestartPolicy: "no",
		Identity: job.Identity{
			Job: a.Spec.Job, Group: a.Spec.Group, Task: s.Task, AllocID: a.Spec.ID, AllocIndex: a.Spec.Index,
			Generation: a.Spec.Generation, Attempt: s.Attempt, SpecHash: a.Spec.SpecHash,
		},
	}
}
