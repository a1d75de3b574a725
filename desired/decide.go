package desired

import (
	"maps"
	"slices"
	"time"

	"reconciler/internal/job"
	"reconciler/store"
)

// stillFor is how long a file must not have changed before what is wrong with
// it is called a problem: until then somebody may be writing it.
const stillFor = time.Second

// view is all that the rules look at. They are pure: equal views give equal
// decisions.
type view struct {
	now   time.Time
	grace time.Duration
	allow bool // mass_deletion = "allow"

	// first marks the first scan that can decide on deletions since the start,
	// or since the directory was away or replaced.
	first bool
	files map[string]manifest
	dark  map[string]error  // folders that could not be read
	loops map[string]string // links that lead back up

	// running is what the containers say; ready is false before they could be
	// listed once, live is false while they cannot be listed.
	running     map[string]RunningJob
	ready, live bool

	jobs      map[string]store.JobRecord
	manifests map[string]store.ManifestRecord
	// allocs is, for each job with allocation records, the highest generation
	// of them.
	allocs map[string]uint64
}

// decision is what should stand in the store, what to tell about it, and when
// time alone will change it (zero: never).
type decision struct {
	jobs      map[string]store.JobRecord
	manifests map[string]store.ManifestRecord
	changes   []change
	// auth are the credentials of the jobs whose file is in force, by job. Of
	// the others those that were known stay.
	auth map[string]map[string]job.Auth
	wake time.Time
}

// decider collects a decision from the rules.
type decider struct {
	view
	decision
	findings map[string][]finding // by file
}

// finding is a problem of a file, and when it may be shown.
type finding struct {
	problem store.Problem
	from    time.Time
}

// decide applies all rules to one view.
func decide(v view) decision {
	d := &decider{
		view: v,
		decision: decision{
			jobs: maps.Clone(v.jobs), manifests: map[string]store.ManifestRecord{},
			auth: map[string]map[string]job.Auth{},
		},
		findings: map[string][]finding{},
	}
	if d.decision.jobs == nil {
		d.decision.jobs = map[string]store.JobRecord{}
	}
	d.followMoved()
	wanted := d.settlePorts(d.settleNames())
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		d.present(name, wanted[name])
	}
	d.settleMissing(wanted)
	d.settleOrphans(wanted)
	d.recordManifests()
	return d.decision
}

// lookAgain asks for another pass at t.
func (d *decider) lookAgain(t time.Time) {
	if d.wake.IsZero() || t.Before(d.wake) {
		d.wake = t
	}
}

// set puts the new record of a job.
func (d *decider) set(name string, rec store.JobRecord) { d.decision.jobs[name] = rec }

// tell adds a change to the decision.
func (d *decider) tell(c change) { d.changes = append(d.changes, c) }

// present decides on a job that a file names, or that keeps its last good
// spec because its file cannot be used.
func (d *decider) present(name string, c candidate) {
	rec, had := d.view.jobs[name]
	if c.kept {
		d.set(name, d.keep(name, rec))
		return
	}
	known := had && rec.Deleted.IsZero() && rec.Spec != nil
	if unchanged := known && rec.File == c.file && sameMeaning(rec, c.spec); !unchanged && !d.ready {
		return // its generation, and which of several files has it, depend on what runs
	}
	next, why := d.adopt(name, rec, known, c)
	d.set(name, next)
	d.auth[name] = d.files[c.file].auth[name]
	d.tellAdoption(name, rec, next, why)
}

// keep is the record of a job whose file is there and cannot be used.
func (d *decider) keep(name string, rec store.JobRecord) store.JobRecord {
	rec.MissingSince = time.Time{}
	if d.outdated(name, rec) || !d.ready && rec.Held == store.HeldOutdated {
		return d.holdOutdated(name, rec)
	}
	if rec.Held == store.HeldMassDeletion {
		d.tell(released(name, rec, "its file is back"))
	}
	rec.Held, rec.HeldSince = "", time.Time{}
	return rec
}

// outdated reports whether a later generation than the stored one was made
// into containers: the state file is older than they are.
func (d *decider) outdated(name string, rec store.JobRecord) bool {
	return d.ready && d.running[name].Generation > rec.Generation
}

func (d *decider) holdOutdated(name string, rec store.JobRecord) store.JobRecord {
	if rec.Held != store.HeldOutdated {
		rec.Held, rec.HeldSince = store.HeldOutdated, d.now
		d.tell(change{
			reason: store.HeldOutdated, warn: true, job: name, file: rec.File, generation: rec.Generation,
			message: "the stored spec is older than the containers that run; it does not act until its file can be read",
		})
	}
	return rec
}

// sameMeaning reports whether the record already holds this spec.
func sameMeaning(rec store.JobRecord, spec *job.Job) bool {
	return rec.Spec != nil && rec.Hash == job.Hash(spec)
}
