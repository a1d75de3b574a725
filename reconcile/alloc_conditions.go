package reconcile

import (
	"fmt"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
)

// allocConditions derives the conditions of an allocation from its new
// status, and when time alone will change one of them.
func allocConditions(in AllocInput, status job.AllocStatus, waitsFor string) ([]job.Condition, time.Time) {
	conds := status.Conditions
	set := func(typ string, s job.ConditionStatus, reason, msg string) {
		conds = job.SetCondition(conds, job.Condition{
			Type: typ, Status: s, Reason: reason, Message: msg, ObservedGeneration: in.Spec.Generation,
		}, in.Now)
	}
	set(job.CondPlaced, job.True, "Placed", "")
	ready, reason, msg := imageCondition(in, status)
	set(job.CondImageReady, ready, reason, msg)
	running, reason, msg := runningCondition(in, status, waitsFor)
	set(job.CondRunning, running, reason, msg)
	was, _ := job.FindCondition(conds, job.CondRunning)
	healthy, reason, msg, wake := healthyCondition(in, status, was)
	set(job.CondHealthy, healthy, reason, msg)
	return conds, wake
}

func imageCondition(in AllocInput, status job.AllocStatus) (job.ConditionStatus, string, string) {
	for _, name := range planNames(in, status) {
		ts := status.Tasks[name]
		if ts.Prepared {
			continue
		}
		if in.Spec.Desired == job.DesiredStop {
			return job.False, "NotWanted", ""
		}
		if ts.LastError != nil {
			return job.False, ts.LastError.Reason, ts.LastError.Message
		}
		return job.False, "Bringing", fmt.Sprintf("task %s waits for %s", name, in.Spec.Images[name])
	}
	return job.True, "Ready", ""
}

func runningCondition(in AllocInput, status job.AllocStatus, waitsFor string) (job.ConditionStatus, string, string) {
	if in.Spec.Desired == job.DesiredStop {
		if status.EndedAt.IsZero() {
			return job.False, "Stopping", in.Spec.Reason
		}
		return job.False, "Stopped", in.Spec.Reason
	}
	if completed(in, status) {
		return job.False, ReasonComplete, ""
	}
	for _, name := range planNames(in, status) {
		ts := status.Tasks[name]
		switch {
		case ts.Phase == job.PhaseRunning || ts.Phase == job.PhaseComplete:
		case ts.LastError != nil:
			return job.False, ts.LastError.Reason, fmt.Sprintf("task %s: %s", name, ts.LastError.Message)
		case ts.Phase == job.PhaseBackoff && ts.LastExit != nil:
			return job.False, "CrashBackoff", fmt.Sprintf("task %s: %s", name, describeExit(*ts.LastExit))
		case ts.Phase == job.PhasePending && waitsFor != "":
			return job.False, "WaitsForTask", waitsFor
		default:
			return job.False, "TaskNotRunning", fmt.Sprintf("task %s is %s", name, ts.Phase)
		}
	}
	return job.True, "Running", ""
}

// ReasonComplete is the reason of the conditions of an allocation of a batch
// job that has done its work.
const ReasonComplete = "Complete"

// completed reports whether an allocation has done what it is for: every task
// has exited with 0, or was stopped after its leader had.
func completed(in AllocInput, status job.AllocStatus) bool {
	if in.Job != nil && in.Job.Type != job.TypeBatch {
		return false
	}
	done := false
	for _, name := range planNames(in, status) {
		phase := status.Tasks[name].Phase
		if phase != job.PhaseComplete && phase != job.PhaseEnded {
			return false
		}
		done = done || phase == job.PhaseComplete
	}
	return done
}

// startedAt is when the last task of the allocation was first seen to run.
func startedAt(in AllocInput, status job.AllocStatus) time.Time {
	if !status.StartedAt.IsZero() || in.Group == nil || in.Spec.Desired != job.DesiredRun {
		return status.StartedAt
	}
	var last time.Time
	for _, t := range in.Group.Tasks {
		c := in.current(t.Name)
		if c == nil || c.Partial || c.StartedAt.IsZero() {
			return time.Time{}
		}
		last = later(last, c.StartedAt)
	}
	return last.UTC()
}

// describeExit says how a container ended, for people.
func describeExit(e job.Exit) string {
	s := fmt.Sprintf("exited with code %d", e.Code)
	if e.OOMKilled {
		s += ", killed for want of memory"
	}
	if e.Error != "" {
		s += ": " + e.Error
	}
	return s
}

// healthyCondition: all tasks have been running for min_healthy_time, and for
// as long Docker's HEALTHCHECK, where an image has one, and the checks of the
// services have passed. A batch job that is complete is healthy.
func healthyCondition(in AllocInput, status job.AllocStatus, running job.Condition) (job.ConditionStatus, string, string, time.Time) {
	if completed(in, status) && in.Spec.Desired != job.DesiredStop {
		return job.True, ReasonComplete, "", time.Time{}
	}
	if running.Status != job.True {
		return job.False, "NotRunning", "", time.Time{}
	}
	looks := in.Group == nil || in.Group.Update.HealthCheck != job.HealthByTasks
	var last time.Time
	for _, c := range in.Containers {
		switch {
		case c.State != observed.Running:
		case c.Partial:
			return job.Unknown, "NotInspected", "task " + c.Identity.Task, time.Time{}
		case looks && c.Health == dockerStarting:
			return job.False, "HealthCheckStarting", "task " + c.Identity.Task, time.Time{}
		case looks && c.Health == dockerUnhealthy:
			return job.False, ReasonDockerCheckFailed, "task " + c.Identity.Task, time.Time{}
		default:
			last = later(last, c.StartedAt)
			if looks {
				last = later(last, status.Tasks[c.Identity.Task].HealthSince)
			}
		}
	}
	if looks {
		since, reason, msg := checksPass(in)
		if reason != "" {
			return job.False, reason, msg, time.Time{}
		}
		last = later(last, since)
	}
	if last.After(in.Now) {
		// The clock was set back since, or dockerd's is ahead of it: what our own
		// says counts, if that is not of the future as well.
		if last = running.LastTransition; last.After(in.Now) {
			last = time.Time{}
		}
	}
	if in.Group != nil {
		if at := last.Add(in.Group.Update.MinHealthyTime.Std()); in.Now.Before(at) {
			return job.False, "MinHealthyTime", "", at
		}
	}
	return job.True, "Healthy", "", time.Time{}
}

// Reasons of a Healthy condition that checks are the cause of.
const (
	ReasonCheckPending = "CheckPending"
	ReasonCheckFailed  = "CheckFailed"
	// ReasonDockerCheckFailed is about the HEALTHCHECK of an image.
	ReasonDockerCheckFailed = "HealthCheckFailed"
)

// checksPass returns since when all checks have passed, or the reason and a
// sentence for the first that does not.
func checksPass(in AllocInput) (since time.Time, reason, msg string) {
	for _, tc := range checksOf(&in) {
		st := tc.state(&in)
		switch st.Status {
		case job.CheckPassing:
			since = later(since, st.Since)
		case job.CheckPending:
			return since, ReasonCheckPending, tc.String()
		default:
			return since, ReasonCheckFailed, fmt.Sprintf("%s is %s: %s", tc, st.Status, st.Output)
		}
	}
	return since, "", ""
}

// planNames lists the tasks that the allocation's state depends on.
func planNames(in AllocInput, status job.AllocStatus) []string {
	p := allocPlanner{in: in}
	if in.Group == nil {
		p.tasks = status.Tasks
	} else {
		p.in.Containers = nil
	}
	return p.taskNames()
}
