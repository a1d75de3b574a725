package reconcile

import (
	"fmt"
	"time"

	"reconciler/internal/job"
)

// errRestartsExhausted: the restart block allows no further container.
const errRestartsExhausted = "RestartsExhausted"

// restartJitter is the part of a restart block's delay that may be added to it
// (Nomad: restarts.jitter).
const restartJitter = 0.25

// policy is the restart block that holds for the task, or nil.
func (t *taskPlanner) policy() *job.Restart {
	if t.task == nil || t.in.Group == nil {
		return nil
	}
	return t.in.Group.RestartOf(t.task)
}

// countRestart decides what follows a crash under a restart block: a further
// container after its delay, a wait for the end of the interval, or nothing.
func (t *taskPlanner) countRestart(r job.Restart) {
	ts, now := &t.ts, t.in.Now.UTC()
	left := ts.WindowStart.Add(r.Interval.Std()).Sub(now)
	if ts.WindowStart.IsZero() || left <= 0 || left > r.Interval.Std() {
		ts.WindowStart, ts.WindowRestarts, left = now, 0, r.Interval.Std()
	}
	ts.Crashes++
	switch {
	case ts.WindowRestarts < r.Attempts:
		ts.WindowRestarts++
		ts.NextRetry = now.Add(jittered(r.Delay.Std(), restartJitter, t.seed(), ts.WindowRestarts))
	case r.Mode == job.RestartDelay:
		ts.NextRetry = now.Add(left)
	default:
		ts.NextRetry, ts.FailedGeneration = time.Time{}, t.in.Spec.Generation
	}
}

// failed reports whether the task's restarts are used up, and says so in its
// status, over any later error: that one does not keep it from running. An
// edit begins anew.
func (t *taskPlanner) failed() bool {
	ts := &t.ts
	switch {
	case ts.FailedGeneration == 0:
		return false
	case t.in.Spec.Generation > ts.FailedGeneration || t.policy() == nil:
		t.unfail()
		return false
	}
	ts.Phase = job.PhaseFailed
	if ts.LastError == nil || ts.LastError.Reason != errRestartsExhausted {
		ts.LastError = &job.Failure{
			Kind: job.WaitsForUser, Reason: errRestartsExhausted, At: t.in.Now.UTC(),
			Message: fmt.Sprintf("%s. Edit the job, or run: reconciler retry %s", t.whyFailed(), t.in.Spec.Job),
		}
	}
	return true
}

// unfail forgets that restarts were used up.
func (t *taskPlanner) unfail() {
	ts := &t.ts
	if ts.LastError != nil && ts.LastError.Reason == errRestartsExhausted {
		ts.LastError = nil
	}
	ts.FailedGeneration, ts.WindowStart, ts.WindowRestarts = 0, time.Time{}, 0
	ts.Crashes, ts.NextRetry = 0, time.Time{}
}

// whyFailed says how the task ended when its restarts were used up. An exit
// with 0 is no fault of the program: the job may be of the wrong type.
func (t *taskPlanner) whyFailed() string {
	const noMore = "its restart block allows no more"
	exit := t.ts.LastExit
	switch {
	case exit == nil:
		return "it ended; " + noMore
	case exit.Clean() && exit.Stopped == "" && !exit.OOMKilled && !t.batch():
		return describeExit(*exit) + `, which is no error; but a service is to run on, and ` + noMore +
			`. Work that ends belongs in a job of type = "batch"`
	}
	return describeExit(*exit) + "; " + noMore
}

// complete reports whether the task has done what a batch job is for: its
// last container exited with 0 by itself.
func (t *taskPlanner) complete() bool {
	exit := t.ts.LastExit
	return t.batch() && exit != nil && exit.Attempt == t.ts.Attempt && exit.Clean() && exit.Stopped == ""
}

// batch reports whether the task is work that ends. Where nobody knows the spec
// any more, the container tells: a migration must not run twice because a state
// file was lost.
func (t *taskPlanner) batch() bool {
	if t.in.Job != nil {
		return t.in.Job.Type == job.TypeBatch
	}
	return t.cur != nil && t.cur.Identity.Type == job.TypeBatch
}

// done says in the status that the task needs no further container, and
// reports whether that is so: it is complete, or its restarts are used up. A
// wait that is left is that of a removal which failed.
func (t *taskPlanner) done() bool {
	if !t.complete() {
		return t.failed()
	}
	if t.ts.Phase != job.PhaseComplete {
		t.ts.Crashes, t.ts.Failures, t.ts.NextRetry = 0, 0, time.Time{}
	}
	t.ts.Phase, t.ts.LastError = job.PhaseComplete, nil
	return true
}
