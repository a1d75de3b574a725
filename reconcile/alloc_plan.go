package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// StepKind is what a Step does.
type StepKind string

// The steps of an allocation.
const (
	StepNone    StepKind = ""
	StepBring   StepKind = "bring" // image, directory, networks; runs beside the queue
	StepRun     StepKind = "run"   // create and start
	StepStart   StepKind = "start"
	StepKill    StepKind = "kill"
	StepRemove  StepKind = "remove"
	StepRename  StepKind = "rename"
	StepUnpause StepKind = "unpause"
	StepUpdate  StepKind = "update"
)

// Reasons of steps, for people.
const (
	ReasonPlaced        = "Placed"              // first container of the task
	ReasonCrashed       = "Crashed"             // the last one exited by itself
	ReasonRemoved       = "RemovedFromOutside"  // the last one is gone
	ReasonRetry         = "RetryRequested"      // an operator asked to try again
	ReasonEngineGap     = "DiedOutOfSight"      // it died while dockerd or the agent was away
	ReasonNotStarted    = "CreatedNotStarted"   // a create without its start
	ReasonStartFailed   = "StartFailed"         // a start that the engine refused
	ReasonDrift         = "Drift"               // changed from outside; Fields tells what
	ReasonStopping      = "Stopping"            // the allocation is wanted no more
	ReasonKillTimeout   = "KillTimeoutExceeded" // it did not end by itself
	ReasonSuperseded    = "SupersededAttempt"   // a container of an earlier attempt
	ReasonKeptForLogs   = "KeptForLogs"         // the dead one gives up the name
	ReasonImageRequired = "ImageRequired"
	ReasonSpecUnknown   = "SpecUnknown" // nobody knows what it was made from
)

// Step is one thing to do for one allocation.
type Step struct {
	Kind      StepKind
	Task      string
	Container string // id of the container that is acted on
	Name      string // the container's name, or the name it is to get
	Signal    string
	Attempt   int
	Ask       bool // StepBring: the registry is asked even if the image is there
	Reason    string
	Fields    []string // of a drift
}

// String prints a step as plans, logs and tests show it.
func (s Step) String() string {
	if s.Kind == StepNone {
		return "nothing"
	}
	out := []string{string(s.Kind), s.Task}
	switch s.Kind {
	case StepRun:
		out = append(out, fmt.Sprintf("attempt %d", s.Attempt))
	case StepKill:
		out = append(out, s.Signal)
	case StepRename:
		out = append(out, "to "+s.Name)
	}
	out = append(out, "("+s.Reason)
	if len(s.Fields) > 0 {
		out = append(out, strings.Join(s.Fields, ", "))
	}
	return strings.Join(out, " ") + ")"
}

// AllocInput is everything that PlanAlloc decides on.
type AllocInput struct {
	Spec   job.AllocSpec
	Status job.AllocStatus
	// Job and Group are what the allocation was made from; nil if nobody knows
	// that any more.
	Job   *job.Job
	Group *job.Group
	// Containers are those of the allocation, in any order.
	Containers []observed.Container
	// Pinned is the image id per task that another allocation of the same
	// SpecHash runs already.
	Pinned map[string]string
	// InFlight names the tasks whose image is being brought.
	InFlight map[string]bool
	// NewAuth is when the job's registry credentials changed; zero if they did
	// not.
	NewAuth time.Time
	// SeenSince is since when the engine has been in sight without a break. An
	// exit before it is no crash: nobody knows what happened out of sight.
	SeenSince time.Time
	// GapFrom and GapTo bound the last time that dockerd was away while this
	// agent ran; zero if it never was. What ended or failed in it, or shortly
	// before it, did so because dockerd went.
	GapFrom, GapTo time.Time
	// Hold says that a person works on the job: nothing is done.
	Hold bool
	// RetryAt is when an operator last asked to try again: failures and crashes
	// from before it count no more. Zero if never.
	RetryAt time.Time
	// Ask says that an operator wants the registry to be asked for the image.
	Ask bool
	Now time.Time
	// CoreMHz is the speed of one core of this host.
	CoreMHz int
	// Services are those of the group and its tasks, with runtime names
	// resolved.
	Services []AllocService
	// Checks are the states of their checks, by key.
	Checks map[string]job.CheckState
	// HostAddress is where services without a port of the host can be reached.
	HostAddress string
}

// AllocPlan is one step, the status to record before it, and when to look
// again if nothing happens (zero: never).
type AllocPlan struct {
	Step   Step
	Status job.AllocStatus
	WakeAt time.Time
	// Services are the instances that others may be sent to, by their key in the
	// store.
	Services map[string]store.ServiceRecord
	// Checks are the checks that should run.
	Checks []job.CheckTarget
}

// PlanAlloc decides the next step of an allocation. It is a pure function:
// equal input gives an equal plan.
func PlanAlloc(in AllocInput) AllocPlan {
	p := allocPlanner{in: in, tasks: maps.Clone(in.Status.Tasks)}
	if p.tasks == nil {
		p.tasks = map[string]job.TaskStatus{}
	}
	for _, name := range p.order() {
		t := p.newTask(name)
		t.retry()
		switch {
		case in.Hold:
			t.planHeld()
		case in.Spec.Desired == job.DesiredStop:
			t.planStop()
		case t.task == nil:
			t.planUnknown()
		default:
			t.planWanted()
		}
		p.take(t)
	}
	status := in.Status
	status.Tasks = p.tasks
	switch {
	case in.Spec.Desired != job.DesiredStop || len(in.Containers) > 0:
		status.EndedAt = time.Time{} // a create whose answer was lost may show late
	case status.EndedAt.IsZero():
		status.EndedAt = in.Now.UTC()
	}
	status.StartedAt = startedAt(in, status)
	status.Checks = checkStates(in)
	conds, wake := allocConditions(in, status, p.waitsFor)
	status.Conditions = conds
	if c, _ := job.FindCondition(conds, job.CondHealthy); c.Status == job.True && status.HealthyAt.IsZero() {
		status.HealthyAt = in.Now.UTC()
	}
	return AllocPlan{
		Step: p.step, Status: status, WakeAt: earliest(p.wakeAt, wake),
		Services: services(in, status), Checks: checkTargets(in, status),
	}
}

// allocPlanner collects the plans of an allocation's tasks.
type allocPlanner struct {
	in     AllocInput
	tasks  map[string]job.TaskStatus
	step   Step
	wakeAt time.Time

	waitsFor string // why a task is not begun yet, for people
	leader   *taskPlanner
}

// order lists the tasks with the leader, if there is one, first: what becomes
// of the others depends on it.
func (p *allocPlanner) order() []string {
	names := p.taskNames()
	if p.in.Group == nil {
		return names
	}
	slices.SortStableFunc(names, func(a, b string) int {
		return boolRank(p.leads(b)) - boolRank(p.leads(a))
	})
	return names
}

func (p *allocPlanner) leads(name string) bool {
	t := p.in.Group.Task(name)
	return t != nil && t.Leader
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// take takes in the plan of one task. The first step of all is the
// allocation's.
func (p *allocPlanner) take(t *taskPlanner) {
	p.tasks[t.name] = t.ts
	p.wakeAt = earliest(p.wakeAt, t.wakeAt)
	if p.step.Kind == StepNone {
		p.step = t.step
	}
	if p.waitsFor == "" {
		p.waitsFor = t.waitsFor
	}
	if t.task != nil && t.task.Leader {
		p.leader = t
	}
}

// taskNames lists the tasks of the spec in its order, then those that only
// containers or records know, sorted.
func (p *allocPlanner) taskNames() []string {
	var names []string
	if p.in.Group != nil {
		for _, t := range p.in.Group.Tasks {
			names = append(names, t.Name)
		}
	}
	rest := map[string]bool{}
	for _, c := range p.in.Containers {
		rest[c.Identity.Task] = true
	}
	for name := range p.tasks {
		rest[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (p *allocPlanner) newTask(name string) *taskPlanner {
	t := &taskPlanner{in: &p.in, name: name, ts: p.tasks[name]}
	if p.in.Group != nil {
		t.task = p.in.Group.Task(name)
	}
	for _, c := range p.in.Containers {
		if c.Identity.Task == name {
			t.containers = append(t.containers, c)
		}
	}
	slices.SortStableFunc(t.containers, func(a, b observed.Container) int {
		if d := a.Identity.Attempt - b.Identity.Attempt; d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	if n := len(t.containers); n > 0 {
		t.cur, t.older = &t.containers[n-1], t.containers[:n-1]
		t.ts.Attempt = max(t.ts.Attempt, t.cur.Identity.Attempt)
	}
	if t.ts.Phase == "" {
		t.ts.Phase = job.PhasePending
	}
	if l := p.leader; l != nil {
		t.leaderDone = l.ts.Phase == job.PhaseComplete || l.ts.Phase == job.PhaseFailed
		t.leaderLive = slices.ContainsFunc(l.containers, observed.Container.Live)
	}
	return t
}
