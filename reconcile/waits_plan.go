package reconcile

import "reconciler/internal/job"

// reasonWaitsForUser: nothing goes on until a person has done something; the
// condition Degraded says what.
const reasonWaitsForUser = "WaitsForUser"

// onlyAPersonHelps reports whether a job is not as wanted, and will not be by
// itself: nothing of it is placed, moved or stopping, nothing else is waited
// for, and each of its allocations is healthy or has an error that waits for a
// person. In doubt the answer is no.
func onlyAPersonHelps(in JobInput, actions []Action) bool {
	if in.Record.Spec == nil || !in.Record.MissingSince.IsZero() ||
		len(actions)+len(in.Refused)+len(in.WaitFor)+len(in.PortBusy) > 0 {
		return false
	}
	places, waits := map[string]bool{}, false
	for _, a := range in.Allocs {
		switch {
		case a.Ended():
			continue
		case a.Spec.Desired == job.DesiredStop:
			return false
		case waitsForUser(in, a):
			waits = true
		case !healthy(a):
			return false
		}
		places[slotKey(a.Spec.Group, a.Spec.Index)] = true
	}
	return waits && len(places) >= wantedCount(in.Record.Spec)
}

func wantedCount(spec *job.Job) int {
	n := 0
	for i := range spec.Groups {
		n += spec.Groups[i].WantedCount(spec.Type)
	}
	return n
}

// waitsForUser reports whether an allocation has such an error, from after the
// last time that a retry was asked for.
func waitsForUser(in JobInput, a job.Alloc) bool {
	since := passed(in.Deployment.RetryAt, in.Now)
	for _, ts := range a.Status.Tasks {
		if e := ts.LastError; e != nil && e.Kind == job.WaitsForUser && !e.At.Before(since) {
			return true
		}
	}
	return false
}
