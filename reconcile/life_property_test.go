package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"reconciler/internal/job"
	"reconciler/observed"
)

// drawLife draws a job of all that the plans know.
func drawLife(rt *rapid.T) *job.Job {
	flip := func(name string) bool { return rapid.Bool().Draw(rt, name) }
	seconds := func(name string, most int) job.Duration {
		return job.Duration(time.Duration(rapid.IntRange(0, most).Draw(rt, name)) * time.Second)
	}
	j := webJob(count(rapid.IntRange(0, 3).Draw(rt, "count")), command(rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "command")))
	g := &j.Groups[0]
	if flip("batch") {
		j.Type = job.TypeBatch
	}
	if flip("side") {
		tasks("side")(j)
	}
	t := &g.Tasks[rapid.IntRange(0, len(g.Tasks)-1).Draw(rt, "special")]
	t.Leader = flip("leader")
	if len(g.Tasks) > 1 && flip("joins") {
		g.Tasks[1].Config.NetworkMode = "container:web"
	}
	if flip("restart") {
		g.Restart = &job.Restart{
			Attempts: rapid.IntRange(0, 3).Draw(rt, "attempts"), Interval: 1e9 + seconds("interval", 600), Delay: seconds("delay", 60),
			Mode: rapid.SampledFrom([]job.RestartMode{job.RestartFail, job.RestartDelay}).Draw(rt, "mode"),
		}
	}
	if flip("check") {
		c := job.Check{Name: "up", Type: job.CheckScript, Command: "x", Interval: 1e9 + seconds("every", 20)}
		if flip("check_restart") {
			c.CheckRestart = &job.CheckRestart{Limit: rapid.IntRange(0, 3).Draw(rt, "limit"), Grace: seconds("grace", 30), IgnoreWarnings: flip("warnings")}
		}
		t.Services = []job.Service{{Name: "s", Checks: []job.Check{c}}}
	}
	t.Config.Privileged = flip("alone")
	g.ShutdownDelay, t.ShutdownDelay, t.KillTimeout = seconds("group delay", 5), seconds("task delay", 5), seconds("kill_timeout", 20)
	g.Update = job.Update{
		MaxParallel: rapid.IntRange(1, 3).Draw(rt, "max_parallel"), MinHealthyTime: seconds("min_healthy_time", 20),
		HealthyDeadline: 30e9 + seconds("healthy_deadline", 60), ProgressDeadline: 60e9 + seconds("progress_deadline", 60),
		AutoRevert: flip("auto_revert"),
	}
	return j
}

// befall does one thing that files, people, processes, checks or dockerd do.
func befall(rt *rapid.T, w *world) {
	names := slices.Sorted(maps.Keys(w.containers))
	switch what := rapid.SampledFrom([]string{
		"run", "run", "run", "edit", "edit", "crash", "crash", "exit 0", "remove", "fail", "checks", "unhealthy",
		"retry", "restart", "agent", "dockerd", "host", "hold", "delete", "stubborn",
	}).Draw(rt, "event"); what {
	case "run":
		w.run(time.Duration(rapid.IntRange(0, 120_000).Draw(rt, "ms")) * time.Millisecond)
	case "edit":
		w.edit(drawLife(rt))
	case "fail":
		w.failSome(rt)
	case "checks":
		st := rapid.SampledFrom([]job.CheckStatus{job.CheckPassing, job.CheckWarning, job.CheckCritical, job.CheckPending}).Draw(rt, "status")
		w.verdict = func(job.CheckTarget) job.CheckStatus { return st }
	case "retry":
		w.retryAt = w.now
	case "restart":
		w.restartAt = w.now
	case "agent":
		w.now = w.now.Add(time.Duration(rapid.IntRange(0, 1000).Draw(rt, "s")) * time.Second)
		w.seen, w.gapFrom, w.gapTo = w.now, time.Time{}, w.now
		clear(w.checks)
	case "dockerd":
		w.gapFrom = w.now
		for _, c := range w.containers {
			w.harm(c, "crash")
		}
		w.now = w.now.Add(time.Second)
		w.seen, w.gapTo = w.now, w.now
	case "host":
		w.unmet = rapid.SampledFrom([]string{"", "meta.on is y"}).Draw(rt, "unmet")
	case "hold":
		w.hold = !w.hold
	case "delete":
		w.delete()
	case "stubborn":
		w.stubborn["web"] = !w.stubborn["web"]
	default:
		if len(names) == 0 {
			return
		}
		c := w.containers[rapid.SampledFrom(names).Draw(rt, "container")]
		w.say("%s %s", what, c.ID)
		switch what {
		case "exit 0":
			w.harm(c, "crash")
			c.ExitCode = 0
		case "unhealthy":
			c.Health = dockerUnhealthy
		default:
			w.harm(c, what)
		}
	}
}

// crowded says which index has more than may be alive there; "" if none.
func (w *world) crowded() string {
	live := map[int]map[string]*job.Group{}
	for _, c := range w.containers {
		if !c.Live() {
			continue
		}
		i := c.Identity.AllocIndex
		if live[i] == nil {
			live[i] = map[string]*job.Group{}
		}
		live[i][c.Identity.AllocID] = &w.specs[c.Identity.SpecHash].Groups[0]
	}
	for i, allocs := range live {
		gs := slices.Collect(maps.Values(allocs))
		if len(gs) > 2 {
			return fmt.Sprintf("%d allocations are alive at index %d", len(gs), i)
		}
		if len(gs) == 2 {
			if why, ok := job.MayRunBeside(gs[0], gs[1]); !ok {
				return fmt.Sprintf("two allocations are alive at index %d: %s", i, why)
			}
		}
	}
	return ""
}

// astray says in what the world is not as its file wants; "" if it is.
func (w *world) astray() string {
	want := 0
	hash := ""
	if w.record.Deleted.IsZero() {
		g := &w.record.Spec.Groups[0]
		want, hash = g.Count, job.SpecHash(w.record.Spec, g)
	}
	at := map[int]bool{}
	for _, id := range w.sorted() {
		a := w.allocs[id]
		switch {
		case a.Ended():
			continue
		case a.Spec.Desired != job.DesiredRun || a.Spec.SpecHash != hash || a.Spec.Index >= want || at[a.Spec.Index]:
			return fmt.Sprintf("allocation %s is not wanted", id)
		case a.Spec.Generation != w.record.Generation:
			return fmt.Sprintf("allocation %s is of generation %d", id, a.Spec.Generation)
		}
		at[a.Spec.Index] = true
		for name, ts := range a.Status.Tasks {
			if ts.Phase != job.PhaseRunning && (w.record.Spec.Type != job.TypeBatch || ts.Phase != job.PhaseComplete && ts.Phase != job.PhaseEnded) {
				return fmt.Sprintf("task %s of %s is %s", name, id, ts.Phase)
			}
		}
	}
	if len(at) != want {
		return fmt.Sprintf("%d of %d indexes are filled", len(at), want)
	}
	for _, c := range w.containers {
		if a := w.allocs[c.Identity.AllocID]; a.Ended() {
			return fmt.Sprintf("container %s of an ended allocation is left", c.ID)
		}
	}
	return ""
}

// TestLaw_ConvergeAndQuiet_Life: whatever befalls a job of any kind, no index
// is ever crowded, no plan wakes in the past, and once it is over and somebody
// has asked for another try the job becomes what its file says, and then
// nothing more is done.
func TestLaw_ConvergeAndQuiet_Life(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld()
		w.watch = func() {
			if msg := w.crowded(); msg != "" {
				rt.Fatalf("%s:\n%s", msg, tail(w.log))
			}
		}
		w.edit(drawLife(rt))
		for range rapid.IntRange(0, 25).Draw(rt, "events") {
			befall(rt, w)
		}
		w.fail, w.verdict, w.hold, w.unmet = func(Step) error { return nil }, nil, false, ""
		w.now = w.now.Add(time.Second)
		for _, c := range w.containers {
			c.Health = ""
		}
		w.retryAt = w.now
		w.now = w.now.Add(time.Second)
		w.run(3 * time.Hour)
		if msg := w.astray(); msg != "" {
			rt.Fatalf("%s:\n%s", msg, tail(w.log))
		}
		w.did()
		w.actions()
		before := encoded(w.deployment)
		w.run(24 * time.Hour)
		if steps := append(w.did(), w.actions()...); len(steps) > 0 {
			rt.Fatalf("later %q:\n%s", steps, tail(w.log))
		}
		if after := encoded(w.deployment); after != before {
			rt.Fatalf("the deployment changed in a quiet day:\n%s\n%s", before, after)
		}
	})
}

// TestUpdatesKeepWhatIsHealthy: while files change and containers die, at
// least count - max_parallel indexes have a healthy allocation that is not
// asked to stop, but for those whose container has died.
func TestUpdatesKeepWhatIsHealthy(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n, parallel := rapid.IntRange(1, 4).Draw(rt, "count"), rapid.IntRange(1, 2).Draw(rt, "max_parallel")
		edit := func(cmd string) *job.Job {
			return webJob(count(n), command(cmd), checked, update(func(u *job.Update) {
				u.MaxParallel, u.HealthyDeadline, u.AutoRevert = parallel, job.Duration(time.Minute), rapid.Bool().Draw(rt, "auto_revert")
			}))
		}
		w := newWorld()
		w.edit(edit(""))
		w.run(time.Minute)
		died := map[int]bool{}
		w.watch = func() {
			up := map[int]bool{}
			for _, a := range w.allocs {
				runs := slices.ContainsFunc(slices.Collect(maps.Values(w.containers)), func(c *observed.Container) bool {
					return c.Identity.AllocID == a.Spec.ID && c.State == observed.Running
				})
				if runs && healthy(*a) && a.Spec.Desired == job.DesiredRun {
					up[a.Spec.Index] = true
					delete(died, a.Spec.Index)
				}
			}
			if len(up) < n-parallel-len(died) {
				rt.Fatalf("%d of %d are healthy, max_parallel %d, %d have died:\n%s", len(up), n, parallel, len(died), tail(w.log))
			}
		}
		for range rapid.IntRange(1, 25).Draw(rt, "events") {
			switch rapid.SampledFrom([]string{"run", "run", "edit", "die", "bad", "good"}).Draw(rt, "event") {
			case "run":
				w.run(time.Duration(rapid.IntRange(0, 90).Draw(rt, "s")) * time.Second)
			case "edit":
				w.edit(edit(rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(rt, "command")))
			case "bad":
				// Not what runs: that is the new one's fault alone.
				if cmd := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "bad"); w.runningCommands()[cmd] == 0 {
					bad(cmd)(w)
				}
			case "good":
				w.verdict = nil
			case "die":
				for _, id := range slices.Sorted(maps.Keys(w.containers)) {
					if c := w.containers[id]; c.State == observed.Running && rapid.Bool().Draw(rt, "this") {
						w.harm(c, "crash")
						died[c.Identity.AllocIndex] = true
						break
					}
				}
			}
		}
	})
}
