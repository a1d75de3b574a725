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

	ts     job.TaskStatus
	step   Step
	wakeAt time.Time
}

// do sets the task's step, unless a failure is being waited out; then it
// sets the wake-up. It reports whether the step stands.
func (t *taskPlanner) do(s Step) bool {
	if t.in.Now.Before(t.ts.NextRetry) {
		t.wake(t.ts.NextRetry)
		return false
	}
	s.Task = t.name
	t.step = s
	return true
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
	if t.tidy() {
		return
	}
	switch {
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
		// How it ended cannot be told from a list; the next look asks again.
		t.wake(t.in.Now.Add(indeterminateRetry))
	default: // exited, dead
		t.planExited()
	}
}

// tidy removes containers of earlier attempts: all but the newest dead one,
// which is kept for its logs until the next death.
func (t *taskPlanner) tidy() bool {
	keep := -1
	curDead := t.cur != nil && (t.cur.State == observed.Exited || t.cur.State == observed.Dead)
	if n := len(t.older); n > 0 && !curDead && t.older[n-1].State == observed.Exited {
		keep = n - 1
	}
	for i := range t.older {
		c := &t.older[i]
		switch {
		case i == keep || c.State == observed.Removing:
		case c.Live():
			s := t.on(c, StepKill, ReasonSuperseded)
			s.Signal = sigKill
			return t.do(s)
		default:
			return t.do(t.on(c, StepRemove, ReasonSuperseded))
		}
	}
	return false
}

// planAbsent plans a task without a container: bring its image, and run it if
// that is wanted and no backoff is on.
func (t *taskPlanner) planAbsent() {
	reason := ReasonPlaced
	if t.ts.Attempt > 0 {
		reason = t.whyGone()
	}
	t.ts.RunningSince = time.Time{}
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
	if t.resting() {
		return
	}
	t.ts.Phase = job.PhaseStarting
	t.do(Step{Kind: StepRun, Attempt: t.ts.Attempt + 1, Name: job.ContainerName(t.name, t.in.Spec.ID), Reason: reason})
}

// whyGone tells a removal from outside from a crash, and takes back a crash
// that turns out to have been the first half of a `docker rm -f`.
func (t *taskPlanner) whyGone() string {
	exit := t.ts.LastExit
	if exit == nil || exit.Attempt != t.ts.Attempt {
		if t.ts.LastError == nil {
			t.ts.NextRetry = time.Time{}
			return ReasonRemoved
		}
		return ReasonStartFailed
	}
	if t.ts.Crashes > 0 && t.in.Now.Sub(exit.At) <= removedByHand {
		t.ts.Crashes--
		t.ts.NextRetry = time.Time{}
		t.ts.LastExit = nil
		return ReasonRemoved
	}
	return ReasonCrashed
}

// planBring asks for what a container needs before it can be made.
func (t *taskPlanner) planBring() {
	if t.in.InFlight[t.name] {
		t.ts.Phase = job.PhasePulling
		return
	}
	if t.resting() {
		return
	}
	ref := t.in.Spec.Images[t.name]
	// A task that had an image already, and lost it, is content with what the
	// reference means here; only a new spec_hash asks for a moved tag.
	first := t.ts.Image == ""
	t.ts.Phase, t.ts.Image = job.PhasePulling, ref
	ask := first && t.ts.ImageID == "" && (t.task.Config.ForcePull || imageref.Latest(ref))
	t.do(Step{Kind: StepBring, Ask: ask, Attempt: t.ts.Attempt + 1, Reason: ReasonImageRequired})
}

// resting reports whether a backoff is on, and says so in the phase.
func (t *taskPlanner) resting() bool {
	if !t.in.Now.Before(t.ts.NextRetry) {
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
	ts.Phase, ts.Prepared = job.PhaseRunning, true
	ts.RunningSince = t.cur.StartedAt
	ts.ImageID = t.cur.ImageID
	if ts.Image == "" {
		ts.Image = t.in.Spec.Images[t.name]
	}
	if s, ok := t.planDrift(); ok {
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

// planCreated plans a container that was made and has never run.
func (t *taskPlanner) planCreated() {
	t.ts.Phase = job.PhaseStarting
	switch {
	case t.in.Spec.Desired == job.DesiredPrepare:
		t.do(t.on(t.cur, StepRemove, ReasonSuperseded))
	case t.ts.LastError == nil && t.cur.Error == "":
		t.do(t.on(t.cur, StepStart, ReasonNotStarted))
	case t.resting():
	default:
		// The engine refused to start it. What it was made from may be why (a
		// port, a mount): a new one is made.
		t.do(t.on(t.cur, StepRemove, ReasonStartFailed))
	}
}

// planExited plans a container that ended by itself.
func (t *taskPlanner) planExited() {
	reason := t.recordExit()
	t.ts.RunningSince = time.Time{}
	current := job.ContainerName(t.name, t.in.Spec.ID)
	if t.cur.Name == current {
		t.ts.Phase = job.PhaseBackoff
		s := t.on(t.cur, StepRename, ReasonKeptForLogs)
		s.Name = job.DeadContainerName(t.name, t.in.Spec.ID, t.cur.Identity.Attempt)
		t.do(s)
		return
	}
	if t.ts.ImageID == "" {
		t.ts.ImageID, t.ts.Prepared = t.cur.ImageID, true
	}
	if !t.ts.Prepared {
		t.planBring()
		return
	}
	if t.resting() {
		return
	}
	t.ts.Phase = job.PhaseStarting
	t.do(Step{Kind: StepRun, Attempt: t.ts.Attempt + 1, Name: current, Reason: reason})
}

// recordExit enters the exit of the current container once, and counts it as
// a crash if it happened in sight.
func (t *taskPlanner) recordExit() string {
	exit := job.Exit{
		Code: t.cur.ExitCode, OOMKilled: t.cur.OOMKilled, Error: t.cur.Error,
		At: t.cur.FinishedAt.UTC(), Attempt: t.cur.Identity.Attempt,
	}
	if last := t.ts.LastExit; last != nil && last.Attempt == exit.Attempt && last.At.Equal(exit.At) {
		return ReasonCrashed
	}
	t.ts.LastExit = &exit
	if exit.At.Before(t.in.SeenSince) {
		t.ts.NextRetry = time.Time{}
		return ReasonEngineGap
	}
	t.countCrash(exit.At.Sub(t.cur.StartedAt))
	return ReasonCrashed
}

func (t *taskPlanner) countCrash(ran time.Duration) {
	if ran >= crashForget {
		t.ts.Crashes = 0
	}
	t.ts.Crashes++
	t.ts.NextRetry = time.Time{}
	if d := crashDelay(t.ts.Crashes, t.seed()); d > 0 {
		t.ts.NextRetry = t.in.Now.Add(d).UTC()
	}
}

// planUnknown keeps an allocation alive of which nobody knows the spec: what
// runs is left alone, what died is started again as it is.
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
	default:
		t.recordExit()
		if !t.resting() {
			t.ts.Phase = job.PhaseStarting
			t.do(t.on(t.cur, StepStart, ReasonSpecUnknown))
		}
	}
}
