package reconcile

import (
	"errors"
	"strings"
	"testing"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// static asks for a host port by number.
func static(port int) func(*job.Job) {
	return func(j *job.Job) {
		j.Groups[0].Tasks[0].Resources.Ports = []job.Port{{Label: "http", Static: port}}
	}
}

func dynamic(j *job.Job) {
	j.Groups[0].Tasks[0].Resources.Ports = []job.Port{{Label: "http"}}
}

func called(name string) func(*job.Job) { return func(j *job.Job) { j.Name = name } }

func TestFirstPlacement(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(5 * time.Second)
		r.did("run web")
		c := r.one("web")
		if d, _ := r.st.Deployments.Get("web"); d.Phase != PhaseProgressing {
			t.Errorf("phase %q before min_healthy_time", d.Phase)
		}
		r.quiet()
		if got := r.one("web"); got.ID != c.ID {
			t.Errorf("container %s, want the first, %s", got.ID, c.ID)
		}
		if n := r.lines.count("container run"); n != 1 {
			t.Errorf("%d lines about one container", n)
		}
	})
}

func TestScale(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(count(3)))
		r.after(time.Minute)
		r.did("run web", "run web", "run web")
		r.write(webJob(count(1)))
		r.after(time.Minute)
		r.did("kill SIGTERM web", "kill SIGTERM web", "remove web", "remove web")
		if c := r.one("web"); c.Identity.AllocIndex != 0 {
			t.Errorf("index %d is left, want 0", c.Identity.AllocIndex)
		}
		r.write(webJob(count(2)))
		r.after(time.Minute)
		r.did("run web")
		r.quiet()
	})
}

func TestReplacementStopsOnlyAfterThePull(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(static(80)))
		r.after(time.Minute)
		r.did("run web")
		old := r.one("web")
		r.with(func() { r.pullTime = 5 * time.Minute })
		r.write(webJob(static(80), command("new")))
		r.after(5*time.Minute - time.Second)
		if got := r.one("web"); got.ID != old.ID {
			t.Errorf("%s runs during the pull, want the predecessor", got.ID)
		}
		r.did()
		r.after(time.Minute)
		r.did("kill SIGTERM web", "remove web", "run web")
		r.quiet()
	})
}

func TestEditBackDuringThePull(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		r.did("run web")
		r.with(func() { r.pullTime = time.Hour })
		r.write(webJob(command("new")))
		r.after(time.Second)
		r.write(webJob())
		r.after(time.Second)
		r.with(func() {
			if r.pulling != 0 {
				t.Error("the pull goes on although nobody waits")
			}
		})
		r.did()
		if n := r.lines.count("failed"); n != 0 {
			t.Errorf("%d failures reported for a pull that we cancelled: %q", n, r.lines.all)
		}
		r.quiet()
	})
}

func TestInPlaceChangeTouchesNothing(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(count(2)))
		r.after(time.Minute)
		r.done()
		r.write(webJob(count(2), func(j *job.Job) { j.Groups[0].Tasks[0].KillTimeout = job.Duration(20 * time.Second) }))
		r.after(time.Minute)
		r.did()
		for id, a := range r.st.AllocSpecs.All() {
			if a.Generation != 2 {
				t.Errorf("allocation %s is of generation %d", id, a.Generation)
			}
		}
		// The new value is in force.
		r.with(func() { r.stubborn = true })
		r.drop("web")
		r.after(19 * time.Second)
		r.did("kill SIGTERM web", "kill SIGTERM web")
		r.after(2 * time.Second)
		r.did("kill SIGKILL web", "kill SIGKILL web", "remove web", "remove web")
		r.quiet()
	})
}

func TestSwapOfStaticPorts(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(called("a"), static(80)))
		r.write(webJob(called("b"), static(81)))
		r.after(time.Minute)
		r.did("run web", "run web")
		r.write(webJob(called("a"), static(81)))
		r.write(webJob(called("b"), static(80)))
		r.after(2 * time.Second)
		r.did("kill SIGTERM web", "kill SIGTERM web", "remove web", "remove web", "run web", "run web")
		r.quiet()
	})
}

// TestSwapWithAStubbornTask: the port is taken over when it is free, not at
// the next attempt.
func TestSwapWithAStubbornTask(t *testing.T) {
	slow := func(j *job.Job) { j.Groups[0].Tasks[0].KillTimeout = job.Duration(33 * time.Second) }
	live(t, func(r *rig) {
		r.write(webJob(called("a"), static(80)))
		r.write(webJob(called("b"), static(81), slow))
		r.after(time.Minute)
		r.with(func() { r.stubborn = true })
		r.write(webJob(called("a"), static(81)))
		r.write(webJob(called("b"), static(80), slow))
		r.after(30 * time.Second)
		r.with(func() { r.stubborn = false })
		r.after(3*time.Second + 500*time.Millisecond)
		r.one("a")
		r.one("b")
		r.quiet()
	})
}

// TestChainOfPortsEndsAtAStranger: what a's successor needs gets free only if
// b is replaced, and so on, and the last is not.
func TestChainOfPortsEndsAtAStranger(t *testing.T) {
	live(t, func(r *rig) {
		names := []string{"a", "b", "c"}
		for i, name := range names {
			r.write(webJob(called(name), static(80+i)))
		}
		r.after(time.Minute)
		r.done()
		r.ports.hold(83, "nginx")
		for i, name := range names {
			r.write(webJob(called(name), static(81+i)))
		}
		r.after(time.Minute)
		r.did()
		d, _ := r.st.Deployments.Get("c")
		if c, _ := job.FindCondition(d.Conditions, job.CondProgressing); !strings.Contains(c.Message, "nginx") {
			t.Errorf("the reason is not shown: %+v", c)
		}
		r.ports.hold(83, "")
		r.after(time.Minute)
		if n := len(r.done()); n != 9 {
			t.Errorf("%d writes, want a kill, a remove and a run of each", n)
		}
		r.quiet()
	})
}

func TestRenamedJobWaitsForItsPort(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(called("old"), static(80)))
		r.after(time.Minute)
		r.done()
		r.mark("old", func(rec *store.JobRecord) { rec.MissingSince = time.Now() })
		r.write(webJob(called("new"), static(80)))
		r.after(4 * time.Second)
		r.did()
		d, _ := r.st.Deployments.Get("new")
		if c, _ := job.FindCondition(d.Conditions, job.CondProgressing); !strings.Contains(c.Message, "job old, which shares port 80") {
			t.Errorf("the reason is not shown: %+v", c)
		}
		r.with(func() { r.stubborn = true })
		r.drop("old")
		r.after(4 * time.Second)
		r.did("kill SIGTERM web")
		r.after(2 * time.Second)
		r.did("kill SIGKILL web", "remove web", "run web")
		r.one("new")
		if n := r.lines.count("not placed"); n > 0 {
			t.Errorf("%d placements were tried in vain", n)
		}
		r.quiet()
	})
}

func TestWantedAgainWhileStopping(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		r.done()
		r.with(func() { r.stubborn = true })
		r.drop("web")
		r.after(time.Second)
		r.write(webJob())
		r.after(3 * time.Second)
		r.did("kill SIGTERM web")
		r.after(2 * time.Second)
		r.did("kill SIGKILL web", "remove web", "run web")
		if ts := r.task(r.one("web").Identity.AllocID); ts.Crashes != 0 || ts.Restarts != 0 {
			t.Errorf("crashes counted: %+v", ts)
		}
		r.with(func() { r.stubborn = false })
		r.quiet()
	})
}

func TestDeadContainersOfAJobGoWithIt(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		r.exit(r.one("web").ID, 1)
		r.after(time.Second)
		r.did("run web", "rename web", "run web")
		r.drop("web")
		r.after(time.Minute)
		r.with(func() {
			if n := len(r.truth); n != 0 {
				t.Errorf("%d containers are left", n)
			}
		})
		r.quiet()
	})
}

// TestStubbornTasksHoldUpNobody: a stop is a signal and a wake-up.
func TestStubbornTasksHoldUpNobody(t *testing.T) {
	live(t, func(r *rig) {
		slow := func(j *job.Job) { j.Groups[0].Tasks[0].KillTimeout = job.Duration(time.Minute) }
		r.write(webJob(called("many"), count(50), slow))
		r.write(webJob())
		r.after(time.Minute)
		r.with(func() { r.stubborn = true })
		r.drop("many")
		r.after(time.Second)
		r.done()
		r.exit(r.one("web").ID, 1)
		r.after(100 * time.Millisecond)
		r.did("rename web", "run web")
		r.after(2 * time.Minute)
		r.quiet()
	})
}

func TestHungCallBlocksItsOwnKeyOnly(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(called("stuck")))
		r.write(webJob())
		r.after(time.Minute)
		r.with(func() {
			r.hang = func(_ string, c observed.Container) bool { return c.Identity.Job == "stuck" }
		})
		r.drop("stuck")
		r.after(time.Second)
		r.done()
		r.exit(r.one("web").ID, 1)
		r.after(100 * time.Millisecond)
		r.did("rename web", "run web")
		r.after(time.Minute)
		if d := r.c.Stuck(); d < time.Minute {
			t.Errorf("stuck for %v, want a minute at least", d)
		}
	})
}

// TestOrderlyEnd: what runs may end, what waits is not begun.
func TestOrderlyEnd(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(count(40)))
		r.after(5 * time.Millisecond) // the first of them are being made
		begun := len(r.done())
		if begun == 0 || begun == 40 {
			t.Fatalf("%d calls have begun, want some", begun)
		}
		begin := time.Now()
		r.end()
		if d := time.Since(begin); d > stopGrace {
			t.Errorf("the end took %v", d)
		}
		if late := r.done(); len(late) > 0 {
			t.Errorf("%d calls were begun after the end was asked for", len(late))
		}
		if n := len(r.running("web")); n != begun {
			t.Errorf("%d containers run after %d calls", n, begun)
		}
		r.reconnect()
		r.start()
		r.after(time.Minute)
		r.quiet()
	})
}

func TestHungCallEndsWithinTheGrace(t *testing.T) {
	live(t, func(r *rig) {
		r.with(func() { r.hang = func(string, observed.Container) bool { return true } })
		r.write(webJob())
		r.after(time.Second)
		begin := time.Now()
		r.end()
		if d := time.Since(begin); d != stopGrace {
			t.Errorf("the end took %v, want %v", d, stopGrace)
		}
	})
}

func TestStrangersAreNotTouched(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		c := r.one("web")
		r.rmf(c.ID)
		// Somebody is quicker than we are.
		r.put(observed.Container{ID: "stranger", Name: "web-other", State: observed.Running})
		r.with(func() {
			r.fail = func(op string, _ observed.Container) error {
				if op == "run" {
					return job.NewError(job.Retried, "NameTaken", errors.New("the name is taken by container stranger"))
				}
				return nil
			}
		})
		r.done()
		r.after(35 * time.Second)
		if n := len(r.done()); n < 2 || n > 5 {
			t.Errorf("%d writes in 35 s, want a few with a backoff", n)
		}
		d, _ := r.st.Deployments.Get("web")
		if cond, _ := job.FindCondition(d.Conditions, job.CondDegraded); cond.Reason != "NameTaken" || !strings.Contains(cond.Message, "stranger") {
			t.Errorf("the holder is not named: %+v", cond)
		}
		r.with(func() { r.fail = func(string, observed.Container) error { return nil } })
		r.after(6 * time.Minute)
		r.quiet()
	})
}
