package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

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
	// stubborn are the tasks that ignore every signal but SIGKILL.
	stubborn map[string]bool
	// What operators, dockerd and the host do.
	retryAt, restartAt time.Time
	hold               bool
	seen               time.Time
	gapFrom, gapTo     time.Time
	unmet              string
	// verdict says how a check ends; nil lets it pass.
	verdict func(job.CheckTarget) job.CheckStatus
	checks  map[string]map[string]job.CheckState // alloc id -> key -> state
	// services are the instances that are published, by their key.
	services map[string]store.ServiceRecord
	took     []string // steps since the last look
	acted    []string // actions since the last look
	// watch is called after each plan.
	watch func()
	// fail says how the next step ends; nil lets it succeed.
	fail func(Step) error
	// log is what was done, for messages.
	log []string
}

func newWorld() *world {
	return &world{
		now: t0, specs: map[string]*job.Job{}, history: map[uint64]*job.Job{}, allocs: map[string]*job.Alloc{},
		containers: map[string]*observed.Container{}, bringing: map[string]bool{},
		stubborn: map[string]bool{}, checks: map[string]map[string]job.CheckState{}, services: map[string]store.ServiceRecord{},
		seen: t0.Add(-time.Hour), watch: func() {},
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
		Specs: map[string]*job.Job{}, PortBusy: map[string]string{}, Now: w.now, GapTo: w.gapTo, Unmet: map[string]string{},
	}
	if w.unmet != "" {
		in.Unmet["web"] = w.unmet
	}
	in.Deployment.RetryAt, in.Deployment.RestartAt = w.retryAt, w.restartAt
	in.Deployment.HoldSince = time.Time{}
	if w.hold {
		in.Deployment.HoldSince = t0
	}
	for _, id := range w.sorted() {
		in.Allocs = append(in.Allocs, *w.allocs[id])
		in.Specs[id] = w.history[w.allocs[id].Spec.Generation]
	}
	if st := w.deployment.Groups["web"].Stable; st != nil {
		in.Stable = map[string]*job.Job{"web": w.history[st.Generation]}
	}
	plan := PlanJob(in)
	w.same(plan, PlanJob(in))
	w.deployment = stored(plan.Deployment)
	w.watch()
	for _, a := range plan.Actions {
		w.say("%s", a)
		w.acted = append(w.acted, a.String())
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
			Images: map[string]string{}, CreatedAt: w.now, RunAt: w.now,
		}
		for _, t := range target.Group(a.Group).Tasks {
			spec.Images[t.Name] = refWeb
		}
		if a.Kind == ActionPrepare {
			spec.Desired, spec.RunAt = job.DesiredPrepare, time.Time{}
		}
		w.allocs[id] = &job.Alloc{Spec: spec}
	case ActionPromote:
		w.allocs[a.AllocID].Spec.Desired, w.allocs[a.AllocID].Spec.RunAt = job.DesiredRun, w.now
		w.allocs[a.AllocID].Spec.Reason = a.Reason
	case ActionStop:
		w.allocs[a.AllocID].Spec.Desired, w.allocs[a.AllocID].Spec.Reason = job.DesiredStop, a.Reason
	case ActionAdvance:
		w.allocs[a.AllocID].Spec.Generation = a.Generation
	}
}

// planAlloc makes the plan of one allocation and takes its step.
func (w *world) planAlloc(id string) (acted bool, wake time.Time) {
	a := w.allocs[id]
	in := w.input(a)
	plan := PlanAlloc(in)
	w.same(plan, PlanAlloc(in))
	changed := encoded(a.Status) != encoded(plan.Status)
	a.Status = stored(plan.Status)
	w.publish(id, plan)
	w.watch()
	changed = w.check(id, plan.Checks) || changed
	if plan.Step.Kind == StepNone {
		return changed, plan.WakeAt // a changed record puts the job on its queue
	}
	if plan.Step.Kind != StepBring {
		w.took = append(w.took, plan.Step.String())
	}
	ts := a.Status.Tasks[plan.Step.Task]
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
	a.Status.Tasks[plan.Step.Task] = ts
	return true, time.Time{}
}

// input is what an allocation is planned on.
func (w *world) input(a *job.Alloc) AllocInput {
	in := AllocInput{
		Spec: a.Spec, Status: a.Status, SeenSince: w.seen, GapFrom: w.gapFrom, GapTo: w.gapTo,
		RetryAt: w.retryAt, Hold: w.hold, Now: w.now, HostAddress: "192.0.2.1",
	}
	if in.Job = w.specs[a.Spec.SpecHash]; in.Job != nil {
		in.Group = in.Job.Group(a.Spec.Group)
		in.Services = allocServices(job.Node{}, in)
	}
	in.Checks = maps.Clone(a.Status.Checks)
	if in.Checks == nil {
		in.Checks = map[string]job.CheckState{}
	}
	maps.Copy(in.Checks, w.checks[a.Spec.ID])
	for _, name := range slices.Sorted(maps.Keys(w.containers)) {
		if c := w.containers[name]; c.Identity.AllocID == a.Spec.ID {
			in.Containers = append(in.Containers, *c)
		}
	}
	return in
}

// publish makes the published instances of an allocation those of its plan.
func (w *world) publish(id string, plan AllocPlan) {
	maps.DeleteFunc(w.services, func(_ string, r store.ServiceRecord) bool { return r.Alloc == id })
	maps.Copy(w.services, plan.Services)
}

// check looks once with each check, and reports whether one has changed.
func (w *world) check(id string, targets []job.CheckTarget) bool {
	had := w.checks[id]
	now := map[string]job.CheckState{}
	for _, t := range targets {
		st := job.CheckState{Status: job.CheckPassing, Since: w.now, Container: t.Container}
		if w.verdict != nil {
			st.Status = w.verdict(t)
		}
		if was, ok := had[t.Key]; ok && was.Status == st.Status && was.Container == st.Container {
			st = was
		} else if k := t.Known; !ok && k.Status == st.Status && k.Container == st.Container {
			st = k
		}
		if st.Status != "" && st.Status != job.CheckPending {
			now[t.Key] = st
		}
	}
	w.checks[id] = now
	return !maps.Equal(had, now)
}

// same checks that a plan of equal input is equal.
func (w *world) same(a, b any) {
	if !reflect.DeepEqual(a, b) {
		panic("two plans of one input:\n" + cmp.Diff(a, b) + tail(w.log))
	}
}

// stored is a record as it comes back from the state file.
func stored[T any](v T) T {
	var out T
	if err := json.Unmarshal([]byte(encoded(v)), &out); err != nil {
		panic(err)
	}
	return out
}

func encoded(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
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
			Identity: job.Identity{Job: "web", Group: a.Spec.Group, Task: s.Task, AllocID: a.Spec.ID, AllocIndex: a.Spec.Index, Attempt: s.Attempt, SpecHash: a.Spec.SpecHash},
		}
	case StepStart, StepUnpause:
		c.State = observed.Running
	case StepKill:
		if s.Signal != sigKill && w.stubborn[s.Task] {
			return nil
		}
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

// run lets time pass, and what is to be done in it be done.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	// A step that fails for a name that is being removed is tried five times a
	// second: so many for a few tasks in two minutes are no spin.
	for range 20_000 {
		acted, wake := w.planJob()
		for _, id := range w.sorted() {
			did, at := w.planAlloc(id)
			acted, wake = acted || did, earliest(wake, at)
		}
		switch {
		case acted:
		case wake.IsZero() || wake.After(end):
			w.now = end
			return
		case !wake.After(w.now):
			panic("a wake-up that is not in the future\n" + tail(w.log))
		default:
			w.now = wake
		}
	}
	panic("no end\n" + tail(w.log))
}

// did returns the steps on containers since the last look.
func (w *world) did() []string {
	out := w.took
	w.took = nil
	return out
}

// actions returns what was done to the allocation table since the last look.
func (w *world) actions() []string {
	out := w.acted
	w.acted = nil
	return out
}

// only returns the allocation that has not ended, of which there must be one.
func (w *world) only() *job.Alloc {
	var out []*job.Alloc
	for _, id := range w.sorted() {
		if a := w.allocs[id]; !a.Ended() {
			out = append(out, a)
		}
	}
	if len(out) != 1 {
		panic(fmt.Sprintf("%d allocations live\n%s", len(out), tail(w.log)))
	}
	return out[0]
}

// task returns the status of a task of the only allocation.
func (w *world) task(name string) job.TaskStatus { return w.only().Status.Tasks[name] }

// current returns the running container of a task of the only allocation.
func (w *world) current(task string) *observed.Container {
	id := w.only().Spec.ID
	for _, c := range w.containers {
		if c.Identity.AllocID == id && c.Identity.Task == task && c.State == observed.Running {
			return c
		}
	}
	panic("no container of " + task + " runs\n" + tail(w.log))
}

// exit lets the container of a task end by itself.
func (w *world) exit(task string, code int) {
	c := w.current(task)
	w.say("%s ends with %d", c.ID, code)
	c.State, c.FinishedAt, c.ExitCode = observed.Exited, w.now, code
}

// remove is docker rm -f of the container of a task.
func (w *world) remove(task string) { delete(w.containers, w.current(task).ID) }

// degraded is the reason of the job's Degraded condition; "" if it is not.
func (w *world) degraded() string {
	if c, _ := job.FindCondition(w.deployment.Conditions, job.CondDegraded); c.Status == job.True {
		return c.Reason
	}
	return ""
}

// errFake is what fails on purpose.
var errFake = errors.New("injected")
