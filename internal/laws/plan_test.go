package laws

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reconciler/internal/agent"
	"reconciler/internal/docker"
	"reconciler/internal/dockertest"
	"reconciler/internal/job"
	"reconciler/reconcile"
	"reconciler/store"
)

// forecast is what `reconciler plan` prints while no agent runs.
func (w *world) forecast() []job.Forecast {
	cli, tap := newClient(w)
	defer tap.base.CloseIdleConnections()
	out, err := agent.Forecast(w.Context(), w.options(cli))
	if err != nil {
		w.bad("truthful: %v", err)
	}
	return out
}

// TestPlanIsWhatHappens: from any state that people can leave behind while no
// agent runs, the agent then does what the plan said, for each allocation in
// that order, and nothing more.
func TestPlanIsWhatHappens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		first, later := drawFiles(rt).tame(), drawFiles(rt).tame()
		steps := rapid.SliceOfN(rapid.Custom(drawPlanned), 0, 8).Draw(rt, "with an agent")
		down := rapid.SliceOfN(rapid.Custom(drawPlanned), 0, 5).Draw(rt, "without one")
		edited := rapid.Bool().Draw(rt, "edited")
		wrong, told := play(t, dockertest.Options{Seed: 1}, func(w *world) {
			p := &people{world: w, listeners: map[int]net.Listener{}}
			defer p.freePorts()
			p.write(first)
			p.start()
			p.after(10 * time.Second)
			p.all(steps)
			p.stop()
			p.all(down)
			if edited {
				p.write(later)
			}
			p.after(time.Minute)
			p.planned()
		})
		if len(wrong) > 0 {
			rt.Fatalf("%s\nthe story:\n%s", strings.Join(wrong, "\n"), strings.Join(told, "\n"))
		}
	})
}

// tame takes out what no plan can know: that a task will not end by itself.
func (f files) tame() files {
	for _, jobs := range f {
		for i := range jobs {
			jobs[i].arg = ""
		}
	}
	return f
}

func drawPlanned(rt *rapid.T) step {
	s := drawStep(rt)
	s.what = rapid.SampledFrom([]string{
		"edit", "edit", "edit", "rename file", "drop block", "remove", "crash", "pause", "stop by hand", "rm -f", "rename by hand",
		"untag", "rmi", "rmi", "port taken", "port stolen", "nothing", "restart job", "lose state",
	}).Draw(rt, "what")
	if s.what == "edit" {
		l := rapid.SampledFrom(layout).Draw(rt, "file")
		s.files = files{l.file: drawJobs(rt, l.jobs)}.tame()
	}
	return s
}

func (p *people) all(steps []step) {
	for _, s := range steps {
		p.say("%s %d %d%s", s.what, s.a, s.b, s.files)
		switch {
		case s.what == "nothing":
		case s.what == "stop by hand" && p.frozen():
			// Its signal is met when the container goes on: no plan can know.
		case s.what == "port taken" || s.what == "port stolen":
			p.strangerOnPort(s)
		case s.what == "lose state" && p.agent == nil:
			p.lose()
		case s.what == "lose state":
			p.excuse()
			p.kill()
			p.lose()
			p.start()
		default:
			p.happen(s)
		}
		p.after(s.wait)
	}
}

// frozen reports whether a container of ours is paused.
func (p *people) frozen() bool {
	return slices.ContainsFunc(p.e.Containers(), func(c container.InspectResponse) bool { return c.State.Paused })
}

// strangerOnPort lets a stranger have a static port that none of ours has. If
// one had it that is down, its start would fail, and no plan says that.
func (p *people) strangerOnPort(s step) {
	has := map[int]bool{}
	for _, c := range p.ours() {
		id, _, err := job.ParseLabels(c.Config.Labels)
		p.must(err)
		for _, port := range id.Ports {
			has[port.Host] = true
		}
	}
	for _, a := range p.stored().AllocSpecs.All() {
		for _, port := range a.Ports {
			has[port.Host] = true
		}
	}
	if has[8100+s.b%6] {
		return
	}
	s.what = map[string]string{"port taken": "take port", "port stolen": "steal port"}[s.what]
	p.happen(s)
}

// stored are the agent's records, also while none runs.
func (p *people) stored() *store.Store {
	if p.agent != nil {
		return p.agent.Store
	}
	st, _, err := store.Read(p.data)
	if err != nil {
		return store.Memory(p.data) // the state was lost
	}
	return st
}

// imagesGone counts, by alloc id, the containers that were not made for want
// of their image.
func (p *people) imagesGone() map[string]int {
	out := map[string]int{}
	for _, e := range p.stored().Events() {
		if e.Reason == docker.ReasonImageGone {
			out[e.Alloc] += max(1, e.Count)
		}
	}
	return out
}

// lacking are the allocations whose image is not on the host.
func (p *people) lacking() []string {
	var out []string
	st, have := p.stored(), p.e.Images()
	for id := range st.AllocSpecs.All() {
		status, _ := st.AllocStatuses.Get(id)
		for _, ts := range status.Tasks {
			if _, there := have[ts.ImageID]; !there && ts.ImageID != "" {
				out = append(out, id)
			}
		}
	}
	return out
}

// broughtByOthers reports whether other allocations bring images. If one of
// these is what the allocation lacks, it is spared to ask for it itself: what
// a registry has nobody knows before.
func broughtByOthers(plan []job.Forecast, id string) bool {
	return slices.ContainsFunc(plan, func(f job.Forecast) bool { return f.Do == string(reconcile.StepBring) && f.Alloc != id })
}

// planned makes a plan and holds the agent to it.
func (p *people) planned() {
	plan := p.forecast()
	for _, f := range plan {
		p.say("plan: %s", f)
	}
	begin := time.Now()
	p.mu.Lock()
	clear(p.builds)
	p.mu.Unlock()
	before, told, lacking := p.imagesGone(), p.told(), p.lacking()
	p.start()
	p.after(10 * time.Minute)
	want, got := p.promised(plan), p.done(begin, before, told)
	for _, id := range lacking {
		if broughtByOthers(plan, id) {
			want.uncount(id)
			got.uncount(id)
		}
	}
	if diff := compare(want, got); diff != "" {
		p.bad("truthful: plan (-) and deeds (+) differ:\n%s", diff)
		p.say("records:\n%s", p.records())
	}
	p.truthful()
}

// deed is one action on an allocation, or one step of a task.
type deed struct{ task, what string }

// deeds are what is done to each allocation, in order.
type deeds map[string][]deed

// promised are the deeds of a plan.
func (p *people) promised(plan []job.Forecast) deeds {
	out, builds := deeds{}, map[string]int{}
	for _, f := range plan {
		if f.Waits() {
			continue
		}
		if f.Do == string(reconcile.StepBring) || f.Do == string(reconcile.StepRun) {
			builds[f.Alloc]++
		}
		if f.Do != string(reconcile.StepBring) {
			out[f.Alloc] = append(out[f.Alloc], deed{f.Task, f.Job + " " + f.What})
		}
	}
	out.count(builds)
	return out
}

// done are the deeds since begin, as the events of the agent tell them. A
// container that is not made for want of its image is none; before is how often
// that had happened already, and told how often each deed.
func (p *people) done(begin time.Time, before map[string]int, told map[store.Event]int) deeds {
	out := deeds{}
	for _, e := range p.agent.Store.Events() {
		for n := max(1, e.Count) - told[sameDeed(e)]; n > 0 && e.Alloc != "" && !e.Time.Before(begin); n-- { // equal neighbours are counted
			if e.Reason == docker.ReasonImageGone {
				continue
			}
			out[e.Alloc] = append(out[e.Alloc], deed{e.Task, e.Job + " " + e.Message})
		}
	}
	gone := p.imagesGone()
	p.mu.Lock()
	defer p.mu.Unlock()
	made := maps.Clone(p.builds)
	for id, n := range gone {
		made[id] -= n - before[id]
	}
	out.count(made)
	return out
}

// told is how often each deed is among the events until now.
func (p *people) told() map[store.Event]int {
	out := map[store.Event]int{}
	if st := p.stored(); st != nil {
		for _, e := range st.Events() {
			out[sameDeed(e)] = max(1, e.Count)
		}
	}
	return out
}

// sameDeed is an event as it stays when equal ones follow, which are counted
// in it.
func sameDeed(e store.Event) store.Event {
	if e.First.IsZero() {
		e.First = e.Time
	}
	e.Time, e.Count = time.Time{}, 0
	return e
}

// count adds how many images and containers there were, and takes out names
// that two worlds do not share.
func (d deeds) count(builds map[string]int) {
	for id, list := range d {
		for i := range list {
			list[i].what = strings.ReplaceAll(list[i].what, id, "ID")
		}
		d[id] = append(list, deed{"~", fmt.Sprint(builds[id], " builds")})
	}
}

// uncount forgets how often an allocation asked for images and containers.
func (d deeds) uncount(id string) {
	if list := d[id]; len(list) > 0 {
		list[len(list)-1].what = "builds"
	}
}

// isNew reports whether the allocation is made by the first of its deeds.
func isNew(list []deed) bool {
	return strings.Contains(list[0].what, " place ") || strings.Contains(list[0].what, " prepare ")
}

// overtaken reports whether an allocation is stopped while it is being
// repaired: how far that gets depends on the grace of a deletion, on how long
// the successor's image takes, and, after a loss of the state, on whether its
// file is read before its container is looked at.
func overtaken(list []deed) bool {
	if len(list) == 0 || isNew(list) {
		return false
	}
	stop := slices.IndexFunc(list, isStop)
	return stop > 0 || stop == 0 && slices.ContainsFunc(list, func(d deed) bool { return strings.Contains(d.what, "(SpecUnknown)") })
}

func isStop(d deed) bool { return d.task == "" && strings.Contains(d.what, " stop ") }

// lines are the deeds, task by task: in which order the tasks of an allocation
// come to their images, no plan can know.
func lines(list []deed, stopOnly bool) []string {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b deed) int { return strings.Compare(a.task, b.task) })
	var out []string
	for _, d := range list {
		if isStop(d) || !stopOnly {
			out = append(out, d.what)
		}
	}
	return out
}

// slotOf is where an action on an allocation takes place: "job g[index]".
func slotOf(d deed) string {
	f := strings.Fields(d.what)
	return f[0] + " " + f[2]
}

// unreasoned takes the reasons out.
func unreasoned(lines []string) []string {
	for i, l := range lines {
		lines[i], _, _ = strings.Cut(l, " (")
	}
	return lines
}

// deleted are the jobs that are deleted: until their grace is over the agent
// keeps them as they are, and the plan does not wait for it.
func (d deeds) deleted() map[string]bool {
	out := map[string]bool{}
	for _, list := range d {
		for _, deed := range list {
			if name, _, _ := strings.Cut(deed.what, " "); strings.HasSuffix(deed.what, "(JobDeleted)") {
				out[name] = true
			}
		}
	}
	return out
}

// compare says in what two worlds differ. Allocations that are new are told
// apart by what is done to them.
func compare(want, got deeds) string {
	sides, deleted := [2]map[string][]string{}, want.deleted()
	raced := map[string]bool{} // slots whose predecessor is stopped while it is being repaired
	for id, list := range want {
		if i := slices.IndexFunc(list, isStop); i >= 0 && (overtaken(list) || overtaken(got[id])) {
			raced[slotOf(list[i])] = true
		}
	}
	for i, d := range []deeds{want, got} {
		out := map[string][]string{}
		for id, list := range d {
			name, _, _ := strings.Cut(list[0].what, " ")
			if isNew(list) && deleted[name] {
				continue
			}
			if isNew(list) {
				told := lines(list, false)
				if raced[slotOf(list[0])] {
					told = unreasoned(told) // beside it or after it
				}
				out["new"] = append(out["new"], strings.Join(told, "; "))
				continue
			}
			if slices.ContainsFunc(list, isStop) {
				list = list[:len(list)-1] // an image may be asked for that is wanted no more a moment later
			}
			out[id] = lines(list, deleted[name] || overtaken(want[id]) || overtaken(got[id]))
			if i := slices.IndexFunc(list, isStop); deleted[name] || i >= 0 && raced[slotOf(list[i])] {
				out[id] = unreasoned(out[id]) // an update that goes on in the grace may come first
			}
		}
		slices.Sort(out["new"])
		sides[i] = out
	}
	return cmp.Diff(sides[0], sides[1])
}
