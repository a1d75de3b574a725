package reconcile

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"reconciler/internal/job"
)

// stepTimes runs the world and returns the steps on containers with their
// times since the call.
func (w *world) stepTimes(d time.Duration) []string {
	begun, seen := w.now, len(w.log)
	w.run(d)
	var out []string
	for _, line := range w.log[seen:] {
		var at float64
		var id, verb, task, rest string
		if n, _ := fmt.Sscanf(line, "%fs %s %s %s %s", &at, &id, &verb, &task, &rest); n != 5 {
			continue
		}
		if verb == "kill" || verb == "remove" || verb == "run" {
			if verb == "kill" {
				verb += " " + rest
			}
			out = append(out, fmt.Sprintf("%v %s %s", time.Duration((at-begun.Sub(t0).Seconds())*1e9).Round(100*time.Millisecond), verb, task))
		}
	}
	return out
}

func shutdownDelay(group, web time.Duration) func(*job.Job) {
	return func(j *job.Job) {
		j.Groups[0].ShutdownDelay, j.Groups[0].Task("web").ShutdownDelay = job.Duration(group), job.Duration(web)
	}
}

func TestStop(t *testing.T) {
	killed := []string{"0s kill SIGTERM web", "0s remove web"}
	for name, tc := range map[string]struct {
		edit     []func(*job.Job)
		stubborn []string
		want     []string
	}{
		"at once":         {nil, nil, killed},
		"ignores SIGTERM": {nil, []string{"web"}, []string{"0s kill SIGTERM web", "5s kill SIGKILL web", "5s remove web"}},
		"kill_timeout of its own": {
			[]func(*job.Job){ofTask("web", func(t *job.Task) { t.KillTimeout = job.Duration(time.Minute) })},
			[]string{"web"},
			[]string{"0s kill SIGTERM web", "1m0s kill SIGKILL web", "1m0s remove web"},
		},
		"shutdown_delay of the group": {[]func(*job.Job){shutdownDelay(10*time.Second, 0)}, nil, []string{"10s kill SIGTERM web", "10s remove web"}},
		"shutdown_delay of both":      {[]func(*job.Job){shutdownDelay(10*time.Second, 5*time.Second)}, nil, []string{"15s kill SIGTERM web", "15s remove web"}},
		"kill_timeout counts from the signal": {
			[]func(*job.Job){shutdownDelay(10*time.Second, 0)},
			[]string{"web"},
			[]string{"10s kill SIGTERM web", "15s kill SIGKILL web", "15s remove web"},
		},
		"two tasks, one delay of its own": {
			[]func(*job.Job){tasks("side"), shutdownDelay(10*time.Second, 5*time.Second)},
			nil,
			[]string{"10s kill SIGTERM side", "10s remove side", "15s kill SIGTERM web", "15s remove web"},
		},
		"a stubborn task holds up no other": {
			[]func(*job.Job){tasks("side")},
			[]string{"web"},
			[]string{"0s kill SIGTERM web", "0s kill SIGTERM side", "0s remove side", "5s kill SIGKILL web", "5s remove web"},
		},
		"the leader first": {
			[]func(*job.Job){tasks("lead"), leader("lead")},
			[]string{"lead"},
			[]string{"0s kill SIGTERM lead", "5s kill SIGKILL lead", "5s remove lead", "5s kill SIGTERM web", "5s remove web"},
		},
		"the group's delay is over once for all": {
			[]func(*job.Job){tasks("lead"), leader("lead"), shutdownDelay(10*time.Second, 0)},
			nil,
			[]string{"10s kill SIGTERM lead", "10s remove lead", "10s kill SIGTERM web", "10s remove web"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := lives(tc.edit...)
			for _, s := range tc.stubborn {
				w.stubborn[s] = true
			}
			w.delete()
			if got := w.stepTimes(2 * time.Minute); !slices.Equal(got, tc.want) {
				t.Errorf("\n got %q\nwant %q", got, tc.want)
			}
			if len(w.containers) > 0 || len(w.services) > 0 || w.deployment.Phase != PhaseStopped {
				t.Errorf("%d containers, %d services, phase %s", len(w.containers), len(w.services), w.deployment.Phase)
			}
		})
	}
}

// Services are withdrawn before the delay begins.
func TestDrainWithdrawsFirst(t *testing.T) {
	w := lives(service("web"), shutdownDelay(10*time.Second, 0))
	if len(w.services) != 1 {
		t.Fatalf("%d services", len(w.services))
	}
	w.delete()
	w.run(time.Second)
	w.wantPhase(t, "web", job.PhaseDraining)
	if len(w.services) != 0 || w.running() != 1 {
		t.Errorf("%d services and %d containers while it drains", len(w.services), w.running())
	}
}

func TestDrainGoesOn(t *testing.T) {
	drains := func() *world {
		w := lives(shutdownDelay(10*time.Second, 0))
		w.delete()
		w.run(4 * time.Second)
		return w
	}
	t.Run("after a restart of the agent", func(t *testing.T) {
		w := drains()
		w.seen = w.now
		if got := w.stepTimes(time.Minute); !slices.Equal(got, []string{"6s kill SIGTERM web", "6s remove web"}) {
			t.Errorf("%q", got)
		}
	})
	t.Run("after a hold in the middle", func(t *testing.T) {
		w := drains()
		w.hold = true
		if got := w.stepTimes(time.Minute); len(got) > 0 {
			t.Errorf("done during the hold: %q", got)
		}
		w.hold = false
		if got := w.stepTimes(time.Minute); !slices.Equal(got, []string{"0s kill SIGTERM web", "0s remove web"}) {
			t.Errorf("%q", got)
		}
	})
	t.Run("killed by hand in the middle", func(t *testing.T) {
		w := drains()
		w.exit("web", 137)
		if got := w.stepTimes(time.Minute); !slices.Equal(got, []string{"0s remove web"}) {
			t.Errorf("%q", got)
		}
	})
	t.Run("removed by hand in the middle", func(t *testing.T) {
		w := drains()
		clear(w.containers)
		if got := w.stepTimes(time.Minute); len(got) > 0 || w.deployment.Phase != PhaseStopped {
			t.Errorf("%q, %s", got, w.deployment.Phase)
		}
	})
	t.Run("with the clock set back", func(t *testing.T) {
		w := drains()
		w.now = w.now.Add(-24 * time.Hour)
		if got := w.stepTimes(time.Minute); !slices.Equal(got, []string{"10s kill SIGTERM web", "10s remove web"}) {
			t.Errorf("%q", got)
		}
	})
	t.Run("a shorter delay holds at once", func(t *testing.T) {
		w := lives(shutdownDelay(time.Hour, 0))
		w.edit(webJob(shutdownDelay(time.Hour, 0), count(0)))
		w.run(30 * time.Second)
		w.edit(webJob(shutdownDelay(time.Minute, 0), count(0)))
		if got := w.stepTimes(time.Hour); !slices.Equal(got, []string{"30s kill SIGTERM web", "30s remove web"}) {
			t.Errorf("%q", got)
		}
	})
}

// What runs beside its successor drains for a second at least.
func TestDrainAfterAnUpdate(t *testing.T) {
	for want, d := range map[string]time.Duration{"11s": 0, "20s": 10 * time.Second} {
		w := lives(shutdownDelay(d, 0))
		w.edit(webJob(shutdownDelay(d, 0), command("new")))
		if got, want := w.stepTimes(time.Minute), []string{"0s run web", want + " kill SIGTERM web", want + " remove web"}; !slices.Equal(got, want) {
			t.Errorf("\n got %q\nwant %q", got, want)
		}
	}
}

func TestDeletedWhileDraining(t *testing.T) {
	w := lives(shutdownDelay(10*time.Second, 0))
	w.edit(webJob(shutdownDelay(10*time.Second, 0), command("new")))
	w.run(15 * time.Second)
	w.delete()
	want := []string{"5s kill SIGTERM web", "5s remove web", "10s kill SIGTERM web", "10s remove web"}
	if got := w.stepTimes(time.Minute); !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

// A stop that began for another reason goes on as the allocation's.
func TestStoppedWhileRecycled(t *testing.T) {
	w := lives()
	w.stubborn["web"] = true
	w.current("web").Health = dockerUnhealthy
	w.run(2 * time.Second)
	w.wantPhase(t, "web", job.PhaseStopping)
	w.did()
	w.delete()
	if got := w.stepTimes(time.Minute); !slices.Equal(got, []string{"3s kill SIGKILL web", "3s remove web"}) {
		t.Errorf("%q", got)
	}
}

// Wanted again while it stops: it dies, and what follows is new.
func TestWantedAgainWhileDraining(t *testing.T) {
	w := lives(shutdownDelay(10*time.Second, 0))
	w.delete()
	w.run(time.Second)
	w.record.Deleted = time.Time{}
	w.run(time.Minute)
	want := []string{"kill web SIGTERM (Stopping)", "remove web (Stopping)", "run web attempt 1 (Placed)"}
	if got := w.did(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if ts := w.task("web"); ts.Crashes+ts.Restarts > 0 {
		t.Errorf("counted: %+v", ts)
	}
}
