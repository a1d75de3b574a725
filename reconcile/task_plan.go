package reconcile

import (
	"time"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
	"reconciler/observed"
)

// taskPlanner plans one task of an allocation: it moves ts on, and sets at
// most one step.
type taskPlanner struct {
	in         *AllocInput
	name       string
	task       *job.Task            // nil if nobody knows the spec
	containers []observed.Container // by attempt
	cur        *observed.Container  // of the highest attempt, or nil
	older      []observed.Container

	leaderDone bool // the leader of the allocation, another task, has ended
	leaderLive bool // it has a container that runs

	retrying bool // an operator has asked to try again since the last look
	ts       job.TaskStatus
	step     Step
	wakeAt   time.Time
	waitsFor string // another task, for people
}

// do sets the task's step, unless a failure is being waited out; then it
// sets the wake-up.
func (t *taskPlanner) do(s Step) {
	if t.waits() {
		t.wake(t.ts.NextRetry)
		return
	}
	t.force(s)
}

// force sets the task's step, whatever is being waited out.
func (t *taskPlanner) force(s Step) {
	s.Task = t.name
	t.step = s
}

// waits reports whether it is too early for the next step. A wait that no
// rule can have made comes from a clock that was set back since; it is over.
func (t *taskPlanner) waits() bool {
	longest := longestWait
	if r := t.policy(); r != nil {
		longest = max(longest, time.Duration(float64(max(r.Interval, r.Delay))*(1+restartJitter)))
	}
	wait := t.ts.NextRetry.Sub(t.in.Now)
	return wait > 0 && wait <= longest
}

// on makes a step that acts on a container.
func (t *taskPlanner) on(c *observed.Container, kind StepKind, reason string) Step {
	return Step{Kind: kind, Container: c.ID, Name: c.Name, Attempt: c.Identity.Attempt, Reason: reason}
}

func (t *taskPlanner) wake(at time.Time) { t.wakeAt = earliest(t.wakeAt, at) }

// seed makes the jitter of different tasks differ.
func (t *taskPlanner) seed() string { return t.in.Spec.ID + "/" + t.name }

// planWanted plans a task whose allocation is to be prepared or to run.
func (t *taskPlanner) planWanted() {
	t.forgiveGap()
	t.takeBackRemoval()
	if s, ok := t.liveOlder(); ok {
		// Two containers of one task would share its ports and files: nothing
		// else before that one is dead.
		t.do(s)
		return
	}
	switch {
	case t.leaderDone:
		t.planEnded()
	case t.cur == nil:
		t.planAbsent()
	case t.cur.State == observed.Removing:
		// The engine is on it; destroy follows in about 100 ms.
		t.ts.Phase = job.PhaseStarting
		t.wake(t.in.Now.Add(removingRetry))
	case t.cur.State == observed.Running:
		t.planRunning()
	case t.cur.State == observed.Restarting:
		// Only a restart policy from outside does this; Update sets ours.
		t.ts.Phase = job.PhaseStarting
		t.do(t.drift("restart_policy"))
	case t.cur.State == observed.Paused:
		t.ts.Phase = job.PhasePaused
		s := t.on(t.cur, StepUnpause, ReasonDrift)
		s.Fields = []string{"paused"}
		t.do(s)
	case t.cur.State == observed.Created:
		t.planCreated()
	case t.cur.Partial:
		// How it ended cannot be told from a list; the controller asks again.
		t.wake(t.in.Now.Add(partialRetry))
	default: // exited, dead
		t.planExited()
	}
}

// planAbsent plans a task without a container: bring its image, and run it if
// that is wanted and no backoff is on.
func (t *taskPlanner) planAbsent() {
	reason := ReasonPlaced
	if t.ts.Attempt > 0 {
		reason = t.whyGone()
	}
	t.ts.RunningSince = time.Time{}
	t.recycled()
	if t.done() {
		return
	}
	if t.ts.ImageID == "" {
		t.ts.ImageID = t.in.Pinned[t.name]
	}
	if !t.ts.Prepared {
		t.planBring()
		return
	}
	if t.in.Spec.Desired == job.DesiredPrepare {
		t.ts.Phase = job.PhasePrepared
		return
	}
	if !t.resting() && !t.waitsForJoined() {
		t.run(reason)
	}
}

func (t *taskPlanner) run(reason string) {
	t.ts.Phase = job.PhaseStarting
	t.do(Step{Kind: StepRun, Attempt: t.ts.Attempt + 1, Name: job.ContainerName(t.name, t.in.Spec.ID), Reason: reason})
}

// planBring asks for what a container needs before it can be made.
func (t *taskPlanner) planBring() {
	if t.in.InFlight[t.name] {
		t.ts.Phase = job.PhasePulling
		return
	}
	if e := t.ts.LastError; e != nil && e.At.Before(t.in.NewAuth) {
		t.ts.NextRetry = time.Time{} // it may have failed for the old credentials
	}
	if t.resting() {
		return
	}
	ref := t.in.Spec.Images[t.name]
	// A task that had an image already, and lost it, is content with what the
	// reference means here; only a new spec_hash asks for a moved tag.
	first := t.ts.Image == "" && t.ts.ImageID == ""
	t.ts.Phase = job.PhasePulling
	ask := first && (t.in.Ask || t.task.Config.ForcePull || imageref.Latest(ref))
	t.do(Step{Kind: StepBring, Ask: ask, Attempt: t.ts.Attempt + 1, Reason: ReasonImageRequired})
}

// resting reports whether a backoff is on, and says so in the phase.
func (t *taskPlanner) resting() bool {
	if !t.waits() {
		return false
	}
	t.ts.Phase = job.PhaseBackoff
	if t.ts.LastError != nil && t.ts.LastError.Kind == job.WaitsForUser {
		t.ts.Phase = job.PhaseWaiting
	}
	t.wake(t.ts.NextRetry)
	return true
}

// planRunning records a container that runs, and repairs what was changed
// from outside.
func (t *taskPlanner) planRunning() {
	ts := &t.ts
	ts.Phase = job.PhaseRunning
	t.takeImage()
	if t.cur.Partial {
		return // since when, and with which limits, a list does not tell
	}
	t.noteHealth()
	ts.RunningSince = t.cur.StartedAt
	ts.FailedGeneration = 0
	if t.recycle() {
		return
	}
	if s, ok := t.repair(); ok {
		t.do(s)
		return
	}
	ts.Failures, ts.NextRetry, ts.LastError = 0, time.Time{}, nil
	if ts.Crashes > 0 {
		forget := t.cur.StartedAt.Add(crashForget)
		if t.in.Now.Before(forget) {
			t.wake(forget)
		} else {
			ts.Crashes = 0
		}
	}
}

// noteHealth takes what the container's HEALTHCHECK says into the record.
func (t *taskPlanner) noteHealth() {
	ts := &t.ts
	if !ts.RunningSince.Equal(t.cur.StartedAt) {
		ts.Health, ts.HealthSince = "", time.Time{}
	}
	if t.cur.Health != ts.Health {
		// Nobody knows since when the first word of a container holds: as a
		// container without a HEALTHCHECK, it counts from its start.
		if ts.Health != "" {
			ts.HealthSince = t.in.Now.UTC()
		}
		ts.Health = t.cur.Health
	}
}

// takeImage takes the image from the current container if no record knows
// one: the state file was lost.
func (t *taskPlanner) takeImage() {
	if t.cur.State == observed.Running && t.cur.ImageID != "" {
		t.ts.ImageID = t.cur.ImageID
	}
	if t.ts.Image != "" {
		t.ts.Prepared = t.ts.Prepared || t.cur.State == observed.Running
		return
	}
	t.ts.Image, t.ts.Prepared = t.in.Spec.Images[t.name], true
	if t.ts.ImageID == "" {
		t.ts.ImageID = t.cur.ImageID
	}
}

// planCreated plans a container that was made and has never run.
func (t *taskPlanner) planCreated() {
	t.ts.Phase = job.PhaseStarting
	failed := t.ts.LastError
	if failed != nil && failed.Kind == job.Indeterminate {
		failed = nil // nobody knows that its start failed
	}
	switch {
	case t.in.Spec.Desired == job.DesiredPrepare:
		t.do(t.on(t.cur, StepRemove, ReasonSuperseded))
	case failed == nil && t.cur.Error == "":
		t.do(t.on(t.cur, StepStart, ReasonNotStarted))
	case t.resting():
	default:
		// The engine refused to start it. What it was made from may be why (a
		// port, a mount): a new one is made.
		if failed == nil {
			t.ts.LastError = &job.Failure{Kind: job.Retried, Reason: ReasonStartFailed, Message: t.cur.Error, At: t.in.Now.UTC()}
		}
		t.do(t.on(t.cur, StepRemove, ReasonStartFailed))
	}
}

// planExited plans a container that ended by itself.
func (t *taskPlanner) planExited() {
	reason := t.recordExit()
	t.ts.RunningSince = time.Time{}
	t.takeImage()
	switch {
	case t.done():
		if s, ok := t.deadOlder(); ok {
			t.do(s)
		}
	case t.resting():
		if s, ok := t.deadOlder(); ok && t.ts.LastError == nil {
			t.force(s)
		}
	case t.cur.Name == job.ContainerName(t.name, t.in.Spec.ID):
		t.ts.Phase = job.PhaseBackoff
		s := t.on(t.cur, StepRename, ReasonKeptForLogs)
		s.Name = job.DeadContainerName(t.name, t.in.Spec.ID, t.cur.Identity.Attempt)
		t.do(s)
	case !t.ts.Prepared:
		t.planBring()
	case t.waitsForJoined():
		if s, ok := t.deadOlder(); ok {
			t.force(s) // that wait may have no end
		}
	default:
		t.run(reason)
	}
}

// planUnknown keeps an allocation alive of which nobody knows the spec: what
// runs is left alone, what died is started again as it is, but for work that
// is done.
func (t *taskPlanner) planUnknown() {
	switch {
	case t.cur == nil:
		t.ts.Phase = job.PhaseDead
	case t.cur.State == observed.Running:
		t.planRunning()
	case t.cur.State == observed.Paused || t.cur.State == observed.Restarting:
		t.ts.Phase = job.PhasePaused
	case t.cur.State == observed.Removing:
		t.wake(t.in.Now.Add(removingRetry))
	case t.cur.Partial:
		t.wake(t.in.Now.Add(partialRetry))
	default:
		t.forgiveGap()
		if t.cur.State != observed.Created {
			t.recordExit()
		}
		if !t.done() && !t.resting() {
			t.ts.Phase = job.PhaseStarting
			t.do(t.on(t.cur, StepStart, ReasonSpecUnknown))
		}
	}
}
