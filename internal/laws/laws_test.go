package laws

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/go-connections/nat"

	"reconciler/internal/dockertest"
)

// settled is long enough for anything that works to be done: a placement, a
// replacement of a few allocations, the way through a short backoff.
const settled = 2 * time.Minute

// some is the usual set of jobs: several files, ports, tasks and counts.
func (w *world) some() {
	w.save("a.hcl", hcl(spec{name: "a", tag: "1", count: 2, port: true}))
	w.save("bc.hcl", hcl(spec{name: "b", tag: "1", count: 1, static: 8081}, spec{name: "c", tag: "2", count: 1, two: true}))
	w.save("sub/d.hcl", hcl(spec{name: "d", tag: "old", count: 1}))
}

func TestLaw01_Converge(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.some()
		w.start()
		w.after(settled)
		w.converged()
		w.save("a.hcl", hcl(spec{name: "a", tag: "2", count: 3, port: true}))
		w.save("bc.hcl", hcl(spec{name: "c", tag: "2", count: 1, static: 8081}))
		w.remove("sub/d.hcl")
		w.after(settled)
		w.converged()
	})
}

func TestLaw02_Quiet(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.some()
		w.start()
		w.after(15 * time.Minute)
		w.quiet(time.Hour)
		text := hcl(spec{name: "a", tag: "1", count: 2, port: true})
		w.save("a.hcl", "# a comment\n"+strings.ReplaceAll(text, "  ", "\t"))
		w.must(os.Chtimes(filepath.Join(w.dir, "bc.hcl"), time.Now(), time.Now()))
		before, writes, lines := w.lives(), w.marks(), len(w.said())
		w.after(time.Minute)
		w.same("quiet: a reformatted file", before)
		if len(w.written(writes)) > 0 || len(w.said()) > lines {
			w.bad("quiet: a reformatted file: writes %v, lines %q", w.written(writes), w.said()[lines:])
		}
		w.quiet(20 * time.Minute)
	})
}

func TestLaw03_OrderFree(t *testing.T) {
	t.Parallel()
	late := func(d ...time.Duration) func(events.Message) []time.Duration {
		return func(events.Message) []time.Duration { return d }
	}
	n := 0
	for name, f := range map[string]func(events.Message) []time.Duration{
		"lost": late(), "doubled": late(0, 0), "late": late(7 * time.Second), "late and twice": late(time.Second, time.Minute),
		"shuffled": func(events.Message) []time.Duration {
			n++
			return []time.Duration{time.Duration(n*7919%13) * time.Second}
		},
	} {
		t.Run(name, func(t *testing.T) {
			tell(t, func(w *world) {
				w.setEvents(f)
				w.some()
				w.start()
				w.after(5 * time.Minute)
				w.converged()
				w.e.Exit(w.one("b").ID, 1)
				w.e.RemoveByHand(w.one("d").ID)
				w.save("a.hcl", hcl(spec{name: "a", tag: "2", count: 1}))
				w.after(10 * time.Minute)
				w.converged()
			})
		})
	}
}

func TestLaw04_MineOnly(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		labels := map[string]string{
			"reconciler.node_id": "somebody-else", "reconciler.job": "a", "reconciler.group": "g", "reconciler.task": "main",
			"reconciler.alloc_id": "f00", "reconciler.alloc_index": "0", "reconciler.generation": "1", "reconciler.attempt": "1",
			"reconciler.spec_hash": "v1:0",
		}
		strangers := []string{
			w.e.AddContainer(dockertest.Stranger{Name: "main-f00", Image: ref("old"), Labels: labels, Running: true}),
			w.e.AddContainer(dockertest.Stranger{Name: "db", Image: ref("old"), Running: true, Publish: nat.PortMap{
				"80/tcp": {{HostIP: w.addr, HostPort: "8081"}},
			}}),
			w.e.AddContainer(dockertest.Stranger{Name: "dead", Image: ref("old")}),
		}
		w.some()
		w.start()
		w.after(settled)
		if n := len(w.running("b")); n != 0 {
			w.bad("mine only: b runs on a stranger's port")
		}
		for _, f := range []string{"a.hcl", "sub/d.hcl"} {
			w.remove(f)
			w.after(time.Minute)
		}
		w.after(delay + 10*time.Minute)
		for _, id := range strangers {
			if _, there := w.e.Inspect(id); !there {
				w.bad("mine only: stranger %s is gone", id)
			}
		}
		w.images()
	})
}

func TestLaw05_NoBlindAct(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.some()
		w.start()
		w.after(settled)
		before, writes := w.lives(), w.marks()
		w.must(os.Rename(w.dir, w.dir+".away"))
		w.after(2 * time.Minute)
		w.must(os.Mkdir(w.dir, 0o755)) // a mount that did not come up
		w.after(2 * time.Minute)
		w.same("no blind act: a directory that is away, then empty", before)
		w.must(os.Remove(w.dir))
		w.must(os.Rename(w.dir+".away", w.dir))
		w.after(time.Minute)
		for _, f := range []dockertest.Fault{
			{Path: "/containers/json", Status: 500},
			{Path: "/containers/json", CutAfter: 3},
			{Path: "/containers/json", Hang: true},
			{Path: "/containers/*/json", Status: 500},
			{Path: "/images/json", Status: 500},
		} {
			rule := w.e.Inject(f)
			w.after(2 * time.Minute)
			w.e.CloseEvents()
			w.after(2 * time.Minute)
			rule.Lift()
			w.same(fmt.Sprintf("no blind act: %+v", f), before)
		}
		w.after(2 * time.Minute)
		w.same("no blind act", before)
		w.converged()
		if got := w.written(writes); len(got) > 0 {
			w.bad("no blind act: writes %v", got)
		}
	})
}

func TestLaw06_LastKnownGood(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.some()
		w.start()
		w.after(settled)
		before := w.lives()
		w.scribble("a.hcl", `job "a" { group`)
		w.scribble("bc.hcl", "")
		w.scribble("sub/d.hcl", "job \"d\" {\n  group \"g\" {\n    task \"main\" {\n      driver = \"docker\"\n      config {\n        immage = 1\n      }\n    }\n  }\n}\n")
		w.after(10 * time.Minute)
		w.same("last known good", before)
		w.stop()
		w.start()
		w.after(10 * time.Minute)
		w.same("last known good after a restart", before)
		w.kill()
		w.start()
		w.after(time.Minute)
		w.e.Exit(w.one("d").ID, 1)
		w.after(time.Minute)
		if got := w.one("d").Config.Image; got != ref("old") {
			w.bad("last known good: the task came back from %s", got)
		}
		w.some()
		w.after(time.Minute)
		w.converged()
	})
}

func TestLaw07_RestartSafe(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.some()
		w.start()
		w.after(15 * time.Minute)
		before, state, writes := w.lives(), w.state(), w.marks()
		for range 3 {
			w.stop()
			w.after(time.Minute)
			w.start()
			w.after(10 * time.Minute)
			w.kill()
			w.start()
			w.after(10 * time.Minute)
		}
		w.same("restart safe", before)
		if got := w.written(writes); len(got) > 0 {
			w.bad("restart safe: writes %v", got)
		}
		if string(state) != string(w.state()) {
			w.bad("restart safe: the state file has changed")
		}
		w.stop()
		w.e.Exit(w.one("b").ID, 1) // while nobody looks
		w.start()
		w.after(time.Minute)
		w.converged()
	})
}

func TestLaw08_StateLoss(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.some()
		w.start()
		w.after(10 * time.Minute)
		w.save("a.hcl", hcl(spec{name: "a", tag: "1", count: 2, port: true, meta: "new"}))
		w.after(5 * time.Minute)
		w.some()
		w.after(5 * time.Minute)
		before, writes := w.lives(), w.marks()
		w.kill()
		w.lose()
		w.start()
		w.after(delay + 10*time.Minute)
		w.same("state loss", before)
		if got := w.written(writes); len(got) > 0 {
			w.bad("state loss: writes %v", got)
		}
		w.converged()
		w.truthful()
	})
}

func TestLaw09_PullFirst(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.save("a.hcl", hcl(app("a", "1")))
		w.save("b.hcl", hcl(spec{name: "b", tag: "1", count: 1, static: 8081}))
		w.start()
		w.after(settled)
		before := w.lives()
		w.e.Registry().Fail(ref("2"), dockertest.RegistryFault{Kind: dockertest.Broken})
		w.save("a.hcl", hcl(app("a", "2")))
		w.save("b.hcl", hcl(spec{name: "b", tag: "1", count: 1, static: 8082}))
		w.e.AddContainer(dockertest.Stranger{Name: "db", Image: ref("old"), Running: true, Publish: nat.PortMap{
			"80/tcp": {{HostIP: w.addr, HostPort: "8082"}},
		}})
		w.after(20 * time.Minute)
		w.same("pull first: neither image nor port can be had", before)
		w.e.Registry().Heal(ref("2"))
		w.e.RemoveByHand("db")
		w.after(10 * time.Minute)
		w.converged()
	})
}

func TestLaw10_NoEarlyDelete(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.save("a.hcl", hcl(app("a", "1"), app("k", "3")))
		w.start()
		w.after(settled)
		id := w.one("a").Image
		there := func(law string, want bool) {
			if _, ok := w.e.Images()[id]; ok != want {
				w.bad("no early delete: %s: image is there: %t, want %t", law, ok, want)
			}
		}
		w.save("a.hcl", hcl(app("a", "2"), app("k", "3")))
		w.after(20 * time.Minute)
		w.stop()
		w.after(5 * time.Minute)
		w.start()
		w.after(time.Second)
		w.skew.Add(int64(3 * time.Hour)) // a step of the clock is no time that passed
		w.after(3 * time.Minute)
		there("before the delay, over a restart and a step of the clock", true)
		w.after(delay)
		there("after the delay", false)
		w.converged()
		w.images()
	})
}

func TestLaw11_OneAtATime(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.save("a.hcl", hcl(app("a", "1")))
		w.start()
		w.after(settled)
		hung := w.one("a").ID
		rule := w.e.Inject(dockertest.Fault{Method: "POST", Path: "/containers/" + hung + "/kill", Hang: true})
		w.save("a.hcl", hcl(app("a", "2")))
		w.after(time.Minute)
		if rule.Hits() < 2 {
			w.bad("one at a time: the call that hangs was tried %d times in a minute", rule.Hits())
		}
		w.save("m.hcl", hcl(spec{name: "m", tag: "1", count: 24}))
		w.after(30 * time.Second)
		if n := len(w.running("m")); n != 24 {
			w.bad("one at a time: %d of 24 run beside the one that hangs", n)
		}
		if n := w.agent.tap.atMost(); n > 8 {
			w.bad("one at a time: %d writes at once", n)
		}
		rule.Lift()
		w.after(10 * time.Minute)
		w.converged()
	})
}

func TestLaw12_ReplaySafe(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.sight.excused = true // its create may show late
		w.e.Inject(dockertest.Fault{Method: "POST", Every: 2, LoseReply: true})
		w.e.Inject(dockertest.Fault{Method: "DELETE", Every: 2, LoseReply: true})
		w.some()
		w.start()
		w.after(30 * time.Minute)
		w.converged()
		w.save("a.hcl", hcl(spec{name: "a", tag: "2", count: 2, port: true}))
		w.remove("sub/d.hcl")
		w.after(30 * time.Minute)
		w.converged()
		made := map[string]int{}
		for _, c := range w.e.Containers() {
			made[c.Config.Labels["reconciler.alloc_id"]+c.Config.Labels["reconciler.task"]]++
		}
		for task, n := range made {
			if n > 1 {
				w.bad("replay safe: %d containers of %s", n, task)
			}
		}
	})
}

func TestLaw13_Backoff(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.e.Registry().Fail(ref("1"), dockertest.RegistryFault{Kind: dockertest.Broken})
		w.save("a.hcl", hcl(app("a", "1")))
		w.save("c.hcl", hcl(spec{name: "c", tag: "2", arg: "crash", count: 1}))
		w.start()
		w.after(30 * time.Minute)
		pulls, creates := w.e.Registry().Pulls(), w.count("containers/create")
		if pulls > 14 || creates > 14 {
			w.bad("backoff: %d pulls and %d containers in half an hour", pulls, creates)
		}
		w.kill()
		w.start()
		w.after(time.Minute)
		if n := w.e.Registry().Pulls() - pulls; n > 1 {
			w.bad("backoff: %d pulls in the minute after a restart", n)
		}
		w.save("a.hcl", hcl(app("a", "3"))) // a new generation
		w.after(30 * time.Second)
		w.one("a")
		w.save("c.hcl", hcl(app("c", "2")))
		w.after(settled)
		w.converged()
	})
}

// count is how often the agent made such a write.
func (w *world) count(part string) int {
	n := 0
	for _, c := range w.written(0) {
		if strings.Contains(c.what, part) {
			n++
		}
	}
	return n
}

func TestLaw14_DockerdAway(t *testing.T) {
	t.Parallel()
	for _, restore := range []bool{true, false} {
		t.Run(fmt.Sprintf("live-restore %t", restore), func(t *testing.T) {
			wrong, story := play(t, dockertest.Options{LiveRestore: restore}, func(w *world) {
				w.some()
				w.start()
				w.after(15 * time.Minute)
				before := w.lives()
				w.e.Stop()
				w.after(20 * time.Minute)
				w.remove("sub/d.hcl")
				w.after(time.Minute)
				w.some()
				w.after(time.Minute)
				w.e.Start()
				w.after(time.Minute)
				if restore {
					w.same("dockerd away", before)
				}
				w.converged()
				for _, st := range w.agent.Store.AllocStatuses.All() {
					for task, ts := range st.Tasks {
						if ts.Crashes > 0 {
							w.bad("dockerd away: task %s has %d crashes", task, ts.Crashes)
						}
					}
				}
			})
			for _, s := range wrong {
				t.Error(s)
			}
			if len(wrong) > 0 {
				t.Log(strings.Join(story, "\n"))
			}
		})
	}
}

func TestLaw15_Bounded(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.some()
		w.start()
		w.after(15 * time.Minute)
		size, reads := len(w.state()), len(w.e.Calls())
		for range 300 { // a stranger that starts and ends all the time
			id := w.e.AddContainer(dockertest.Stranger{Image: ref("old"), Running: true})
			w.e.Exit(id, 0)
			w.e.RemoveByHand(id)
			time.Sleep(200 * time.Millisecond)
		}
		// One look at most for each event: create, connect, start, die, disconnect
		// and destroy.
		if n := len(w.e.Calls()) - reads; n > 6*300 {
			w.bad("bounded: 300 strangers caused %d calls", n)
		}
		w.after(5 * time.Minute)
		if all, _ := w.agent.Cache.Containers(); len(all) != len(w.e.Containers()) {
			w.bad("bounded: the cache has %d containers, there are %d", len(all), len(w.e.Containers()))
		}
		if n := len(w.state()); n > size {
			w.bad("bounded: strangers made the state file grow from %d to %d bytes", size, n)
		}
		w.converged()
	})
}

func TestLaw16_Deterministic(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.some()
		w.start()
		w.after(settled)
		w.stop()
		w.e.RemoveByHand(w.one("b").ID)
		w.save("a.hcl", hcl(spec{name: "a", tag: "2", count: 4, port: true}))
		w.save("bc.hcl", hcl(spec{name: "c", tag: "3", count: 2, two: true}, app("x", "1"), app("y", "1")))
		w.after(time.Minute)
		var plans []string
		for range 8 {
			b, err := json.Marshal(w.forecast())
			w.must(err)
			plans = append(plans, string(b))
		}
		if plans = slices.Compact(plans); len(plans) > 1 {
			w.bad("deterministic: two plans of one state:\n%s\n%s", plans[0], plans[1])
		}
	})
}

func TestLaw17_Truthful(t *testing.T) {
	t.Parallel()
	tell(t, func(w *world) {
		w.some()
		w.start()
		w.after(settled)
		w.truthful()
		w.save("bc.hcl", hcl(spec{name: "b", tag: "1", count: 1, static: 8081, meta: "new"}, app("c", "2")))
		w.e.Registry().Fail(ref("3"), dockertest.RegistryFault{Kind: dockertest.Forbidden})
		w.save("a.hcl", hcl(spec{name: "a", tag: "3", count: 2, port: true}))
		w.after(settled)
		d, _ := w.agent.Store.Deployments.Get("a")
		if d.Phase != "degraded" || !strings.Contains(fmt.Sprint(d.Conditions), "app:3") {
			w.bad("truthful: a waits for an image and is %s: %+v", d.Phase, d.Conditions)
		}
		w.scribble("bc.hcl", "job {")
		w.after(settled)
		if m, _ := w.agent.Store.Manifests.Get("bc.hcl"); len(m.Problems) == 0 || m.Problems[0].Line != 1 {
			w.bad("truthful: nothing says what is wrong with bc.hcl: %+v", m)
		}
		writes := w.marks()
		w.forecast()
		if got := w.written(writes); len(got) > 0 {
			w.bad("truthful: a plan writes: %v", got)
		}
	})
}
