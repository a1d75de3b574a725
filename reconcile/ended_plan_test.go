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

// A task that shares the namespace of one that is down for good waits for it
// with its last container alone.
func TestWaitingForJoinedKeepsOneContainer(t *testing.T) {
	w := lives(tasks("side"), ofTask("side", joins("web")), restarts(5, interval, 0, job.RestartFail), ofTask("web", func(t *job.Task) {
		t.Restart = &job.Restart{Interval: job.Duration(interval), Mode: job.RestartFail}
	}))
	w.exit("side", 1)
	w.run(time.Minute)
	w.exit("web", 1)
	w.exit("side", 1)
	w.run(time.Minute)
	w.wantPhases(t, map[string]job.Phase{"web": job.PhaseFailed, "side": job.PhasePending})
	kept := 0
	for _, c := range w.containers {
		if c.Identity.Task == "side" {
			kept++
		}
	}
	if kept != 1 {
		t.Errorf("%d containers of side are kept, want one", kept)
	}
}
