package laws

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"

	"reconciler/internal/job"
	"reconciler/reconcile"
	"reconciler/store"
)

const (
	// moment is how long a record may lag behind what is.
	moment = 3 * time.Second
	// aftermath is how long what people, programs and dockerd did to what runs
	// may be the cause of what the agent does.
	aftermath = time.Minute
	// longRun is more than the longest drain of the tests: what has run for so
	// long ran when its end was decided.
	longRun = 15 * time.Second
)

// place is a task at an index of a group of a job.
type place struct {
	job, index, task string
}

// taskKey is a task of an allocation.
type taskKey struct{ alloc, task string }

// ending is the end of a container that nobody asked for.
type ending struct {
	at      time.Time
	hash    string
	attempt int
}

// lives is what the witness remembers of the lives of tasks; world.mu guards
// it.
type lives struct {
	trouble   time.Time            // the last thing done to what runs
	pardon    map[string]time.Time // by job, "" for all: before it nothing counts
	signalled map[string]bool      // ids of containers that somebody sent a signal
	done      map[place]ending     // of batch jobs: they ended with 0
	crashed   map[taskKey]ending   // the last one
	restarts  map[taskKey][]time.Time
	failed    map[taskKey]ending // restarts used up, as the agent says
	unmet     map[string]time.Time
	moved     bool                       // the host has changed: what runs stays
	astray    map[string]time.Time       // services whose container does not run, since when
	down      map[string]map[string]bool // by job: indexes that we took down and that are not up again
	leaving   map[string]bool            // allocations whose end an earlier process has decided, on what ran then
}

func newLives() lives {
	return lives{
		pardon: map[string]time.Time{}, signalled: map[string]bool{}, done: map[place]ending{}, crashed: map[taskKey]ending{},
		restarts: map[taskKey][]time.Time{}, failed: map[taskKey]ending{}, unmet: map[string]time.Time{},
		astray: map[string]time.Time{}, down: map[string]map[string]bool{},
	}
}

// arrived notes what the process that starts finds decided.
func (w *world) arrived(a *process) {
	leaving := map[string]bool{}
	for id, spec := range a.Store.AllocSpecs.All() {
		leaving[id] = spec.Desired == job.DesiredStop
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life.leaving = leaving
}

// troubled notes that people, programs or dockerd have touched what runs.
func (w *world) troubled() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life.trouble = time.Now()
}

// pardoned notes that what a job did so far counts no more, or that of all
// jobs for "".
func (w *world) pardoned(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.life.pardon[name] = time.Now()
}

// departed is the end of an agent: what ends out of its sight is no crash, and
// what it has not committed is not known to the next.
func (w *world) departed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := &w.life
	clear(l.crashed)
	clear(l.restarts)
	maps.DeleteFunc(l.failed, func(_ taskKey, e ending) bool { return time.Since(e.at) < 5*time.Second })
}

// counts reports whether what happened to a job at that time still counts.
func (l *lives) counts(name string, at time.Time) bool {
	return at.After(l.pardon[name]) && at.After(l.pardon[""])
}

// heard notes what an event says of the end of a container. The caller holds
// the engine's lock and w.mu.
func (l *lives) heard(m events.Message) {
	if m.Type != events.ContainerEventType {
		return
	}
	switch a := m.Actor.Attributes; m.Action {
	case events.ActionKill, events.ActionStop:
		l.signalled[m.Actor.ID] = true
	case events.ActionDie:
		if l.signalled[m.Actor.ID] {
			return
		}
		now := time.Now()
		attempt, _ := strconv.Atoi(a[job.LabelAttempt])
		e := ending{now, a[job.LabelSpecHash], attempt}
		l.trouble = now
		if a["law.batch"] != "" && a["exitCode"] == "0" {
			l.done[placeOf(a)] = e
			return
		}
		l.crashed[taskKey{a[job.LabelAllocID], a[job.LabelTask]}] = e
	}
}

// told notes a signal of the agent. What ends by itself at that very moment
// cannot be told from what ends by the signal.
func (l *lives) told(c write) {
	l.signalled[c.target] = true
	if e, ok := l.done[placeOf(c.labels)]; ok && time.Since(e.at) < time.Second {
		delete(l.done, placeOf(c.labels))
	}
}

func placeOf(l map[string]string) place {
	return place{l[job.LabelJob], l[job.LabelGroup] + "[" + l[job.LabelAllocIndex] + "]", l[job.LabelTask]}
}

func started(c container.InspectResponse) time.Time {
	at, _ := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	return at
}

// checkLives holds what runs against what has happened. The caller holds w.mu.
func (w *world) checkLives(ours []container.InspectResponse, st *store.Store) {
	for _, c := range ours {
		w.checkDone(c)
		w.checkRestarts(c, st)
		w.checkFailed(c)
		w.checkPlaced(c)
	}
	if st == nil {
		return
	}
	w.noteFailed(st)
	w.noteUnmet(st)
	w.noteUp(ours, st)
	w.checkServices(ours, st)
}

// checkDone: what has done its work is not started again.
func (w *world) checkDone(c container.InspectResponse) {
	l := c.Config.Labels
	e, ok := w.life.done[placeOf(l)]
	if ok && l["law.batch"] != "" && e.hash == l[job.LabelSpecHash] && started(c).After(e.at) && w.life.counts(l[job.LabelJob], e.at) {
		w.badLocked("batch: %s runs, and had exited with 0 at %s", c.Name, e.at.Format("15:04:05.000"))
	}
}

// checkRestarts: never more restarts than the block allows. Its intervals
// begin with a crash, so that any span of that length meets two of them.
func (w *world) checkRestarts(c container.InspectResponse, st *store.Store) {
	l := c.Config.Labels
	key := taskKey{l[job.LabelAllocID], l[job.LabelTask]}
	e, ok := w.life.crashed[key]
	attempt, _ := strconv.Atoi(l[job.LabelAttempt])
	if !ok || attempt <= e.attempt {
		return
	}
	delete(w.life.crashed, key)
	if st == nil || !w.life.counts(l[job.LabelJob], e.at.Add(-moment)) {
		return // what was edited a moment ago may not be known yet
	}
	g := heldTo(st, first(st.AllocSpecs.Get(key.alloc)))
	if g == nil || g.Task(key.task) == nil {
		return
	}
	r := g.RestartOf(g.Task(key.task))
	if r == nil || !w.life.counts(l[job.LabelJob], e.at.Add(-r.Interval.Std())) && r.Attempts > 0 {
		return
	}
	all := append(w.life.restarts[key], started(c))
	w.life.restarts[key] = all
	most := 2 * r.Attempts
	if r.Mode == job.RestartDelay {
		most++
	}
	n := 0
	for _, at := range all {
		if time.Since(at) < r.Interval.Std() && w.life.counts(l[job.LabelJob], at) {
			n++
		}
	}
	if n > most {
		w.badLocked("restart: %s of %s, attempt %d, is restart %d within %s after the exit of attempt %d at %s, and %d attempts are allowed",
			c.Name, l[job.LabelJob], attempt, n, r.Interval.Std(), e.attempt, e.at.Format("15:04:05.000"), r.Attempts)
	}
}

// checkFailed: what has used its restarts up stays down.
func (w *world) checkFailed(c container.InspectResponse) {
	l := c.Config.Labels
	e, ok := w.life.failed[taskKey{l[job.LabelAllocID], l[job.LabelTask]}]
	attempt, _ := strconv.Atoi(l[job.LabelAttempt])
	if ok && attempt > e.attempt && w.life.counts(l[job.LabelJob], e.at) {
		w.badLocked("restart: %s runs, and its restarts were used up at %s", c.Name, e.at.Format("15:04:05.000"))
	}
}

// noteFailed notes whose restarts the agent calls used up.
func (w *world) noteFailed(st *store.Store) {
	for id, a := range st.AllocStatuses.All() {
		for task, ts := range a.Tasks {
			key := taskKey{id, task}
			if _, known := w.life.failed[key]; ts.Phase == job.PhaseFailed && !known {
				w.life.failed[key] = ending{at: time.Now(), attempt: ts.Attempt}
			} else if ts.Phase != job.PhaseFailed && ts.FailedGeneration == 0 {
				delete(w.life.failed, key)
			}
		}
	}
}

// noteUnmet notes since when the constraints of a job do not hold.
func (w *world) noteUnmet(st *store.Store) {
	for name, rec := range st.Jobs.All() {
		unmet := rec.Spec != nil && unmet(rec.Spec, w.rack)
		if _, known := w.life.unmet[name]; unmet && !known {
			w.life.unmet[name] = time.Now()
		} else if !unmet {
			delete(w.life.unmet, name)
		}
	}
}

// touched reports whether a person did something about a job a moment before:
// what was begun before a hold goes on at its release, until it is seen what
// the file says by now.
func (l *lives) touched(name string, at time.Time) bool {
	for _, p := range []time.Time{l.pardon[name], l.pardon[""]} {
		if d := at.Sub(p); d >= 0 && d < moment {
			return true
		}
	}
	return false
}

// checkPlaced: nothing starts for a job whose constraints do not hold, but for
// what ran already when the host changed.
func (w *world) checkPlaced(c container.InspectResponse) {
	since, unmet := w.life.unmet[c.Config.Labels[job.LabelJob]]
	first := c.Config.Labels[job.LabelAttempt] == "1"
	if unmet && !w.sight.excused && started(c).After(since.Add(10*time.Second)) && (first || !w.life.moved) && !w.life.touched(c.Config.Labels[job.LabelJob], started(c)) {
		w.badLocked("constraint: %s was started, and the constraints of its job do not hold since %s", c.Name, since.Format("15:04:05.000"))
	}
}

// whole reports whether all tasks of an allocation run, and since when.
func whole(ours []container.InspectResponse, alloc string, g *job.Group) (since time.Time, ok bool) {
	n := 0
	for _, c := range ours {
		if c.Config.Labels[job.LabelAllocID] == alloc {
			n++
			if at := started(c); at.After(since) {
				since = at
			}
		}
	}
	return since, g != nil && n >= len(g.Tasks)
}

// noteUp forgets indexes that are up again.
func (w *world) noteUp(ours []container.InspectResponse, st *store.Store) {
	for id, a := range st.AllocSpecs.All() {
		if w.life.down[a.Job][slot(a)] && a.Desired == job.DesiredRun {
			if _, ok := whole(ours, id, specOf(st, a)); ok {
				delete(w.life.down[a.Job], slot(a))
			}
		}
	}
}

func slot(a job.AllocSpec) string { return fmt.Sprintf("%s[%d]", a.Group, a.Index) }

// specOf is the group that an allocation was made from; nil if that is not
// known.
func specOf(st *store.Store, a job.AllocSpec) *job.Group {
	for _, spec := range []*job.Job{first(st.Specs.Get(store.SpecKey(a.Job, a.Generation))).Spec, first(st.Jobs.Get(a.Job)).Spec} {
		if spec != nil && spec.Group(a.Group) != nil && job.SpecHash(spec, spec.Group(a.Group)) == a.SpecHash {
			return spec.Group(a.Group)
		}
	}
	return nil
}

// heldTo is the group that an allocation is held to: the newest that it is made
// from, for what changes in place; nil if that is not known.
func heldTo(st *store.Store, a job.AllocSpec) *job.Group {
	if spec := first(st.Jobs.Get(a.Job)).Spec; spec != nil {
		if g := spec.Group(a.Group); g != nil && job.SpecHash(spec, g) == a.SpecHash {
			return g
		}
	}
	return specOf(st, a)
}

// checkServices: nobody is sent for long to what does not run.
func (w *world) checkServices(ours []container.InspectResponse, st *store.Store) {
	for key, rec := range st.Services.All() {
		runs := slices.ContainsFunc(ours, func(c container.InspectResponse) bool {
			return c.Config.Labels[job.LabelAllocID] == rec.Alloc && (rec.Task == "" || rec.Task == c.Config.Labels[job.LabelTask])
		})
		since, known := w.life.astray[key]
		switch {
		case runs || w.blind():
			delete(w.life.astray, key)
		case !known:
			w.life.astray[key] = time.Now()
		case time.Since(since) >= moment:
			w.badLocked("service: %s at %s is offered, and its container does not run since %s", key, rec.Address, since.Format("15:04:05.000"))
		}
	}
	for key := range w.life.astray {
		if _, still := st.Services.Get(key); !still {
			delete(w.life.astray, key)
		}
	}
}

// sees notes whether the engine has gone away, and that all that is known of it
// is from before.
func (w *world) sees(away bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.engineAway, w.seeing = away, time.Now()
}

// blind reports whether the agent may not see what is. The caller holds w.mu.
func (w *world) blind() bool {
	return w.events != nil || w.faulty || w.engineAway || time.Since(w.seeing) < 30*time.Second
}

// checkStop holds a stop signal of the agent against what it is for. The caller
// does not hold w.mu.
func (w *world) checkStop(r *http.Request, c container.InspectResponse) {
	p := w.live.Load()
	if p == nil || c.Config == nil || !c.State.Running || r.URL.Query().Get("signal") == "SIGKILL" {
		return
	}
	id := c.Config.Labels[job.LabelAllocID]
	a, ok := p.Store.AllocSpecs.Get(id)
	if !ok || a.Desired != job.DesiredStop {
		return
	}
	g := specOf(p.Store, a)
	ours := w.running("")
	w.checkLeader(ours, g, c)
	w.checkHandOver(p, ours, a, g)
}

// checkLeader: the leader of an allocation that is stopped goes first.
func (w *world) checkLeader(ours []container.InspectResponse, g *job.Group, c container.InspectResponse) {
	if g == nil || g.Task(c.Config.Labels[job.LabelTask]) == nil || g.Task(c.Config.Labels[job.LabelTask]).Leader {
		return
	}
	for _, other := range ours {
		l := other.Config.Labels
		if t := g.Task(l[job.LabelTask]); l[job.LabelAllocID] == c.Config.Labels[job.LabelAllocID] && t != nil && t.Leader {
			w.bad("leader: %s is stopped before its leader", c.Name)
		}
	}
}

// checkHandOver: an update stops what has worked only when its successor runs
// and its address is in the file, or where both cannot run at once, max_parallel
// at a time.
func (w *world) checkHandOver(p *process, ours []container.InspectResponse, a job.AllocSpec, g *job.Group) {
	if a.Reason != reconcile.ReasonSucceeded && a.Reason != reconcile.ReasonReplaced {
		return
	}
	w.mu.Lock()
	// An agent that has just come finds what people did while there was none.
	excused := w.faulty || w.engineAway || time.Since(w.life.trouble) < aftermath || time.Since(w.seeing) < aftermath
	left := w.life.leaving[a.ID]
	w.mu.Unlock()
	since, runs := whole(ours, a.ID, g)
	spec := aimedAt(p.Store, a)
	if excused || left || !runs || time.Since(since) < longRun || spec == nil || spec.Group(a.Group) == nil {
		return
	}
	now := spec.Group(a.Group)
	if a.Index >= now.Count {
		return // decided before an edit that wants neither of the two
	}
	next := successor(p.Store, a)
	_, up := whole(ours, next.ID, specOf(p.Store, next))
	if _, beside := job.MayRunBeside(g, now); beside && spec.Type != job.TypeBatch {
		switch {
		case !up:
			w.bad("update: %s[%d] of %s is stopped (%s) and no successor runs", a.Group, a.Index, a.Job, a.Reason)
		case next.SpecHash == job.SpecHash(spec, now):
			w.checkOffered(a, next, now)
		}
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noteUp(ours, p.Store) // what came up while no agent ran
	if w.life.down[a.Job] == nil {
		w.life.down[a.Job] = map[string]bool{}
	}
	w.life.down[a.Job][slot(a)] = true
	if most := max(now.Update.MaxParallel, g.Update.MaxParallel, 1); len(w.life.down[a.Job]) > most && spec.Type != job.TypeBatch {
		w.badLocked("update: %v of %s are down at once, and max_parallel is %d", w.life.down[a.Job], a.Job, most)
	}
}

// aimedAt is what the group of an allocation is brought to: its file's, or the
// generation that was put back; nil if that is not known.
func aimedAt(st *store.Store, a job.AllocSpec) *job.Job {
	d, _ := st.Deployments.Get(a.Job)
	if g := d.Groups[a.Group]; g.Reverted && g.Stable != nil {
		return first(st.Specs.Get(store.SpecKey(a.Job, g.Stable.Generation))).Spec
	}
	return first(st.Jobs.Get(a.Job)).Spec
}

// successor is the allocation that takes the place of another.
func successor(st *store.Store, a job.AllocSpec) job.AllocSpec {
	for _, b := range st.AllocSpecs.All() {
		if b.Job == a.Job && b.Group == a.Group && b.Index == a.Index && b.ID != a.ID && b.Desired == job.DesiredRun {
			return b
		}
	}
	return job.AllocSpec{}
}

// checkOffered: the address of the successor is in the file before its
// predecessor is stopped, and that one is offered no more.
func (w *world) checkOffered(a, next job.AllocSpec, g *job.Group) {
	services := len(g.Services)
	for _, t := range g.Tasks {
		services += len(t.Services)
	}
	if services == 0 {
		return
	}
	st, _, err := store.Read(w.data)
	if err != nil {
		w.bad("the test itself: %v", err)
		return
	}
	n := 0
	for key, rec := range st.Services.All() {
		switch rec.Alloc {
		case next.ID:
			n++
		case a.ID:
			w.bad("service: %s is in the file, and its container is being stopped", key)
		}
	}
	if n != services {
		w.bad("service: %d of %d addresses of the successor of %s[%d] of %s are in the file, and its predecessor is being stopped", n, services, a.Group, a.Index, a.Job)
	}
}
