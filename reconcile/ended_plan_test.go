package reconcile

import (
	"testing"
	"time"

	"reconciler/internal/job"
)

// Of a task that was restarted before its leader ended, as of any other, the
// last container alone is kept.
func TestEndedKeepsOneContainer(t *testing.T) {
	w := lives(tasks("lead"), leader("lead"), restarts(2, interval, 0, job.RestartFail))
	w.exit("web", 1)
	w.run(time.Minute)
	for range 3 {
		w.exit("lead", 1)
		w.run(time.Minute)
	}
	w.wantPhases(t, map[string]job.Phase{"web": job.PhaseEnded, "lead": job.PhaseFailed})
	kept := map[string]int{}
	for _, c := range w.containers {
		kept[c.Identity.Task]++
	}
	if kept["web"] != 1 || kept["lead"] != 1 {
		t.Errorf("containers kept: %v, want one of each task", kept)
	}
}
