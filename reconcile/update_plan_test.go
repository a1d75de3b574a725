package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// update changes the update block of a job.
func update(f func(*job.Update)) func(*job.Job) {
	return ofGroup(func(g *job.Group) { f(&g.Update) })
}

func revert(j *job.Job) { j.Groups[0].Update.AutoRevert = true }

// badSince makes every container of a command unhealthy for ever.
func bad(cmd string) func(w *world) {
	return func(w *world) {
		w.verdict = func(c job.CheckTarget) job.CheckStatus {
			ct := w.containers[c.Container]
			if w.specs[ct.Identity.SpecHash].Groups[0].Tasks[0].Config.Command == cmd {
				return job.CheckCritical
			}
			return job.CheckPassing
		}
	}
}

var checked = service("web", job.Check{Name: "up", Type: job.CheckScript, Command: "x", Interval: job.Duration(time.Second)})

// runningCommands counts what runs by its command.
func (w *world) runningCommands() map[string]int {
	out := map[string]int{}
	for _, c := range w.containers {
		if c.State == observed.Running {
			out[w.specs[c.Identity.SpecHash].Groups[0].Tasks[0].Config.Command]++
		}
	}
	return out
}

func (w *world) wantCommands(t *testing.T, want map[string]int) {
	t.Helper()
	if d := cmp.Diff(want, w.runningCommands()); d != "" {
		t.Fatalf("what runs (-want +got):\n%s\n%s", d, tail(w.log))
	}
}

func TestUpdateMissesADeadline(t *testing.T) {
	const start, healthy, progress = time.Second, job.DefaultHealthyDeadline, job.DefaultProgressDeadline
	for name, tc := range map[string]struct {
		edit   []func(*job.Job)
		fail   func(w *world)
		at     time.Duration // after the edit; 0 is never
		reason string
		then   map[string]int
	}{
		"never healthy, beside": {
			nil, bad("new"), healthy, ReasonHealthyDeadline, map[string]int{"": 2},
		},
		"never healthy, one after the other": {
			[]func(*job.Job){ofTask("web", func(t *job.Task) { t.Config.Privileged = true })},
			bad("new"), healthy, ReasonHealthyDeadline,
			map[string]int{"": 1, "new": 1},
		},
		"deadline of its own": {
			[]func(*job.Job){update(func(u *job.Update) { u.HealthyDeadline = job.Duration(time.Minute) })},
			bad("new"), time.Minute, ReasonHealthyDeadline,
			map[string]int{"": 2},
		},
		"progress before healthy": {
			[]func(*job.Job){update(func(u *job.Update) { u.ProgressDeadline = job.Duration(time.Minute) })},
			bad("new"), time.Minute, ReasonProgressDeadline,
			map[string]int{"": 2},
		},
		"never starts": {
			nil, func(w *world) {
				w.fail = func(s Step) error {
					if s.Kind == StepRun {
						return job.NewError(job.Retried, "X", errFake)
					}
					return nil
				}
			}, progress, ReasonProgressDeadline, map[string]int{"": 2},
		},
		"never starts, no progress deadline": {
			[]func(*job.Job){update(func(u *job.Update) { u.ProgressDeadline = job.NoDeadline })},
			func(w *world) {
				w.fail = func(s Step) error {
					if s.Kind == StepRun {
						return job.NewError(job.Retried, "X", errFake)
					}
					return nil
				}
			}, 0, "",
			map[string]int{"": 2},
		},
		"a refused option": {
			nil, func(w *world) {
				w.fail = func(s Step) error {
					if s.Kind == StepRun {
						return job.NewError(job.WaitsForUser, "OptionRefused", errFake)
					}
					return nil
				}
			}, start, "OptionRefused", map[string]int{"": 2},
		},
		"a pull that fails": {
			nil, func(w *world) {
				w.fail = func(s Step) error {
					if s.Kind == StepBring {
						return job.NewError(job.Retried, "ImagePullFailed", errFake)
					}
					return nil
				}
			}, 0, "", map[string]int{"": 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			edit := append([]func(*job.Job){count(2), checked}, tc.edit...)
			w := lives(edit...)
			tc.fail(w)
			w.edit(webJob(append(edit, command("new"))...))
			w.run(max(0, tc.at-start))
			if f := w.deployment.Groups["web"].Failed; f != nil && tc.at > start {
				t.Fatalf("failed too early: %+v", f)
			}
			w.run(2*start + 10*time.Second)
			f := w.deployment.Groups["web"].Failed
			if tc.at == 0 {
				w.run(time.Hour)
				if f := w.deployment.Groups["web"].Failed; f != nil {
					t.Fatalf("failed: %+v", f)
				}
				w.wantCommands(t, tc.then)
				return
			}
			if f == nil || f.Reason != tc.reason || w.degraded() != tc.reason || f.Generation != 2 {
				t.Fatalf("failed %+v, degraded %q, want %s:\n%s", f, w.degraded(), tc.reason, tail(w.log))
			}
			w.run(time.Hour)
			w.wantCommands(t, tc.then)
		})
	}
}

// What is brought takes as long as it takes, and no deadline counts it.
func TestUpdatePrepareCountsForNoDeadline(t *testing.T) {
	w := lives(checked)
	w.fail = func(s Step) error {
		if s.Kind == StepBring {
			return job.NewError(job.Retried, "ImagePullFailed", errFake)
		}
		return nil
	}
	w.edit(webJob(checked, command("new")))
	w.run(3 * time.Hour)
	w.fail = func(Step) error { return nil }
	bad("new")(w)
	w.run(longestWait)
	w.run(0)
	if f := w.deployment.Groups["web"].Failed; f != nil && f.At.Sub(w.allocs["alloc-003"].Status.StartedAt) < job.DefaultHealthyDeadline {
		t.Errorf("failed %+v", f)
	}
	w.run(job.DefaultHealthyDeadline)
	if f := w.deployment.Groups["web"].Failed; f == nil || f.Reason != ReasonHealthyDeadline {
		t.Errorf("failed %+v", f)
	}
}

// An allocation that became healthy in time has met its deadline, whatever
// happens to it later.
func TestUpdateGoesOnAfterALaterCrash(t *testing.T) {
	slow := update(func(u *job.Update) { u.MinHealthyTime = job.Duration(3 * time.Minute) })
	w := newWorld()
	w.edit(webJob(count(3), slow))
	w.run(10 * time.Minute)
	w.edit(webJob(count(3), slow, command("new")))
	w.run(7 * time.Minute) // the first two are healthy
	crashed := false
	for _, c := range w.containers {
		if c.Identity.AllocIndex == 0 && c.State == observed.Running {
			c.State, c.FinishedAt, c.ExitCode = observed.Exited, w.now, 1
			crashed = true
		}
	}
	if !crashed {
		t.Fatal("nothing runs at index 0")
	}
	w.run(time.Second)
	if f := w.deployment.Groups["web"].Failed; f != nil {
		t.Fatalf("failed: %+v", f)
	}
	w.run(15 * time.Minute)
	w.wantCommands(t, map[string]int{"new": 3})
}

// Neither dockerd's absence nor the agent's counts for a deadline.
func TestUpdateAndTheAbsenceOfDockerd(t *testing.T) {
	w := lives(checked)
	bad("new")(w)
	w.edit(webJob(checked, command("new")))
	w.run(4 * time.Minute)
	w.now = w.now.Add(time.Hour)
	w.gapTo = w.now
	w.run(4 * time.Minute)
	if f := w.deployment.Groups["web"].Failed; f != nil {
		t.Errorf("failed: %+v", f)
	}
	w.run(time.Minute)
	if w.deployment.Groups["web"].Failed == nil {
		t.Error("not failed 5 minutes after its return")
	}
}

func TestFailedUpdateGoesOn(t *testing.T) {
	alone := ofTask("web", func(t *job.Task) { t.Config.Privileged = true })
	failed := func(t *testing.T, edit ...func(*job.Job)) *world {
		edit = append(edit, count(2), checked)
		w := lives(edit...)
		bad("new")(w)
		w.edit(webJob(append(edit, command("new"))...))
		w.run(time.Hour)
		if w.deployment.Groups["web"].Failed == nil {
			t.Fatal("not failed")
		}
		return w
	}
	t.Run("when the one that stands alone becomes healthy", func(t *testing.T) {
		w := failed(t, alone)
		w.verdict = nil
		w.run(5 * time.Minute)
		w.wantCommands(t, map[string]int{"new": 2})
		if w.degraded() != "" {
			t.Errorf("degraded: %s", w.degraded())
		}
	})
	t.Run("after a retry, beside", func(t *testing.T) {
		w := failed(t)
		w.verdict = nil
		w.run(time.Hour)
		w.wantCommands(t, map[string]int{"": 2}) // not by itself
		w.retryAt = w.now
		w.run(time.Minute)
		w.wantCommands(t, map[string]int{"new": 2})
	})
	t.Run("after a retry, alone: the deadline begins anew", func(t *testing.T) {
		w := failed(t, alone)
		w.retryAt = w.now
		w.run(job.DefaultHealthyDeadline - time.Second)
		if f := w.deployment.Groups["web"].Failed; f != nil {
			t.Fatalf("failed at once: %+v", f)
		}
		w.run(2 * time.Second)
		if w.deployment.Groups["web"].Failed == nil {
			t.Error("not failed after its deadline")
		}
	})
	t.Run("with an edit", func(t *testing.T) {
		w := failed(t)
		w.edit(webJob(count(2), checked, command("third")))
		w.run(5 * time.Minute)
		w.wantCommands(t, map[string]int{"third": 2})
	})
	t.Run("scaled down to what works", func(t *testing.T) {
		w := lives(alone, count(2), checked)
		w.edit(webJob(alone, count(2), checked, command("new")))
		w.run(15 * time.Second) // index 0 is new and healthy
		bad("new")(w)
		w.run(time.Hour)
		w.verdict = func(c job.CheckTarget) job.CheckStatus {
			if w.containers[c.Container].Identity.AllocIndex == 1 {
				return job.CheckCritical
			}
			return job.CheckPassing
		}
		w.run(time.Hour)
		w.edit(webJob(alone, checked, command("new")))
		w.run(time.Second)
		if f := w.deployment.Groups["web"].Failed; f != nil {
			t.Errorf("an allocation that goes counts: %+v", f)
		}
		w.run(time.Hour)
		if w.degraded() != "" {
			t.Errorf("degraded: %s", w.degraded())
		}
	})
}

func TestFirstDeploymentFails(t *testing.T) {
	w := newWorld()
	bad("")(w)
	w.edit(webJob(checked, revert))
	w.run(time.Hour)
	if w.degraded() != ReasonHealthyDeadline || w.deployment.Groups["web"].Failed != nil {
		t.Errorf("degraded %q, %+v", w.degraded(), w.deployment.Groups["web"])
	}
	w.wantCommands(t, map[string]int{"": 1})
	w.verdict = nil
	w.run(time.Minute)
	if w.degraded() != "" || w.deployment.Groups["web"].Stable == nil {
		t.Errorf("degraded %q, %+v", w.degraded(), w.deployment.Groups["web"])
	}
}

func TestAutoRevert(t *testing.T) {
	for name, edit := range map[string][]func(*job.Job){
		"beside": {count(2), checked, revert},
		"alone":  {count(2), checked, revert, ofTask("web", func(t *job.Task) { t.Config.Privileged = true })},
	} {
		t.Run(name, func(t *testing.T) {
			w := lives(edit...)
			bad("new")(w)
			w.edit(webJob(append(edit, command("new"))...))
			w.run(time.Hour)
			w.wantCommands(t, map[string]int{"": 2})
			d := w.deployment.Groups["web"]
			if !d.Reverted || d.Failed == nil || d.Stable.Generation != 1 || w.degraded() != ReasonHealthyDeadline {
				t.Errorf("%+v, degraded %q", d, w.degraded())
			}
			w.did()
			w.actions()
			w.seen = w.now
			w.run(24 * time.Hour)
			if got := append(w.did(), w.actions()...); len(got) > 0 {
				t.Errorf("later %q", got)
			}
			// What was put back is kept alive, in its own form.
			for _, c := range w.containers {
				c.State, c.FinishedAt, c.ExitCode = observed.Exited, w.now, 1
			}
			w.run(time.Minute)
			w.wantCommands(t, map[string]int{"": 2})
			// Once: a retry that fails puts back again what worked, and an edit goes on.
			w.retryAt = w.now
			w.run(job.DefaultHealthyDeadline / 2)
			if w.runningCommands()["new"] != 1 {
				t.Errorf("not tried again: %v", w.runningCommands())
			}
			w.run(time.Hour)
			w.wantCommands(t, map[string]int{"": 2})
			w.edit(webJob(append(edit, command("third"))...))
			w.run(5 * time.Minute)
			w.wantCommands(t, map[string]int{"third": 2})
			if w.degraded() != "" || w.deployment.Groups["web"].Stable.Generation != 3 {
				t.Errorf("degraded %q, %+v", w.degraded(), w.deployment.Groups["web"])
			}
		})
	}
}

// A newer edit supersedes an update at any point, and no index ever has more
// than two that run.
func TestEditSupersedesAnUpdate(t *testing.T) {
	for _, third := range []string{"third", ""} {
		for _, alone := range []bool{false, true} {
			for at := time.Duration(0); at < 30*time.Second; at += 500 * time.Millisecond {
				edit := []func(*job.Job){count(2), shutdownDelay(2*time.Second, 0)}
				if alone {
					edit = append(edit, ofTask("web", func(t *job.Task) { t.Config.Privileged = true }))
				}
				w := lives(edit...)
				most := 0
				w.watch = func() {
					for i := range 2 {
						n := 0
						for _, c := range w.containers {
							if c.Live() && c.Identity.AllocIndex == i {
								n++
							}
						}
						most = max(most, n)
					}
				}
				w.edit(webJob(append(edit, command("new"))...))
				w.run(at)
				w.edit(webJob(append(edit, command(third))...))
				w.run(5 * time.Minute)
				w.wantCommands(t, map[string]int{third: 2})
				if most > 2 || alone && most > 1 {
					t.Fatalf("%d at one index, edited after %v to %q", most, at, third)
				}
				if w.degraded() != "" {
					t.Fatalf("degraded: %s", w.degraded())
				}
			}
		}
	}
}

// An edit in place, a new count and the job's end in the middle of an update.
func TestUpdateInTheMiddle(t *testing.T) {
	for at := time.Duration(0); at < 30*time.Second; at += time.Second {
		for name, n := range map[string]int{"scaled up": 4, "scaled down": 1, "to nothing": 0, "deleted": -1} {
			w := lives(count(2))
			w.edit(webJob(count(2), command("new")))
			w.run(at)
			want := map[string]int{}
			if n < 0 {
				w.delete()
			} else {
				w.edit(webJob(count(n), command("new")))
			}
			if n > 0 {
				want["new"] = n
			}
			w.run(5 * time.Minute)
			if d := cmp.Diff(want, w.runningCommands()); d != "" {
				t.Fatalf("%s after %v: %s\n%s", name, at, d, tail(w.log))
			}
		}
	}
}

// A loss of the state in the middle: both generations are adopted, and the
// newer one stays.
func TestStateLossDuringAnUpdate(t *testing.T) {
	for at := time.Duration(0); at < 30*time.Second; at += 500 * time.Millisecond {
		w := lives(count(2))
		w.edit(webJob(count(2), command("new")))
		w.run(at)
		for id, a := range w.allocs {
			live := slices.ContainsFunc(slices.Collect(maps.Values(w.containers)), func(c *observed.Container) bool { return c.Identity.AllocID == id })
			if !live {
				delete(w.allocs, id)
				continue
			}
			a.Spec.Desired, a.Spec.Adopted, a.Status, a.Spec.RunAt = job.DesiredRun, true, job.AllocStatus{}, time.Time{}
		}
		w.deployment.Groups, w.deployment.Conditions = nil, nil
		delete(w.history, 1)
		for hash, j := range w.specs {
			if j.Groups[0].Tasks[0].Config.Command == "" {
				delete(w.specs, hash)
			}
		}
		w.seen = w.now
		w.run(5 * time.Minute)
		n := 0
		for _, c := range w.containers {
			if c.Live() {
				n++
			}
		}
		if n != 2 || w.degraded() != "" {
			t.Fatalf("after %v: %d run, degraded %q\n%s", at, n, w.degraded(), tail(w.log))
		}
		w.wantCommands(t, map[string]int{"new": 2})
	}
}

func TestMaxParallel(t *testing.T) {
	for parallel := 1; parallel <= 3; parallel++ {
		for _, alone := range []bool{false, true} {
			edit := []func(*job.Job){count(4), update(func(u *job.Update) { u.MaxParallel = parallel })}
			if alone {
				edit = append(edit, ofTask("web", func(t *job.Task) { t.Config.Privileged = true }))
			}
			w := lives(edit...)
			low, high := 4, 0
			w.watch = func() { low, high = min(low, w.running()), max(high, w.running()) }
			w.edit(webJob(append(edit, command("new"))...))
			w.run(10 * time.Minute)
			w.wantCommands(t, map[string]int{"new": 4})
			name := fmt.Sprintf("max_parallel %d, alone %v", parallel, alone)
			// The predecessors drain while the next ones begin.
			if !alone && (low != 4 || high > 4+2*parallel) {
				t.Errorf("%s: between %d and %d ran", name, low, high)
			}
			if alone && (low != 4-parallel || high != 4) {
				t.Errorf("%s: between %d and %d ran", name, low, high)
			}
		}
	}
}

// The spec of the generation that worked and its images stay known.
func TestStableGeneration(t *testing.T) {
	w := lives(checked)
	st := w.deployment.Groups["web"].Stable
	if st == nil || st.Generation != 1 || st.Images["web"] != image1 {
		t.Fatalf("%+v", st)
	}
	bad("new")(w)
	w.edit(webJob(checked, command("new")))
	w.run(time.Minute)
	if st := w.deployment.Groups["web"].Stable; st.Generation != 1 {
		t.Errorf("%+v while the update runs", st)
	}
	w.edit(webJob(checked, command("new"), update(func(u *job.Update) { u.AutoRevert = true })))
	w.run(time.Hour)
	if d := w.deployment.Groups["web"]; !d.Reverted || d.Stable.Generation != 1 || d.Stable.Images["web"] != image1 {
		t.Errorf("%+v", d)
	}
}

// A retry that comes before the allocation has been looked at again is not
// undone by the error that it is about.
func TestRetryOfAFailedUpdate(t *testing.T) {
	one, two := webJob(staticPort), webJob(staticPort, command("new"))
	at := func(retry time.Duration) JobInput {
		stuck := alloc(allocB, two, 0, func(a *job.Alloc) {
			a.Spec.Generation = 2
			a.Status.Tasks = map[string]job.TaskStatus{"web": {LastError: &job.Failure{
				Kind: job.WaitsForUser, Reason: errRestartsExhausted, At: t0.Add(-time.Minute),
			}}}
		})
		return jobInput(two, allocs(two, stuck), func(in *JobInput) {
			in.Deployment.RetryAt = t0.Add(retry)
			in.Deployment.Groups = map[string]store.GroupDeployment{"web": {
				SpecHash: stuck.Spec.SpecHash,
				Stable:   &store.StableGroup{Generation: 1, SpecHash: job.SpecHash(one, &one.Groups[0])},
				Failed:   &store.UpdateFailure{Reason: errRestartsExhausted, At: t0.Add(-50 * time.Second), Generation: 2, Alloc: allocB},
			}}
		})
	}
	if f := PlanJob(at(-2 * time.Minute)).Deployment.Groups["web"].Failed; f == nil {
		t.Error("a retry of before the failure forgives it")
	}
	if f := PlanJob(at(-time.Second)).Deployment.Groups["web"].Failed; f != nil {
		t.Errorf("failed again at once: %+v", f)
	}
}
