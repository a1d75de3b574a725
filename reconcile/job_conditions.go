package reconcile

import (
	"fmt"
	"maps"
	"slices"

	"reconciler/internal/job"
	"reconciler/store"
)

// Phases of a deployment.
const (
	PhaseRunning     = "running"
	PhaseComplete    = "complete" // every allocation of a batch job is
	PhaseProgressing = "progressing"
	PhaseDegraded    = "degraded"
	PhaseHeld        = "held"
	PhaseStopping    = "stopping"
	PhaseStopped     = "stopped"
)

// jobConditions derives the conditions of a job and its phase in one word.
func jobConditions(in JobInput, actions []Action, progress string, worse *Refusal, conds []job.Condition) ([]job.Condition, string) {
	set := func(typ string, yes bool, reason, no, msg string) {
		c := job.Condition{Type: typ, Status: job.False, Reason: no, ObservedGeneration: in.Record.Generation}
		if yes {
			c.Status, c.Reason, c.Message = job.True, reason, msg
		}
		conds = job.SetCondition(conds, c, in.Now)
	}
	conds = job.SetCondition(conds, specValid(in), in.Now)
	degraded, why := firstFailure(in)
	if worse != nil {
		degraded, why = worse.Reason, worse.Message
	}
	idle := "Complete"
	if worse != nil {
		idle = "Stopped" // there is more to do, and it is not done
	}
	goesOn := progress != ""
	if goesOn && onlyAPersonHelps(in, actions) {
		goesOn, idle = false, reasonWaitsForUser
	}
	set(job.CondProgressing, goesOn, "Converging", idle, progress)
	set(job.CondDegraded, degraded != "", degraded, "AsExpected", why)
	held, msg := heldReason(in)
	set(job.CondHeld, held != "", held, "NotHeld", msg)

	switch {
	case held != "":
		return conds, PhaseHeld
	case !in.Record.Deleted.IsZero() && progress != "":
		return conds, PhaseStopping
	case !in.Record.Deleted.IsZero():
		return conds, PhaseStopped
	case degraded != "":
		return conds, PhaseDegraded
	case progress != "":
		return conds, PhaseProgressing
	case allComplete(in):
		return conds, PhaseComplete
	}
	return conds, PhaseRunning
}

// allComplete reports whether a batch job has nothing left to do.
func allComplete(in JobInput) bool {
	some := false
	for _, a := range in.Allocs {
		if a.Ended() {
			continue
		}
		c, _ := job.FindCondition(a.Status.Conditions, job.CondHealthy)
		if c.Reason != ReasonComplete {
			return false
		}
		some = true
	}
	return some
}

func specValid(in JobInput) job.Condition {
	c := job.Condition{Type: job.CondSpecValid, Status: job.True, Reason: "Valid", ObservedGeneration: in.Record.Generation}
	switch {
	case in.SpecProblem != "":
		c.Status, c.Reason, c.Message = job.False, "Invalid", in.SpecProblem
	case !in.Known || in.Record.Spec == nil:
		c.Status, c.Reason, c.Message = job.Unknown, "NoFile", "no file names this job"
	}
	return c
}

func heldReason(in JobInput) (reason, msg string) {
	switch {
	case !in.Deployment.HoldSince.IsZero():
		return store.HeldByOperator, "an operator holds it; to end that, run: reconciler release " + in.Name
	case !in.Known:
		return store.HeldOrphan, "containers of this job run and no file names it"
	case in.Record.Held != "":
		return in.Record.Held, heldMessages[in.Record.Held]
	case in.Record.Deleted.IsZero() && in.Highest > in.Record.Generation:
		return store.HeldOutdated, fmt.Sprintf("containers of generation %d run and the stored spec is of generation %d; save the job's file again", in.Highest, in.Record.Generation)
	}
	return "", ""
}

var heldMessages = map[string]string{
	store.HeldMassDeletion: "its file is gone together with many others; put it back, or run: reconciler confirm-deletions",
	store.HeldOrphan:       "containers of this job run and no file has named it since the state was made; add its file, or run: reconciler confirm-deletions",
	store.HeldOutdated:     "what runs is newer than the stored spec; save the job's file again",
}

// firstFailure finds, in the order of index and task, an allocation that is
// wanted and has an error or crashes again and again.
func firstFailure(in JobInput) (reason, msg string) {
	for _, slot := range slices.Sorted(maps.Keys(in.Refused)) {
		r := in.Refused[slot]
		return r.Reason, slot + ": " + r.Message
	}
	p := jobPlanner{}
	for _, a := range p.sorted(in.Allocs) {
		if a.Spec.Desired == job.DesiredStop || a.Ended() {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(a.Status.Tasks)) {
			ts := a.Status.Tasks[name]
			where := fmt.Sprintf("%s[%d] task %s: ", a.Spec.Group, a.Spec.Index, name)
			switch {
			case ts.LastError != nil:
				return ts.LastError.Reason, where + ts.LastError.Message
			case ts.Phase == job.PhaseBackoff && ts.LastExit != nil:
				return "CrashBackoff", where + describeExit(*ts.LastExit)
			}
		}
		c, _ := job.FindCondition(a.Status.Conditions, job.CondHealthy)
		if c.Reason == ReasonCheckFailed || c.Reason == ReasonDockerCheckFailed {
			return c.Reason, fmt.Sprintf("%s[%d]: %s", a.Spec.Group, a.Spec.Index, c.Message)
		}
	}
	return "", ""
}
