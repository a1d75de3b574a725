package reconcile

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/observed"
)

func TestPlanAlloc(t *testing.T) {
	crashed := func(n int, next time.Duration) func(*AllocInput) {
		return task(func(ts *job.TaskStatus) {
			hasImage(ts)
			ts.Attempt, ts.Crashes = 1, n
			ts.LastExit = &job.Exit{Code: 1, At: t0.Add(-time.Millisecond), Attempt: 1}
			if next != 0 {
				ts.NextRetry = t0.Add(next)
			}
		})
	}
	for _, tt := range []struct {
		name  string
		in    AllocInput
		step  string
		phase job.Phase
		wake  time.Duration // 0 is never
	}{
		{"new", allocInput(), "bring web (ImageRequired)", job.PhasePulling, 0},
		{
			"image under way",
			allocInput(func(in *AllocInput) { in.InFlight = map[string]bool{"web": true} }),
			"nothing", job.PhasePulling, 0,
		},
		{"image there", allocInput(task(hasImage)), "run web attempt 1 (Placed)", job.PhaseStarting, 0},
		{"only to be prepared", allocInput(task(hasImage), wanted(job.DesiredPrepare)), "nothing", job.PhasePrepared, 0},
		{
			"pull failed a moment ago",
			allocInput(task(func(ts *job.TaskStatus) {
				ts.LastError, ts.NextRetry = &job.Failure{Kind: job.Retried, Reason: "ImagePullFailed"}, t0.Add(7*time.Second)
			})),
			"nothing", job.PhaseBackoff, 7 * time.Second,
		},
		{
			"pull failed, and other credentials came since",
			allocInput(task(func(ts *job.TaskStatus) {
				ts.LastError = &job.Failure{Kind: job.Retried, Reason: "PullDenied", At: t0.Add(-2 * time.Second)}
				ts.NextRetry = t0.Add(5 * time.Minute)
			}), func(in *AllocInput) { in.NewAuth = t0.Add(-time.Second) }),
			"bring web (ImageRequired)", job.PhasePulling, 0,
		},
		{
			"pull failed with the newest credentials",
			allocInput(task(func(ts *job.TaskStatus) {
				ts.LastError = &job.Failure{Kind: job.Retried, Reason: "PullDenied", At: t0.Add(-time.Second)}
				ts.NextRetry = t0.Add(5 * time.Minute)
			}), func(in *AllocInput) { in.NewAuth = t0.Add(-2 * time.Second) }),
			"nothing", job.PhaseBackoff, 5 * time.Minute,
		},
		{
			"waits for a person",
			allocInput(task(func(ts *job.TaskStatus) {
				ts.LastError, ts.NextRetry = &job.Failure{Kind: job.WaitsForUser, Reason: "ArchiveMissing"}, t0.Add(7*time.Second)
			})),
			"nothing", job.PhaseWaiting, 7 * time.Second,
		},
		{"created, not started", allocInput(task(hasImage), with(observed.Created, 1)), "start web (CreatedNotStarted)", job.PhaseStarting, 0},
		{
			"start was refused",
			allocInput(with(observed.Created, 1), task(func(ts *job.TaskStatus) { hasImage(ts); ts.LastError = &job.Failure{} })),
			"remove web (StartFailed)", job.PhaseStarting, 0,
		},
		{"created, wanted no more than prepared", allocInput(wanted(job.DesiredPrepare), with(observed.Created, 1)), "remove web (SupersededAttempt)", job.PhaseStarting, 0},
		{"running", allocInput(with(observed.Running, 1)), "nothing", job.PhaseRunning, 0},
		{
			"running for less than min_healthy_time",
			allocInput(with(observed.Running, 1, func(c *observed.Container) { c.StartedAt = t0.Add(-4 * time.Second) })),
			"nothing", job.PhaseRunning, 6 * time.Second,
		},
		{
			"running, crashes not forgotten yet",
			allocInput(with(observed.Running, 1), task(func(ts *job.TaskStatus) { ts.Crashes = 3 })),
			"nothing", job.PhaseRunning, 9 * time.Minute,
		},
		{"paused", allocInput(with(observed.Paused, 1)), "unpause web (Drift paused)", job.PhasePaused, 0},
		{
			"renamed",
			allocInput(with(observed.Running, 1, func(c *observed.Container) { c.Name = "other" })),
			"rename web to web-" + allocA + " (Drift name)", job.PhaseRunning, 0,
		},
		{
			"renamed, and the name is taken",
			allocInput(with(observed.Running, 1, func(c *observed.Container) { c.Name = "other" }),
				task(func(ts *job.TaskStatus) { ts.NextRetry = t0.Add(time.Minute) })),
			"nothing", job.PhaseRunning, time.Minute,
		},
		{
			"restart policy and memory changed",
			allocInput(with(observed.Running, 1, func(c *observed.Container) { c.RestartPolicy, c.MemoryBytes = "always", 1<<20 })),
			"update web (Drift restart_policy, memory)", job.PhaseRunning, 0,
		},
		{
			"limits that the engine does not tell are not managed",
			allocInput(with(observed.Running, 1, func(c *observed.Container) { c.CPUShares, c.MemoryBytes, c.MemorySwap = 0, 0, 0 })),
			"nothing", job.PhaseRunning, 0,
		},
		{"removal under way", allocInput(with(observed.Removing, 1)), "nothing", job.PhaseStarting, removingRetry},
		{
			"first crash: the dead one gives up the name at once",
			allocInput(task(hasImage), with(observed.Exited, 1)),
			"rename web to web-" + allocA + "-1 (KeptForLogs)", job.PhaseBackoff, 0,
		},
		{
			"first crash: then the next attempt",
			allocInput(crashed(1, 0), with(observed.Exited, 1, renamedDead(1))),
			"run web attempt 2 (Crashed)", job.PhaseStarting, 0,
		},
		{
			"third crash: backoff",
			allocInput(crashed(3, 20*time.Second), with(observed.Exited, 1)),
			"nothing", job.PhaseBackoff, 20 * time.Second,
		},
		{
			"died while nobody looked: no crash, no backoff",
			allocInput(func(in *AllocInput) { in.SeenSince = t0 },
				task(func(ts *job.TaskStatus) { hasImage(ts); ts.Crashes, ts.NextRetry = 5, t0.Add(time.Hour) }),
				with(observed.Exited, 1, renamedDead(1))),
			"run web attempt 2 (DiedOutOfSight)", job.PhaseStarting, 0,
		},
		{
			"removed from outside",
			allocInput(task(func(ts *job.TaskStatus) { hasImage(ts); ts.Attempt = 4 })),
			"run web attempt 5 (RemovedFromOutside)", job.PhaseStarting, 0,
		},
		{
			"the dead one of a backoff removed from outside: the backoff stays",
			allocInput(func(in *AllocInput) { in.Now = t0.Add(5 * time.Second) }, crashed(3, 20*time.Second)),
			"nothing", job.PhaseBackoff, 15 * time.Second,
		},
		{
			"docker rm -f: the die came first and was taken for a crash",
			allocInput(crashed(3, 20*time.Second)),
			"run web attempt 2 (RemovedFromOutside)", job.PhaseStarting, 0,
		},
		{
			"the newest dead one is kept",
			allocInput(with(observed.Exited, 1, renamedDead(1)), with(observed.Running, 2)),
			"nothing", job.PhaseRunning, 0,
		},
		{
			"older dead ones go",
			allocInput(with(observed.Exited, 1, renamedDead(1)), with(observed.Exited, 2, renamedDead(2)), with(observed.Running, 3)),
			"remove web (SupersededAttempt)", job.PhaseRunning, 0,
		},
		{
			"older dead ones wait for a removal that failed",
			allocInput(with(observed.Exited, 1, renamedDead(1)), with(observed.Exited, 2, renamedDead(2)), with(observed.Running, 3),
				task(func(ts *job.TaskStatus) { ts.Failures, ts.NextRetry = 1, t0.Add(9*time.Second) })),
			"nothing", job.PhaseRunning, 9 * time.Second,
		},
		{
			"at the next death the restart comes first",
			allocInput(with(observed.Exited, 1, renamedDead(1)), with(observed.Exited, 2)),
			"rename web to web-" + allocA + "-2 (KeptForLogs)", job.PhaseBackoff, 0,
		},
		{
			"at the next death the kept one goes in the backoff",
			allocInput(task(func(ts *job.TaskStatus) {
				hasImage(ts)
				ts.Attempt, ts.Crashes, ts.NextRetry = 2, 2, t0.Add(10*time.Second)
				ts.LastExit = &job.Exit{Code: 1, At: t0.Add(-time.Millisecond), Attempt: 2}
			}), with(observed.Exited, 1, renamedDead(1)), with(observed.Exited, 2)),
			"remove web (SupersededAttempt)", job.PhaseBackoff, 10 * time.Second,
		},
		{
			"two that run: the older one dies first",
			allocInput(with(observed.Running, 1, renamedDead(1)), with(observed.Created, 2)),
			"kill web SIGKILL (SupersededAttempt)", job.PhasePending, 0,
		},
		{
			"the name is on its way out: waited for",
			allocInput(task(func(ts *job.TaskStatus) { hasImage(ts); ts.Attempt, ts.NextRetry = 4, t0.Add(removingRetry) })),
			"nothing", job.PhaseBackoff, removingRetry,
		},
		{
			"was running, with a drift that could not be repaired, and is gone",
			allocInput(task(func(ts *job.TaskStatus) {
				hasImage(ts)
				ts.Attempt, ts.RunningSince, ts.NextRetry = 1, t0.Add(-time.Hour), t0.Add(time.Minute)
				ts.LastError = &job.Failure{Kind: job.Retried, Reason: "NameTaken"}
			})),
			"run web attempt 2 (RemovedFromOutside)", job.PhaseStarting, 0,
		},
		{
			"image gone: the dead container's id is not tried again",
			allocInput(with(observed.Exited, 1, renamedDead(1)), crashed(1, 0), task(func(ts *job.TaskStatus) {
				ts.Image, ts.ImageID, ts.Prepared = refWeb, "", false
			})),
			"bring web (ImageRequired)", job.PhasePulling, 0,
		},
		{
			"died as dockerd went: no backoff when it is back",
			allocInput(func(in *AllocInput) {
				in.GapFrom, in.GapTo, in.SeenSince = t0.Add(10*time.Second), t0.Add(20*time.Second), t0.Add(20*time.Second)
				in.Now = t0.Add(21 * time.Second)
			}, crashed(4, time.Minute), with(observed.Exited, 1, renamedDead(1))),
			"run web attempt 2 (DiedOutOfSight)", job.PhaseStarting, 0,
		},
		{
			"died long before dockerd went: the backoff stays",
			allocInput(func(in *AllocInput) {
				in.GapFrom, in.GapTo, in.SeenSince = t0.Add(30*time.Second), t0.Add(35*time.Second), t0.Add(35*time.Second)
				in.Now = t0.Add(36 * time.Second)
			}, crashed(4, time.Minute), with(observed.Exited, 1, renamedDead(1))),
			"nothing", job.PhaseBackoff, 24 * time.Second,
		},
		{
			"the agent was restarted in a backoff: it stays",
			allocInput(func(in *AllocInput) { in.SeenSince, in.Now = t0.Add(time.Second), t0.Add(time.Second) },
				crashed(4, time.Minute), with(observed.Exited, 1, renamedDead(1))),
			"nothing", job.PhaseBackoff, 59 * time.Second,
		},
		{
			"a failure on a dockerd that went is forgotten",
			allocInput(func(in *AllocInput) {
				in.GapFrom, in.GapTo, in.Now = t0.Add(time.Second), t0.Add(2*time.Second), t0.Add(2*time.Second)
			}, task(func(ts *job.TaskStatus) {
				hasImage(ts)
				ts.Failures, ts.NextRetry = 3, t0.Add(time.Minute)
				ts.LastError = &job.Failure{Kind: job.Retried, Reason: "EngineError", At: t0}
			})),
			"run web attempt 1 (Placed)", job.PhaseStarting, 0,
		},
		{
			"nobody knows whether it was started: start is repeated",
			allocInput(with(observed.Created, 1), task(func(ts *job.TaskStatus) {
				hasImage(ts)
				ts.LastError = &job.Failure{Kind: job.Indeterminate}
			})),
			"start web (CreatedNotStarted)", job.PhaseStarting, 0,
		},
		{
			"dead, and nobody knows how",
			allocInput(task(hasImage), with(observed.Exited, 1, func(c *observed.Container) { c.Partial = true })),
			"nothing", job.PhasePending, partialRetry,
		},
		{
			"running, and nobody knows since when",
			allocInput(task(func(ts *job.TaskStatus) { hasImage(ts); ts.Crashes = 2 }),
				with(observed.Running, 1, func(c *observed.Container) {
					c.Partial, c.StartedAt, c.CPUShares = true, time.Time{}, 0
				})),
			"nothing", job.PhaseRunning, 0,
		},
		{
			"a backoff from a clock that was set back",
			allocInput(crashed(2, time.Hour), with(observed.Exited, 1, renamedDead(1))),
			"run web attempt 2 (Crashed)", job.PhaseStarting, 0,
		},
		{
			"stop: signalled by a clock that was set back",
			allocInput(wanted(job.DesiredStop), with(observed.Running, 1), task(func(ts *job.TaskStatus) {
				ts.Phase, ts.StoppingSince = job.PhaseStopping, t0.Add(time.Hour)
			})),
			"nothing", job.PhaseStopping, 5 * time.Second,
		},
		{
			"spec unknown: made and never started",
			allocInput(func(in *AllocInput) { in.Job, in.Group = nil, nil }, with(observed.Created, 1, func(c *observed.Container) { c.StartedAt = time.Time{} })),
			"start web (SpecUnknown)", job.PhaseStarting, 0,
		},
		{"stop: running", allocInput(wanted(job.DesiredStop), with(observed.Running, 1)), "kill web SIGTERM (Stopping)", job.PhaseStopping, 0},
		{
			"stop: the image's signal",
			allocInput(wanted(job.DesiredStop), with(observed.Running, 1, func(c *observed.Container) { c.StopSignal = "SIGQUIT" })),
			"kill web SIGQUIT (Stopping)", job.PhaseStopping, 0,
		},
		{
			"stop: signalled",
			allocInput(wanted(job.DesiredStop), with(observed.Running, 1), task(func(ts *job.TaskStatus) {
				ts.Phase, ts.StoppingSince = job.PhaseStopping, t0.Add(-2*time.Second)
			})),
			"nothing", job.PhaseStopping, 3 * time.Second,
		},
		{
			"stop: kill_timeout exceeded",
			allocInput(wanted(job.DesiredStop), with(observed.Running, 1), task(func(ts *job.TaskStatus) {
				ts.Phase, ts.StoppingSince = job.PhaseStopping, t0.Add(-5*time.Second)
			})),
			"kill web SIGKILL (KillTimeoutExceeded)", job.PhaseStopping, 0,
		},
		{
			"stop: SIGKILL was sent",
			allocInput(wanted(job.DesiredStop), with(observed.Running, 1), task(func(ts *job.TaskStatus) {
				ts.Phase, ts.StoppingSince, ts.KilledAt = job.PhaseStopping, t0.Add(-9*time.Second), t0.Add(-4*time.Second)
			})),
			"nothing", job.PhaseStopping, 6 * time.Second,
		},
		{"stop: exited", allocInput(wanted(job.DesiredStop), with(observed.Exited, 1)), "remove web (Stopping)", job.PhaseStopping, 0},
		{
			"stop: a backoff of the life before does not delay it",
			allocInput(wanted(job.DesiredStop), with(observed.Exited, 1), task(func(ts *job.TaskStatus) {
				ts.Phase, ts.NextRetry = job.PhaseBackoff, t0.Add(time.Hour)
			})),
			"remove web (Stopping)", job.PhaseStopping, 0,
		},
		{"stop: gone", allocInput(wanted(job.DesiredStop), task(hasImage)), "nothing", job.PhaseDead, 0},
		{
			"held: what died stays dead, and is no crash",
			allocInput(func(in *AllocInput) { in.Hold = true }, task(hasImage), with(observed.Exited, 1)),
			"nothing", job.PhaseDead, 0,
		},
		{
			"held: a stop waits",
			allocInput(func(in *AllocInput) { in.Hold = true }, wanted(job.DesiredStop), with(observed.Running, 1)),
			"nothing", job.PhaseRunning, 0,
		},
		{
			"retry: a backoff of before is over",
			allocInput(func(in *AllocInput) { in.RetryAt = t0 }, crashed(4, time.Minute), with(observed.Exited, 1, renamedDead(1))),
			"run web attempt 2 (RetryRequested)", job.PhaseStarting, 0,
		},
		{
			"retry: what failed since is waited out",
			allocInput(func(in *AllocInput) { in.RetryAt = t0.Add(-time.Hour) }, task(hasImage), task(func(ts *job.TaskStatus) {
				ts.LastError, ts.NextRetry = &job.Failure{Kind: job.Retried, At: t0}, t0.Add(time.Minute)
			})),
			"nothing", job.PhaseBackoff, time.Minute,
		},
		{
			"spec unknown: what runs is left alone",
			allocInput(func(in *AllocInput) { in.Job, in.Group = nil, nil }, with(observed.Running, 1, func(c *observed.Container) { c.MemoryBytes = 7 })),
			"nothing", job.PhaseRunning, 0,
		},
		{
			"spec unknown: what died is started again as it is",
			allocInput(func(in *AllocInput) { in.Job, in.Group = nil, nil }, with(observed.Exited, 1)),
			"start web (SpecUnknown)", job.PhaseStarting, 0,
		},
		{
			"spec unknown: work that is done",
			allocInput(func(in *AllocInput) { in.Job, in.Group = nil, nil }, with(observed.Exited, 1, workThatEnds)),
			"nothing", job.PhaseComplete, 0,
		},
		{
			"spec unknown: work that failed",
			allocInput(func(in *AllocInput) { in.Job, in.Group = nil, nil }, with(observed.Exited, 1, workThatEnds, func(c *observed.Container) { c.ExitCode = 3 })),
			"start web (SpecUnknown)", job.PhaseStarting, 0,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := PlanAlloc(tt.in)
			if got := plan.Step.String(); got != tt.step {
				t.Errorf("step %q, want %q", got, tt.step)
			}
			if got := plan.Status.Tasks["web"].Phase; got != tt.phase {
				t.Errorf("phase %q, want %q", got, tt.phase)
			}
			var wake time.Duration
			if !plan.WakeAt.IsZero() {
				wake = plan.WakeAt.Sub(tt.in.Now)
			}
			if wake != tt.wake {
				t.Errorf("wake in %v, want %v", wake, tt.wake)
			}
			if diff := cmp.Diff(plan, PlanAlloc(tt.in)); diff != "" {
				t.Errorf("a second plan of the same input differs:\n%s", diff)
			}
		})
	}
}

func TestPlanAllocAsksForLatestOnce(t *testing.T) {
	latest := func(in *AllocInput) { in.Spec.Images["web"] = "docker.io/library/web:latest" }
	for _, tt := range []struct {
		name string
		in   AllocInput
		ask  bool
	}{
		{"fixed tag", allocInput(), false},
		{"latest, first of its hash", allocInput(latest), true},
		{"latest, another allocation has it", allocInput(latest, func(in *AllocInput) { in.Pinned = map[string]string{"web": image1} }), false},
		{"latest, image lost", allocInput(latest, task(func(ts *job.TaskStatus) { ts.Image = "docker.io/library/web:latest" })), false},
		{"latest, the first pull failed", allocInput(latest, task(func(ts *job.TaskStatus) { ts.Phase, ts.Failures = job.PhasePulling, 1 })), true},
		{"force_pull", allocInput(func(in *AllocInput) { in.Group.Tasks[0].Config.ForcePull = true }), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := PlanAlloc(tt.in).Step
			if s.Kind != StepBring || s.Ask != tt.ask {
				t.Errorf("step %v asks %v, want bring that asks %v", s, s.Ask, tt.ask)
			}
		})
	}
}

func TestStopEndsAllocationOnlyWhenContainersAreGone(t *testing.T) {
	if at := PlanAlloc(allocInput(wanted(job.DesiredStop), with(observed.Exited, 1))).Status.EndedAt; !at.IsZero() {
		t.Errorf("ended at %v with a container left", at)
	}
	if at := PlanAlloc(allocInput(wanted(job.DesiredStop))).Status.EndedAt; !at.Equal(t0) {
		t.Errorf("ended at %v, want %v", at, t0)
	}
}

func TestCrashBackoff(t *testing.T) {
	want := []time.Duration{0, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second, 5 * time.Minute, 5 * time.Minute}
	for n, d := range want {
		got := crashDelay(n+1, "seed")
		if got < d || got > d+d/5 {
			t.Errorf("crash %d waits %v, want %v and at most a fifth more", n+1, got, d)
		}
	}
	if crashDelay(3, "a") == crashDelay(3, "b") {
		t.Error("two tasks have the same jitter")
	}
}

func TestStepFailed(t *testing.T) {
	base := job.TaskStatus{Phase: job.PhaseStarting, Prepared: true, ImageID: image1, Failures: 1}
	for _, tt := range []struct {
		name     string
		err      error
		failures int
		wait     [2]time.Duration
		prepared bool
	}{
		{"retried", job.NewError(job.Retried, "ImagePullFailed", errors.New("x")), 2, [2]time.Duration{20 * time.Second, 24 * time.Second}, true},
		{"for the user, on a container", job.NewError(job.WaitsForUser, "InvalidConfig", errors.New("x")), 2, [2]time.Duration{20 * time.Second, 24 * time.Second}, true},
		{"unknown", job.NewError(job.Indeterminate, "EngineUnavailable", errors.New("x")), 1, [2]time.Duration{indeterminateRetry, indeterminateRetry}, true},
		{"name on its way out", job.NewError(job.Retried, errNameRemoving, errors.New("x")), 1, [2]time.Duration{removingRetry, removingRetry}, true},
		{"image gone", job.NewError(job.Retried, errImageGone, errors.New("x")), 2, [2]time.Duration{time.Second, time.Second}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ts := stepFailed(base, tt.err, "seed", t0)
			wait := ts.NextRetry.Sub(t0)
			if ts.Failures != tt.failures || wait < tt.wait[0] || wait > tt.wait[1] || ts.Prepared != tt.prepared {
				t.Errorf("failures %d, wait %v, prepared %v; want %d, %v, %v", ts.Failures, wait, ts.Prepared, tt.failures, tt.wait, tt.prepared)
			}
		})
	}
}

func TestFailureForTheUserIsTriedOften(t *testing.T) {
	ts := stepFailed(job.TaskStatus{}, job.NewError(job.WaitsForUser, "ArchiveMissing", errors.New("x")), "seed", t0)
	if got := ts.NextRetry.Sub(t0); got != userRetry {
		t.Errorf("wait %v, want %v: a look at a file costs nothing", got, userRetry)
	}
}

// TestCleaningLeavesABackoffAlone: the removal of an old container, be it done
// or failed, neither ends nor shortens the wait of its task.
func TestCleaningLeavesABackoffAlone(t *testing.T) {
	s := Step{Kind: StepRemove, Reason: ReasonSuperseded}
	resting := job.TaskStatus{Crashes: 5, NextRetry: t0.Add(time.Minute)}
	if got := stepDone(resting, s, t0).NextRetry; !got.Equal(resting.NextRetry) {
		t.Errorf("done: next retry %v", got)
	}
	if got := stepFailed(resting, job.NewError(job.Retried, "X", errors.New("x")), "", t0).NextRetry; !got.Equal(resting.NextRetry) {
		t.Errorf("failed: next retry %v", got)
	}
}

// TestReasonOfAnExitStays: the second look, after the rename, says the same.
func TestReasonOfAnExitStays(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   AllocInput
		want string
	}{
		{"crash", allocInput(task(hasImage), with(observed.Exited, 1)), "run web attempt 2 (Crashed)"},
		{"out of sight", allocInput(task(hasImage), with(observed.Exited, 1), func(in *AllocInput) { in.SeenSince = t0 }), "run web attempt 2 (DiedOutOfSight)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := tt.in
			in.Status = PlanAlloc(in).Status
			in.Containers[0].Name = job.DeadContainerName("web", allocA, 1)
			if got := PlanAlloc(in).Step.String(); got != tt.want {
				t.Errorf("step %q, want %q", got, tt.want)
			}
		})
	}
}

func TestSecondTaskIsAskedForToo(t *testing.T) {
	in := allocInput(func(in *AllocInput) {
		two := in.Group.Tasks[0]
		two.Name = "side"
		in.Group.Tasks = append(in.Group.Tasks, two)
		in.Spec.Images = map[string]string{"web": refWeb, "side": "docker.io/library/side:latest"}
	})
	plan := PlanAlloc(in)
	in.Status, in.InFlight = plan.Status, map[string]bool{"web": true}
	if s := PlanAlloc(in).Step; s.Task != "side" || !s.Ask {
		t.Errorf("step %v asks %v, want that side's latest is asked for", s, s.Ask)
	}
}

func workThatEnds(c *observed.Container) { c.Identity.Type, c.ExitCode = job.TypeBatch, 0 }
