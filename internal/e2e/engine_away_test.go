package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/google/go-cmp/cmp"
)

// many is how many tasks run when their engine goes.
const many = 30

// awayLong and awayShort are how long it is gone: after a stop, as in an
// upgrade, and after a kill.
const (
	awayLong  = 10 * time.Second
	awayShort = 3 * time.Second
)

// TestLaw_DockerdAway_LiveRestore: with live-restore the containers outlive
// their dockerd. Meanwhile nothing is known and nothing is done; when it is
// back nothing has to be done.
func TestLaw_DockerdAway_LiveRestore(t *testing.T) {
	t.Parallel()
	e := newOwnEngine(t, true)
	w := e.world()
	ref := e.load(w)
	w.up()
	w.drop("web.hcl", crowd(ref).String())
	before := w.awaitCrowd()
	w.settle()
	said := w.conditions()

	for _, c := range []struct {
		sig  os.Signal
		away time.Duration
	}{{syscall.SIGTERM, awayLong}, {syscall.SIGKILL, awayShort}} {
		e.down(c.sig)
		w.unknownFor(c.away)
		back := time.Now()
		e.up()
		w.awaitConnected()
		w.staysSame(3*time.Second, "web", before)
		if all := w.all("web"); len(all) != many {
			t.Errorf("%v: %d containers: %s", c.sig, len(all), brief(all))
		}
		if got := e.happened(back); len(got) > 0 {
			t.Errorf("%v: the engine was told to do something: %v", c.sig, got)
		}
		if diff := cmp.Diff(said, w.conditions()); diff != "" {
			t.Errorf("%v: the jobs' conditions changed (-was +is):\n%s", c.sig, diff)
		}
	}
}

// TestLaw_DockerdAway: without live-restore all containers end with their
// dockerd. Each comes back once, at once, and no crash is counted.
func TestLaw_DockerdAway(t *testing.T) {
	t.Parallel()
	e := newOwnEngine(t, false)
	w := e.world()
	ref := e.load(w)
	e.down(syscall.SIGTERM)

	// The agent comes first, as at a boot.
	w.agent = w.spawn()
	eventually(t, "the agent answers without an engine", w.unknown)
	w.drop("web.hcl", crowd(ref).String())
	w.unknownFor(2 * time.Second)
	e.up()
	before := w.awaitCrowd()
	w.settle()

	for _, c := range []struct {
		sig  os.Signal
		away time.Duration
	}{{syscall.SIGTERM, awayLong}, {syscall.SIGKILL, awayShort}} {
		e.down(c.sig)
		w.unknownFor(c.away)
		e.up()
		before = w.cameBack(fmt.Sprint(c.sig), before)
	}
	w.noCrashCounted("web")

	// The first real crash is the first: it is answered at once.
	ctx, cancel := w.ctx()
	defer cancel()
	must(t, w.cli.ContainerKill(ctx, before[0].ID, "KILL"))
	eventuallyIn(t, 5*time.Second, "the task that crashed runs again", func() error {
		got := w.running("web")
		if len(got) != many || slices.ContainsFunc(got, func(b box) bool { return b.ID == before[0].ID }) {
			return fmt.Errorf("%d run; index 0: %s", len(got), brief(got[:min(len(got), 1)]))
		}
		return nil
	})
}

// crowd is a job of many small tasks.
func crowd(ref string) spec {
	return spec{Job: "web", Count: many, Image: ref, Config: "        network_mode = \"none\"\n"}
}

// awaitCrowd waits until every task of the crowd runs, one for each index.
func (w *world) awaitCrowd() []box {
	w.t.Helper()
	var got []box
	eventually(w.t, fmt.Sprintf("all %d tasks run", many), func() error {
		got = w.running("web")
		indexes := map[int]bool{}
		for _, b := range got {
			indexes[b.Who.AllocIndex] = b.Who.AllocIndex < many
		}
		if len(got) != many || len(indexes) != many {
			return fmt.Errorf("%d run, with %d indexes", len(got), len(indexes))
		}
		return nil
	})
	return got
}

// cameBack waits until every allocation runs again, one attempt on from
// before, and checks that it took no backoff and stays so.
func (w *world) cameBack(how string, before []box) []box {
	w.t.Helper()
	begin := time.Now()
	after := w.awaitCrowd()
	// 30 starts take 5 s; the first backoff after a crash is 10 s or more.
	w.t.Logf("%s: all run again after %s", how, time.Since(begin).Round(time.Millisecond))
	attempts := map[string]int{}
	for _, b := range before {
		attempts[b.Who.AllocID] = b.Who.Attempt
	}
	for _, b := range after {
		if was, ok := attempts[b.Who.AllocID]; !ok || b.Who.Attempt > was+1 {
			w.t.Errorf("%s: allocation %s came back with attempt %d, had %d", how, b.Who.AllocID, b.Who.Attempt, was)
		}
	}
	w.staysSame(2*time.Second, "web", after)
	perAlloc := map[string]int{}
	for _, b := range w.all("web") {
		perAlloc[b.Who.AllocID]++
	}
	for id, n := range perAlloc {
		if n > 2 { // the running one, and the last dead one that is kept
			w.t.Errorf("%s: %d containers of %s", how, n, id)
		}
	}
	return after
}

// noCrashCounted fails if status shows a crash, or a wait, of a job.
func (w *world) noCrashCounted(name string) {
	w.t.Helper()
	var s struct {
		Jobs []struct {
			Allocs []struct {
				Status struct {
					Tasks map[string]struct {
						Crashes  int `json:"crashes"`
						Restarts int `json:"restarts"`
						Failures int `json:"failures"`
					} `json:"tasks"`
				} `json:"status"`
			} `json:"allocs"`
		} `json:"jobs"`
	}
	must(w.t, json.Unmarshal([]byte(w.run("status", name, "--data-dir", w.data, "--json").out), &s))
	n, tasks := 0, 0
	for _, j := range s.Jobs {
		for _, a := range j.Allocs {
			for _, task := range a.Status.Tasks {
				tasks++
				if task.Crashes > 0 || task.Restarts > 0 || task.Failures > 0 {
					n++
				}
			}
		}
	}
	if tasks == 0 || n > 0 {
		w.t.Errorf("%d of %d tasks show a crash or a failure", n, tasks)
	}
}

// unknown says whether a live agent answers that it sees no engine, and stands
// by what is wanted.
func (w *world) unknown() error {
	s, err := w.status()
	switch {
	case err != nil:
		return err
	case !s.live():
		return errors.New("no daemon answers")
	case s.connected():
		return errors.New("status says connected")
	case s.Docker.Problem == "":
		return errors.New("status does not say why")
	}
	for _, j := range s.Jobs {
		if j.Generation == 0 && len(j.Allocs) == 0 {
			continue // new: it is taken up when the engine has been seen
		}
		if len(j.Allocs) != many {
			return fmt.Errorf("job %s has %d allocations", j.Name, len(j.Allocs))
		}
		for _, a := range j.Allocs {
			if a.Spec.Desired != "run" {
				return fmt.Errorf("alloc %s is to %s", a.Spec.ID, a.Spec.Desired)
			}
		}
	}
	return nil
}

// saysUnknown is unknown for people: a table that does not claim to know what
// runs.
func (w *world) saysUnknown() {
	w.t.Helper()
	// The two are asked one after the other, and what is wrong may change.
	eventually(w.t, "status says for people that the engine is away", func() error {
		s, err := w.status()
		if err != nil {
			return err
		}
		r := w.run("status", "--data-dir", w.data)
		if r.code != 0 || !containsAll(r.out, s.Docker.Problem) || len(s.Jobs) > 0 && !strings.Contains(r.out, "?/") {
			return fmt.Errorf("exit %d, not %q:\n%s%s", r.code, s.Docker.Problem, r.out, r.err)
		}
		return nil
	})
}

// unknownFor demands for the whole of d that the agent says that it knows
// nothing, and that it does next to nothing.
func (w *world) unknownFor(d time.Duration) {
	w.t.Helper()
	eventually(w.t, "the agent sees that the engine is away", w.unknown)
	mark, used, begin := w.agent.log.len(), w.agent.cpu(), time.Now()
	w.saysUnknown()
	for time.Since(begin) < d {
		if err := w.unknown(); err != nil {
			w.t.Fatalf("the engine is away: %v", err)
		}
		time.Sleep(time.Second)
	}
	if loud := w.agent.log.loud(mark); len(loud) > 3 {
		w.t.Errorf("%d lines above debug while the engine was away, the last: %s", len(loud), loud[len(loud)-1])
	}
	if lines := strings.Count(w.agent.log.String()[mark:], "\n"); lines > 60 {
		w.t.Errorf("%d lines of log while the engine was away: %s", lines, w.agent.log.tail(3))
	}
	// The status calls of this test and the race detector cost some.
	if spent := w.agent.cpu() - used; spent > d/4 {
		w.t.Errorf("the agent used %s of CPU within %s", spent, d)
	}
}

// conditions are those of all jobs, without words and times.
func (w *world) conditions() map[string]string {
	w.t.Helper()
	s, err := w.status()
	must(w.t, err)
	out := map[string]string{}
	for _, j := range s.Jobs {
		for _, c := range j.Conditions {
			out[j.Name+" "+c.Type] = c.Status + " " + c.Reason
		}
	}
	return out
}

func (w *world) awaitConnected() {
	w.t.Helper()
	eventually(w.t, "the agent sees the engine", func() error {
		s, err := w.status()
		if err == nil && !s.connected() {
			err = errors.New(s.Docker.Problem)
		}
		return err
	})
}

// cpu is the processor time that the agent has used.
func (a *agent) cpu() time.Duration {
	stat, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(a.cmd.Process.Pid), "stat"))
	_, rest, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 on Linux
}

// happened lists what was done to containers since the engine started again,
// by its own events.
func (e *ownEngine) happened(since time.Time) []string {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), 10*time.Second)
	defer cancel()
	msgs, errs := e.cli.Events(ctx, events.ListOptions{
		Since: strconv.FormatInt(since.Unix()-1, 10), Until: strconv.FormatInt(time.Now().Unix(), 10),
	})
	var out []string
	for {
		select {
		case m := <-msgs:
			if m.Type == events.ContainerEventType {
				out = append(out, fmt.Sprintf("%s %s", m.Action, m.Actor.Attributes["name"]))
			}
		case err := <-errs:
			if !errors.Is(err, io.EOF) {
				e.t.Errorf("events: %v", err)
			}
			slices.Sort(out)
			return out
		}
	}
}
