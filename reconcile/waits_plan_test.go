package reconcile

import (
	"testing"
	"time"

	"reconciler/internal/job"
)

// TestProgressingUntilAPersonIsAskedFor: a job progresses for as long as
// anything of it may still get on by itself, and no longer.
func TestProgressingUntilAPersonIsAskedFor(t *testing.T) {
	one, two, new := webJob(), webJob(count(2)), webJob(command("new"))
	failed := func(kind job.Kind) func(*job.Alloc) {
		return func(a *job.Alloc) {
			a.Spec.Generation = 2
			a.Status.Tasks = map[string]job.TaskStatus{"web": {LastError: &job.Failure{Kind: kind, Reason: "Why", Message: "so", At: t0}}}
		}
	}
	gen := func(a *job.Alloc) { a.Spec.Generation = 2 }
	for _, tt := range []struct {
		name   string
		in     JobInput
		status job.ConditionStatus
		reason string
	}{
		{"waits for a person", jobInput(one, allocs(one, alloc(allocA, one, 0, failed(job.WaitsForUser)))), job.False, reasonWaitsForUser},
		{"is tried again", jobInput(one, allocs(one, alloc(allocA, one, 0, failed(job.Retried)))), job.True, "Converging"},
		{"one waits, one is well", jobInput(two, allocs(two, alloc(allocA, two, 0, failed(job.WaitsForUser)), alloc(allocB, two, 1, isHealthy, gen))), job.False, reasonWaitsForUser},
		{"one waits, one is on its way", jobInput(two, allocs(two, alloc(allocA, two, 0, failed(job.WaitsForUser)), alloc(allocB, two, 1, runs, gen))), job.True, "Converging"},
		{"one waits, one is yet to be placed", jobInput(two, allocs(two, alloc(allocA, two, 0, failed(job.WaitsForUser)))), job.True, "Converging"},
		{"one waits, one stops", jobInput(one, allocs(two, alloc(allocA, two, 0, failed(job.WaitsForUser)), alloc(allocB, two, 1, isStopping, gen))), job.True, "Converging"},
		{"the successor waits, the old one runs", jobInput(new, allocs(one, alloc(allocA, one, 0, isHealthy)), allocs(new, alloc(allocB, new, 0, isPreparing, failed(job.WaitsForUser)))), job.False, reasonWaitsForUser},
		{"a retry was asked for since", jobInput(one, allocs(one, alloc(allocA, one, 0, failed(job.WaitsForUser))), func(in *JobInput) {
			in.Now = t0.Add(time.Minute)
			in.Deployment.RetryAt = t0.Add(time.Second)
		}), job.True, "Converging"},
	} {
		d := PlanJob(tt.in).Deployment
		if c, _ := job.FindCondition(d.Conditions, job.CondProgressing); c.Status != tt.status || c.Reason != tt.reason {
			t.Errorf("%s: Progressing %s %s, want %s %s", tt.name, c.Status, c.Reason, tt.status, tt.reason)
		}
		if tt.status == job.False && d.Phase != PhaseDegraded {
			t.Errorf("%s: phase %s", tt.name, d.Phase)
		}
	}
}
