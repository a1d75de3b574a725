package reconcile

import (
	"fmt"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
)

// allocConditions derives the conditions of an allocation from its new
// status, and when time alone will change one of them.
func allocConditions(in AllocInput, status job.AllocStatus) ([]job.Condition, time.Time) {
	conds := status.Conditions
	set := func(typ string, s job.ConditionStatus, reason, msg string) {
		conds = job.SetCondition(conds, job.Condition{
			Type: typ, Status: s, Reason: reason, Message: msg, ObservedGeneration: in.Spec.Generation,
		}, in.Now)
	}
	set(job.CondPlaced, job.True, "Placed", "")
	ready, reason, msg := imageCondition(in, status)
	set(job.CondImageReady, ready, reason, msg)
	running, reason, msg := runningCondition(in, status)
	set(job.CondRunning, running, reason, msg)
	was, _ := job.FindCondition(conds, job.CondRunning)
	healthy, reason, msg, wake := healthyCondition(in, was)
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

func runningCondition(in AllocInput, status job.AllocStatus) (job.ConditionStatus, string, string) {
	if in.Spec.Desired == job.DesiredStop {
		if status.EndedAt.IsZero() {
			return job.False, "Stopping", in.Spec.Reason
		}
		return job.False, "Stopped", in.Spec.Reason
	}
	for _, name := range planNames(in, status) {
		ts := status.Tasks[name]
		if ts.Phase == job.PhaseRunning {
			continue
		}
		if ts.LastError != nil {
			return job.False, ts.LastError.Reason, fmt.Sprintf("task %s: %s", name, ts.LastError.Message)
		}
		if ts.Phase == job.PhaseBackoff && ts.LastExit != nil {
			return job.False, "CrashBackoff", fmt.Sprintf("task %s: %s", name, describeExit(*ts.LastExit))
		}
		return job.False, "TaskNotRunning", fmt.Sprintf("task %s is %s", name, ts.Phase)
	}
	return job.True, "Running", ""
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

// healthyCondition: all tasks have been running for min_healthy_time, and
// Docker's HEALTHCHECK, where an image has one, agrees.
func healthyCondition(in AllocInput, running job.Condition) (job.ConditionStatus, string, string, time.Time) {
	if running.Status != job.True {
		return job.False, "NotRunning", "", time.Time{}
	}
	var last time.Time
	for _, c := range in.Containers {
		if c.State != observed.Running {
			continue
		}
		if c.Partial {
			return job.Unknown, "NotInspected", "task " + c.Identity.Task, time.Time{}
		}
		switch c.Health {
		case "starting":
			return job.False, "HealthCheckStarting", "task " + c.Identity.Task, time.Time{}
		case "unhealthy":
			return job.False, "HealthCheckFailed", "task " + c.Identity.Task, time.Time{}
		}
		if c.StartedAt.After(last) {
			last = c.StartedAt
		}
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
