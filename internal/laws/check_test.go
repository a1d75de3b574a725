package laws

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"reconciler/desired"
	"reconciler/internal/job"
	"reconciler/reconcile"
	"reconciler/store"
)

// wanted are the jobs that the files say, parsed as the agent does.
func (w *world) wanted() map[string]*job.Job {
	out := map[string]*job.Job{}
	w.must(filepath.WalkDir(w.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".hcl" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		jobs, problems := desired.Parse(path, text)
		if slices.ContainsFunc(problems, func(p store.Problem) bool { return p.Severity != store.SeverityWarning }) {
			w.bad("the test itself: %s: %v", path, problems)
		}
		for _, j := range jobs {
			out[j.Name] = j
		}
		return nil
	}))
	return out
}

// converged checks that exactly the wanted set runs, as wanted. Of a job that may
// fail by what it says itself, what does not run, or runs as it was before, has
// its reason in the status.
func (w *world) converged() {
	jobs := w.wanted()
	want := map[string]string{} // place -> spec hash
	for _, j := range jobs {
		for gi := range j.Groups {
			g := &j.Groups[gi]
			for i := range g.WantedCount(j.Type) {
				for _, t := range g.Tasks {
					want[fmt.Sprintf("%s.%s[%d].%s", j.Name, g.Name, i, t.Name)] = job.SpecHash(j, g)
				}
			}
		}
	}
	live, dead := map[string]bool{}, map[string]int{}
	missing := map[string][]string{} // of jobs that may fail
	for _, c := range w.ours() {
		l := c.Config.Labels
		place := placeName(l)
		alloc, name := l["reconciler.alloc_id"], strings.TrimPrefix(c.Name, "/")
		j := jobs[l["reconciler.job"]]
		excused := j != nil && mayFail(j, w.rack)
		switch {
		case !c.State.Running:
			dead[alloc+"/"+l["reconciler.task"]]++
			live[alloc+"/"+l["reconciler.task"]] = live[alloc+"/"+l["reconciler.task"]] || excused
			continue
		case c.State.Paused:
			w.bad("converge: %s is paused", name)
		case want[place] == "" && excused && (w.stoppedUpdate(j.Name) || notYet(j, l) || w.besides(j.Name)):
			missing[j.Name] = append(missing[j.Name], place)
		case want[place] == "":
			w.bad("converge: %s runs for %s, which nobody wants (any more, or twice)", name, place)
		case want[place] != l["reconciler.spec_hash"] && excused:
			missing[j.Name] = append(missing[j.Name], place)
		case want[place] != l["reconciler.spec_hash"]:
			w.bad("converge: %s is of another spec", name)
		case name != job.ContainerName(l["reconciler.task"], alloc):
			w.bad("converge: the container of %s is called %s", place, name)
		}
		delete(want, place)
		live[alloc+"/"+l["reconciler.task"]] = true
	}
	for _, place := range slices.Sorted(maps.Keys(want)) {
		name, _, _ := strings.Cut(place, ".")
		if mayFail(jobs[name], w.rack) {
			missing[name] = append(missing[name], place)
			continue
		}
		w.bad("converge: nothing runs for %s", place)
	}
	for name, places := range missing {
		w.reasoned(jobs[name], places)
	}
	for task, n := range dead {
		if !live[task] || n > 1 {
			w.bad("converge: %d dead containers of task %s are left (it runs: %t)", n, task, live[task])
		}
	}
	if len(w.wrong) > 0 && w.agent != nil {
		w.say("records:\n%s", w.records())
	}
}

// besides reports whether an allocation of a job waits beside its predecessor
// until it is healthy, which it may never be; where no generation was ever
// proved there is nothing that the update could be given up for.
func (w *world) besides(name string) bool {
	for id, a := range w.agent.Store.AllocSpecs.All() {
		status, _ := w.agent.Store.AllocStatuses.Get(id)
		if a.Job == name && a.Desired == job.DesiredRun && a.Reason == reconcile.ReasonBeside && status.HealthyAt.IsZero() {
			return true
		}
	}
	return false
}

// records is the agent's state in words, for a story that went wrong.
func (w *world) records() string {
	var b strings.Builder
	st := w.agent.Store
	for name, rec := range st.Jobs.All() {
		d, _ := st.Deployments.Get(name)
		fmt.Fprintf(&b, "  job %s gen %d held %q missing %v deleted %v phase %s: %+v\n", name, rec.Generation, rec.Held, rec.MissingSince, rec.Deleted, d.Phase, d.Conditions)
	}
	for id, a := range st.AllocSpecs.All() {
		s, _ := st.AllocStatuses.Get(id)
		if s.EndedAt.IsZero() {
			fmt.Fprintf(&b, "  alloc %s %s[%d] gen %d %s (%s): ", id, a.Job, a.Index, a.Generation, a.Desired, a.Reason)
			for task, ts := range s.Tasks {
				fmt.Fprintf(&b, "%s %s attempt %d retry %v error %v; ", task, ts.Phase, ts.Attempt, ts.NextRetry, ts.LastError)
			}
			b.WriteByte('\n')
		}
	}
	for _, c := range w.e.Containers() {
		fmt.Fprintf(&b, "  container %s %s %.12s %s\n", c.Name, c.State.Status, c.ID, c.Config.Image)
	}
	for _, c := range w.written(max(0, w.marks()-40)) {
		fmt.Fprintf(&b, "  write %s\n", c)
	}
	return b.String()
}

// quiet checks that for so long nothing is written, committed or said.
func (w *world) quiet(d time.Duration) {
	writes := w.marks()
	lines := w.said()
	before := w.state()
	w.after(d)
	if got := w.written(writes); len(got) > 0 {
		w.bad("quiet: writes: %v", got)
	}
	if got := w.said()[len(lines):]; len(got) > 0 {
		w.bad("quiet: lines: %q", got)
	}
	if !bytes.Equal(before, w.state()) {
		w.bad("quiet: the state file has changed")
	}
}

// state is what the file holds.
func (w *world) state() []byte {
	b, err := os.ReadFile(filepath.Join(w.data, "state.db"))
	if err != nil && !os.IsNotExist(err) {
		w.bad("the test itself: %v", err)
	}
	return b
}

func (w *world) said() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lines)
}

// truthful checks that the plan has nothing to do.
func (w *world) truthful() {
	steps, err := w.agent.Controller.Forecast()
	steps = slices.DeleteFunc(steps, job.Forecast.Waits)
	if err != nil || len(steps) > 0 {
		w.bad("truthful: nothing is left to do and the plan says %v, %v", steps, err)
	}
}

// images checks which images there are: what is wanted, what has a container,
// what was there before us, and nothing that we brought beside.
func (w *world) images() {
	keep, named := maps.Clone(w.theirs), map[string]bool{}
	for _, j := range w.wanted() {
		for _, g := range j.Groups {
			for _, t := range g.Tasks {
				named[t.Config.Image] = named[t.Config.Image] || g.Count > 0
			}
		}
	}
	for _, c := range w.e.Containers() {
		keep[c.Image] = true
	}
	pinned := w.lastGood()
	w.lately(pinned, named)
	for id, refs := range w.e.Images() {
		if w.cleanup.off {
			break // nothing goes
		}
		if _, ours := w.agent.Store.Provenance.Get(id); ours && !keep[id] && !pinned[id] && !slices.ContainsFunc(refs, func(r string) bool { return named[r] }) {
			w.bad("image %.19s %v is still there and nothing needs it: %+v", id, refs, first(w.agent.Store.Clocks.Get(id)))
		}
	}
	have := w.e.Images()
	for id := range keep {
		if _, there := have[id]; !there && !w.byHand[id] {
			w.bad("mine only: image %.19s is gone", id)
		}
	}
}

// lastGood are the images of generations that have worked and that an update
// may still go back to.
func (w *world) lastGood() map[string]bool {
	out := map[string]bool{}
	for _, d := range w.agent.Store.Deployments.All() {
		for _, g := range d.Groups {
			for _, id := range g.Images {
				out[id] = true
			}
			if g.Stable == nil || g.Stable.SpecHash == g.SpecHash {
				continue
			}
			for _, id := range g.Stable.Images {
				out[id] = true
			}
		}
	}
	return out
}

// lately adds what jobs have run whose update may still turn out badly: the
// ids of their images, and the references that they were asked for by.
func (w *world) lately(ids, refs map[string]bool) {
	st := w.agent.Store
	unsettled := func(name string) bool {
		d, _ := st.Deployments.Get(name)
		return d.Phase != reconcile.PhaseRunning && d.Phase != reconcile.PhaseComplete
	}
	for key, rec := range st.Specs.All() {
		if name, _, _ := strings.Cut(key, "/"); rec.Spec != nil && unsettled(name) {
			for _, g := range rec.Spec.Groups {
				for _, t := range g.Tasks {
					refs[t.Config.Image] = true
				}
			}
		}
	}
	for id, a := range st.AllocSpecs.All() {
		if unsettled(a.Job) {
			for task, ts := range first(st.AllocStatuses.Get(id)).Tasks {
				ids[ts.ImageID], refs[a.Images[task]] = true, true
			}
		}
	}
}

func first[T any](v T, _ bool) T { return v }
