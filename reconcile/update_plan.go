package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"reconciler/internal/job"
	"reconciler/store"
)

// replace brings allocations of another SpecHash to the wanted one, at most
// max_parallel at a time. The old one is stopped only when its successor is
// prepared, and where both may run beside each other only when that is healthy;
// one that does not work has nothing to lose and takes no turn.
func (g *groupPlanner) replace(count int) {
	turns := g.group.Update.MaxParallel
	for i := range count {
		s := g.slots[i]
		if len(s.fresh) == 1 && !healthy(s.fresh[0]) || len(s.old) == 0 && len(s.fresh) == 0 {
			turns--
		}
	}
	for i := range count {
		s := g.slots[i]
		if len(s.old) == 0 {
			continue
		}
		old := s.old[0]
		switch {
		case len(s.fresh) == 1 && g.givesUp(old, s.fresh[0]):
		case len(s.fresh) == 1:
			g.handOver(old, s.fresh[0])
		case len(s.stopping) > 0:
			g.note("%s[%d] waits for allocation %s to end", g.name, i, s.stopping[0].Spec.ID)
		case g.stopped():
			continue // it stays as it is
		case g.missing(), g.losesPorts(i), g.refused(i):
		case turns > 0 || !works(old):
			if works(old) {
				turns--
			}
			g.act(ActionPrepare, i, "", g.whyReplaced(old), g.hardFields(old)...)
		}
		g.note("%s[%d] is being replaced", g.name, i)
	}
}

// stopped reports whether the update has failed: nothing more is replaced.
func (g *groupPlanner) stopped() bool { return g.dep.Failed != nil && !g.dep.Reverted }

// givesUp ends a successor of an update that has failed while its predecessor
// runs, and reports whether it did.
func (g *groupPlanner) givesUp(old, fresh job.Alloc) bool {
	if !g.stopped() || healthy(fresh) {
		return false
	}
	switch {
	case fresh.Spec.Desired == job.DesiredPrepare:
		g.stop(fresh, ReasonGivenUp)
	case g.besides(old, fresh) && works(old):
		g.stop(fresh, ReasonNotHealthy)
	default:
		return false
	}
	return true
}

// whyReplaced tells an edit from an operator's request.
func (g *groupPlanner) whyReplaced(old job.Alloc) string {
	if old.Spec.SpecHash == g.hash {
		return ReasonRestart
	}
	return ReasonReplace
}

// besides reports whether an allocation and its successor may run at once.
func (g *groupPlanner) besides(old, fresh job.Alloc) bool {
	a, b := g.in.Specs[old.Spec.ID], g.in.Specs[fresh.Spec.ID]
	if a == nil || b == nil || g.spec.Type == job.TypeBatch || a.Group(g.name) == nil || b.Group(g.name) == nil {
		return false
	}
	_, ok := job.MayRunBeside(a.Group(g.name), b.Group(g.name))
	return ok
}

// works reports whether an allocation does what it is for, or is about to do so
// again: it has been healthy, and what ended its containers is no more than one
// crash, or dockerd, which took them with it. Who stopped it for that in the
// middle of an update would be left with a successor that nothing has proved.
func works(a job.Alloc) bool {
	if isTrue(a, job.CondRunning) {
		return true
	}
	if a.Status.HealthyAt.IsZero() || len(a.Status.Tasks) == 0 {
		return false
	}
	for _, ts := range a.Status.Tasks {
		if ts.LastError != nil || ts.Crashes > 1 || !slices.Contains(returning, ts.Phase) {
			return false
		}
	}
	return true
}

// returning are the phases of a task that runs, or will by itself.
var returning = []job.Phase{
	job.PhaseRunning, job.PhasePaused, job.PhaseStarting, job.PhasePulling, job.PhasePending, job.PhaseBackoff, job.PhaseStopping,
}

// handOver stops the predecessor once all that its successor needs is there,
// or, where both may run at once, once the successor has taken over.
func (g *groupPlanner) handOver(old, fresh job.Alloc) {
	i := old.Spec.Index
	beside := works(old) && g.besides(old, fresh)
	switch {
	case fresh.Spec.Desired == job.DesiredRun && beside && !healthy(fresh):
		g.note("%s[%d]: its successor is not healthy yet", g.name, i)
	case fresh.Spec.Desired == job.DesiredRun && beside:
		g.stop(old, ReasonSucceeded, g.hardFields(old)...)
	case fresh.Spec.Desired == job.DesiredRun:
		g.stop(old, ReasonReplaced, g.hardFields(old)...)
	case !prepared(fresh, g.group):
		g.note("%s[%d]: its successor is not prepared", g.name, i)
	case len(g.in.WaitFor) > 0:
		g.waitForOthers()
	case g.in.PortBusy[fresh.Spec.ID] != "":
		g.note("%s[%d] keeps running: its successor needs a port: %s", g.name, i, g.in.PortBusy[fresh.Spec.ID])
		g.wakeAt = earliest(g.wakeAt, g.in.Now.Add(portRetry))
	case beside && g.refused(i):
	case beside:
		g.act(ActionPromote, i, fresh.Spec.ID, ReasonBeside)
	default:
		g.stop(old, ReasonReplaced, g.hardFields(old)...)
	}
}

// Reasons for which an update is given up.
const (
	ReasonHealthyDeadline  = "HealthyDeadlineExceeded"
	ReasonProgressDeadline = "ProgressDeadlineExceeded"
)

// judge notes whether the update has failed, or goes on after all, and reports
// whether it was just taken back.
func (g *groupPlanner) judge() bool {
	d := &g.dep
	if d.Failed != nil && !d.Reverted && g.recovered(d.Failed.Alloc) {
		d.Failed = nil
	}
	if d.Failed == nil && g.updating() {
		f := g.failure()
		if d.Stable == nil && f != nil {
			// Nothing has worked yet that a stop of the update could save. An error
			// says more than how long it has been so.
			switch reason, _ := firstFailure(g.in); reason {
			case "", ReasonCheckFailed, ReasonDockerCheckFailed:
				g.degrade(f.Reason, "%s", f.Message)
			}
			return false
		}
		d.Failed = f
	}
	if d.Failed == nil {
		return false
	}
	back := !d.Reverted && g.group.Update.AutoRevert && d.Stable.SpecHash != g.hash && g.in.Stable[g.name] != nil
	d.Reverted = d.Reverted || back
	outcome := fmt.Sprintf("the update to generation %d has stopped", d.Failed.Generation)
	if d.Reverted {
		outcome = fmt.Sprintf("generation %d was put back", d.Stable.Generation)
	}
	advice := ". Edit the job, or run: reconciler retry " + g.in.Name
	cause := strings.TrimSuffix(d.Failed.Message, advice) // an error may end in the same words
	g.degrade(d.Failed.Reason, "%s; %s%s", cause, outcome, advice)
	return back
}

// updating reports whether the group is on its way to a SpecHash that has not
// worked yet. Work that ends by itself has no deadline.
func (g *groupPlanner) updating() bool {
	return g.spec.Type != job.TypeBatch && (g.dep.Stable == nil || g.dep.Stable.SpecHash != g.hash)
}

func (g *groupPlanner) recovered(allocID string) bool {
	for _, s := range g.slots {
		for _, a := range s.fresh {
			if a.Spec.ID == allocID && healthy(a) {
				return true
			}
		}
	}
	return false
}

// failure finds an allocation of the update that will not become healthy by
// itself, or has taken too long. Neither the time in which it was prepared
// counts nor that in which dockerd was away, nor what was before a retry.
func (g *groupPlanner) failure() *store.UpdateFailure {
	count := g.group.WantedCount(g.spec.Type)
	last := later(g.in.GapTo, g.retryAt())
	for _, s := range g.slots {
		for _, a := range s.fresh {
			last = later(last, a.Status.HealthyAt)
		}
	}
	for _, i := range slices.Sorted(maps.Keys(g.slots)) {
		for _, a := range g.slots[i].fresh {
			if i >= count || a.Spec.Desired != job.DesiredRun || healthy(a) {
				continue
			}
			if reason, msg := g.hopeless(a, last); reason != "" {
				return &store.UpdateFailure{
					Reason: reason, Message: slotKey(g.name, i) + ": " + msg,
					At: g.in.Now.UTC(), Generation: g.generation, Alloc: a.Spec.ID,
				}
			}
		}
	}
	return nil
}

// hopeless says why an allocation is not waited for any longer; progress is
// when the update last got on.
func (g *groupPlanner) hopeless(a job.Alloc, progress time.Time) (reason, msg string) {
	for _, name := range slices.Sorted(maps.Keys(a.Status.Tasks)) {
		if e := a.Status.Tasks[name].LastError; e != nil && e.Kind == job.WaitsForUser && !e.At.Before(g.retryAt()) {
			return e.Reason, "task " + name + ": " + e.Message
		}
	}
	why, _ := job.FindCondition(a.Status.Conditions, job.CondHealthy)
	if running, _ := job.FindCondition(a.Status.Conditions, job.CondRunning); running.Status != job.True && running.Message != "" {
		why = running
	}
	if !a.Status.StartedAt.IsZero() && a.Status.HealthyAt.IsZero() {
		within, from := g.group.Update.HealthyWithin(), later(g.in.GapTo, g.retryAt())
		if g.past(later(a.Status.StartedAt, from).Add(within)) {
			return ReasonHealthyDeadline, notHealthy(why, "not healthy "+within.String()+" after its start")
		}
	}
	within, bounded := g.group.Update.ProgressWithin()
	begun := a.Spec.RunAt
	if begun.IsZero() {
		begun = a.Spec.CreatedAt
	}
	if bounded && g.past(later(begun, progress).Add(within)) {
		return ReasonProgressDeadline, notHealthy(why, "no allocation became healthy for "+within.String())
	}
	return "", ""
}

// past reports whether a deadline is over, and looks again when it will be.
func (g *groupPlanner) past(deadline time.Time) bool {
	if g.in.Now.Before(deadline) {
		g.wakeAt = earliest(g.wakeAt, deadline)
		return false
	}
	return true
}

func notHealthy(why job.Condition, late string) string {
	s := late + " (" + why.Reason
	if why.Message != "" {
		s += ": " + why.Message
	}
	return s + ")"
}

// prove remembers a generation of which all allocations are healthy at once.
func (g *groupPlanner) prove(count int) {
	if g.dep.Reverted || g.spec.Type == job.TypeBatch || count == 0 {
		return
	}
	for _, s := range g.slots {
		if len(s.fresh) != 1 || !healthy(s.fresh[0]) || len(s.old)+len(s.stopping) > 0 {
			return
		}
	}
	g.dep.Failed = nil
	g.dep.Stable = &store.StableGroup{
		Generation: g.generation, SpecHash: g.hash, Images: maps.Clone(g.dep.Images), Refs: maps.Clone(g.dep.Refs),
	}
}
