package reconcile

import (
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
)

// planHeld says where a task stands and does nothing about it.
func (t *taskPlanner) planHeld() {
	switch {
	case t.cur == nil && t.ts.Attempt > 0:
		t.ts.Phase = job.PhaseDead
	case t.cur == nil:
		t.ts.Phase = job.PhasePending
	case t.cur.State == observed.Running:
		t.ts.Phase = job.PhaseRunning
	case t.cur.State == observed.Paused:
		t.ts.Phase = job.PhasePaused
	default:
		t.ts.Phase = job.PhaseDead
	}
}

// retry forgets what failed before an operator asked to try again. It does so
// once for each request: how a container ended is told by a clock that may have
// been set since, and a crash must not be forgiven for ever.
func (t *taskPlanner) retry() {
	at := passed(t.in.RetryAt, t.in.Now)
	if at.IsZero() || t.ts.RetriedAt.Equal(at) {
		return
	}
	t.ts.RetriedAt, t.retrying = at, true
	if e := t.ts.LastError; e != nil && (e.At.Before(at) || e.Reason == errRestartsExhausted) {
		t.ts.LastError, t.ts.Failures, t.ts.NextRetry = nil, 0, time.Time{}
	}
	// Only a crash is forgotten: a wait that has another cause holds.
	if t.ts.LastExit != nil && t.ts.LastError == nil && (t.ts.FailedGeneration != 0 || t.ts.Crashes+t.ts.WindowRestarts > 0) {
		t.unfail()
	}
}

// requested takes in what an operator asked of the allocation's job.
func (c *Controller) requested(in *AllocInput) {
	d, _ := c.Store.Deployments.Get(in.Spec.Job)
	in.Hold = !d.HoldSince.IsZero() || c.overtaken(*in)
	in.RetryAt = passed(d.RetryAt, in.Now)
	in.Ask = !d.PullAt.IsZero() && in.Spec.MadeSince(d.PullAt)
	// What a person did during a hold is no crash either.
	in.SeenSince = later(passed(in.SeenSince, in.Now), passed(d.ReleasedAt, in.Now))
}

// overtaken reports whether nothing may be begun for an allocation because its
// record may be older than what people want by now: later generations of its
// job run (the state file came back from a backup), or its job is missing from
// the files, or deleted since, and it has no container to lose.
func (c *Controller) overtaken(in AllocInput) bool {
	rec, known := c.Store.Jobs.Get(in.Spec.Job)
	if !known || in.Spec.Desired == job.DesiredStop {
		return false
	}
	gone := !rec.MissingSince.IsZero() && rec.Held == "" || !rec.Deleted.IsZero()
	switch {
	case gone && len(in.Containers) == 0:
		return true
	case !rec.Deleted.IsZero():
		return false
	}
	for _, ct := range c.Observe.Job(in.Spec.Job) {
		if g := ct.Identity.Generation; g > rec.Generation && g > in.Spec.Generation {
			return true
		}
	}
	return false
}
