package reconcile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"reconciler/internal/job"
	"reconciler/observed"
)

// TestLaw_ConvergeAndQuiet: whatever happened to a job's files and containers,
// once it stops happening the plans reach what the file says within a bounded
// number of steps, and then have nothing more to do.
func TestLaw_ConvergeAndQuiet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld()
		w.edit(drawJob(rt))
		for range rapid.IntRange(0, 30).Draw(rt, "events") {
			happen(rt, w)
		}
		w.fail = func(Step) error { return nil }
		if n := w.settle(2000); n < 0 {
			rt.Fatalf("not converged:\n%s", tail(w.log))
		}
		if msg := w.wrong(); msg != "" {
			rt.Fatalf("%s:\n%s", msg, tail(w.log))
		}
		before := len(w.log)
		w.now = w.now.Add(time.Hour)
		if n := w.settle(10); n < 0 || len(w.log) > before {
			rt.Fatalf("something was done an hour later:\n%s", tail(w.log[before:]))
		}
	})
}

func drawJob(rt *rapid.T) *job.Job {
	return webJob(
		count(rapid.IntRange(0, 3).Draw(rt, "count")),
		command(rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "command")),
		func(j *job.Job) { j.Groups[0].Update.MaxParallel = rapid.IntRange(1, 3).Draw(rt, "max_parallel") },
	)
}

// happen does one thing that people, processes or the engine do.
func happen(rt *rapid.T, w *world) {
	names := slices.Sorted(maps.Keys(w.containers))
	pick := func() *observed.Container {
		if len(names) == 0 {
			return nil
		}
		return w.containers[rapid.SampledFrom(names).Draw(rt, "container")]
	}
	switch what := rapid.SampledFrom([]string{"steps", "steps", "steps", "edit", "delete", "crash", "remove", "pause", "rename", "fail", "later"}).Draw(rt, "event"); what {
	case "steps":
		w.steps(rapid.IntRange(1, 12).Draw(rt, "steps"))
	case "edit":
		w.edit(drawJob(rt))
	case "delete":
		w.delete()
	case "fail":
		w.failSome(rt)
	case "later":
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 1000).Draw(rt, "seconds")) * time.Second)
	default:
		if c := pick(); c != nil {
			w.say("%s %s", what, c.ID)
			w.harm(c, what)
		}
	}
}

func (w *world) harm(c *observed.Container, what string) {
	switch {
	case what == "remove":
		delete(w.containers, c.ID)
	case what == "rename":
		c.Name = fmt.Sprintf("other-%d", len(w.log))
	case !c.Live():
	case what == "pause":
		c.State = observed.Paused
	case what == "crash":
		c.State, c.FinishedAt, c.ExitCode = observed.Exited, w.now, 1
	}
}

// failSome lets some steps fail from now on, in one way or another.
func (w *world) failSome(rt *rapid.T) {
	kind := rapid.SampledFrom([]job.Kind{job.Retried, job.WaitsForUser, job.Indeterminate}).Draw(rt, "kind")
	reason := rapid.SampledFrom([]string{"X", errImageGone, errNameRemoving}).Draw(rt, "reason")
	every := rapid.IntRange(1, 4).Draw(rt, "every")
	n := 0
	w.fail = func(Step) error {
		if n++; n%every == 0 {
			return job.NewError(kind, reason, errors.New("injected"))
		}
		return nil
	}
}

// steps takes a few steps without waiting for anything.
func (w *world) steps(n int) {
	for range n {
		w.planJob()
		for _, id := range w.sorted() {
			w.planAlloc(id)
		}
	}
}

// wrong says in what the world is not as its file wants; "" if it is.
func (w *world) wrong() string {
	want := map[int]bool{}
	hash := ""
	if w.record.Deleted.IsZero() {
		g := &w.record.Spec.Groups[0]
		hash = job.SpecHash(w.record.Spec, g)
		for i := range g.Count {
			want[i] = true
		}
	}
	for _, c := range w.containers {
		a := w.allocs[c.Identity.AllocID]
		switch {
		case !c.Live():
			if a.Spec.Desired == job.DesiredStop {
				return fmt.Sprintf("dead container %s of a stopped allocation is left", c.ID)
			}
			continue
		case c.State != observed.Running:
			return fmt.Sprintf("container %s is %s", c.ID, c.State)
		case c.Identity.SpecHash != hash:
			return fmt.Sprintf("container %s is of another spec", c.ID)
		case c.Name != job.ContainerName("web", a.Spec.ID):
			return fmt.Sprintf("container %s is called %s", c.ID, c.Name)
		case !want[a.Spec.Index]:
			return fmt.Sprintf("container %s of index %d is one too many", c.ID, a.Spec.Index)
		}
		delete(want, a.Spec.Index)
	}
	if len(want) > 0 {
		return fmt.Sprintf("nothing runs at %v", slices.Sorted(maps.Keys(want)))
	}
	return ""
}

// TestReplaceKeepsWhatWorks: while an update runs and nothing fails, at most
// max_parallel allocations that were healthy are down.
func TestReplaceKeepsWhatWorks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n, parallel := rapid.IntRange(1, 4).Draw(rt, "count"), rapid.IntRange(1, 2).Draw(rt, "max_parallel")
		set := func(j *job.Job) { j.Groups[0].Update.MaxParallel = parallel }
		w := newWorld()
		w.edit(webJob(count(n), set))
		w.settle(500)
		w.edit(webJob(count(n), set, command("new")))
		lowest := n
		for range 500 {
			acted, wake := w.planJob()
			for _, id := range w.sorted() {
				did, at := w.planAlloc(id)
				acted, wake = acted || did, earliest(wake, at)
				lowest = min(lowest, w.running())
			}
			if !acted {
				if wake.IsZero() {
					break
				}
				w.now = wake
			}
		}
		if msg := w.wrong(); msg != "" {
			rt.Fatalf("%s:\n%s", msg, tail(w.log))
		}
		if lowest < n-parallel {
			rt.Fatalf("only %d of %d ran at one time, with max_parallel %d:\n%s", lowest, n, parallel, tail(w.log))
		}
	})
}

func (w *world) running() int {
	n := 0
	for _, c := range w.containers {
		if c.State == observed.Running {
			n++
		}
	}
	return n
}

func tail(log []string) string { return strings.Join(log[max(0, len(log)-60):], "\n") }
