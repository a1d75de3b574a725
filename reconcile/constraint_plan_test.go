package reconcile

import (
	"slices"
	"testing"
	"time"

	"reconciler/internal/job"
)

func constraint(c job.Constraint) func(*job.Job) {
	return ofGroup(func(g *job.Group) { g.Constraints = append(g.Constraints, c) })
}

var onX = constraint(job.Constraint{Attribute: "${meta.on}", Operator: "=", Value: "x"})

func TestConstraintNotMetAtFirst(t *testing.T) {
	w := newWorld()
	w.unmet = "meta.on is y"
	w.edit(webJob(onX))
	w.run(time.Hour)
	if len(w.allocs) > 0 || w.degraded() != ReasonConstraint {
		t.Errorf("%d allocations, degraded %q", len(w.allocs), w.degraded())
	}
	w.unmet = ""
	w.run(time.Minute)
	w.wantPhase(t, "web", job.PhaseRunning)
	if w.degraded() != "" {
		t.Errorf("degraded: %s", w.degraded())
	}
}

func TestConstraintEdited(t *testing.T) {
	for name, edit := range map[string]func(*job.Job){
		"of the group": onX,
		"of the job": func(j *job.Job) {
			j.Constraints = []job.Constraint{{Attribute: "${meta.on}", Operator: "=", Value: "x"}}
		},
		"of a task": ofTask("web", func(t *job.Task) {
			t.Constraints = []job.Constraint{{Attribute: "${meta.on}", Operator: "=", Value: "x"}}
		}),
	} {
		w := lives(count(2))
		w.edit(webJob(count(2), edit))
		w.unmet = "meta.on is y"
		w.run(time.Minute)
		if got := w.actions(); len(got) != 2 || got[0] != "stop web[0] alloc-001 (ConstraintNotMet)" {
			t.Errorf("%s: %q", name, got)
		}
		if w.running() > 0 || w.degraded() != ReasonConstraint {
			t.Errorf("%s: %d run, degraded %q", name, w.running(), w.degraded())
		}
		w.run(time.Hour)
		if got := w.actions(); len(got) > 0 {
			t.Errorf("%s: later %q", name, got)
		}
		w.edit(webJob(count(2)))
		w.unmet = ""
		w.run(time.Minute)
		if w.running() != 2 || w.degraded() != "" {
			t.Errorf("%s: %d run after the edit was taken back, degraded %q", name, w.running(), w.degraded())
		}
	}
}

func TestConstraintEditedAndMet(t *testing.T) {
	w := lives()
	w.edit(webJob(onX))
	w.run(time.Minute)
	want := []string{"advance web[0] alloc-001 (UpdatedInPlace constraint)"}
	if got := w.actions(); !slices.Equal(got, want) || len(w.did()) > 0 {
		t.Errorf("%q, want %q", got, want)
	}
	w.unmet = "meta.on is y" // the host changes later
	w.run(time.Hour)
	if w.running() != 1 || w.degraded() != ReasonConstraint {
		t.Errorf("%d run, degraded %q", w.running(), w.degraded())
	}
}

// What runs stays when the host changes, is kept alive, and is neither replaced
// nor joined by others.
func TestHostChanges(t *testing.T) {
	w := lives(onX)
	w.unmet = "meta.on is y"
	w.run(time.Minute)
	w.exit("web", 1)
	w.run(time.Minute)
	w.wantPhase(t, "web", job.PhaseRunning)
	if w.degraded() != ReasonConstraint {
		t.Errorf("degraded %q", w.degraded())
	}
	w.did()
	w.edit(webJob(onX, count(3)))
	w.run(time.Minute)
	w.edit(webJob(onX, count(3), command("new")))
	w.run(time.Minute)
	if got := w.did(); len(got) > 0 {
		t.Errorf("%q", got)
	}
	w.edit(webJob(onX, count(0)))
	w.run(time.Minute)
	if w.running() != 0 {
		t.Error("a lower count stops nothing")
	}
	w.edit(webJob(onX, count(2), command("new")))
	w.unmet = ""
	w.run(time.Minute)
	w.wantCommands(t, map[string]int{"new": 2})
}

func TestDistinctHosts(t *testing.T) {
	distinct := []job.Constraint{{Operator: job.OpDistinctHosts, Value: "true"}}
	for name, tc := range map[string]struct {
		edit func(*job.Job)
		want int
	}{
		"group":     {constraint(distinct[0]), 1},
		"job":       {func(j *job.Job) { j.Constraints = distinct }, 1},
		"task":      {ofTask("web", func(t *job.Task) { t.Constraints = distinct }), 1},
		"not asked": {constraint(job.Constraint{Operator: job.OpDistinctHosts, Value: "false"}), 3},
	} {
		w := newWorld()
		w.edit(webJob(count(3), tc.edit))
		w.run(time.Minute)
		if w.running() != tc.want || (w.degraded() == ReasonDistinct) != (tc.want == 1) {
			t.Errorf("%s: %d run, degraded %q", name, w.running(), w.degraded())
		}
		w.edit(webJob(tc.edit))
		w.run(time.Minute)
		if w.running() != 1 || w.degraded() != "" {
			t.Errorf("%s: %d run with a count of 1, degraded %q", name, w.running(), w.degraded())
		}
	}
	// Of a job, one group alone: the first that asks for an allocation.
	j := webJob(func(j *job.Job) {
		j.Constraints = distinct
		other := j.Groups[0]
		other.Name = "other"
		j.Groups = append(j.Groups, other)
	})
	plan := PlanJob(jobInput(j))
	if len(plan.Actions) != 1 || plan.Actions[0].String() != "place web[0] (New)" {
		t.Errorf("%v", plan.Actions)
	}
	j.Groups[0].Count = 0
	if plan := PlanJob(jobInput(j)); len(plan.Actions) != 1 || plan.Actions[0].String() != "place other[0] (New)" {
		t.Errorf("%v", plan.Actions)
	}
}
