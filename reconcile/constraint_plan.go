package reconcile

import (
	"slices"
	"strings"

	"reconciler/internal/job"
)

// unmet notes that this host does not meet a constraint of the group, and
// stops what an edit of the constraints asks to stop. What ran before the host
// changed runs on; nothing is placed.
func (g *groupPlanner) unmet(count int) bool {
	why := g.in.Unmet[g.name]
	if why == "" {
		return false
	}
	g.degrade(ReasonConstraint, "group %s: %s", g.name, why)
	for i := range count {
		s := g.slots[i]
		if s == nil {
			continue
		}
		leaves := func(a job.Alloc) bool {
			if !g.constraintsEdited(a) {
				return false
			}
			g.stop(a, ReasonConstraint)
			s.stopping = append(s.stopping, a)
			return true
		}
		s.fresh, s.old = slices.DeleteFunc(s.fresh, leaves), slices.DeleteFunc(s.old, leaves)
		if len(s.stopping) > 0 {
			g.note("%s[%d]: allocation %s is stopping", g.name, i, s.stopping[0].Spec.ID)
		}
	}
	return true
}

// constraintsEdited reports whether an allocation was made under other
// constraints than those that hold now.
func (g *groupPlanner) constraintsEdited(a job.Alloc) bool {
	was := g.in.Specs[a.Spec.ID]
	if was == nil || was.Group(g.name) == nil {
		return false
	}
	return !slices.Equal(job.Constraints(was, was.Group(g.name)), job.Constraints(g.spec, g.group))
}

// distinct lowers a count to what one host can hold of allocations that must be
// on hosts of their own: one of the group, or one of the whole job.
func (g *groupPlanner) distinct(count int) int {
	most := count
	if hasDistinct(g.group.Constraints) || slices.ContainsFunc(g.group.Tasks, func(t job.Task) bool { return hasDistinct(t.Constraints) }) {
		most = min(most, 1)
	}
	if hasDistinct(g.spec.Constraints) {
		most = min(most, 1)
		if g.name != firstWanted(g.spec) {
			most = 0
		}
	}
	if most < count {
		g.degrade(ReasonDistinct, "group %s: distinct_hosts allows %d of %d allocations on one host", g.name, most, count)
	}
	return most
}

func hasDistinct(cs []job.Constraint) bool {
	return slices.ContainsFunc(cs, func(c job.Constraint) bool {
		return c.Operator == job.OpDistinctHosts && !strings.EqualFold(c.Value, "false")
	})
}

// firstWanted is the first group of a job that asks for an allocation.
func firstWanted(j *job.Job) string {
	for i := range j.Groups {
		if j.Groups[i].WantedCount(j.Type) > 0 {
			return j.Groups[i].Name
		}
	}
	return ""
}
