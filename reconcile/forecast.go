package reconcile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// ErrBlind is returned by Forecast while the engine is not in sight: nobody
// knows what would be done.
var ErrBlind = errors.New("the Docker engine is not in sight")

// forecastPasses bounds a forecast. A job needs a few passes for each of its
// allocations; what is not settled then is cut off with an error.
const forecastPasses = 10000

// forecastIdle is how many passes without any deed end a forecast: what is
// looked at every few seconds, as a port that a stranger has, may never change.
// It is more than an hour of such looks.
const forecastIdle = 1000

// Forecast tells what the controllers will do, in order, by playing the plans
// against a copy of what is: the same functions decide that decide in earnest.
// What waits in the end for something that nobody here does, as a port that a
// stranger has, is told too (job.Forecast.Waits). It writes nothing.
func (c *Controller) Forecast() ([]job.Forecast, error) {
	if !c.Observe.Synced() {
		return nil, ErrBlind
	}
	p, idle := c.newPlay(), 0
	for range forecastPasses {
		acted, wake := p.pass()
		if acted {
			idle = 0
			continue
		}
		if idle++; wake.IsZero() || !wake.After(p.now) || idle > forecastIdle {
			p.waits()
			return p.out, nil
		}
		p.now = wake
	}
	return p.out, fmt.Errorf("no end after %d passes", forecastPasses)
}

// play is the copy of the world that a forecast is played on. Its engine does
// at once what it is asked for: a stop signal ends a container.
type play struct {
	c          *Controller
	begin, now time.Time
	names      []string
	records    map[string]store.JobRecord
	deploy     map[string]store.DeploymentRecord
	highest    map[string]uint64
	refusals   *refusals
	specs      map[string]*job.Job // by alloc id, with what changes in place as it is now
	made       map[string]*job.Job // by alloc id, of the generation that it is in
	allocs     map[string]*job.Alloc
	containers map[string][]observed.Container // by alloc id
	images     playImages
	probed     map[string]error // what Ports.Probe has answered
	obstacles  map[string]error // what Foresight has answered, by alloc id and task
	patience   time.Time        // until when it is waited for, by the real clock
	seen       time.Time
	gapFrom    time.Time
	gapTo      time.Time
	placed     int
	out        []job.Forecast
}

func (c *Controller) newPlay() *play {
	now := c.Now()
	p := &play{
		c: c, begin: now, now: now, names: c.jobNames(),
		records: c.Store.Jobs.All(), deploy: c.Store.Deployments.All(), highest: map[string]uint64{},
		refusals: c.refusals.copied(), specs: map[string]*job.Job{}, made: map[string]*job.Job{}, allocs: map[string]*job.Alloc{},
		containers: map[string][]observed.Container{}, images: newPlayImages(c.Observe.Images()),
		probed: map[string]error{}, obstacles: map[string]error{}, patience: time.Now().Add(foreseeWait),
	}
	engine := c.Observe.Status()
	p.seen = engine.Since
	p.gapFrom, p.gapTo = c.sight.note(engine)
	slices.Sort(p.names)
	for name, rec := range p.records {
		if !rec.MissingSince.IsZero() && rec.Held == "" && rec.Deleted.IsZero() {
			rec.Deleted = now // in its grace: nothing but its file's return would save it
			p.records[name] = rec
		}
	}
	for _, name := range p.names {
		for _, ct := range c.Observe.Job(name) {
			p.highest[name] = max(p.highest[name], ct.Identity.Generation)
		}
		for _, spec := range adopted(c.Observe.Job(name), c.knownAlloc, now) {
			p.add(job.Alloc{Spec: spec})
		}
		for _, a := range c.allocsOf(name) {
			p.add(a)
		}
	}
	return p
}

func (p *play) add(a job.Alloc) {
	id := a.Spec.ID
	a.Status = p.c.currentStatus(a)
	p.allocs[id] = &a
	p.specs[id], p.made[id] = p.c.specOf(a.Spec), p.c.madeFrom(a.Spec)
	if refs, ok := p.c.named(a.Spec, p.specs[id]); ok && !a.Ended() {
		a.Spec.Images = refs
	}
	p.containers[id] = slices.Clone(p.c.Observe.Alloc(id))
	for i := range p.containers[id] {
		p.containers[id][i].Partial = false // it is inspected soon
	}
}

// pass plans every job and every allocation once.
func (p *play) pass() (acted bool, wake time.Time) {
	for _, name := range p.names {
		did, at := p.planJob(name)
		acted, wake = acted || did, earliest(wake, at)
	}
	for _, id := range slices.Sorted(maps.Keys(p.allocs)) {
		did, at := p.planAlloc(id)
		acted, wake = acted || did, earliest(wake, at)
	}
	return acted, wake
}

func (p *play) say(f job.Forecast) {
	f.After = job.Duration(p.now.Sub(p.begin))
	p.out = append(p.out, f)
}

// waits tells of each job that is not as wanted in the end what it waits for,
// in the words of its status.
func (p *play) waits() {
	for _, name := range p.names {
		if _, known := p.records[name]; !known && !p.live(name) {
			continue
		}
		for _, typ := range []string{job.CondHeld, job.CondDegraded, job.CondProgressing} {
			if c, ok := job.FindCondition(p.deploy[name].Conditions, typ); ok && c.Status == job.True {
				p.out = append(p.out, job.Forecast{Job: name, Do: job.ForecastWait, What: "waits: " + c.Message, Reason: c.Reason})
				break
			}
		}
	}
}
