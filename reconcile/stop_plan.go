package reconcile

import (
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
)

const (
	sigTerm = "SIGTERM" // the engine's default stop signal
	sigKill = "SIGKILL"
)

// minDrain is how long an allocation whose successor has taken over keeps
// running at least: whoever has just read its address may still come.
const minDrain = time.Second

// planStop ends a task: shutdown_delay, one stop signal, kill_timeout, SIGKILL,
// and then its containers are removed, the kept dead one too. The leader of an
// allocation goes first.
func (t *taskPlanner) planStop() {
	if t.ts.Phase != job.PhaseStopping && t.ts.Phase != job.PhaseDraining && t.ts.Phase != job.PhaseDead {
		// A backoff of the life before is no reason to wait.
		t.ts.NextRetry, t.ts.LastError, t.ts.Failures = time.Time{}, nil, 0
		if t.ts.StopReason == "" {
			t.ts.StoppingSince, t.ts.KilledAt = time.Time{}, time.Time{}
		}
	}
	t.stopFor("") // a stop that was under way goes on as this one
	t.ts.RunningSince = time.Time{}
	t.ts.Phase = job.PhaseDead
	for i := range t.containers {
		c := &t.containers[i]
		t.ts.Phase = job.PhaseStopping
		switch {
		case c.State == observed.Removing:
			t.wake(t.in.Now.Add(removingRetry))
		case c.Live():
			t.planEnd(c)
		default:
			t.do(t.on(c, StepRemove, ReasonStopping))
		}
		if t.step.Kind != StepNone {
			return
		}
	}
}

// planEnd ends a container that runs, when those before it have ended and its
// services have been withdrawn for long enough.
func (t *taskPlanner) planEnd(c *observed.Container) {
	if t.ts.StoppingSince.IsZero() {
		// All drain at once, and wait for the leader meanwhile.
		if until := t.drainedAt(); t.in.Now.Before(until) {
			t.ts.Phase = job.PhaseDraining
			t.wake(until)
			return
		}
		if t.leaderLive {
			return
		}
	}
	t.planSignal(c, ReasonStopping)
}

// drainedAt is when the stop signal may be sent.
func (t *taskPlanner) drainedAt() time.Time {
	delay := t.drain()
	if delay == 0 {
		return time.Time{}
	}
	if t.ts.DrainingSince.IsZero() {
		t.ts.DrainingSince = t.in.Now.UTC()
	}
	t.ts.DrainingSince = earliest(t.ts.DrainingSince, t.in.Now.UTC()) // as in planSignal
	return t.ts.DrainingSince.Add(delay)
}

func (t *taskPlanner) drain() time.Duration {
	var delay time.Duration
	if t.in.Group != nil && t.task != nil {
		delay = t.in.Group.ShutdownDelay.Std() + t.task.ShutdownDelay.Std()
	}
	if t.in.Spec.Reason == ReasonSucceeded {
		delay = max(delay, minDrain)
	}
	return delay
}

// planSignal plans the stop signal, and SIGKILL for what does not end by it.
func (t *taskPlanner) planSignal(c *observed.Container, reason string) {
	if t.ts.StoppingSince.IsZero() {
		s := t.on(c, StepKill, reason)
		s.Signal = c.StopSignal
		if s.Signal == "" {
			s.Signal = sigTerm
		}
		t.do(s)
		return
	}
	// A clock that was set back since must not stretch the wait.
	t.ts.StoppingSince = earliest(t.ts.StoppingSince, t.in.Now.UTC())
	deadline := t.ts.StoppingSince.Add(t.killTimeout())
	if !t.ts.KilledAt.IsZero() {
		t.ts.KilledAt = earliest(t.ts.KilledAt, t.in.Now.UTC())
		deadline = t.ts.KilledAt.Add(rekill)
	}
	if t.in.Now.Before(deadline) {
		t.wake(deadline)
		return
	}
	s := t.on(c, StepKill, ReasonKillTimeout)
	s.Signal = sigKill
	t.do(s)
}

func (t *taskPlanner) killTimeout() time.Duration {
	if t.task == nil {
		return job.DefaultKillTimeout
	}
	return t.task.KillTimeout.Std()
}
