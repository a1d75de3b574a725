package reconcile

import (
	"time"

	"reconciler/internal/job"
)

// stepDone returns the task's status after a step that succeeded.
func stepDone(ts job.TaskStatus, s Step, now time.Time) job.TaskStatus {
	if s.Kind == StepRemove && s.Reason == ReasonSuperseded {
		return ts // says nothing about the task; it may be in a backoff of its own
	}
	ts.NextRetry = time.Time{}
	if s.Reason != ReasonStartFailed {
		ts.LastError = nil
	}
	switch s.Kind {
	case StepRun:
		if s.Reason == ReasonCrashed || s.Reason == ReasonUnhealthy {
			ts.Restarts++
		}
		ts.Attempt = s.Attempt
	case StepKill:
		switch s.Reason {
		case ReasonSuperseded:
			ts.NextRetry = now.Add(removingRetry).UTC() // the exit follows in a moment
		case ReasonKillTimeout:
			ts.KilledAt = now.UTC()
		default:
			ts.StoppingSince = now.UTC()
		}
	}
	// Failures are forgotten when the container is seen to run.
	return ts
}

// brought returns the task's status after its image, directory and networks
// were found or made. pinned wins over what the registry said meanwhile: all
// allocations of one spec_hash run one image.
func brought(ts job.TaskStatus, ref string, res job.ImageResult, pinned string) job.TaskStatus {
	ts.Image, ts.ImageID = ref, res.ID
	if pinned != "" {
		ts.ImageID = pinned
	}
	ts.Prepared = true
	ts.Failures, ts.NextRetry, ts.LastError = 0, time.Time{}, nil
	return ts
}

// Reasons of Runtime errors that change what is planned next.
const (
	// errNameRemoving: a container of that name is on its way out.
	errNameRemoving = "NameRemoving"
	// errImageGone: the image id that was recorded is not on the host.
	errImageGone = "ImageGone"
	// errPortTaken: another process holds a port of the allocation.
	errPortTaken = "PortTaken"
)

// stepFailed returns the task's status after a step that failed. It never
// shortens a wait that is on.
func stepFailed(ts job.TaskStatus, err error, seed string, now time.Time) job.TaskStatus {
	kind, reason := job.KindOf(err)
	wait := func(d time.Duration) { ts.NextRetry = later(ts.NextRetry, now.Add(d)).UTC() }
	if reason == errNameRemoving {
		wait(removingRetry)
		return ts
	}
	ts.LastError = &job.Failure{Kind: kind, Reason: reason, Message: err.Error(), At: now.UTC()}
	switch {
	case reason == errImageGone:
		// Found anew by the reference, soon.
		ts.Failures++
		ts.ImageID, ts.Prepared = "", false
		wait(indeterminateRetry)
	case kind == job.Indeterminate:
		wait(indeterminateRetry)
	case kind == job.WaitsForUser && !ts.Prepared:
		wait(userRetry) // a look at a file or a network costs nothing
	default:
		ts.Failures++
		wait(retryDelay(ts.Failures, seed))
	}
	return ts
}
