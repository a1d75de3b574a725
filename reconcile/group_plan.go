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

// groupPlanner plans the allocations of one group of a known spec.
type groupPlanner struct {
	*jobPlanner
	name string
	dep  store.GroupDeployment // as it will be recorded

	// What the group is brought to: the wanted generation, or the last one that
	// worked where auto_revert has put it back.
	spec       *job.Job
	group      *job.Group
	hash       string
	generation uint64

	slots map[int]*slot
}

// slot is what stands at one index of a group.
type slot struct {
	fresh    []job.Alloc // of the wanted SpecHash, not asked to stop
	old      []job.Alloc // of another SpecHash, or from before a restart request; not asked to stop
	stopping []job.Alloc // asked to stop, not ended
}

func (g *groupPlanner) plan() {
	g.aim()
	g.collect()
	if g.judge() {
		g.aim()
		g.collect()
	}
	g.pin()
	count := g.distinct(g.group.WantedCount(g.spec.Type))
	for _, i := range slices.Backward(slices.Sorted(maps.Keys(g.slots))) {
		if i >= count {
			g.empty(g.slots[i])
		}
	}
	unmet := count > 0 && g.unmet(count)
	for i := range count {
		if g.slots[i] == nil {
			g.slots[i] = &slot{}
		}
		g.settle(g.slots[i])
	}
	if !unmet {
		for i := range count {
			g.fill(i, g.slots[i])
		}
		g.replace(count)
	}
	g.prove(count)
	g.groups[g.name] = g.dep
}

// aim decides which generation the group is brought to.
func (g *groupPlanner) aim() {
	rec, had := g.in.Record, g.in.Deployment.Groups[g.name]
	if g.group == nil {
		g.dep = had
		g.dep.SpecHash = job.SpecHash(rec.Spec, rec.Spec.Group(g.name))
		if f := had.Failed; f != nil && (f.Generation != rec.Generation || f.At.Before(g.retryAt())) {
			g.dep.Failed, g.dep.Reverted = nil, false
		}
		if had.SpecHash != g.dep.SpecHash {
			g.dep.Images, g.dep.Refs = nil, nil
		}
	}
	g.spec, g.hash, g.generation = rec.Spec, g.dep.SpecHash, rec.Generation
	stable := g.in.Stable[g.name]
	if stable == nil || stable.Group(g.name) == nil || g.dep.Failed == nil || g.dep.Stable == nil {
		g.dep.Reverted = false // nobody knows what was put back
	}
	if g.dep.Reverted {
		g.spec, g.hash, g.generation = stable, g.dep.Stable.SpecHash, g.dep.Stable.Generation
	}
	g.group = g.spec.Group(g.name)
}

// collect sorts the group's allocations into slots.
func (g *groupPlanner) collect() {
	g.slots = map[int]*slot{}
	for _, a := range g.sorted(g.in.Allocs) {
		if a.Spec.Group != g.group.Name || a.Ended() {
			continue
		}
		s := g.slots[a.Spec.Index]
		if s == nil {
			s = &slot{}
			g.slots[a.Spec.Index] = s
		}
		switch {
		case a.Spec.Desired == job.DesiredStop:
			s.stopping = append(s.stopping, a)
		case a.Spec.SpecHash == g.hash && a.Spec.MadeSince(g.in.Deployment.RestartAt):
			s.fresh = append(s.fresh, a)
		default:
			s.old = append(s.old, a)
		}
	}
}

// pin keeps the image ids that the first allocation of this hash found. An id
// that no allocation uses any more gives way to one that is in use.
func (g *groupPlanner) pin() {
	if g.hash != g.dep.SpecHash {
		return // what was put back has its ids in Stable
	}
	had, refs := g.dep.Images, g.dep.Refs
	g.dep.Images, g.dep.Refs = map[string]string{}, map[string]string{}
	for _, t := range g.group.Tasks {
		id, ref := had[t.Name], refs[t.Name]
		if users := g.users(t.Name); len(users) > 0 {
			i := max(0, slices.IndexFunc(users, func(a job.Alloc) bool { return a.Status.Tasks[t.Name].ImageID == id }))
			id, ref = users[i].Status.Tasks[t.Name].ImageID, users[i].Spec.Images[t.Name]
		}
		if id != "" {
			g.dep.Images[t.Name] = id
		}
		if id != "" && ref != "" {
			g.dep.Refs[t.Name] = ref
		}
	}
}

// users are the allocations of the wanted hash that know the image id of a
// task, by index.
func (g *groupPlanner) users(task string) []job.Alloc {
	var out []job.Alloc
	for _, i := range slices.Sorted(maps.Keys(g.slots)) {
		for _, a := range g.slots[i].fresh {
			if a.Status.Tasks[task].ImageID != "" {
				out = append(out, a)
			}
		}
	}
	return out
}

// empty stops all that stands at an index which is wanted no more.
func (g *groupPlanner) empty(s *slot) {
	for _, a := range slices.Concat(s.fresh, s.old) {
		g.stop(a, ReasonScaledDown)
	}
	if len(s.fresh)+len(s.old)+len(s.stopping) > 0 {
		g.note("allocations are stopping: the count is lower")
	}
}

// settle leaves at most one fresh and one old allocation at an index, and
// stops what an edit or a lost port has overtaken.
func (g *groupPlanner) settle(s *slot) {
	s.fresh = g.keepBest(s, s.fresh)
	s.old = slices.DeleteFunc(s.old, func(a job.Alloc) bool {
		if a.Spec.Desired != job.DesiredPrepare {
			return false
		}
		g.stop(a, ReasonNewer)
		s.stopping = append(s.stopping, a)
		return true
	})
	s.old = g.keepBest(s, s.old)
	if len(s.fresh) == 1 && lostPort(s.fresh[0]) {
		g.stop(s.fresh[0], ReasonPortLost)
		s.stopping = append(s.stopping, s.fresh[0])
		s.fresh = nil
	}
	if len(s.fresh) == 1 && s.fresh[0].Spec.Generation != g.generation {
		a := s.fresh[0]
		g.act(ActionAdvance, a.Spec.Index, a.Spec.ID, ReasonInPlace, g.softFields(a)...)
	}
}

// keepBest returns the one of several allocations for one index that stays:
// one that runs, then one that is healthy, then the oldest.
func (g *groupPlanner) keepBest(s *slot, allocs []job.Alloc) []job.Alloc {
	if len(allocs) < 2 {
		return allocs
	}
	best := allocs[0]
	for _, a := range allocs[1:] {
		if rank(a) > rank(best) {
			best = a
		}
	}
	for _, a := range allocs {
		if a.Spec.ID != best.Spec.ID {
			g.stop(a, ReasonDuplicate)
			s.stopping = append(s.stopping, a)
		}
	}
	return []job.Alloc{best}
}

func rank(a job.Alloc) int {
	switch {
	case healthy(a):
		return 3
	case isTrue(a, job.CondRunning):
		return 2
	case a.Spec.Desired == job.DesiredRun:
		return 1
	}
	return 0
}

// fill brings an index without a predecessor up: first placement, scale-up,
// and the second half of a replacement. It is not throttled.
func (g *groupPlanner) fill(i int, s *slot) {
	switch {
	case len(s.old) > 0:
		return // replace does it
	case len(s.stopping) > 0:
		// It may hold the index's ports and directories: let it die first.
		g.note("%s[%d] waits for allocation %s to end", g.group.Name, i, s.stopping[0].Spec.ID)
	case len(s.fresh) == 1 && s.fresh[0].Spec.Desired == job.DesiredRun:
		if !healthy(s.fresh[0]) {
			g.note("%s[%d] is not healthy yet", g.group.Name, i)
		}
	case len(g.in.WaitFor) > 0:
		g.waitForOthers()
	case g.refused(i), g.losesPorts(i):
	case len(s.fresh) == 1:
		g.act(ActionPromote, i, s.fresh[0].Spec.ID, ReasonReady)
		g.note("%s[%d] starts", g.group.Name, i)
	case g.missing():
	default:
		g.act(ActionPlace, i, "", ReasonNew)
		g.note("%s[%d] is being placed", g.group.Name, i)
	}
}

func (g *groupPlanner) waitForOthers() {
	g.note("waits for %s", strings.Join(g.in.WaitFor, "; "))
	g.wakeAt = earliest(g.wakeAt, g.in.Now.Add(portRetry))
}

// missing reports whether the job is gone from the files and in its grace:
// nothing new is begun for it, and what runs is left alone.
func (g *groupPlanner) missing() bool {
	if g.in.Record.MissingSince.IsZero() || g.in.Record.Held != "" {
		return false
	}
	g.note("its file is gone")
	return true
}

// refused says why the index could not be filled when that was tried last,
// and reports whether it is too early to try again.
func (g *groupPlanner) refused(i int) bool {
	r, ok := g.in.Refused[slotKey(g.group.Name, i)]
	if !ok {
		return false
	}
	g.note("%s[%d]: %s", g.group.Name, i, r.Message)
	if !g.in.Now.Before(r.Until) {
		return false
	}
	g.wakeAt = earliest(g.wakeAt, r.Until)
	return true
}

// losesPorts reports whether allocation after allocation has lost its dynamic
// port at this index, so that the next one waits.
func (g *groupPlanner) losesPorts(i int) bool {
	lost, last := 0, time.Time{}
	for _, a := range g.in.Allocs {
		// An end that lies ahead is from before the clock was set back.
		ended := passed(a.Status.EndedAt, g.in.Now)
		if a.Spec.Group == g.group.Name && a.Spec.Index == i && !ended.IsZero() && a.Spec.Reason == ReasonPortLost &&
			g.in.Now.Sub(ended) < portLostWindow {
			lost++
			last = later(last, ended)
		}
	}
	if lost < 2 {
		return false
	}
	until := last.Add(retryDelay(lost-1, slotKey(g.group.Name, i)))
	if !g.in.Now.Before(until) {
		return false
	}
	g.note("%s[%d]: its ports were taken %d times", g.group.Name, i, lost)
	g.wakeAt = earliest(g.wakeAt, until)
	return true
}

// act plans something that makes or moves an allocation to the generation that
// the group is brought to.
func (g *groupPlanner) act(kind ActionKind, index int, allocID, reason string, fields ...string) {
	g.add(Action{
		Kind: kind, Group: g.name, Index: index, AllocID: allocID, Reason: reason, Fields: fields, Generation: g.generation,
	})
}

func (g *groupPlanner) hardFields(old job.Alloc) []string {
	spec := g.in.Specs[old.Spec.ID]
	if spec == nil || spec.Group(old.Spec.Group) == nil {
		return nil
	}
	return job.ChangedFields(spec, spec.Group(old.Spec.Group), g.spec, g.group)
}

func (g *groupPlanner) softFields(a job.Alloc) []string {
	spec := g.in.Specs[a.Spec.ID]
	if spec == nil || spec.Group(a.Spec.Group) == nil {
		return nil
	}
	return job.ChangedInPlace(spec, spec.Group(a.Spec.Group), g.spec, g.group)
}

func slotKey(group string, index int) string { return fmt.Sprintf("%s[%d]", group, index) }

func isTrue(a job.Alloc, cond string) bool {
	c, ok := job.FindCondition(a.Status.Conditions, cond)
	return ok && c.Status == job.True
}

func healthy(a job.Alloc) bool { return isTrue(a, job.CondHealthy) }

// prepared reports whether every task of the group has what it needs.
func prepared(a job.Alloc, g *job.Group) bool {
	for _, t := range g.Tasks {
		if !a.Status.Tasks[t.Name].Prepared {
			return false
		}
	}
	return true
}

// lostPort reports whether the allocation cannot start because a dynamic port
// of its own is held by somebody else: it needs others, so another allocation.
func lostPort(a job.Alloc) bool {
	dynamic := slices.ContainsFunc(a.Spec.Ports, func(p job.AllocPort) bool { return !p.Static })
	if !dynamic || isTrue(a, job.CondRunning) {
		return false
	}
	for _, ts := range a.Status.Tasks {
		if ts.LastError != nil && ts.LastError.Reason == errPortTaken {
			return true
		}
	}
	return false
}
