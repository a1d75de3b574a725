package control

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"reconciler/internal/job"
)

// renderChecks writes the checks of all allocations, if there are any.
func renderChecks(tw *table, allocs []AllocStatus, now time.Time) {
	first := true
	for _, a := range allocs {
		for _, name := range slices.Sorted(maps.Keys(a.Status.Checks)) {
			if first {
				tw.gap()
				tw.row("ALLOC", "CHECK", "STATUS", "SINCE", "OUTPUT")
				first = false
			}
			c := a.Status.Checks[name]
			tw.row(allocID(a.Spec.ID), name, string(c.Status), ago(now, c.Since), dash(c.Output))
		}
	}
}

// taskSince is when a task came to its phase, as far as that is recorded.
func taskSince(ts job.TaskStatus) time.Time {
	switch ts.Phase {
	case job.PhaseDraining:
		return ts.DrainingSince
	case job.PhaseStopping:
		return ts.StoppingSince
	case job.PhaseComplete, job.PhaseFailed, job.PhaseEnded:
		if ts.LastExit != nil {
			return ts.LastExit.At
		}
		return time.Time{}
	}
	return ts.RunningSince
}

// phaseWhy says what a phase that does not speak for itself waits for. One that
// has failed has an error that says it.
func phaseWhy(p job.Phase) string {
	switch p {
	case job.PhaseDraining:
		return "its services are withdrawn; the stop signal follows"
	case job.PhaseEnded:
		return "stopped, since the leader of its allocation has ended"
	}
	return ""
}

// exitWhy says how a container ended.
func exitWhy(e job.Exit, now time.Time) string {
	s := fmt.Sprintf("attempt %d exited with %d %s", e.Attempt, e.Code, ago(now, e.At))
	switch {
	case e.OOMKilled:
		s += " (out of memory)"
	case e.Stopped != "":
		s += " (stopped: " + e.Stopped + ")"
	}
	return s
}
