package reconcile

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/observed"
)

func (w *world) wantPhases(t *testing.T, want map[string]job.Phase) {
	t.Helper()
	got := map[string]job.Phase{}
	for name, ts := range w.only().Status.Tasks {
		got[name] = ts.Phase
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("phases (-want +got):\n%s\n%s", d, tail(w.log))
	}
}

// stays checks that nothing is done in a day, and the job stays complete.
func (w *world) stays(t *testing.T) {
	t.Helper()
	w.did()
	w.actions()
	w.run(24 * time.Hour)
	if steps, acts := w.did(), w.actions(); len(steps)+len(acts) > 0 {
		t.Fatalf("done in a quiet day: %q %q", steps, acts)
	}
	if w.deployment.Phase != PhaseComplete || w.degraded() != "" {
		t.Fatalf("phase %s, degraded %q", w.deployment.Phase, w.degraded())
	}
}

func completed1(t *testing.T, edit ...func(*job.Job)) *world {
	t.Helper()
	w := lives(append([]func(*job.Job){batch}, edit...)...)
	if w.deployment.Phase == PhaseComplete {
		t.Fatal("complete while it runs")
	}
	w.exit("web", 0)
	w.run(time.Second)
	w.stays(t)
	return w
}

func TestBatchIsComplete(t *testing.T) {
	w := completed1(t)
	if n := len(w.containers); n != 1 {
		t.Errorf("%d containers are kept, want the last", n)
	}
	w.seen = w.now // the agent again
	w.stays(t)
	clear(w.containers) // docker rm, the record is there
	w.stays(t)
	w.retryAt = w.now
	w.stays(t)
	w.edit(webJob(batch, ofTask("web", func(t *job.Task) { t.KillTimeout *= 2 })))
	w.run(time.Second)
	if got := w.actions(); !slices.Equal(got, []string{"advance web[0] alloc-001 (UpdatedInPlace kill_timeout.web)"}) {
		t.Errorf("an edit in place: %q", got)
	}
	w.stays(t)
}

func TestBatchEndsOutOfSight(t *testing.T) {
	w := lives(batch)
	w.exit("web", 0)
	w.now = w.now.Add(time.Minute)
	w.seen = w.now
	w.run(time.Second)
	w.stays(t)
}

func TestBatchScales(t *testing.T) {
	w := completed1(t)
	w.edit(webJob(batch, count(2)))
	w.run(time.Minute)
	if got := w.did(); !slices.Equal(got, []string{"run web attempt 1 (Placed)"}) {
		t.Errorf("scaled up: %q", got)
	}
	for _, c := range w.containers {
		if c.Live() {
			c.State, c.FinishedAt = "exited", w.now
		}
	}
	w.run(time.Second)
	w.stays(t)
	w.edit(webJob(batch))
	w.run(time.Minute)
	if got := w.did(); !slices.Equal(got, []string{"remove web (Stopping)"}) {
		t.Errorf("scaled down: %q", got)
	}
	w.stays(t)
}

func TestBatchRunsAgain(t *testing.T) {
	for name, again := range map[string]func(w *world){
		"new spec_hash": func(w *world) { w.edit(webJob(batch, command("new"))) },
		"restart":       func(w *world) { w.restartAt = w.now },
		"all lost": func(w *world) {
			clear(w.containers)
			clear(w.allocs)
			w.deployment.Groups = nil
		},
	} {
		w := completed1(t)
		again(w)
		w.run(time.Minute)
		if got := w.did(); !slices.Contains(got, "run web attempt 1 (Placed)") {
			t.Fatalf("%s: steps %q\n%s", name, got, tail(w.log))
		}
		w.wantPhase(t, "web", job.PhaseRunning)
		w.exit("web", 0)
		w.run(time.Second)
		w.stays(t)
	}
}

// A batch job has no deadline, and what runs makes place for a new spec alone.
func TestBatchIsReplacedInTurn(t *testing.T) {
	w := lives(batch)
	w.run(24 * time.Hour)
	w.edit(webJob(batch, command("new")))
	w.run(time.Minute)
	want := []string{"kill web SIGTERM (Stopping)", "remove web (Stopping)", "run web attempt 1 (Placed)"}
	if got := w.did(); !slices.Equal(got, want) {
		t.Errorf("steps %q, want %q", got, want)
	}
	w.run(24 * time.Hour)
	if w.degraded() != "" {
		t.Errorf("degraded: %s", w.degraded())
	}
}

func TestBatchFollowsItsRestartBlock(t *testing.T) {
	w := exhausted(t, job.RestartFail, batch)
	w.run(time.Hour)
	w.wantPhase(t, "web", job.PhaseFailed)
	if w.deployment.Phase != PhaseDegraded || w.degraded() != errRestartsExhausted {
		t.Errorf("phase %s, degraded %q", w.deployment.Phase, w.degraded())
	}
	w.retryAt = w.now
	w.run(time.Minute)
	w.exit("web", 1)
	w.restartsWithin(t, delay)
	w.exit("web", 0)
	w.run(time.Second)
	w.stays(t)
}

func TestBatchOfSeveralTasks(t *testing.T) {
	w := lives(batch, tasks("side"))
	w.exit("web", 0)
	w.run(time.Hour)
	w.wantPhases(t, map[string]job.Phase{"web": job.PhaseComplete, "side": job.PhaseRunning})
	if w.deployment.Phase == PhaseComplete {
		t.Error("complete while a task runs")
	}
	w.exit("side", 1)
	w.run(time.Minute)
	w.wantPhases(t, map[string]job.Phase{"web": job.PhaseComplete, "side": job.PhaseRunning})
	w.exit("side", 0)
	w.run(time.Second)
	w.stays(t)
}

func TestServiceBecomesBatchAndBack(t *testing.T) {
	w := lives()
	w.edit(webJob(batch))
	w.run(time.Minute)
	if got := w.did(); len(got) > 0 {
		t.Errorf("a change of the type did %q", got)
	}
	w.exit("web", 0)
	w.run(time.Second)
	w.stays(t)
	w.edit(webJob())
	w.run(time.Minute)
	w.wantPhase(t, "web", job.PhaseRunning)
	w.exit("web", 0)
	w.run(time.Second)
	w.wantPhase(t, "web", job.PhaseRunning) // a service runs again
	w.edit(webJob(batch))
	w.run(time.Minute)
	w.wantPhase(t, "web", job.PhaseRunning) // what ended before was no run of a batch job
}

// A task that we stopped has not done its work, whatever its code.
func TestBatchStoppedByUsIsNotComplete(t *testing.T) {
	w := lives(batch, tasks("side"), ofTask("side", func(t *job.Task) { t.Config.NetworkMode = "container:web" }))
	w.exit("web", 1)
	w.run(time.Minute)
	w.wantPhases(t, map[string]job.Phase{"web": job.PhaseRunning, "side": job.PhaseRunning})
	if w.deployment.Phase == PhaseComplete {
		t.Error("complete")
	}
}

func TestLeaderEndsTheOthers(t *testing.T) {
	for name, tc := range map[string]struct {
		edit  []func(*job.Job)
		code  int
		want  job.Phase
		other job.Phase
		phase string
	}{
		"batch, exit 0":           {[]func(*job.Job){batch}, 0, job.PhaseComplete, job.PhaseEnded, PhaseComplete},
		"batch, block used up":    {[]func(*job.Job){batch, restarts(0, interval, 0, job.RestartFail)}, 1, job.PhaseFailed, job.PhaseEnded, PhaseDegraded},
		"service, block used up":  {[]func(*job.Job){restarts(0, interval, 0, job.RestartFail)}, 0, job.PhaseFailed, job.PhaseEnded, PhaseDegraded},
		"service, block has some": {[]func(*job.Job){restarts(1, interval, 0, job.RestartFail)}, 1, job.PhaseRunning, job.PhaseRunning, PhaseRunning},
		"service, no block":       {nil, 1, job.PhaseRunning, job.PhaseRunning, PhaseRunning},
	} {
		t.Run(name, func(t *testing.T) {
			w := lives(append([]func(*job.Job){tasks("lead", "third"), leader("lead")}, tc.edit...)...)
			w.stubborn["third"] = true
			w.exit("lead", tc.code)
			w.run(30 * time.Second)
			w.wantPhases(t, map[string]job.Phase{"lead": tc.want, "web": tc.other, "third": tc.other})
			if w.deployment.Phase != tc.phase {
				t.Errorf("phase %s, want %s", w.deployment.Phase, tc.phase)
			}
			if tc.other != job.PhaseEnded {
				return
			}
			w.did()
			w.seen = w.now
			w.run(24 * time.Hour)
			if got := w.did(); len(got) > 0 {
				t.Errorf("later %q", got)
			}
		})
	}
}

func TestLeaderOtherTasksMayEndBeforeIt(t *testing.T) {
	w := lives(batch, tasks("lead"), leader("lead"))
	w.exit("web", 0)
	w.run(time.Minute)
	w.wantPhases(t, map[string]job.Phase{"web": job.PhaseComplete, "lead": job.PhaseRunning})
	w.exit("lead", 0)
	w.run(time.Second)
	w.wantPhases(t, map[string]job.Phase{"web": job.PhaseComplete, "lead": job.PhaseComplete})
	w.stays(t)
}

func TestLeaderRetryBringsAllBack(t *testing.T) {
	w := lives(tasks("lead"), leader("lead"), restarts(0, interval, 0, job.RestartFail))
	w.exit("lead", 1)
	w.run(time.Minute)
	w.wantPhases(t, map[string]job.Phase{"web": job.PhaseEnded, "lead": job.PhaseFailed})
	w.retryAt = w.now
	w.run(time.Minute)
	w.wantPhases(t, map[string]job.Phase{"web": job.PhaseRunning, "lead": job.PhaseRunning})
	if ts := w.task("web"); ts.Restarts != 0 || ts.Crashes != 0 {
		t.Errorf("counted: %+v", ts)
	}
	w.exit("lead", 1) // and the rule holds again
	w.run(time.Minute)
	w.wantPhases(t, map[string]job.Phase{"web": job.PhaseEnded, "lead": job.PhaseFailed})
}

// An in-place edit of the leader takes hold at once.
func TestLeaderIsEditedInPlace(t *testing.T) {
	w := lives(batch, tasks("lead"))
	w.exit("lead", 0)
	w.run(time.Minute)
	w.wantPhases(t, map[string]job.Phase{"web": job.PhaseRunning, "lead": job.PhaseComplete})
	w.edit(webJob(batch, tasks("lead"), leader("lead")))
	w.run(time.Minute)
	w.wantPhases(t, map[string]job.Phase{"web": job.PhaseEnded, "lead": job.PhaseComplete})
	w.stays(t)
}

// The containers of a batch job tell that it is complete, if its record is lost.
func TestBatchIsCompleteAfterAStateLoss(t *testing.T) {
	w := completed1(t)
	w.only().Status = job.AllocStatus{}
	w.seen = w.now
	w.run(time.Second)
	w.stays(t)
}

// A dead container that the engine does not remove is no reason to ask it
// again without a pause, be the allocation over or not.
func TestRemovalThatFailsAfterTheLeaderIsWaitedOut(t *testing.T) {
	in := allocInput(func(in *AllocInput) {
		j := webJob(batch, tasks("lead"), leader("lead"))
		in.Job, in.Group = j, &j.Groups[0]
		in.Status.Tasks["lead"] = job.TaskStatus{Phase: job.PhaseComplete, Attempt: 1, Prepared: true, LastExit: &job.Exit{Attempt: 1}}
		in.Status.Tasks["web"] = job.TaskStatus{Phase: job.PhaseBackoff, Attempt: 2, Prepared: true, NextRetry: t0.Add(time.Hour)}
	}, with(observed.Exited, 1, renamedDead(1)), with(observed.Exited, 2))
	plan := PlanAlloc(in)
	if got, want := plan.Step.String(), "remove web (SupersededAttempt)"; got != want {
		t.Fatalf("step %q, want %q: what was waited out before is over", got, want)
	}
	in.Status = plan.Status
	in.Status.Tasks["web"] = stepFailed(in.Status.Tasks["web"], job.NewError(job.Retried, "Busy", errFake), "web", t0)
	plan = PlanAlloc(in)
	if plan.Step.Kind != StepNone || !plan.WakeAt.After(t0) {
		t.Errorf("after its failure: %s, again at %v", plan.Step, plan.WakeAt)
	}
	in.Status, in.Now = plan.Status, plan.WakeAt
	if got := PlanAlloc(in).Step.Kind; got != StepRemove {
		t.Errorf("after the wait: %q, want another try", got)
	}
	in.Containers = in.Containers[1:] // gone
	if ts := PlanAlloc(in).Status.Tasks["web"]; ts.LastError != nil || ts.Phase != job.PhaseEnded {
		t.Errorf("once it is gone: %+v", ts)
	}
}

// What ends by itself before the stop that was decided for it reaches it has
// done its work.
func TestWorkThatEndsBeforeItsStop(t *testing.T) {
	stop := job.TaskStatus{Phase: job.PhaseStopping, Attempt: 1, Prepared: true, StopReason: ReasonJoinedIsNew, StopSince: t0.Add(-2 * time.Second)}
	edit := func(f func(*job.TaskStatus)) job.TaskStatus {
		ts := stop
		f(&ts)
		return ts
	}
	for _, tt := range []struct {
		name  string
		ts    job.TaskStatus
		ended time.Time
		seen  time.Time // since when the engine is in sight
		code  int
		want  string
	}{
		{"before it was decided", edit(func(ts *job.TaskStatus) { ts.StoppingSince = t0.Add(-time.Second) }), t0.Add(-3 * time.Second), time.Time{}, 0, ""},
		{"before the signal", stop, t0.Add(-time.Second), t0.Add(-time.Hour), 0, ""},
		{"after the signal", edit(func(ts *job.TaskStatus) { ts.StoppingSince = t0.Add(-time.Second) }), t0, t0.Add(-time.Hour), 0, ReasonJoinedIsNew},
		{"after a signal that may have gone out", edit(func(ts *job.TaskStatus) { ts.Failures = 1 }), t0, t0.Add(-time.Hour), 0, ReasonJoinedIsNew},
		{"decided by an earlier process", stop, t0.Add(-time.Second), t0.Add(-time.Second), 0, ReasonJoinedIsNew},
		{"with an error", stop, t0.Add(-time.Second), t0.Add(-time.Hour), 1, ReasonJoinedIsNew},
	} {
		in := allocInput(func(in *AllocInput) {
			in.Job = webJob(batch)
			in.Group = &in.Job.Groups[0]
			in.SeenSince = tt.seen
			in.Status.Tasks["web"] = tt.ts
		}, with(observed.Exited, 1, func(c *observed.Container) { c.FinishedAt, c.ExitCode = tt.ended, tt.code }))
		ts := PlanAlloc(in).Status.Tasks["web"]
		if ts.LastExit == nil || ts.LastExit.Stopped != tt.want || (ts.Phase == job.PhaseComplete) != (tt.want == "") {
			t.Errorf("%s: %s, %+v, want stopped by %q", tt.name, ts.Phase, ts.LastExit, tt.want)
		}
	}
}
