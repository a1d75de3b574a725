package reconcile

import (
	"slices"
	"testing"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
)

func joins(name string) func(*job.Task) {
	return func(t *job.Task) { t.Config.NetworkMode = "container:" + name }
}

// chain is a world of web <- side <- third: side lives in web's network, third
// in side's.
func chain(edit ...func(*job.Job)) *world {
	return lives(append([]func(*job.Job){tasks("side", "third"), ofTask("side", joins("web")), ofTask("third", joins("side"))}, edit...)...)
}

func TestJoinedStartsFirst(t *testing.T) {
	// The order of the manifest is the other way round.
	w := newWorld()
	w.edit(webJob(tasks("side", "main"), ofTask("web", joins("side")), ofTask("side", joins("main"))))
	w.run(time.Minute)
	want := []string{"run main attempt 1 (Placed)", "run side attempt 1 (Placed)", "run web attempt 1 (Placed)"}
	if got := w.did(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestJoinedIsNotThere(t *testing.T) {
	w := newWorld()
	w.fail = func(s Step) error {
		if s.Kind == StepRun && s.Task == "web" {
			return job.NewError(job.Retried, "X", errFake)
		}
		return nil
	}
	w.edit(webJob(tasks("side"), ofTask("side", joins("web"))))
	w.run(time.Minute)
	w.wantPhase(t, "side", job.PhasePending)
	if got := w.did(); slices.Contains(got, "run side attempt 1 (Placed)") {
		t.Errorf("%q", got)
	}
}

func TestDependentIsRecreatedWithTheJoined(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"crash":           func(w *world) { w.exit("web", 1) },
		"removal by hand": func(w *world) { w.remove("web") },
		"docker restart": func(w *world) {
			w.now = w.now.Add(time.Second)
			w.current("web").StartedAt = w.now
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := chain(restarts(1, interval, 0, job.RestartFail))
			old := map[string]string{"side": w.current("side").ID, "third": w.current("third").ID}
			end(w)
			w.run(time.Minute)
			for task, id := range old {
				if w.current(task).ID == id {
					t.Errorf("%s is the container of before", task)
				}
				if ts := w.task(task); ts.Crashes+ts.Restarts+ts.WindowRestarts > 0 {
					t.Errorf("%s: counted: %+v", task, ts)
				}
			}
			if got := w.did(); slices.Contains(got, "run third attempt 3 (JoinedReplaced)") {
				t.Errorf("once is enough: %q", got)
			}
			w.did()
			w.run(24 * time.Hour)
			for _, s := range w.did() {
				if s[:3] == "run" || s[:4] == "kill" {
					t.Errorf("later %q", s)
				}
			}
		})
	}
}

func TestAllOfAChainRemoved(t *testing.T) {
	w := chain()
	clear(w.containers)
	w.run(time.Minute)
	want := []string{"run web attempt 2 (RemovedFromOutside)", "run side attempt 2 (RemovedFromOutside)", "run third attempt 2 (RemovedFromOutside)"}
	if got := w.did(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestDependentOfACrashLoop(t *testing.T) {
	w := chain()
	for range 6 {
		w.exit("web", 1)
		w.run(longestWait)
		w.wantPhases(t, map[string]job.Phase{"web": job.PhaseRunning, "side": job.PhaseRunning, "third": job.PhaseRunning})
	}
	for _, task := range []string{"side", "third"} {
		if ts := w.task(task); ts.Crashes+ts.Restarts > 0 || ts.LastError != nil {
			t.Errorf("%s: counted: %+v", task, ts)
		}
	}
	// A dependent that dies while what it joins is away waits for it.
	w.exit("web", 1)
	w.run(0)
	w.exit("side", 1)
	w.run(time.Second)
	w.run(longestWait)
	w.wantPhases(t, map[string]job.Phase{"web": job.PhaseRunning, "side": job.PhaseRunning, "third": job.PhaseRunning})
}

// A clock that was set back makes the start of the joined container lie in the
// future: no reason to replace those that join it again and again.
func TestDependentAndTheClock(t *testing.T) {
	w := chain()
	w.now = w.now.Add(-time.Hour)
	w.exit("side", 1)
	w.run(2 * time.Hour)
	runs := 0
	for _, s := range w.did() {
		if s[:3] == "run" {
			runs++
		}
	}
	if runs > 6 {
		t.Errorf("%d containers after the clock was set back by an hour", runs)
	}
	w.wantPhases(t, map[string]job.Phase{"web": job.PhaseRunning, "side": job.PhaseRunning, "third": job.PhaseRunning})
}

func TestUnhealthyIsRestarted(t *testing.T) {
	w := lives(restarts(1, interval, delay, job.RestartFail))
	w.current("web").Health = dockerUnhealthy
	w.restartsWithin(t, delay)
	want := []string{"kill web SIGTERM (Unhealthy)", "rename web to web-alloc-001-1 (KeptForLogs)", "run web attempt 2 (Unhealthy)"}
	if got := w.did(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if n := w.task("web").Restarts; n != 1 {
		t.Errorf("%d restarts", n)
	}
	w.current("web").Health = dockerUnhealthy
	w.run(time.Hour)
	w.wantPhase(t, "web", job.PhaseFailed)
}

func TestUnhealthyWithoutARestartBlock(t *testing.T) {
	w := lives()
	for _, want := range []time.Duration{0, 10 * time.Second} {
		w.current("web").Health = dockerUnhealthy
		w.run(want + want/5 + time.Second)
		w.wantPhase(t, "web", job.PhaseRunning)
	}
}

// A stop that has begun is finished even if the container is healthy again, and
// by SIGKILL if it must be.
func TestUnhealthyAndStubborn(t *testing.T) {
	w := lives()
	w.stubborn["web"] = true
	c := w.current("web")
	c.Health = dockerUnhealthy
	w.run(time.Second)
	c.Health = "healthy"
	w.seen = w.now
	w.run(time.Minute)
	if got := w.did(); !slices.Contains(got, "kill web SIGKILL (KillTimeoutExceeded)") || w.current("web").ID == c.ID {
		t.Errorf("%q", got)
	}
}

func healthCheck(r *job.CheckRestart) job.Check {
	return job.Check{Name: "up", Type: job.CheckScript, Command: "x", Interval: job.Duration(10 * time.Second), CheckRestart: r}
}

func TestCheckRestart(t *testing.T) {
	const grace = 30 * time.Second
	for name, tc := range map[string]struct {
		restart *job.CheckRestart
		status  job.CheckStatus
		after   time.Duration // 0 is never
	}{
		"three looks in a row":     {&job.CheckRestart{Limit: 3}, job.CheckCritical, 20 * time.Second},
		"the first look":           {&job.CheckRestart{Limit: 1}, job.CheckCritical, time.Nanosecond},
		"limit 0":                  {&job.CheckRestart{}, job.CheckCritical, 0},
		"no block":                 {nil, job.CheckCritical, 0},
		"warning":                  {&job.CheckRestart{Limit: 3}, job.CheckWarning, 20 * time.Second},
		"warning, ignored":         {&job.CheckRestart{Limit: 3, IgnoreWarnings: true}, job.CheckWarning, 0},
		"critical, others ignored": {&job.CheckRestart{Limit: 3, IgnoreWarnings: true}, job.CheckCritical, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := lives(service("web", healthCheck(tc.restart)))
			first := w.current("web").ID
			w.verdict = func(job.CheckTarget) job.CheckStatus { return tc.status }
			w.run(max(0, tc.after-time.Millisecond))
			if tc.after > time.Second && w.current("web").ID != first {
				t.Errorf("restarted before %v", tc.after)
			}
			w.verdict = func(c job.CheckTarget) job.CheckStatus {
				if c.Container == first {
					return tc.status
				}
				return job.CheckPassing
			}
			w.run(time.Hour)
			if again := w.current("web").ID != first; again != (tc.after != 0) {
				t.Errorf("restarted: %v:\n%s", again, tail(w.log))
			}
		})
	}
	t.Run("grace", func(t *testing.T) {
		w := newWorld()
		w.verdict = func(job.CheckTarget) job.CheckStatus { return job.CheckCritical }
		w.edit(webJob(service("web", healthCheck(&job.CheckRestart{Limit: 2, Grace: job.Duration(grace)}))))
		w.run(grace + 10*time.Second - time.Millisecond)
		if got := w.did(); len(got) != 1 {
			t.Errorf("%q within the grace", got)
		}
		w.run(time.Second)
		if got := w.did(); len(got) != 3 {
			t.Errorf("%q after the grace", got)
		}
	})
}

// The record of a check alone counts, so that a restart of the agent neither
// begins the looks anew nor forgets them.
func TestCheckRestartOutlivesTheAgent(t *testing.T) {
	w := lives(service("web", healthCheck(&job.CheckRestart{Limit: 3})))
	first := w.current("web").ID
	w.verdict = func(c job.CheckTarget) job.CheckStatus {
		if c.Container == first {
			return job.CheckCritical
		}
		return job.CheckPassing
	}
	w.run(15 * time.Second)
	clear(w.checks) // the runner starts anew
	w.seen = w.now
	w.run(5*time.Second - time.Millisecond)
	if w.current("web").ID != first {
		t.Fatal("too early")
	}
	w.run(time.Second)
	if w.current("web").ID == first {
		t.Errorf("not restarted:\n%s", tail(w.log))
	}
}

// A check that passes again in time restarts nothing.
func TestCheckRestartIsForgotten(t *testing.T) {
	w := lives(service("web", healthCheck(&job.CheckRestart{Limit: 3})))
	for range 10 {
		w.verdict = func(job.CheckTarget) job.CheckStatus { return job.CheckCritical }
		w.run(15 * time.Second)
		w.verdict = nil
		w.run(15 * time.Second)
	}
	if got := w.did(); len(got) > 0 {
		t.Errorf("%q", got)
	}
}

// What is known of a container of before says nothing about the one that runs.
func TestCheckOfAnOlderContainer(t *testing.T) {
	in := allocInput(task(hasImage), with(observed.Running, 2), group(func(g *job.Group) {
		g.Tasks[0].Services = []job.Service{{Name: "web", Checks: []job.Check{healthCheck(&job.CheckRestart{Limit: 1})}}}
	}))
	in.Services = allocServices(job.Node{}, in)
	key := checksOf(&in)[0].key
	in.Checks = map[string]job.CheckState{key: {Status: job.CheckCritical, Since: t0.Add(-time.Hour), Container: "c1"}}
	plan := PlanAlloc(in)
	if plan.Step.Kind != StepNone || len(plan.Status.Checks) > 0 || len(plan.Checks) != 1 {
		t.Errorf("%s, %v, %v", plan.Step, plan.Status.Checks, plan.Checks)
	}
	if c, _ := job.FindCondition(plan.Status.Conditions, job.CondHealthy); c.Reason != ReasonCheckPending {
		t.Errorf("healthy: %+v", c)
	}
	in.Checks[key] = job.CheckState{Status: job.CheckCritical, Since: t0.Add(-time.Hour), Container: "c2"}
	if plan := PlanAlloc(in); plan.Step.String() != "kill web SIGTERM (Unhealthy)" {
		t.Errorf("%s", plan.Step)
	}
}

// A check of the group that names no task restarts all of them, one of a task
// that one.
func TestCheckRestartOfTheGroup(t *testing.T) {
	check := healthCheck(&job.CheckRestart{Limit: 1})
	for want, edit := range map[string]func(*job.Group){
		"side web": func(g *job.Group) { g.Services = []job.Service{{Name: "s", Checks: []job.Check{check}}} },
		"side": func(g *job.Group) {
			c := check
			c.Task = "side"
			g.Services = []job.Service{{Name: "s", Checks: []job.Check{c}}}
		},
		"web": func(g *job.Group) { g.Tasks[0].Services = []job.Service{{Name: "s", Checks: []job.Check{check}}} },
	} {
		w := lives(tasks("side"), ofGroup(edit))
		first := map[string]bool{w.current("web").ID: true, w.current("side").ID: true}
		w.verdict = func(c job.CheckTarget) job.CheckStatus {
			if first[c.Container] {
				return job.CheckCritical
			}
			return job.CheckPassing
		}
		w.run(10 * time.Second)
		got := ""
		for _, task := range []string{"side", "web"} {
			if !first[w.current(task).ID] {
				got += " " + task
			}
		}
		if got != " "+want {
			t.Errorf("%q were restarted, want %q\n%s", got, want, tail(w.log))
		}
	}
}

// min_healthy_time counts from the last of the start and what passes.
func TestMinHealthyTime(t *testing.T) {
	healthyAt := func(w *world) time.Duration {
		for i := range 100 {
			if healthy(*w.only()) {
				return time.Duration(i) * time.Second
			}
			w.run(time.Second)
		}
		return -1
	}
	w := newWorld()
	w.edit(webJob(service("web", healthCheck(nil))))
	w.verdict = func(job.CheckTarget) job.CheckStatus {
		if w.now.Sub(t0) < 7*time.Second {
			return job.CheckCritical
		}
		return job.CheckPassing
	}
	w.run(0)
	if got := healthyAt(w); got != 17*time.Second {
		t.Errorf("healthy after %v, want 7 s until it passes and 10 s", got)
	}

	w = newWorld() // a warning is no passing
	w.edit(webJob(service("web", healthCheck(nil))))
	w.verdict = func(job.CheckTarget) job.CheckStatus { return job.CheckWarning }
	w.run(0)
	if got := healthyAt(w); got != -1 {
		t.Errorf("healthy after %v of warnings", got)
	}
	if w.degraded() != ReasonCheckFailed {
		t.Errorf("degraded: %q", w.degraded())
	}

	w = newWorld() // nor is it looked at with task_states
	w.edit(webJob(service("web", healthCheck(nil)), ofGroup(func(g *job.Group) { g.Update.HealthCheck = job.HealthByTasks })))
	w.verdict = func(job.CheckTarget) job.CheckStatus { return job.CheckCritical }
	w.run(0)
	if got := healthyAt(w); got != 10*time.Second {
		t.Errorf("healthy after %v, want 10 s of running", got)
	}

	w = newWorld()
	w.edit(webJob(tasks("side")))
	w.run(0)
	w.exit("side", 1)
	w.now = w.now.Add(5 * time.Second)
	w.run(0)
	if got := healthyAt(w); got != 10*time.Second {
		t.Errorf("healthy %v after the last start, want 10 s", got)
	}
}

func TestServiceIsThereWhileItWorks(t *testing.T) {
	w := newWorld()
	w.edit(webJob(service("web", healthCheck(nil)), restarts(5, interval, delay, job.RestartFail)))
	state := func() string {
		for _, r := range w.services {
			return string(r.Health)
		}
		return "none"
	}
	want := func(when, want string) {
		t.Helper()
		if got := state(); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	w.run(9 * time.Second)
	want("before it is healthy", "none")
	w.run(2 * time.Second)
	want("healthy", "passing")
	w.verdict = func(job.CheckTarget) job.CheckStatus { return job.CheckCritical }
	w.run(time.Second)
	want("its check fails", "critical")
	w.verdict = nil
	w.run(time.Second)
	want("its check passes", "passing")
	w.exit("web", 1)
	w.run(time.Second)
	want("crashed", "none")
	w.verdict = func(job.CheckTarget) job.CheckStatus { return job.CheckPending }
	w.run(delay * 2)
	want("runs again, not looked at", "critical")
	w.verdict = nil
	w.run(time.Second)
	want("runs again", "passing")
	w.delete()
	w.planJob()
	w.planAlloc("alloc-001")
	want("stopping", "none")
}

// An image's HEALTHCHECK has passed for min_healthy_time, as any other check,
// before others may be sent to it; what was healthy when it was first looked at
// counts from its start.
func TestHealthyForLongEnough(t *testing.T) {
	for _, tt := range []struct {
		name string
		says []string // each for 30 seconds
		want time.Duration
	}{
		{"passes at last", []string{dockerStarting, "healthy"}, 40 * time.Second},
		{"passes again", []string{"healthy", dockerStarting, "healthy"}, 70 * time.Second},
		{"found healthy", []string{"healthy"}, 10 * time.Second},
		{"has none", []string{""}, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := allocInput(with(observed.Running, 1))
			start := in.Now
			in.Containers[0].StartedAt = start
			var healthy time.Duration
			for i := range 100 {
				since := time.Duration(i) * time.Second
				in.Now = start.Add(since)
				in.Containers[0].Health = tt.says[min(i/30, len(tt.says)-1)]
				in.Status = PlanAlloc(in).Status
				if c, _ := job.FindCondition(in.Status.Conditions, job.CondHealthy); c.Status != job.True {
					healthy = 0
				} else if healthy == 0 {
					healthy = since
				}
			}
			if healthy != tt.want {
				t.Errorf("healthy after %s, want %s", healthy, tt.want)
			}
		})
	}
}
