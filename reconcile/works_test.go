package reconcile

import (
	"slices"
	"testing"
	"time"

	"reconciler/internal/job"
)

// unproven makes an update whose successor takes long to become healthy.
var unproven = update(func(u *job.Update) { u.MinHealthyTime = job.Duration(2 * time.Minute) })

// In the middle of an update something happens to an allocation that works. It
// comes back, and goes only once its successor is healthy.
func TestPredecessorThatComesBackIsNotGivenAway(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(r *rig)
	}{
		{"it crashes once", func(r *rig) { r.exit(r.running("web")[0].ID, 1) }},
		{"it is removed from outside", func(r *rig) { r.rmf(r.running("web")[0].ID) }},
		{"dockerd restarts and takes its containers with it", func(r *rig) {
			for _, c := range r.running("web") {
				r.exit(c.ID, 143)
			}
			r.away()
			r.after(3 * time.Second)
			r.back()
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			live(t, func(r *rig) {
				r.write(webJob(named))
				r.after(time.Minute)
				r.write(webJob(named, unproven, command("new")))
				r.after(20 * time.Second)
				tt.do(r)
				r.after(10 * time.Second)
				if n := len(r.running("web")); n != 2 {
					t.Fatalf("%d run, want both: the successor is not healthy yet", n)
				}
				r.after(10 * time.Minute)
				if c := r.one("web"); c.Identity.Generation != 2 {
					t.Errorf("generation %d runs", c.Identity.Generation)
				}
				r.quiet()
			})
		})
	}
}

// dockerd takes all allocations with it at the begin of an update: that is no
// reason to replace more of them at a time than max_parallel says.
func TestDockerdThatTakesAllIsNoReasonToReplaceAll(t *testing.T) {
	live(t, func(r *rig) {
		edit := []func(*job.Job){count(3), ofTask("web", func(t *job.Task) { t.Config.Privileged = true })}
		r.write(webJob(edit...))
		r.after(time.Minute)
		for _, c := range r.running("web") {
			r.exit(c.ID, 143)
		}
		r.away()
		r.write(webJob(append(edit, unproven, command("new"))...))
		r.after(3 * time.Second)
		r.back()
		r.after(time.Minute)
		old := 0
		for _, c := range r.running("web") {
			if c.Identity.Generation == 1 {
				old++
			}
		}
		if old != 2 {
			t.Errorf("%d of 3 still run as they were, want 2", old)
		}
	})
}

// What does not work has nothing to lose: its successor does not have to prove
// itself first.
func TestPredecessorThatDoesNotWorkGivesWay(t *testing.T) {
	was, next := webJob(), webJob(command("new"))
	returns := func(a *job.Alloc) {
		runs(a)
		a.Status.HealthyAt = t0.Add(-time.Hour)
		a.Status.Conditions = nil
		a.Status.Tasks["web"] = job.TaskStatus{Phase: job.PhaseBackoff, Prepared: true, Crashes: 1}
	}
	with := func(f func(*job.TaskStatus)) func(*job.Alloc) {
		return func(a *job.Alloc) {
			returns(a)
			ts := a.Status.Tasks["web"]
			f(&ts)
			a.Status.Tasks["web"] = ts
		}
	}
	for _, tt := range []struct {
		name  string
		state func(*job.Alloc)
		gives bool
	}{
		{"one crash", returns, false},
		{"never healthy", func(a *job.Alloc) { returns(a); a.Status.HealthyAt = time.Time{} }, true},
		{"crash after crash", with(func(ts *job.TaskStatus) { ts.Crashes = 2 }), true},
		{"an error", with(func(ts *job.TaskStatus) { ts.LastError = &job.Failure{Reason: "X"} }), true},
		{"restarts used up", with(func(ts *job.TaskStatus) { ts.Phase = job.PhaseFailed }), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := PlanJob(jobInput(next, allocs(was, alloc(allocA, was, 0, tt.state)), allocs(next, alloc(allocB, next, 0, runs))))
			gives := slices.ContainsFunc(plan.Actions, func(a Action) bool { return a.Kind == ActionStop && a.AllocID == allocA })
			if gives != tt.gives {
				t.Errorf("gives way: %v, want %v: %v", gives, tt.gives, plan.Actions)
			}
		})
	}
}
