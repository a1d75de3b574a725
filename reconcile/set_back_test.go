package reconcile

import (
	"testing"
	"time"

	"reconciler/internal/job"
)

// A request to try again is acted on once. The clock that tells how a container
// ended may be behind the one that tells of the request.
func TestRetryForgivesOnce(t *testing.T) {
	w := lives(restarts(1, interval, 0, job.RestartFail))
	w.seen = w.seen.Add(-24 * time.Hour) // nothing is out of sight
	w.retryAt = w.now
	w.run(time.Second)
	w.did()
	for range 5 {
		if w.task("web").Phase != job.PhaseRunning {
			break
		}
		c := w.current("web")
		w.exit("web", 1)
		c.FinishedAt = w.now.Add(-time.Hour)
		w.run(time.Minute)
	}
	w.wantPhase(t, "web", job.PhaseFailed)
	if ts := w.task("web"); ts.Attempt != 2 {
		t.Errorf("attempt %d, want 2: the block allows one restart", ts.Attempt)
	}
	w.did()
	w.run(24 * time.Hour)
	if got := w.did(); len(got) > 0 {
		t.Errorf("later %q", got)
	}
}

// One that comes after the clock was set back is acted on as well.
func TestRetryAfterTheClockWasSetBack(t *testing.T) {
	w := lives(restarts(0, interval, 0, job.RestartFail))
	w.exit("web", 1)
	w.run(time.Minute)
	w.wantPhase(t, "web", job.PhaseFailed)
	w.now = w.now.Add(-time.Hour)
	w.retryAt = w.now
	w.run(time.Minute)
	w.wantPhase(t, "web", job.PhaseRunning)
}

// A clock that is set back does not put off the restart that a failing check
// asks for.
func TestCheckRestartAfterTheClockWasSetBack(t *testing.T) {
	w := lives(service("web", healthCheck(&job.CheckRestart{Limit: 3, Grace: job.Duration(time.Second)})))
	first := w.current("web").ID
	w.verdict = func(c job.CheckTarget) job.CheckStatus {
		if c.Container == first {
			return job.CheckCritical
		}
		return job.CheckPassing
	}
	w.run(5 * time.Second)
	w.now = w.now.Add(-time.Hour)
	w.run(time.Minute)
	if w.current("web").ID == first {
		t.Errorf("not restarted:\n%s", tail(w.log))
	}
}

// Ports that were lost at a time which lies ahead now keep no index empty until
// the clock is there once more.
func TestLostPortsAfterTheClockWasSetBack(t *testing.T) {
	j := webJob()
	lost := func(a *job.Alloc) {
		a.Spec.Desired, a.Spec.Reason, a.Status.EndedAt = job.DesiredStop, ReasonPortLost, t0.Add(24*time.Hour)
	}
	plan := PlanJob(jobInput(j, allocs(j, alloc(allocA, j, 0, lost), alloc(allocB, j, 0, lost))))
	if len(plan.Actions) != 1 || plan.Actions[0].Kind != ActionPlace {
		t.Errorf("actions %v, again at %v", plan.Actions, plan.WakeAt)
	}
}
