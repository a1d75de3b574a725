package reconcile

import (
	"fmt"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
)

// Reasons for which a running container gives way to a new one.
const (
	ReasonUnhealthy   = "Unhealthy"      // Docker's HEALTHCHECK, or a check with check_restart
	ReasonJoinedIsNew = "JoinedReplaced" // the container whose namespace it shares is another one now
	ReasonLeaderEnded = "LeaderEnded"    // the leader of its allocation has ended
	ReasonStoppedByUs = "StoppedByUs"    // the last one was stopped by us, for a reason that is gone
)

// Words of Docker for the state of a HEALTHCHECK.
const (
	dockerStarting  = "starting"
	dockerUnhealthy = "unhealthy"
)

// recycle finds out whether a container that runs must give way, and plans
// its end: one stop signal, kill_timeout, SIGKILL. What follows its exit is
// planned when that is seen. What was decided stays so: a check that is about
// several tasks tells nothing any more once the first of them has been stopped.
func (t *taskPlanner) recycle() bool {
	if t.ts.StopReason == "" {
		t.stopFor(t.whyRecycle())
		t.ts.StoppingSince, t.ts.KilledAt = time.Time{}, time.Time{}
	}
	if t.ts.StopReason == "" {
		return false
	}
	t.ts.Phase = job.PhaseStopping
	t.planSignal(t.cur, t.ts.StopReason)
	return true
}

// recycled takes the end of a container's life into the record: nothing that
// was begun for it holds for the next one. It returns why we stopped it.
func (t *taskPlanner) recycled() string {
	why := t.ts.StopReason
	t.stopFor("")
	t.ts.StoppingSince, t.ts.KilledAt = time.Time{}, time.Time{}
	return why
}

// stopFor notes why a container whose task is wanted is stopped; "" if it is
// not.
func (t *taskPlanner) stopFor(reason string) {
	switch {
	case reason == "":
		t.ts.StopSince = time.Time{}
	case t.ts.StopReason == "":
		t.ts.StopSince = t.in.Now.UTC()
	}
	t.ts.StopReason = reason
}

// signalled reports whether the end of a container at that time may be the
// work of a stop that was decided: not if it had ended before, nor while its
// signal has not been tried.
func (t *taskPlanner) signalled(at time.Time) bool {
	switch ts := &t.ts; {
	case ts.StopReason == "" || at.Before(ts.StopSince):
		return false
	case ts.StoppingSince.IsZero() && ts.Failures == 0:
		return !ts.StopSince.After(t.in.SeenSince) // by an agent that died before it noted so
	}
	return true
}

func (t *taskPlanner) whyRecycle() string {
	switch {
	case t.task == nil || t.cur.Partial:
		return ""
	case t.joinedIsNew():
		return ReasonJoinedIsNew
	case t.cur.Health == dockerUnhealthy || t.checkRestart():
		return ReasonUnhealthy
	}
	return ""
}

// joins names the tasks of the group whose namespaces the task shares.
func (t *taskPlanner) joins() []string {
	if t.task == nil {
		return nil
	}
	var out []string
	for _, mode := range []string{t.task.Config.NetworkMode, t.task.Config.IPCMode, t.task.Config.PIDMode} {
		if name, ok := job.JoinedContainer(mode); ok && name != t.name && t.in.Group.Task(name) != nil {
			out = append(out, name)
		}
	}
	return out
}

// current returns the container of the highest attempt of a task, or nil.
func (in *AllocInput) current(task string) *observed.Container {
	var cur *observed.Container
	for i := range in.Containers {
		c := &in.Containers[i]
		if c.Identity.Task == task && (cur == nil || c.Identity.Attempt >= cur.Identity.Attempt) {
			cur = c
		}
	}
	return cur
}

// joinedIsNew reports whether a container that this one shares a namespace
// with has started after it: the namespace that this one is in is gone. A start
// that lies ahead comes from a clock that was set back, and says nothing.
func (t *taskPlanner) joinedIsNew() bool {
	for _, name := range t.joins() {
		c := t.in.current(name)
		if c != nil && c.State == observed.Running && !c.Partial &&
			c.StartedAt.After(t.cur.StartedAt) && !c.StartedAt.After(t.in.Now) {
			return true
		}
	}
	return false
}

// waitsForJoined reports whether the task must wait for a container whose
// namespace it is to share, and says so in its status.
func (t *taskPlanner) waitsForJoined() bool {
	for _, name := range t.joins() {
		if c := t.in.current(name); c == nil || c.State != observed.Running {
			t.ts.Phase = job.PhasePending
			t.waitsFor = fmt.Sprintf("task %s waits for task %s to run, whose namespace it shares", t.name, name)
			return true
		}
	}
	return false
}

// checkRestart reports whether a check of the task has failed for so long that
// its check_restart block asks for a new container, and wakes when it will
// (Nomad: check_watcher). Only the record of the check counts, which outlives
// the agent.
func (t *taskPlanner) checkRestart() bool {
	due := false
	for _, tc := range checksOf(t.in) {
		r, st := tc.check.CheckRestart, tc.state(t.in)
		bad := st.Status == job.CheckCritical || st.Status == job.CheckWarning && r != nil && !r.IgnoreWarnings
		if r == nil || r.Limit == 0 || !bad || !tc.restarts(t.name) {
			continue
		}
		from := later(st.Since, t.cur.StartedAt.Add(r.Grace.Std()))
		wait := max(0, r.Grace.Std()) + time.Duration(r.Limit-1)*tc.check.Interval.Std()
		at := from.Add(time.Duration(r.Limit-1) * tc.check.Interval.Std())
		// A longer wait than any that the block asks for comes from a clock that
		// was set back since; it is over.
		if t.in.Now.Before(at) && at.Sub(t.in.Now) <= wait {
			t.wake(at)
			continue
		}
		due = true
	}
	return due
}

// planEnded stops a task whose leader has ended, and keeps its container.
func (t *taskPlanner) planEnded() {
	switch {
	case t.cur != nil && t.cur.State == observed.Removing:
		t.wake(t.in.Now.Add(removingRetry))
	case t.cur != nil && t.cur.Live():
		t.stopFor(ReasonLeaderEnded)
		t.ts.Phase = job.PhaseStopping
		t.planSignal(t.cur, ReasonLeaderEnded)
		return
	case t.cur != nil && !t.cur.Partial && t.cur.State != observed.Created:
		t.noteExit()
	}
	t.ts.RunningSince = time.Time{}
	ended := t.ts.Phase == job.PhaseEnded || t.ts.Phase == job.PhaseComplete
	if !t.complete() {
		t.ts.Phase = job.PhaseEnded
	}
	s, left := t.deadOlder()
	if !ended || !left {
		// What was waited out or failed before belongs to a life that is over; a
		// wait that is left from now on is that of a removal which failed.
		t.ts.Failures, t.ts.NextRetry, t.ts.LastError = 0, time.Time{}, nil
	}
	if left {
		t.do(s)
	}
}
