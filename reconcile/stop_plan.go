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

// planStop ends a task: one stop signal, kill_timeout, SIGKILL, and then its
// containers are removed, the kept dead one too.
func (t *taskPlanner) planStop() {
	if t.ts.Phase != job.PhaseStopping && t.ts.Phase != job.PhaseDead {
		// A backoff of the life before is no reason to wait.
		t.ts.NextRetry, t.ts.LastError, t.ts.Failures = time.Time{}, nil, 0
	}
	t.ts.RunningSince = time.Time{}
	t.ts.Phase = job.PhaseDead
	for i := range t.containers {
		c := &t.containers[i]
		t.ts.Phase = job.PhaseStopping
		switch {
		case c.State == observed.Removing:
			t.wake(t.in.Now.Add(removingRetry))
		case c.Live():
			t.planSignal(c)
		default:
			t.do(t.on(c, StepRemove, ReasonStopping))
		}
		if t.step.Kind != StepNone {
			return
		}
	}
}

func (t *taskPlanner) planSignal(c *observed.Container) {
	if t.ts.StoppingSince.IsZero() {
		s := t.on(c, StepKill, ReasonStopping)
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
