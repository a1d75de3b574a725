package reconcile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// ErrBlind is returned by Forecast while the engine is not in sight: nobody
// knows what would be done.
var ErrBlind = errors.New("the Docker engine is not in sight")

// forecastPasses bounds a forecast. A job needs a few passes for each of its
// allocations; what is not settled then is cut off with an error.
const forecastPasses = 10000

// forecastIdle is how many passes without any deed end a forecast: what is
// looked at every few seconds, as a port that a stranger has, may never change.
// It is more than an hour of such looks.
const forecastIdle = 1000

// Forecast tells what the controllers will do, in order, by playing the plans
// against a copy of what is: the same functions decide that decide in earnest.
// It writes nothing.
func (c *Controller) Forecast() ([]job.Forecast, error) {
	if !c.Observe.Synced() {
		return nil, ErrBlind
	}
	p, idle := c.newPlay(), 0
	for range forecastPasses {
		acted, wake := p.pass()
		if acted {
			idle = 0
			continue
		}
		if idle++; wake.IsZero() || !wake.After(p.now) || idle > forecastIdle {
			return p.out, nil
		}
		p.now = wake
	}
	return p.out, fmt.Errorf("no end after %d passes", forecastPasses)
}

// play is the copy of the world that a forecast is played on. Its engine does
// at once what it is asked for: a stop signal ends a container.
type play struct {
	c          *Controller
	begin, now time.Time
	names      []string
	records    map[string]store.JobRecord
	deploy     map[string]store.DeploymentRecord
	highest    map[string]uint64
	specs      map[string]*job.Job // by alloc id, with what changes in place as it is now
	made       map[string]*job.Job // by alloc id, of the generation that it is in
	allocs     map[string]*job.Alloc
	containers map[string][]observed.Container // by alloc id
	pinned     map[string]map[string]string    // by alloc id, of those that are there
	seen       time.Time
	gapFrom    time.Time
	gapTo      time.Time
	placed     int
	out        []job.Forecast
}

func (c *Controller) newPlay() *play {
	now := c.Now()
	p := &play{
		c: c, begin: now, now: now, names: c.jobNames(),
		records: c.Store.Jobs.All(), deploy: c.Store.Deployments.All(), highest: map[string]uint64{},
		specs: map[string]*job.Job{}, made: map[string]*job.Job{}, allocs: map[string]*job.Alloc{},
		containers: map[string][]observed.Container{}, pinned: map[string]map[string]string{},
	}
	engine := c.Observe.Status()
	p.seen = engine.Since
	p.gapFrom, p.gapTo = c.sight.note(engine)
	slices.Sort(p.names)
	for name, rec := range p.records {
		if !rec.MissingSince.IsZero() && rec.Held == "" && rec.Deleted.IsZero() {
			rec.Deleted = now // in its grace: nothing but its file's return would save it
			p.records[name] = rec
		}
	}
	for _, name := range p.names {
		for _, ct := range c.Observe.Job(name) {
			p.highest[name] = max(p.highest[name], ct.Identity.Generation)
		}
		for _, spec := range adopted(c.Observe.Job(name), c.knownAlloc, now) {
			p.add(job.Alloc{Spec: spec})
		}
		for _, a := range c.allocsOf(name) {
			p.add(a)
		}
	}
	return p
}

func (p *play) add(a job.Alloc) {
	id := a.Spec.ID
	p.allocs[id] = &a
	p.specs[id], p.made[id] = p.c.specOf(a.Spec), p.c.madeFrom(a.Spec)
	p.containers[id] = slices.Clone(p.c.Observe.Alloc(id))
	p.pinned[id] = p.c.pinned(a.Spec)
}

// pass plans every job and every allocation once.
func (p *play) pass() (acted bool, wake time.Time) {
	for _, name := range p.names {
		did, at := p.planJob(name)
		acted, wake = acted || did, earliest(wake, at)
	}
	for _, id := range slices.Sorted(maps.Keys(p.allocs)) {
		did, at := p.planAlloc(id)
		acted, wake = acted || did, earliest(wake, at)
	}
	return acted, wake
}

func (p *play) say(f job.Forecast) {
	f.After = job.Duration(p.now.Sub(p.begin))
	p.out = append(p.out, f)
}

func (p *play) planJob(name string) (acted bool, wake time.Time) {
	in := JobInput{
		Name: name, Deployment: p.deploy[name], Specs: map[string]*job.Job{},
		Highest: p.highest[name], PortBusy: map[string]string{}, Now: p.now,
		Refused: p.c.refusals.of(name, p.records[name].Generation),
	}
	in.Record, in.Known = p.records[name]
	for _, id := range slices.Sorted(maps.Keys(p.allocs)) {
		if a := p.allocs[id]; a.Spec.Job == name {
			in.Allocs = append(in.Allocs, *a)
			if p.made[id] != nil {
				in.Specs[id] = p.made[id]
			}
		}
	}
	in.GapTo, in.Stable = p.seen, p.c.stable(name, in.Deployment)
	if in.Record.Spec != nil && in.Record.Deleted.IsZero() {
		in.Unmet = unmet(p.c.Node(), in.Record.Spec)
		in.WaitFor = sharing(name, in.Record.Spec, p.records, p.live)
		p.probe(&in)
	}
	plan := PlanJob(in)
	p.deploy[name] = plan.Deployment
	for _, a := range plan.Actions {
		p.apply(in, a)
	}
	return len(plan.Actions) > 0, plan.WakeAt
}

func (p *play) live(name string) bool {
	for _, a := range p.allocs {
		if a.Spec.Job == name && !a.Ended() {
			return true
		}
	}
	return false
}

func (p *play) apply(in JobInput, a Action) {
	f := job.Forecast{Job: in.Name, Alloc: a.AllocID, Do: string(a.Kind), What: a.String(), Reason: a.Reason, Fields: a.Fields}
	switch a.Kind {
	case ActionPlace, ActionPrepare:
		f.Alloc = p.place(in, a)
	case ActionPromote:
		spec := &p.allocs[a.AllocID].Spec
		spec.Desired, spec.Reason, spec.RunAt = job.DesiredRun, a.Reason, p.now
	case ActionStop:
		spec := &p.allocs[a.AllocID].Spec
		spec.Desired, spec.Reason = job.DesiredStop, a.Reason
	case ActionAdvance:
		p.allocs[a.AllocID].Spec.Generation = a.Generation
		p.specs[a.AllocID], p.made[a.AllocID] = in.target(a), in.target(a)
	}
	p.say(f)
}

func (p *play) place(in JobInput, a Action) string {
	p.placed++
	id := fmt.Sprintf("new-%d", p.placed)
	target := in.target(a)
	g := target.Group(a.Group)
	spec := job.AllocSpec{
		ID: id, Job: in.Name, Group: a.Group, Index: a.Index, Generation: a.Generation,
		SpecHash: job.SpecHash(target, g), Desired: job.DesiredRun, CreatedAt: p.now, RunAt: p.now,
	}
	if a.Kind == ActionPrepare {
		spec.Desired, spec.RunAt = job.DesiredPrepare, time.Time{}
	}
	// An image that cannot be resolved is refused at its placement, with a
	// message; the forecast shows the placement.
	spec.Images, _ = p.c.images(target, g, spec)
	p.allocs[id] = &job.Alloc{Spec: spec}
	p.specs[id], p.made[id] = target, target
	p.pinned[id] = p.c.pinned(spec)
	return id
}

func (p *play) planAlloc(id string) (acted bool, wake time.Time) {
	a := p.allocs[id]
	in := AllocInput{
		Spec: a.Spec, Status: a.Status, Job: p.specs[id], Containers: p.containers[id],
		Pinned: p.pinned[id], SeenSince: p.seen, GapFrom: p.gapFrom, GapTo: p.gapTo, Now: p.now,
	}
	if in.Job != nil {
		in.Group = in.Job.Group(a.Spec.Group)
		in.Services = allocServices(p.c.Node(), in)
	}
	in.Checks = passing(&in)
	p.c.requested(&in)
	plan := PlanAlloc(in)
	ended := a.Status.EndedAt
	changed := !slices.EqualFunc(a.Status.Conditions, plan.Status.Conditions, func(x, y job.Condition) bool { return x == y })
	a.Status = plan.Status
	if plan.Step.Kind == StepNone {
		return changed || !ended.Equal(a.Status.EndedAt), plan.WakeAt
	}
	s := plan.Step
	p.say(job.Forecast{Job: a.Spec.Job, Alloc: id, Task: s.Task, Do: string(s.Kind), What: s.String(), Reason: s.Reason, Fields: s.Fields})
	p.do(a, s)
	return true, time.Time{}
}

// passing lets every check of an allocation pass from the moment at which its
// container runs: a forecast is about what goes well. A state that is known
// stays until there is another container.
func passing(in *AllocInput) map[string]job.CheckState {
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
		a.Status.Tasks[s.Task] = brought(ts, a.Spec.Images[s.Task], job.ImageResult{ID: "brought"}, p.pinned[id][s.Task])
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
	case StepStart, StepUnpause:
		c.State = observed.Running
	case StepKill:
		c.State, c.FinishedAt = observed.Exited, p.now
	case StepRename:
		c.Name = s.Name
	case StepUpdate:
		// What it sets is not compared again.
		c.RestartPolicy, c.CPUShares, c.MemoryBytes, c.MemorySwap = "no", 0, 0, 0
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
