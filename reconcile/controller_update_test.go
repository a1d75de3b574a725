package reconcile

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// named gives the task of a job a service at a port of the host.
func named(j *job.Job) {
	t := &j.Groups[0].Tasks[0]
	t.Resources.Ports = []job.Port{{Label: "http"}}
	t.Services = []job.Service{{Name: "shop", Port: "http"}}
}

// An update goes beside the old allocation: its successor's address is in the
// state file before anything is done to the old one.
func TestNewAddressIsCommittedBeforeTheOldOneEnds(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(named))
		r.after(time.Minute)
		old := r.one("web")
		var committed []store.ServiceRecord
		r.with(func() {
			r.fail = func(op string, _ observed.Container) error {
				if strings.HasPrefix(op, "kill") {
					committed = committedServices(t, r.dir)
				}
				return nil
			}
		})
		r.write(webJob(named, command("new")))
		r.after(9 * time.Second)
		if n := len(r.running("web")); n != 2 {
			t.Fatalf("%d run, want both", n)
		}
		if all := r.st.Services.All(); len(all) != 1 {
			t.Errorf("%d instances before it is healthy: %v", len(all), all)
		}
		r.after(time.Minute)
		now := r.one("web")
		if now.ID == old.ID {
			t.Fatal("not replaced")
		}
		if len(committed) != 1 || committed[0].Alloc != now.Identity.AllocID {
			t.Errorf("in the file when the old one was signalled: %+v", committed)
		}
		r.quiet()
	})
}

// A stop of the old allocation is never decided before the new address is in
// the table, whichever worker is faster.
func TestAddressIsThereWhenItIsHealthy(t *testing.T) {
	live(t, func(r *rig) {
		r.st.AllocStatuses.OnChange(func(id string) {
			st, _ := r.st.AllocStatuses.Get(id)
			spec, _ := r.st.AllocSpecs.Get(id)
			if spec.Desired != job.DesiredRun || !healthy(job.Alloc{Spec: spec, Status: st}) {
				return
			}
			for _, rec := range r.st.Services.All() {
				if rec.Alloc == id {
					return
				}
			}
			t.Errorf("%s is said to be healthy before its service is published", id)
		})
		r.write(webJob(named))
		r.after(time.Minute)
		r.write(webJob(named, command("new")))
		r.after(time.Minute)
		r.quiet()
	})
}

// The services of allocations that nobody knows go at the start.
func TestServicesOfUnknownAllocationsAreSwept(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(named))
		r.after(time.Minute)
		r.st.Services.Put(store.ServiceKey("shop", "gone", ""), store.ServiceRecord{Name: "shop", Alloc: "gone"})
		r.after(time.Second)
		r.restart()
		r.after(time.Minute)
		all := r.st.Services.All()
		if len(all) != 1 {
			t.Errorf("%d instances: %v", len(all), all)
		}
		r.drop("web")
		r.after(time.Minute)
		if all := r.st.Services.All(); len(all) > 0 {
			t.Errorf("instances of a job that is gone: %v", all)
		}
	})
}

// A restart of the agent in the middle of an update, or its death, at any of
// its points: the update goes on, and nothing is made that it does not need.
func TestUpdateOutlivesTheAgent(t *testing.T) {
	for name, edit := range map[string][]func(*job.Job){
		"beside": {named, count(2), shutdownDelay(2*time.Second, 0)},
		"alone":  {named, count(2), ofTask("web", func(t *job.Task) { t.Config.Privileged = true })},
	} {
		for _, end := range []string{"restart", "kill", "long absence"} {
			t.Run(name+", "+end, func(t *testing.T) {
				for at := time.Millisecond; at < 32*time.Second; at += 1300*time.Millisecond + at/6 {
					live(t, func(r *rig) {
						r.write(webJob(edit...))
						r.after(time.Minute)
						r.done()
						r.write(webJob(append(edit, command("new"))...))
						r.after(at)
						switch end {
						case "restart":
							r.restart()
						case "kill":
							r.kill()
						default:
							r.end()
							time.Sleep(time.Hour)
							r.reconnect()
							r.start()
						}
						r.after(2 * time.Minute)
						for _, c := range r.running("web") {
							if rec, _ := r.st.Jobs.Get("web"); c.Identity.Generation != rec.Generation {
								t.Errorf("after %v: %s is of generation %d", at, c.Name, c.Identity.Generation)
							}
						}
						runs := 0
						for _, call := range r.done() {
							if strings.HasPrefix(call, "run") {
								runs++
							}
						}
						if runs > 3 { // a run whose answer was lost is made once more
							t.Errorf("after %v: %d containers were made for 2", at, runs)
						}
						if d, _ := r.st.Deployments.Get("web"); d.Groups["web"].Failed != nil {
							t.Errorf("after %v: failed: %+v", at, d.Groups["web"].Failed)
						}
						r.quiet()
					})
				}
			})
		}
	}
}

// Stubborn tasks hold up no other job.
func TestFiftyStubbornTasks(t *testing.T) {
	live(t, func(r *rig) {
		long := ofTask("web", func(t *job.Task) { t.KillTimeout = job.Duration(10 * time.Minute) })
		r.write(webJob(called("many"), count(50), long))
		r.after(time.Minute)
		r.with(func() { r.stubborn = true })
		r.drop("many")
		r.after(time.Second)
		r.write(webJob(called("other")))
		r.after(time.Second)
		r.one("other")
		r.after(9 * time.Minute)
		if n := len(r.running("many")); n != 50 {
			t.Errorf("%d of 50 run before their kill_timeout", n)
		}
		r.after(2 * time.Minute)
		if n := len(r.running("many")); n != 0 {
			t.Errorf("%d run after their kill_timeout", n)
		}
	})
}

// auto_revert in the whole controller: what was put back outlives the agent.
func TestRevertedOutlivesTheAgent(t *testing.T) {
	live(t, func(r *rig) {
		edit := []func(*job.Job){named, count(2), revert, update(func(u *job.Update) { u.AutoRevert, u.ProgressDeadline = true, job.Duration(30*time.Second) })}
		r.write(webJob(edit...))
		r.after(time.Minute)
		first := r.running("web")
		r.with(func() {
			r.fail = func(op string, c observed.Container) error {
				if op == "run" && c.Identity.Generation == 2 {
					return job.NewError(job.Retried, "X", errFake)
				}
				return nil
			}
		})
		r.write(webJob(append(edit, command("new"))...))
		r.after(5 * time.Minute)
		for range 2 {
			d, _ := r.st.Deployments.Get("web")
			if g := d.Groups["web"]; !g.Reverted || g.Failed == nil || d.Phase != PhaseDegraded {
				t.Fatalf("%+v", d)
			}
			ids := []string{}
			for _, c := range r.running("web") {
				ids = append(ids, c.ID)
			}
			if !slices.Equal(ids, []string{first[0].ID, first[1].ID}) {
				t.Errorf("%v run, want what ran", ids)
			}
			r.done()
			r.restart()
			r.after(time.Hour)
			r.did()
		}
		r.with(func() { r.fail = func(string, observed.Container) error { return nil } })
		r.ask("web", Retry)
		r.after(2 * time.Minute)
		r.quiet()
	})
}

// Restart blocks and work that ends, in the whole controller.
func TestRestartBlockInTheController(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(restarts(1, interval, delay, job.RestartFail)))
		r.after(time.Minute)
		for range 2 {
			r.exit(r.one("web").ID, 1)
			r.after(20 * time.Second)
		}
		if n := len(r.running("web")); n != 0 {
			t.Fatalf("%d run after the last restart", n)
		}
		r.after(time.Minute)
		r.done()
		for range 2 {
			r.restart()
			r.after(time.Hour)
			r.did()
			d, _ := r.st.Deployments.Get("web")
			if c, _ := job.FindCondition(d.Conditions, job.CondDegraded); c.Reason != errRestartsExhausted {
				t.Errorf("%+v", c)
			}
		}
		r.ask("web", Retry)
		r.after(time.Minute)
		r.quiet()
	})
}

func TestBatchInTheController(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(batch))
		r.after(time.Minute)
		r.exit(r.one("web").ID, 0)
		r.after(time.Minute)
		r.done()
		still := func(when string) {
			t.Helper()
			puts := r.puts.Load()
			r.after(2 * time.Hour)
			r.did()
			if d, _ := r.st.Deployments.Get("web"); d.Phase != PhaseComplete {
				t.Errorf("%s: phase %s", when, d.Phase)
			}
			if n := r.puts.Load() - puts; n > 0 {
				t.Errorf("%s: %d records changed", when, n)
			}
		}
		still("complete")
		r.restart()
		r.after(time.Second)
		still("after a restart")
		r.kill()
		r.after(time.Second)
		still("after a kill")
		r.lose()
		r.write(webJob(batch))
		r.after(time.Minute)
		r.done()
		still("after a loss of the state")
		r.ask("web", Restart)
		r.after(time.Minute)
		r.did("remove web", "run web")
	})
}

// committedServices reads the services out of a copy of a state file.
func committedServices(t *testing.T, dir string) []store.ServiceRecord {
	t.Helper()
	state, err := os.ReadFile(filepath.Join(dir, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state.db"), state, 0o640); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	var out []store.ServiceRecord
	for _, rec := range st.Services.All() {
		out = append(out, rec)
	}
	return out
}
