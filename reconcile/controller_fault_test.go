package reconcile

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// failing lets writes and pulls of a kind fail with a reason.
func (r *rig) failing(op string, kind job.Kind, reason string) {
	r.with(func() {
		r.fail = func(got string, _ observed.Container) error {
			if got == op {
				return job.NewError(kind, reason, errors.New("injected"))
			}
			return nil
		}
	})
}

func (r *rig) working() { r.failing("", "", "") }

func TestCrashBackoffOutlivesTheAgent(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		r.did("run web")
		r.exit(r.one("web").ID, 1)
		r.after(100 * time.Millisecond)
		r.did("rename web", "run web") // at once
		second := r.one("web")
		r.exit(second.ID, 1)
		r.after(time.Second)
		r.did("remove web")
		next := r.task(second.Identity.AllocID).NextRetry
		if d := time.Until(next); d < 8*time.Second || d > 12*time.Second {
			t.Fatalf("the next attempt is in %v, want about 10 s", d)
		}
		r.restart()
		r.after(time.Until(next) - time.Millisecond)
		r.did()
		r.after(time.Second)
		r.did("rename web", "run web")
		if ts := r.task(second.Identity.AllocID); ts.Attempt != 3 || ts.Restarts != 2 || ts.Crashes != 2 {
			t.Errorf("%+v, want attempt 3 after 2 crashes", ts)
		}
		r.quiet()
	})
}

func TestRemovedByHandIsNoCrash(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		for range 4 {
			r.after(time.Minute)
			r.rmf(r.one("web").ID)
			r.after(time.Second)
			if ts := r.task(r.one("web").Identity.AllocID); ts.Crashes != 0 || ts.Restarts != 0 {
				t.Errorf("a crash was counted: %+v", ts)
			}
		}
		r.quiet()
	})
}

func TestFailingPullBacksOff(t *testing.T) {
	live(t, func(r *rig) {
		r.failing("bring", job.Retried, "ImagePullFailed")
		r.write(webJob())
		r.after(time.Second)
		ts := r.task("alloc1")
		if d := time.Until(ts.NextRetry); ts.Phase != job.PhaseBackoff || d < 8*time.Second || d > 12*time.Second {
			t.Errorf("%s for %v, want a backoff of about 10 s", ts.Phase, d)
		}
		r.after(5 * time.Minute)
		if ts := r.task("alloc1"); ts.Failures < 4 || ts.Failures > 6 {
			t.Errorf("%d failures in 5 minutes", ts.Failures)
		}
		if n := r.lines.count("image bring failed"); n != 1 {
			t.Errorf("%d lines about one failure", n)
		}
		r.restart()
		r.after(time.Second)
		if ts := r.task("alloc1"); ts.Failures < 4 {
			t.Errorf("%d failures after a restart: the backoff is lost", ts.Failures)
		}
		r.working()
		r.after(6 * time.Minute)
		r.quiet()
	})
}

// TestForcePullAsksUntilAnswered: a pull that failed does not make a local
// copy good enough.
func TestForcePullAsksUntilAnswered(t *testing.T) {
	in := allocInput(func(in *AllocInput) { in.Group.Tasks[0].Config.ForcePull = true })
	for range 3 {
		plan := PlanAlloc(in)
		if plan.Step.Kind != StepBring || !plan.Step.Ask {
			t.Fatalf("step %v asks %v, want bring that asks", plan.Step, plan.Step.Ask)
		}
		in.Status = plan.Status
		in.Status.Tasks["web"] = stepFailed(in.Status.Tasks["web"], errAway, "", in.Now)
		in.Now = in.Now.Add(time.Minute)
	}
}

func TestImageGone(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		r.did("run web")
		// rmi -f takes the image from a container that is dead.
		r.with(func() { r.images[refWeb] = "sha256:2222" })
		r.exit(r.one("web").ID, 1)
		r.after(3 * time.Second)
		r.did("rename web", "run web", "run web")
		if c := r.one("web"); c.ImageID != "sha256:2222" {
			t.Errorf("runs image %s", c.ImageID)
		}
		r.quiet()
	})
}

func TestDynamicPortTaken(t *testing.T) {
	live(t, func(r *rig) {
		r.with(func() { r.takenPorts[20001], r.takenPorts[20002] = true, true })
		r.write(webJob(dynamic))
		r.after(5 * time.Second)
		r.did("run web", "remove web", "run web", "remove web")
		r.after(time.Minute) // the third is waited for
		r.did("run web")
		if c := r.one("web"); c.Identity.Ports[0].Host != 20003 {
			t.Errorf("ports %v, want a free one", c.Identity.Ports)
		}
		r.quiet()
	})
}

func TestStaticPortBusy(t *testing.T) {
	live(t, func(r *rig) {
		r.ports.hold(80, "nginx")
		r.write(webJob(static(80)))
		r.after(30 * time.Second)
		r.did()
		d, _ := r.st.Deployments.Get("web")
		c, _ := job.FindCondition(d.Conditions, job.CondDegraded)
		if c.Reason != "PortBusy" || c.Message != "web[0]: port 80 is held by nginx" {
			t.Errorf("%+v", c)
		}
		if n := r.lines.count("not placed"); n != 1 {
			t.Errorf("%d lines about one stranger", n)
		}
		puts := r.puts.Load()
		r.after(time.Minute)
		if n := r.puts.Load() - puts; n > 0 {
			t.Errorf("%d records written while waiting", n)
		}
		r.ports.hold(80, "")
		r.after(portRetry + time.Second)
		r.did("run web")
		r.quiet()
	})
}

// TestRefusedReplacementIsWaitedOut: what cannot be prepared is no spin.
func TestRefusedReplacementIsWaitedOut(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		r.did("run web")
		r.write(webJob(func(j *job.Job) { j.Groups[0].Tasks[0].Config.Image = "http://bad" }))
		r.after(time.Minute)
		r.did()
		if n := r.ids.Load(); n > 10 {
			t.Errorf("%d allocations tried in a minute", n)
		}
		d, _ := r.st.Deployments.Get("web")
		if c, _ := job.FindCondition(d.Conditions, job.CondDegraded); c.Reason != "ImageInvalid" {
			t.Errorf("%+v", c)
		}
	})
}

func TestRefreshFailsAfterAWrite(t *testing.T) {
	live(t, func(r *rig) {
		r.with(func() { r.deaf, r.blind = true, 3 })
		r.write(webJob())
		r.after(10 * time.Second)
		r.did("run web") // and not a second one on the old view
		r.with(func() { r.deaf = false })
		r.quiet()
	})
}

func TestRepairWithoutEffectBacksOff(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		c := r.one("web")
		r.done()
		r.with(func() { r.rounds = true })
		r.change(c.ID, func(c *observed.Container) { c.CPUShares = 99 })
		r.after(5 * time.Minute)
		if n := len(r.done()); n < 2 || n > 20 {
			t.Errorf("%d updates in 5 minutes, want a backoff", n)
		}
		if ts := r.task(c.Identity.AllocID); ts.LastError == nil || ts.LastError.Reason != errNoEffect {
			t.Errorf("the reason is not shown: %+v", ts.LastError)
		}
		r.with(func() { r.rounds = false })
		r.after(6 * time.Minute)
		r.quiet()
	})
}

// TestOldContainerThatCannotBeRemoved holds up no restart.
func TestOldContainerThatCannotBeRemoved(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		r.failing("remove", job.Retried, "EngineError")
		r.exit(r.one("web").ID, 1)
		r.after(15 * time.Minute)
		r.exit(r.one("web").ID, 1)
		r.after(time.Second)
		r.one("web")
		r.exit(r.one("web").ID, 1)
		r.after(time.Minute)
		r.one("web")
		r.done()
		r.after(time.Hour)
		if n := len(r.done()); n < 5 || n > 20 {
			t.Errorf("%d attempts to remove in an hour", n)
		}
		r.working()
		r.after(10 * time.Minute)
		r.quiet()
	})
}

// TestNameRemoving is waited out without a spin.
func TestNameRemoving(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		c := r.one("web")
		r.done()
		r.failing("run", job.Retried, errNameRemoving)
		r.rmf(c.ID)
		r.after(10 * time.Second)
		if n := len(r.done()); n < 20 || n > 60 {
			t.Errorf("%d calls in 10 s, want one each %v", n, removingRetry)
		}
		r.working()
		r.after(time.Second)
		r.one("web")
		r.quiet()
	})
}

func TestDrift(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(c *observed.Container)
		want string
	}{
		{"paused", func(c *observed.Container) { c.State = observed.Paused }, "unpause web"},
		{"renamed", func(c *observed.Container) { c.Name = "mine" }, "rename mine"},
		{"policy", func(c *observed.Container) { c.RestartPolicy = "always" }, "update web"},
		{"memory", func(c *observed.Container) { c.MemoryBytes = 1 << 20 }, "update web"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			live(t, func(r *rig) {
				r.write(webJob())
				r.after(time.Minute)
				r.done()
				r.change(r.one("web").ID, tt.do)
				r.after(time.Second)
				r.did(tt.want)
				r.quiet()
			})
		})
	}
}

func TestDockerdAway(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(count(2)))
		r.after(time.Minute)
		r.done()
		before, _ := r.st.AllocStatuses.Get("alloc1")
		r.away()
		r.exit("c001", 1)
		r.write(webJob(count(3)))
		r.drop("gone")
		r.after(10 * time.Minute)
		r.did()
		if st, _ := r.st.AllocStatuses.Get("alloc1"); st.Tasks["web"] != before.Tasks["web"] {
			t.Errorf("something was concluded: %+v", st)
		}
		r.back()
		r.after(time.Second)
		if n := len(r.running("web")); n != 3 {
			t.Errorf("%d containers run a second after the return", n)
		}
		if ts := r.task("alloc1"); ts.Crashes != 0 || !ts.NextRetry.IsZero() {
			t.Errorf("an exit in the gap was counted: %+v", ts)
		}
		r.quiet()
	})
}

// TestOrderlyEndOfDockerd: it stops its containers, tells so, and only then
// closes the stream of events. What is tried on it meanwhile fails.
func TestOrderlyEndOfDockerd(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		r.failing("run", job.Retried, "EngineError")
		r.exit(r.one("web").ID, 143)
		r.after(5 * time.Second)
		if ts := r.task("alloc1"); ts.Crashes != 1 || ts.NextRetry.IsZero() {
			t.Fatalf("%+v, want a crash and a failure: nobody can know better yet", ts)
		}
		r.away()
		r.working()
		r.after(10 * time.Millisecond) // less than the backoff
		r.done()
		r.back()
		r.after(time.Second)
		r.did("run web")
		if ts := r.task("alloc1"); ts.Crashes != 0 || ts.Restarts != 0 || ts.LastError != nil {
			t.Errorf("%+v, want no trace", ts)
		}
		r.quiet()
	})
}

func TestPartialContainer(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		id := r.one("web").ID
		r.with(func() {
			r.deaf, r.blind = true, 2
			c := r.view[id]
			c.State, c.Partial = observed.Exited, true
			r.view[id] = c
		})
		r.exit(id, 3)
		r.c.Hint(observed.Hint{AllocID: "alloc1", Job: "web"})
		r.after(time.Second)
		if ts := r.task("alloc1"); ts.LastExit != nil {
			t.Errorf("concluded from a list: %+v", ts.LastExit)
		}
		r.with(func() { r.deaf = false })
		r.after(3 * partialRetry)
		if ts := r.task("alloc1"); ts.LastExit == nil || ts.LastExit.Code != 3 {
			t.Errorf("exit %+v, want code 3", ts.LastExit)
		}
		r.quiet()
	})
}

func TestAgentKilled(t *testing.T) {
	for _, tt := range []struct {
		name string
		op   string // hangs for ever: the agent dies in it, or before it
		do   func(r *rig)
		want []string
	}{
		{"before the create", "run", func(*rig) {}, []string{"run web"}},
		{"between create and start", "created", func(*rig) {}, []string{"start web"}},
		{"before a kill", "kill SIGTERM", func(r *rig) { r.drop("web") }, []string{"kill SIGTERM web", "remove web"}},
		{"before a remove", "remove", func(r *rig) { r.drop("web") }, []string{"remove web"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			live(t, func(r *rig) {
				r.write(webJob())
				if tt.op != "run" && tt.op != "created" {
					r.after(time.Minute)
				}
				r.with(func() {
					r.hang = func(op string, _ observed.Container) bool { return op == tt.op }
				})
				tt.do(r)
				r.after(time.Second)
				r.done()
				r.kill()
				r.after(10 * time.Second)
				r.did(tt.want...)
				r.quiet()
			})
		})
	}
}

// TestAgentKilledBeforeItsRecord: the container runs, and nothing of it is in
// the file.
func TestAgentKilledBeforeItsRecord(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		time.Sleep(21 * time.Millisecond) // the create is on its way, the job is committed
		for range 100 {
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if len(r.running("web")) == 1 {
				break
			}
		}
		id := r.one("web").ID
		r.kill()
		r.after(time.Minute)
		if c := r.one("web"); c.ID != id {
			t.Errorf("%s runs, want %s", c.ID, id)
		}
		r.did("run web")
		r.quiet()
	})
}

func TestLaw_StateLoss(t *testing.T) {
	live(t, func(r *rig) {
		j := webJob(count(2), dynamic)
		r.write(j)
		r.after(time.Minute)
		r.done()
		had := r.ports.table
		r.change("c001", func(c *observed.Container) { c.Image = "sha256:1111" }) // the tag had moved on
		r.lose()
		r.after(time.Minute)
		r.did() // no file names the job yet: it is left alone
		for id, a := range r.st.AllocSpecs.All() {
			if got := a.Images["web"]; got != refWeb && got != image1 {
				t.Errorf("allocation %s has image %q", id, got)
			}
			if len(r.ports.table[id]) != 1 || r.ports.table[id][0] != had[id][0] {
				t.Errorf("allocation %s has ports %v, want %v", id, r.ports.table[id], had[id])
			}
		}
		r.st.Jobs.Put("web", store.JobRecord{Generation: 1, Hash: job.Hash(j), File: "web.hcl", Spec: j})
		r.after(time.Minute)
		r.did()
		for id, a := range r.st.AllocSpecs.All() {
			if got := a.Images["web"]; got != refWeb {
				t.Errorf("allocation %s has image %q, want the reference", id, got)
			}
		}
		r.quiet()
	})
}

func TestStateLossOfADeadTask(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		r.exit(r.one("web").ID, 1)
		r.lose()
		r.done()
		r.write(webJob())
		r.after(time.Minute)
		c := r.one("web")
		// If its container is seen before its file, it is started again as it is.
		if c.Identity.AllocID != "alloc1" || c.ImageID != image1 {
			t.Errorf("%+v, want the same allocation", c.Identity)
		}
		r.quiet()
	})
}

func TestTwoAllocationsForOneIndex(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		first := r.one("web")
		twin := first
		twin.ID, twin.Identity.AllocID = "twin", "other"
		twin.Name, twin.StartedAt = "web-other", first.StartedAt.Add(time.Minute)
		r.lose()
		r.put(twin)
		r.done()
		r.write(webJob())
		r.after(time.Minute)
		if c := r.one("web"); c.ID != first.ID {
			t.Errorf("%s stays, want the older, %s", c.ID, first.ID)
		}
		r.did("kill SIGTERM web", "remove web")
		r.quiet()
	})
}

func TestSpecUnknown(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		c := r.one("web")
		r.lose()
		r.after(time.Minute)
		r.done()
		r.exit(c.ID, 1)
		r.after(time.Second)
		r.did("start web")
		// A file that says something else replaces it.
		j := webJob(command("new"))
		r.st.Jobs.Put("web", store.JobRecord{Generation: 2, Hash: job.Hash(j), File: "web.hcl", Spec: j})
		r.after(time.Minute)
		r.did("kill SIGTERM web", "remove web", "run web")
		r.quiet()
	})
}

// TestLateCreate: an answer was lost, the job went, and then a container of
// it shows.
func TestLateCreate(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		c := r.one("web")
		r.drop("web")
		r.after(time.Minute)
		c.ID, c.State, c.Identity.Attempt = "late", observed.Running, 2
		r.done()
		r.put(c)
		r.after(time.Minute)
		if n := len(r.running("web")); n != 0 {
			t.Errorf("%d containers of a deleted job run", n)
		}
		if st, _ := r.st.AllocStatuses.Get("alloc1"); time.Since(st.EndedAt) > time.Minute {
			t.Errorf("ended at %v, before the late container", st.EndedAt)
		}
		r.quiet()
	})
}

func TestReapedAllocationLeavesNothing(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		r.drop("web")
		r.after(time.Minute)
		r.c.ReapAlloc("alloc1")
		r.after(time.Second)
		if n := r.st.AllocSpecs.Len() + r.st.AllocStatuses.Len(); n != 0 {
			t.Errorf("%d halves of records are left", n)
		}
		// A worker that was planning meanwhile writes its half once more.
		r.st.AllocStatuses.Put("alloc1", job.AllocStatus{EndedAt: time.Now()})
		r.c.Hint(observed.Hint{AllocID: "alloc1"})
		r.after(time.Second)
		if n := r.st.AllocStatuses.Len(); n != 0 {
			t.Errorf("half a record is left")
		}
		r.quiet()
	})
}

// A forecast ends although something is looked at again and again.
func TestForecastOfAJobThatWaitsForEver(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(called("old"), static(80)))
		r.after(time.Minute)
		r.mark("old", func(rec *store.JobRecord) { rec.Held = store.HeldMassDeletion })
		r.write(webJob(called("new"), static(80)))
		r.after(time.Minute)
		if got := r.foreseen(); len(got) > 0 {
			t.Errorf("forecast %q; want nothing: the job waits for one that is held", got)
		}
		r.mark("old", func(rec *store.JobRecord) { rec.Held = "" })
		r.drop("new")
		r.quiet()
	})
}

// A successor that needs the port of another job, which stays, is not said to
// take over.
func TestForecastOfAPortThatStaysTaken(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(called("a"), static(80)))
		r.write(webJob(called("b"), static(81)))
		r.after(time.Minute)
		r.write(webJob(called("b"), static(80)))
		r.after(time.Minute)
		if got := r.foreseen(); len(got) > 0 {
			t.Errorf("forecast %q; want nothing: b waits for the port of a", got)
		}
		r.write(webJob(called("a"), static(81))) // they swap
		r.with(func() { r.pullTime = time.Hour })
		if got := r.foreseen(); len(got) == 0 {
			t.Errorf("forecast %q; want the swap", got)
		}
		r.after(3 * time.Hour) // a pull may have begun while it took an hour
		r.quiet()
	})
}

// Nothing is begun for what the files may not want any more.
func TestManifestsAreReadFirst(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		c := r.one("web")
		r.end()
		r.rmf(c.ID)
		r.after(time.Second)
		r.done()
		ready := make(chan struct{})
		r.ready = ready
		r.start()
		r.after(readyWait / 2)
		r.did()
		r.drop("web")
		close(ready)
		r.after(time.Minute)
		r.did()
		r.end()
		r.ready = make(chan struct{}) // a directory that hangs
		r.start()
		r.write(webJob())
		r.away() // while the engine is, nothing could be done, and nobody waits
		r.after(2 * readyWait)
		r.back()
		r.after(readyWait / 2)
		r.did()
		r.after(readyWait)
		r.did("run web")
	})
}

// A clock that is set back by an hour does not make a new container unhealthy
// for so long: dockerd's times are those of before.
func TestHealthUnderAClockThatWasSetBack(t *testing.T) {
	in := allocInput(func(in *AllocInput) {
		in.Containers = []observed.Container{{State: observed.Running, StartedAt: t0.Add(time.Hour)}}
	})
	minHealthy := in.Group.Update.MinHealthyTime.Std()
	for _, tt := range []struct {
		name    string
		running time.Time // since when, by our clock
		want    job.ConditionStatus
		wake    time.Time
	}{
		{"seen to run just now", t0, job.False, t0.Add(minHealthy)},
		{"seen to run for long enough", t0.Add(-minHealthy), job.True, time.Time{}},
		{"seen to run before the step", t0.Add(time.Hour), job.True, time.Time{}},
	} {
		in.Now = t0
		got, _, _, wake := healthyCondition(in, in.Status, job.Condition{Status: job.True, LastTransition: tt.running})
		if got != tt.want || !wake.Equal(tt.wake) {
			t.Errorf("%s: %s until %v, want %s until %v", tt.name, got, wake, tt.want, tt.wake)
		}
	}
}
