package reconcile

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// world is one job on one host, with the plans' own idea of how steps end and
// a container engine of a few lines. Time stands still but for advance.
type world struct {
	now        time.Time
	record     store.JobRecord
	deployment store.DeploymentRecord
	specs      map[string]*job.Job // by spec_hash of the group
	history    map[uint64]*job.Job // by generation
	allocs     map[string]*job.Alloc
	containers map[string]*observed.Container
	bringing   map[string]bool // alloc ids
	ids        int
	// fail says how the next step ends; nil lets it succeed.
	fail func(Step) error
	// log is what was done, for messages.
	log []string
}

func newWorld() *world {
	return &world{
		now: t0, specs: map[string]*job.Job{}, history: map[uint64]*job.Job{}, allocs: map[string]*job.Alloc{},
		containers: map[string]*observed.Container{}, bringing: map[string]bool{},
		fail: func(Step) error { return nil },
	}
}

func (w *world) say(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%6.1fs ", w.now.Sub(t0).Seconds())+fmt.Sprintf(format, args...))
}

func (w *world) edit(j *job.Job) {
	w.say("edit: count %d, command %q", j.Groups[0].Count, j.Groups[0].Tasks[0].Config.Command)
	if w.record.Spec != nil && job.Hash(w.record.Spec) == job.Hash(j) && w.record.Deleted.IsZero() {
		return
	}
	w.record = store.JobRecord{Generation: w.record.Generation + 1, Hash: job.Hash(j), File: "web.hcl", Spec: j}
	w.specs[job.SpecHash(j, &j.Groups[0])] = j
	w.history[w.record.Generation] = j
}

func (w *world) delete() {
	w.say("delete")
	w.record.Deleted = w.now
}

func (w *world) sorted() []string { return slices.Sorted(maps.Keys(w.allocs)) }

// planJob makes the job plan and applies it; it reports whether anything
// changed.
func (w *world) planJob() (acted bool, wake time.Time) {
	in := JobInput{
		Name: "web", Record: w.record, Known: w.record.Generation > 0, Deployment: w.deployment,
		Specs: map[string]*job.Job{}, PortBusy: map[string]string{}, Now: w.now,
	}
	for _, id := range w.sorted() {
		in.Allocs = append(in.Allocs, *w.allocs[id])
		in.Specs[id] = w.specs[w.allocs[id].Spec.SpecHash]
	}
	if st := w.deployment.Groups["web"].Stable; st != nil {
		in.Stable = map[string]*job.Job{"web": w.history[st.Generation]}
	}
	plan := PlanJob(in)
	w.deployment = plan.Deployment
	for _, a := range plan.Actions {
		w.say("%s", a)
		w.apply(in, a)
	}
	return len(plan.Actions) > 0, plan.WakeAt
}

func (w *world) apply(in JobInput, a Action) {
	switch a.Kind {
	case ActionPlace, ActionPrepare:
		w.ids++
		id := fmt.Sprintf("alloc-%03d", w.ids)
		target := in.target(a)
		spec := job.AllocSpec{
			ID: id, Job: "web", Group: a.Group, Index: a.Index, Generation: a.Generation,
			SpecHash: job.SpecHash(target, target.Group(a.Group)), Desired: job.DesiredRun,
			Images: map[string]string{"web": refWeb}, CreatedAt: w.now, RunAt: w.now,
		}
		if a.Kind == ActionPrepare {
			spec.Desired, spec.RunAt = job.DesiredPrepare, time.Time{}
		}
		w.allocs[id] = &job.Alloc{Spec: spec}
	case ActionPromote:
		w.allocs[a.AllocID].Spec.Desired, w.allocs[a.AllocID].Spec.RunAt = job.DesiredRun, w.now
	case ActionStop:
		w.allocs[a.AllocID].Spec.Desired, w.allocs[a.AllocID].Spec.Reason = job.DesiredStop, a.Reason
	case ActionAdvance:
		w.allocs[a.AllocID].Spec.Generation = a.Generation
	}
}

// planAlloc makes the plan of one allocation and takes its step.
func (w *world) planAlloc(id string) (acted bool, wake time.Time) {
	a := w.allocs[id]
	in := AllocInput{Spec: a.Spec, Status: a.Status, SeenSince: t0.Add(-time.Hour), Now: w.now}
	if in.Job = w.specs[a.Spec.SpecHash]; in.Job != nil {
		in.Group = in.Job.Group(a.Spec.Group)
	}
	for _, name := range slices.Sorted(maps.Keys(w.containers)) {
		if c := w.containers[name]; c.Identity.AllocID == id {
			in.Containers = append(in.Containers, *c)
		}
	}
	plan := PlanAlloc(in)
	changed := !reflect.DeepEqual(a.Status, plan.Status)
	a.Status = plan.Status
	if plan.Step.Kind == StepNone {
		return changed, plan.WakeAt // a changed record puts the job on its queue
	}
	ts := a.Status.Tasks["web"]
	err := w.fail(plan.Step)
	w.say("%s: %s: %v", id, plan.Step, err)
	if err == nil {
		err = w.do(a, plan.Step)
	}
	switch {
	case err != nil:
		ts = stepFailed(ts, err, id, w.now)
	case plan.Step.Kind == StepBring:
		ts = brought(ts, refWeb, job.ImageResult{ID: image1}, "")
	default:
		ts = stepDone(ts, plan.Step, w.now)
	}
	a.Status.Tasks["web"] = ts
	return true, time.Time{}
}

// do is the engine. A name that is taken is refused, as dockerd does.
func (w *world) do(a *job.Alloc, s Step) error {
	c := w.containers[s.Container]
	if c == nil && s.Kind != StepRun && s.Kind != StepBring {
		return nil // gone: no error, by contract
	}
	switch s.Kind {
	case StepRun, StepRename:
		for id, other := range w.containers {
			if other.Name == s.Name && id != s.Container {
				return job.NewError(job.Retried, "NameTaken", fmt.Errorf("%s is taken", s.Name))
			}
		}
		if s.Kind == StepRename {
			c.Name = s.Name
			return nil
		}
		w.ids++
		id := fmt.Sprintf("c%03d", w.ids)
		w.containers[id] = &observed.Container{
			ID: id, Name: s.Name, Image: refWeb, ImageID: image1, State: observed.Running, Ours: true, StartedAt: w.now,
			Identity: job.Identity{Job: "web", Group: a.Spec.Group, Task: "web", AllocID: a.Spec.ID, Attempt: s.Attempt, SpecHash: a.Spec.SpecHash},
		}
	case StepStart, StepUnpause:
		c.State = observed.Running
	case StepKill:
		c.State, c.FinishedAt, c.ExitCode = observed.Exited, w.now, 143
	case StepRemove:
		if c.Live() {
			return job.NewError(job.Retried, "Running", fmt.Errorf("%s runs", c.ID))
		}
		delete(w.containers, c.ID)
	case StepUpdate:
		c.RestartPolicy = "no"
	}
	return nil
}

// settle plans until nothing is left to do, moving the clock to the next
// wake-up when nothing can be done now. It reports how many steps it took, or
// -1 if that was more than limit.
func (w *world) settle(limit int) int {
	for n := range limit {
		acted, wake := w.planJob()
		for _, id := range w.sorted() {
			did, at := w.planAlloc(id)
			acted = acted || did
			wake = earliest(wake, at)
		}
		if acted {
			continue
		}
		if wake.IsZero() {
			return n
		}
		if !wake.After(w.now) {
			w.say("a wake-up that is not in the future")
			return -1
		}
		w.now = wake
	}
	return -1
}
