package reconcile

import (
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
)

// recordExit enters the exit of the current container once, counts it as a
// crash if it happened in sight and nobody but a failed check asked for it, and
// returns why the next container is due.
func (t *taskPlanner) recordExit() string {
	exit, news := t.noteExit()
	switch {
	case !news:
	case t.complete():
	case t.retrying && exit.At.Before(t.in.RetryAt):
		t.unfail()
	case t.outOfSight(exit.At) && exit.Stopped == "":
		t.ts.Crashes, t.ts.NextRetry = 0, time.Time{}
	case exit.Stopped == "" || exit.Stopped == ReasonUnhealthy:
		t.countCrash(exit.At.Sub(t.cur.StartedAt))
	default:
		t.ts.NextRetry = time.Time{}
	}
	return t.whyExited()
}

// noteExit enters how the current container ended, and reports whether that
// was not known.
func (t *taskPlanner) noteExit() (job.Exit, bool) {
	exit := job.Exit{
		Code: t.cur.ExitCode, OOMKilled: t.cur.OOMKilled, Error: t.cur.Error,
		At: t.cur.FinishedAt.UTC(), Attempt: t.cur.Identity.Attempt,
	}
	if last := t.ts.LastExit; last != nil && last.Attempt == exit.Attempt && last.At.Equal(exit.At) {
		return *last, false
	}
	done := t.batch() && exit.Clean() && !t.signalled(exit.At)
	if exit.Stopped = t.recycled(); done {
		exit.Stopped = "" // its work had ended before we could
	}
	t.ts.LastExit = &exit
	return exit, true
}

// whyExited tells a crash from an exit out of sight: that one leaves no crash
// counted, not even earlier ones.
func (t *taskPlanner) whyExited() string {
	exit := t.ts.LastExit
	switch {
	case exit != nil && exit.Stopped == ReasonLeaderEnded:
		return ReasonStoppedByUs
	case exit != nil && exit.Stopped != "":
		return exit.Stopped
	case t.ts.Crashes > 0:
		return ReasonCrashed
	case exit != nil && exit.At.Before(passed(t.in.RetryAt, t.in.Now)):
		return ReasonRetry
	}
	return ReasonEngineGap
}

func (t *taskPlanner) countCrash(ran time.Duration) {
	if ran >= crashForget {
		t.ts.Crashes = 0
	}
	if r := t.policy(); r != nil {
		t.countRestart(*r)
		return
	}
	t.ts.Crashes++
	t.ts.NextRetry = time.Time{}
	if d := crashDelay(t.ts.Crashes, t.seed()); d > 0 {
		t.ts.NextRetry = t.in.Now.Add(d).UTC()
	}
}

// outOfSight reports whether nobody can tell why a container ended at that
// time: dockerd was away, or about to go.
func (t *taskPlanner) outOfSight(at time.Time) bool {
	return at.Before(t.in.SeenSince) || t.inGap(at)
}

func (t *taskPlanner) inGap(at time.Time) bool {
	return !t.in.GapFrom.IsZero() && !at.Before(t.in.GapFrom.Add(-leaveWindow)) && at.Before(t.in.GapTo)
}

// forgiveGap takes back what was recorded while dockerd was on its way out: it
// stops its containers, or refuses what is asked, before it closes the stream
// of events. What is taken back leaves no trace, so this happens once.
func (t *taskPlanner) forgiveGap() {
	if e := t.ts.LastExit; e != nil && t.ts.Crashes > 0 && t.inGap(e.At) && e.Stopped == "" {
		t.ts.Crashes, t.ts.WindowRestarts = 0, max(0, t.ts.WindowRestarts-1)
		if t.ts.FailedGeneration != 0 {
			t.unfail()
		}
		if t.ts.LastError == nil {
			t.ts.NextRetry = time.Time{}
		}
	}
	if e := t.ts.LastError; e != nil && t.inGap(e.At) {
		t.ts.Failures, t.ts.NextRetry, t.ts.LastError = 0, time.Time{}, nil
	}
}

// whyGone says why there is no container although there was one. It takes
// back a crash that turns out to have been the first half of `docker rm -f`.
func (t *taskPlanner) whyGone() string {
	exit := t.ts.LastExit
	switch {
	case exit != nil && exit.Attempt == t.ts.Attempt:
		if t.ts.Crashes > 0 && t.in.Now.Sub(exit.At) <= removedByHand {
			t.uncount()
			t.ts.NextRetry = time.Time{}
			return ReasonRemoved
		}
		return t.whyExited()
	case !t.ts.RunningSince.IsZero():
		// It ran when it was last looked at: no failure of before matters.
		t.ts.Failures, t.ts.NextRetry, t.ts.LastError = 0, time.Time{}, nil
	case t.ts.LastError != nil:
		return ReasonStartFailed
	}
	return ReasonRemoved
}

// takeBackRemoval does for a task that was restarted meanwhile what whyGone
// does for one that was not. The dead container of a crash is kept by us, so
// that its end within a second of its die was somebody's wish.
func (t *taskPlanner) takeBackRemoval() {
	exit := t.ts.LastExit
	if exit == nil || t.ts.Crashes == 0 || t.cur == nil || t.cur.State != observed.Running ||
		t.cur.Identity.Attempt <= exit.Attempt || t.in.Now.Sub(exit.At) > removedByHand {
		return
	}
	for i := range t.older {
		if t.older[i].Identity.Attempt == exit.Attempt {
			return
		}
	}
	t.uncount()
	t.ts.Restarts = max(0, t.ts.Restarts-1)
}

func (t *taskPlanner) uncount() {
	t.ts.Crashes--
	t.ts.WindowRestarts = max(0, t.ts.WindowRestarts-1)
	t.ts.FailedGeneration = 0
	t.ts.LastExit = nil
}
