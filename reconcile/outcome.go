package reconcile

import (
	"time"

	"reconciler/internal/job"
)

// stepDone returns the task's status after a step that succeeded.
func stepDone(ts job.TaskStatus, s Step, now time.Time) job.TaskStatus {
	ts.NextRetry, ts.LastError = time.Time{}, nil
	switch s.Kind {
	case StepRun:
		if s.Reason == ReasonCrashed {
			ts.Restarts++
		}
		ts.Attempt = s.Attempt
	case StepKill:
		switch s.Reason {
		case ReasonStopping:
			ts.StoppingSince = now.UTC()
		case ReasonKillTimeout:
			ts.KilledAt = now.UTC()
		default:
			ts.NextRetry = now.Add(removingRetry).UTC() // the exit follows in a moment
		}
	}
	// Failures are forgotten when the container is seen to run.
	return ts
}

// brought returns the task's status after its image, directory and networks
// were found or made. pinned wins over what the registry said meanwhile: all
// allocations of one spec_hash run one image.
func brought(ts job.TaskStatus, res job.ImageResult, pinned string) job.TaskStatus {
	ts.ImageID = res.ID
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

// stepFailed returns the task's status after a step that failed.
func stepFailed(ts job.TaskStatus, err error, seed string, now time.Time) job.TaskStatus {
	kind, reason := job.KindOf(err)
	if reason == errNameRemoving {
		ts.NextRetry = now.Add(removingRetry).UTC()
		return ts
	}
	ts.LastError = &job.Failure{Kind: kind, Reason: reason, Message: err.Error(), At: now.UTC()}
	switch kind {
	case job.Indeterminate:
		ts.NextRetry = now.Add(indeterminateRetry).UTC()
		return ts
	case job.WaitsForUser:
		ts.NextRetry = now.Add(userRetry).UTC()
	default:
		ts.Failures++
		ts.NextRetry = now.Add(retryDelay(ts.Failures, seed)).UTC()
	}
	if reason == errImageGone {
		// Found anew by the reference, soon.
		ts.ImageID, ts.Prepared, ts.NextRetry = "", false, now.Add(indeterminateRetry).UTC()
	}
	return ts
}
