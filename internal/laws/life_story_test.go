package laws

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"reconciler/internal/job"
	"reconciler/reconcile"
	"reconciler/store"
)

// livelyHappenings are what happens to jobs with a life of their own.
var livelyHappenings = []string{
	"sick", "sick", "sick", "well", "beat stops", "crash", "crash", "crash twice",
	"hold", "release", "release", "retry", "restart job", "other rack", "home rack",
}

// note notes for the witness what a step may be the cause of.
func (p *people) note(s step) {
	switch s.what {
	case "edit":
		for name := range s.files {
			for _, l := range layout {
				for _, j := range l.jobs {
					if l.file == name {
						p.pardoned(j)
					}
				}
			}
		}
	case "events", "silence", "cut events", "take port", "free port", "untag", "rmi", "push latest", "registry", "registry back", "stranger", "fault", "lift", "restart", "up", "kill", "down":
		// Nothing of ours is touched by it.
	case "sick", "well", "crash", "crash twice", "oom", "pause", "stop by hand", "beat stops", "hold":
		p.troubled()
	default: // files in a heap, removed containers, an operator's wish, the clock
		p.troubled()
		p.pardoned("")
	}
	switch s.what {
	case "engine away":
		p.sees(true)
	case "engine back":
		p.sees(false)
	case "release":
		p.sees(false)
	}
}

func (p *people) setFaulty(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faulty, p.seeing = yes, time.Now()
}

func (p *people) onLives(s step) bool {
	name := string(rune('a' + s.a%6))
	switch s.what {
	case "sick":
		p.setSick(name, true)
	case "well":
		for _, n := range "abcdef" {
			p.setSick(string(n), false)
		}
	case "beat stops":
		beating := slices.DeleteFunc(p.running(""), func(c container.InspectResponse) bool { return c.State.Health == nil })
		if c := pick(beating, s.a); c.ContainerJSONBase != nil {
			p.e.SetHealth(c.ID, container.Unhealthy)
		}
	case "crash twice":
		for range 2 {
			if c := pick(p.running(name), s.b); c.ContainerJSONBase != nil {
				p.e.Exit(c.ID, 1)
			}
			p.after(2 * time.Second)
		}
	case "hold":
		p.ask(name, reconcile.Hold)
	case "release":
		p.release(name)
	case "retry":
		p.ask(name, reconcile.Retry)
	case "other rack":
		p.move("r2")
	case "home rack":
		p.move(home)
	default:
		return false
	}
	return true
}

func (p *people) setSick(name string, sick bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sick[name] = sick
}

func (p *people) ask(name string, what func(*store.DeploymentRecord, time.Time)) {
	if p.agent != nil {
		_ = p.agent.Controller.Ask(p.Context(), name, what)
	}
}

// release ends a hold. The clock is not ahead of dockerd's then: what ended after
// the release would seem to have ended in the hold.
func (p *people) release(name string) {
	if p.agent == nil {
		return
	}
	if d, _ := p.agent.Store.Deployments.Get(name); !d.HoldSince.IsZero() {
		p.skew.Store(min(0, p.skew.Load()))
	}
	p.ask(name, reconcile.Release)
}

// move is another meta of the host, which the agent reads when it starts.
func (p *people) move(rack string) {
	p.mu.Lock()
	p.rack, p.life.moved = rack, true
	clear(p.life.unmet)
	p.mu.Unlock()
	if p.agent != nil {
		p.stop()
		p.start()
	}
}

// rest ends what makes jobs restless.
func (p *people) rest() {
	p.onLives(step{what: "well"})
	p.troubled()
	p.pardoned("")
	if p.rack != home {
		p.move(home)
	}
}

// retried lets an operator release all jobs, and try again what was given up
// while not all was well.
func (p *people) retried() {
	p.pardoned("")
	for name := range p.agent.Store.Jobs.All() {
		p.release(name)
		p.ask(name, reconcile.Retry)
	}
	for _, c := range p.running("") {
		if c.State.Health != nil && c.State.Health.Status == container.Unhealthy {
			p.e.SetHealth(c.ID, container.Healthy)
		}
	}
}

// mayFail reports whether a job may end otherwise than with all its tasks
// running, by what it says itself.
func mayFail(j *job.Job, rack string) bool {
	if unmet(j, rack) {
		return true
	}
	for _, g := range j.Groups {
		for _, t := range g.Tasks {
			if j.Type == job.TypeBatch || slices.ContainsFunc(t.Config.Args, func(a string) bool { return a == "crash" || a == "flaky" || a == "done" }) {
				return true
			}
			for _, s := range t.Services {
				if slices.ContainsFunc(s.Checks, func(c job.Check) bool { return slices.Contains(c.Args, "bad") }) {
					return true
				}
			}
		}
	}
	return false
}

// givenUp reports whether any of the jobs is not as wanted, for good.
func (w *world) givenUp() bool {
	for name := range w.wanted() {
		d, _ := w.agent.Store.Deployments.Get(name)
		if d.Phase != reconcile.PhaseRunning && d.Phase != reconcile.PhaseComplete {
			return true
		}
	}
	return false
}

// stoppedUpdate reports whether an update of a job has failed: what runs may
// have the tasks, and what was put back also the count, of before.
func (w *world) stoppedUpdate(name string) bool {
	d, _ := w.agent.Store.Deployments.Get(name)
	for _, g := range d.Groups {
		if g.Failed != nil {
			return true
		}
	}
	return false
}

// notYet reports whether a container is of another spec, at an index that is
// wanted: its turn has not come, as what was replaced before it is not healthy.
func notYet(j *job.Job, l map[string]string) bool {
	g := j.Group(l[job.LabelGroup])
	i, err := strconv.Atoi(l[job.LabelAllocIndex])
	return g != nil && err == nil && i < g.WantedCount(j.Type) && job.SpecHash(j, g) != l[job.LabelSpecHash]
}

// reasoned checks, of a job of which not all tasks run, that it is complete, or
// that its status says why not.
func (w *world) reasoned(j *job.Job, missing []string) {
	d, _ := w.agent.Store.Deployments.Get(j.Name)
	degraded, _ := job.FindCondition(d.Conditions, job.CondDegraded)
	switch {
	case degraded.Status == job.True && degraded.Reason != "" && degraded.Message != "":
	case j.Type == job.TypeBatch && w.completed(j, missing):
	default:
		w.bad("truthful: %v of %s do not run, and its status is %s: %+v", missing, j.Name, d.Phase, d.Conditions)
	}
}

// completed checks that what does not run of a batch job has ended with 0, or
// was stopped after its leader.
func (w *world) completed(j *job.Job, missing []string) bool {
	for _, c := range w.ours() {
		l := c.Config.Labels
		where := placeName(l)
		g := j.Group(l[job.LabelGroup])
		if l[job.LabelJob] != j.Name || g == nil || c.State.Running {
			continue
		}
		led := slices.ContainsFunc(g.Tasks, func(t job.Task) bool { return t.Leader })
		if c.State.ExitCode == 0 || led {
			missing = slices.DeleteFunc(slices.Clone(missing), func(m string) bool { return m == where })
		}
	}
	return len(missing) == 0
}

func placeName(l map[string]string) string {
	return strings.Join([]string{l[job.LabelJob], ".", l[job.LabelGroup], "[", l[job.LabelAllocIndex], "].", l[job.LabelTask]}, "")
}

// keptCrashing reports whether something crashes again and again that stays
// because what should take its place may not run on this host. With its spec
// nobody may know the block that would end its restarts.
func (p *people) keptCrashing() bool {
	for id, a := range p.agent.Store.AllocSpecs.All() {
		rec, _ := p.agent.Store.Jobs.Get(a.Job)
		if rec.Spec == nil || a.Desired != job.DesiredRun || specOf(p.agent.Store, a) != nil || !unmet(rec.Spec, p.rack) {
			continue
		}
		for _, ts := range first(p.agent.Store.AllocStatuses.Get(id)).Tasks {
			if ts.Crashes > 0 {
				return true
			}
		}
	}
	return false
}

// unmet reports whether a constraint of a job does not hold on this rack.
func unmet(spec *job.Job, rack string) bool {
	return slices.ContainsFunc(spec.Groups, func(g job.Group) bool {
		return slices.ContainsFunc(job.Constraints(spec, &g), func(c job.Constraint) bool { return c.Value != rack })
	})
}
