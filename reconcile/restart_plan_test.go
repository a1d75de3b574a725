package reconcile

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
)

// lives is a world in which the allocations of a job run.
func lives(edit ...func(*job.Job)) *world {
	w := newWorld()
	w.edit(webJob(edit...))
	w.run(time.Minute)
	w.did()
	w.actions()
	return w
}

// restartsWithin checks that a task that has just ended is started anew after a
// delay and at most a quarter more.
func (w *world) restartsWithin(t *testing.T, delay time.Duration) {
	t.Helper()
	before := w.now
	w.run(delay - time.Millisecond)
	if ph := w.task("web").Phase; ph == job.PhaseRunning {
		t.Errorf("runs again before its delay of %v is over", delay)
	}
	w.run(delay/4 + 2*time.Millisecond)
	if ph := w.task("web").Phase; ph != job.PhaseRunning {
		t.Fatalf("%s at %v after its end, want running:\n%s", ph, w.now.Sub(before), tail(w.log))
	}
}

func (w *world) wantPhase(t *testing.T, task string, want job.Phase) {
	t.Helper()
	if got := w.task(task).Phase; got != want {
		t.Fatalf("task %s is %s, want %s:\n%s", task, got, want, tail(w.log))
	}
}

const (
	interval = 30 * time.Minute
	delay    = 15 * time.Second
)

// exhausted is a world whose task has used up the two restarts of its block.
func exhausted(t *testing.T, mode job.RestartMode, edit ...func(*job.Job)) *world {
	t.Helper()
	w := lives(append([]func(*job.Job){restarts(2, interval, delay, mode)}, edit...)...)
	for range 2 {
		w.exit("web", 1)
		w.restartsWithin(t, delay)
	}
	w.did()
	w.exit("web", 1)
	return w
}

func TestRestartBlockFail(t *testing.T) {
	w := exhausted(t, job.RestartFail)
	w.run(24 * time.Hour)
	w.wantPhase(t, "web", job.PhaseFailed)
	if got := w.did(); slices.ContainsFunc(got, func(s string) bool { return s[:3] == "run" }) {
		t.Errorf("steps %q after the last restart", got)
	}
	ts := w.task("web")
	if e := ts.LastError; e == nil || e.Kind != job.WaitsForUser || e.Reason != errRestartsExhausted {
		t.Errorf("last error %+v", e)
	}
	if ts.Restarts != 2 || w.degraded() != errRestartsExhausted || w.deployment.Phase != PhaseDegraded {
		t.Errorf("%d restarts, degraded %q, phase %s", ts.Restarts, w.degraded(), w.deployment.Phase)
	}
	if n := len(w.containers); n != 1 {
		t.Errorf("%d dead containers are kept, want the last", n)
	}
}

func TestRestartBlockBeginsAnew(t *testing.T) {
	for name, again := range map[string]func(w *world){
		"retry":                func(w *world) { w.retryAt = w.now.Add(time.Second); w.now = w.retryAt.Add(time.Second) },
		"an edit in place":     func(w *world) { w.edit(webJob(restarts(2, interval, delay, job.RestartFail), count(2))) },
		"a change of the rule": func(w *world) { w.edit(webJob(restarts(3, interval, delay, job.RestartFail))) },
		"the end of the rule":  func(w *world) { w.edit(webJob()) },
	} {
		t.Run(name, func(t *testing.T) {
			w := exhausted(t, job.RestartFail)
			w.run(time.Hour)
			id := w.only().Spec.ID
			again(w)
			w.run(time.Minute)
			ts := w.allocs[id].Status.Tasks["web"]
			if ts.Phase != job.PhaseRunning || ts.WindowRestarts != 0 || ts.LastError != nil || ts.FailedGeneration != 0 {
				t.Errorf("%+v", ts)
			}
			if w.degraded() != "" {
				t.Errorf("still degraded: %s", w.degraded())
			}
		})
	}
}

// After a retry or an edit the whole number of attempts is there again.
func TestRetryBeginsAnewInTheMiddle(t *testing.T) {
	for _, mode := range []job.RestartMode{job.RestartFail, job.RestartDelay} {
		w := lives(restarts(2, interval, delay, mode))
		for range 2 {
			w.exit("web", 1)
			w.run(time.Second)
			w.wantPhase(t, "web", job.PhaseBackoff)
			w.retryAt = w.now
			w.now = w.now.Add(time.Millisecond)
			w.run(0)
			w.wantPhase(t, "web", job.PhaseRunning)
		}
		for range 2 {
			w.exit("web", 1)
			w.restartsWithin(t, delay)
		}
	}
}

func TestRestartBlockDelay(t *testing.T) {
	w := exhausted(t, job.RestartDelay)
	w.run(time.Second)
	w.wantPhase(t, "web", job.PhaseBackoff)
	ts := w.task("web")
	if end := ts.WindowStart.Add(interval); !ts.NextRetry.Equal(end) {
		t.Errorf("next retry %v, want the end of the interval, %v", ts.NextRetry, end)
	}
	w.now = ts.NextRetry
	w.run(0)
	w.wantPhase(t, "web", job.PhaseRunning)
	for range 2 { // and all attempts again
		w.exit("web", 1)
		w.restartsWithin(t, delay)
	}
}

func TestRestartBlockWithoutAttempts(t *testing.T) {
	w := lives(restarts(0, interval, delay, job.RestartFail))
	w.exit("web", 0)
	w.run(time.Hour)
	w.wantPhase(t, "web", job.PhaseFailed)

	w = lives(restarts(0, time.Minute, 0, job.RestartDelay))
	w.exit("web", 0)
	w.run(59 * time.Second)
	w.wantPhase(t, "web", job.PhaseBackoff)
	w.run(2 * time.Second)
	w.wantPhase(t, "web", job.PhaseRunning)
}

func TestRestartWindowExpires(t *testing.T) {
	w := lives(restarts(2, interval, delay, job.RestartFail))
	for range 7 { // every 20 minutes: never three in one interval
		w.exit("web", 1)
		w.restartsWithin(t, delay)
		w.run(20 * time.Minute)
	}
	w.wantPhase(t, "web", job.PhaseRunning)
	if n := w.task("web").Restarts; n != 7 {
		t.Errorf("%d restarts", n)
	}
}

// A restart of the agent is a plan on the same record with a later SeenSince.
func TestRestartBlockOutlivesTheAgent(t *testing.T) {
	w := lives(restarts(2, interval, delay, job.RestartFail))
	for range 2 {
		w.exit("web", 1)
		w.run(time.Second)
		w.seen = w.now
		w.restartsWithin(t, delay-time.Second)
		w.seen = w.now
		w.run(time.Second)
	}
	w.exit("web", 1)
	w.run(time.Second)
	w.wantPhase(t, "web", job.PhaseFailed)
	w.seen = w.now.Add(time.Minute)
	w.now = w.seen
	w.run(time.Hour)
	w.wantPhase(t, "web", job.PhaseFailed)
}

func TestRestartBlockCountsNoExitThatIsNone(t *testing.T) {
	for name, end := range map[string]func(w *world){
		"before the engine was in sight": func(w *world) { w.exit("web", 1); w.seen = w.now.Add(time.Second); w.now = w.seen },
		"while dockerd was away": func(w *world) {
			w.exit("web", 137)
			w.gapFrom, w.gapTo = w.now.Add(-time.Second), w.now.Add(time.Minute)
			w.now, w.seen = w.gapTo, w.gapTo
		},
		"while dockerd was on its way out": func(w *world) {
			w.exit("web", 137)
			w.run(5 * time.Second)
			w.gapFrom, w.gapTo = w.now.Add(time.Second), w.now.Add(time.Minute)
			w.now, w.seen = w.gapTo, w.gapTo
		},
		"removed by hand": func(w *world) { w.remove("web") },
		"removed by hand, its die seen first": func(w *world) {
			c := w.current("web")
			w.exit("web", 137)
			w.run(70 * time.Millisecond)
			delete(w.containers, c.ID)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := lives(restarts(1, interval, delay, job.RestartFail))
			for range 5 {
				end(w)
				w.run(time.Second)
				w.wantPhase(t, "web", job.PhaseRunning)
				w.run(time.Minute)
			}
			if ts := w.task("web"); ts.WindowRestarts != 0 || ts.Restarts != 0 || ts.Crashes != 0 {
				t.Errorf("counted: %+v", ts)
			}
			w.exit("web", 1) // and a true crash has its one attempt still
			w.restartsWithin(t, delay)
		})
	}
}

// A failure that turns out to belong to dockerd's end is taken back.
func TestRestartsUsedUpByDockerdsEnd(t *testing.T) {
	w := lives(restarts(0, interval, delay, job.RestartFail))
	w.exit("web", 137)
	w.run(time.Second)
	w.wantPhase(t, "web", job.PhaseFailed)
	w.gapFrom, w.gapTo = w.now.Add(time.Second), w.now.Add(time.Minute)
	w.now, w.seen = w.gapTo, w.gapTo
	w.run(time.Second)
	w.wantPhase(t, "web", job.PhaseRunning)
}

func TestRemovalOfAFailedContainerRestartsNothing(t *testing.T) {
	w := exhausted(t, job.RestartFail)
	w.run(time.Minute)
	clear(w.containers)
	w.run(time.Hour)
	w.wantPhase(t, "web", job.PhaseFailed)
	w.took = nil
	w.retryAt = w.now
	w.run(time.Second)
	w.wantPhase(t, "web", job.PhaseRunning)
}

func TestRestartBlockChangesWhileWaiting(t *testing.T) {
	t.Run("added", func(t *testing.T) {
		w := lives()
		w.exit("web", 1)
		w.run(time.Second)
		w.exit("web", 1)
		w.run(time.Second)
		w.wantPhase(t, "web", job.PhaseBackoff) // 10 s
		w.edit(webJob(restarts(1, interval, delay, job.RestartFail)))
		w.run(15 * time.Second)
		w.wantPhase(t, "web", job.PhaseRunning)
		w.exit("web", 1)
		w.restartsWithin(t, delay)
		w.exit("web", 1)
		w.run(time.Hour)
		w.wantPhase(t, "web", job.PhaseFailed)
	})
	t.Run("removed", func(t *testing.T) {
		w := exhausted(t, job.RestartDelay)
		w.run(time.Second)
		w.edit(webJob())
		w.run(longestWait)
		w.wantPhase(t, "web", job.PhaseRunning)
	})
	t.Run("mode fail instead of delay", func(t *testing.T) {
		w := exhausted(t, job.RestartDelay)
		w.run(time.Second)
		w.edit(webJob(restarts(2, interval, delay, job.RestartFail)))
		w.run(interval)
		w.wantPhase(t, "web", job.PhaseRunning)
	})
}

func TestRestartBlockAndTheClock(t *testing.T) {
	t.Run("set back", func(t *testing.T) {
		w := lives(restarts(1, interval, delay, job.RestartFail))
		w.exit("web", 1)
		w.run(time.Second)
		w.now = w.now.Add(-10 * 24 * time.Hour)
		w.run(time.Minute)
		w.wantPhase(t, "web", job.PhaseRunning)
	})
	t.Run("set forward", func(t *testing.T) {
		w := exhausted(t, job.RestartFail)
		w.run(time.Second)
		w.now = w.now.Add(10 * 24 * time.Hour)
		w.run(time.Minute)
		w.wantPhase(t, "web", job.PhaseFailed)
	})
}

// After a loss of the state the containers tell the attempts, and no restart
// is known.
func TestRestartBlockAfterAStateLoss(t *testing.T) {
	w := lives(restarts(1, interval, delay, job.RestartFail))
	w.exit("web", 1)
	w.restartsWithin(t, delay)
	w.did()
	w.only().Status = job.AllocStatus{}
	w.deployment.Groups = nil
	w.run(time.Minute)
	if got := w.did(); len(got) > 0 {
		t.Errorf("%q done after a state loss", got)
	}
	w.exit("web", 1)
	w.restartsWithin(t, delay)
	w.exit("web", 1)
	w.run(time.Hour)
	w.wantPhase(t, "web", job.PhaseFailed)
}

func TestRestartBlockOfTheTaskWins(t *testing.T) {
	own := ofTask("web", func(t *job.Task) {
		t.Restart = &job.Restart{Attempts: 1, Interval: job.Duration(interval), Mode: job.RestartFail}
	})
	w := lives(tasks("side"), restarts(5, interval, delay, job.RestartFail), own)
	for range 2 {
		w.exit("web", 1)
		w.exit("side", 1)
		w.run(time.Minute)
	}
	w.wantPhase(t, "web", job.PhaseFailed)
	w.wantPhase(t, "side", job.PhaseRunning)
}

// Without a block: at once, then 10 s, doubling up to 5 min, with a fifth more
// at most, and forgotten after 10 min of running.
func TestDefaultBackoff(t *testing.T) {
	w := lives()
	for _, want := range []time.Duration{0, 10, 20, 40, 80, 160, 300, 300} {
		w.exit("web", 1)
		w.run(0)
		wait := max(0, w.task("web").NextRetry.Sub(w.now))
		if d := want * time.Second; wait < d || wait > d+d/5 {
			t.Errorf("waits %v, want %v and a fifth at most", wait, d)
		}
		w.run(wait)
		w.wantPhase(t, "web", job.PhaseRunning)
	}
	w.run(crashForget)
	w.exit("web", 1)
	w.run(0)
	w.wantPhase(t, "web", job.PhaseRunning)
}

// A dead container that cannot be removed is tried again with a growing delay,
// and not at once for ever.
func TestUnremovableContainerOfAnEndedTask(t *testing.T) {
	for name, w := range map[string]*world{
		"failed":   exhausted(t, job.RestartFail),
		"complete": lives(batch),
	} {
		if name == "complete" {
			w.exit("web", 1)
			w.run(time.Minute)
			w.exit("web", 0)
		}
		tries := 0
		w.fail = func(s Step) error {
			if s.Kind != StepRemove {
				return nil
			}
			tries++
			return job.NewError(job.Retried, "X", errFake)
		}
		// Which older one goes depends on what else is there: add one for sure.
		old := *w.containers[slices.Sorted(maps.Keys(w.containers))[0]]
		old.ID, old.Name, old.Identity.Attempt, old.State = "c999", "web-0", 0, observed.Exited
		w.containers[old.ID] = &old
		w.run(time.Hour)
		if tries < 2 || tries > 20 {
			t.Errorf("%s: %d tries in an hour", name, tries)
		}
		want := map[string]job.Phase{"failed": job.PhaseFailed, "complete": job.PhaseComplete}[name]
		w.wantPhase(t, "web", want)
		w.fail = func(Step) error { return nil }
		w.run(time.Hour)
		if len(w.containers) > 2 {
			t.Errorf("%s: %d containers are left", name, len(w.containers))
		}
		e := w.task("web").LastError
		if name == "complete" && e != nil || name == "failed" && (e == nil || e.Reason != errRestartsExhausted) {
			t.Errorf("%s: last error %+v", name, e)
		}
	}
}

// An exit of before a retry counts no more, even if it is seen only later.
func TestRetryBeforeTheExitIsSeen(t *testing.T) {
	w := lives(restarts(0, interval, delay, job.RestartFail))
	w.exit("web", 1)
	w.now = w.now.Add(10 * time.Millisecond)
	w.retryAt = w.now
	w.run(time.Second)
	w.wantPhase(t, "web", job.PhaseRunning)
	w.exit("web", 1)
	w.run(time.Hour)
	w.wantPhase(t, "web", job.PhaseFailed)
}

// After a step of the clock to before an operator's request, that request is
// not one about all that happens since.
func TestRequestsAndTheClock(t *testing.T) {
	w := lives()
	w.retryAt, w.restartAt = w.now, w.now
	w.run(time.Minute)
	w.did()
	w.now = w.now.Add(-2 * time.Hour)
	w.run(time.Hour)
	if got := w.did(); len(got) > 0 {
		t.Errorf("restarted again: %q", got)
	}
	for range 3 {
		w.exit("web", 1)
		w.run(time.Second)
		if w.task("web").Phase == job.PhaseBackoff {
			return
		}
	}
	t.Error("three crashes in three seconds, and no backoff")
}

// A wait of after a retry holds, though the last exit is of before it.
func TestRetryLeavesOtherWaits(t *testing.T) {
	w := lives()
	w.exit("web", 1)
	w.run(time.Second)
	w.retryAt = w.now
	w.run(time.Second)
	tries := 0
	w.fail = func(s Step) error {
		if s.Kind == StepRun {
			tries++
			return job.NewError(job.Retried, errNameRemoving, errFake)
		}
		return nil
	}
	w.remove("web")
	w.run(10 * time.Second)
	if tries < 10 || tries > 60 {
		t.Errorf("%d tries in 10 s, want one each 200 ms", tries)
	}
}

// Who reads that a program ended with 0 looks for a fault in it in vain: the
// text says that the job's type is what keeps it from being done.
func TestEndOfAServiceIsNoFaultOfItsProgram(t *testing.T) {
	for _, tt := range []struct {
		code int
		says bool
	}{{0, true}, {1, false}} {
		w := lives(tasks("side"), leader("web"), restarts(0, interval, 0, job.RestartFail))
		w.exit("web", tt.code)
		w.run(time.Minute)
		e := w.task("web").LastError
		if e == nil || e.Reason != errRestartsExhausted || e.Kind != job.WaitsForUser {
			t.Fatalf("exit %d: %+v", tt.code, e)
		}
		if got := strings.Contains(e.Message, `type = "batch"`); got != tt.says {
			t.Errorf("exit %d: %s", tt.code, e.Message)
		}
		if !strings.HasSuffix(e.Message, ". Edit the job, or run: reconciler retry web") {
			t.Errorf("exit %d: %s", tt.code, e.Message)
		}
	}
}
