package desired

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"reconciler/store"
)

const (
	// recentlyGone is how long a deletion counts when the next ones are judged.
	recentlyGone = time.Minute
	// fewJobs is the number of jobs below which a later scan may delete any
	// part of them: of three, two are soon gone on purpose.
	fewJobs = 4
	// tombstoneFor is the least time a tombstone stays, so that a controller
	// that began its pass before the deletion has ended it, and so that the
	// deletion counts as recent for its full time.
	tombstoneFor = recentlyGone
)

// missing are the jobs that have a record and that no file names, sorted by
// name, by where they are on their way out.
type missing struct {
	unseen  []string // gone in this scan for the first time
	grace   []string // gone for less than the grace
	expired []string // gone for longer
	held    []string // their deletion is held
	gone    int      // deleted a moment ago without anybody's confirmation
}

// settleMissing decides on the jobs that no file names any more.
func (d *decider) settleMissing(wanted map[string]candidate) {
	if !d.ready {
		return // what runs is not known yet: nothing is decided
	}
	m := d.findMissing(wanted)
	for _, name := range m.unseen {
		d.beginGrace(name)
	}
	switch {
	case d.first:
		d.judgeFirst(m)
	case len(m.expired) > 0:
		d.judgeLater(m)
	}
}

func (d *decider) findMissing(wanted map[string]candidate) missing {
	var m missing
	for _, name := range slices.Sorted(maps.Keys(d.view.jobs)) {
		rec := d.view.jobs[name]
		_, isWanted := wanted[name]
		switch {
		case !rec.Deleted.IsZero():
			if recent(rec, d.now) {
				m.gone++
			}
		case isWanted, rec.Held == store.HeldOrphan, d.named(name):
		case rec.Held == store.HeldMassDeletion:
			m.held = append(m.held, name)
		case rec.MissingSince.IsZero() || d.first:
			// Over a restart, and while the directory was away, nobody saw that
			// it stayed away: the grace begins anew.
			m.unseen = append(m.unseen, name)
		case d.now.Sub(rec.MissingSince) < d.grace:
			d.lookAgain(rec.MissingSince.Add(d.grace))
			m.grace = append(m.grace, name)
		default:
			m.expired = append(m.expired, name)
		}
	}
	return m
}

// named reports whether any file names the job, be it in vain.
func (d *decider) named(name string) bool {
	for _, m := range d.files {
		for _, j := range m.jobs {
			if j.Name == name {
				return true
			}
		}
	}
	return false
}

// recent reports whether the tombstone counts against further deletions. One
// that a person confirmed (it kept HeldSince) does not.
func recent(rec store.JobRecord, now time.Time) bool {
	return rec.HeldSince.IsZero() && now.Sub(rec.Deleted) < recentlyGone
}

func (d *decider) beginGrace(name string) {
	rec := d.decision.jobs[name]
	rec.MissingSince = d.now
	if d.outdated(name, rec) {
		rec = d.holdOutdated(name, rec)
	}
	d.set(name, rec)
	d.lookAgain(d.now.Add(d.grace))
}

// judgeFirst is the rule for the first scan after a start, and after the
// directory was away or replaced: a mount that did not come up must not
// delete what runs. It does not wait for the grace, since a hold does no harm.
func (d *decider) judgeFirst(m missing) {
	take, known := len(m.unseen)+len(m.held), d.known(0)
	if d.allow || len(m.unseen) == 0 {
		return
	}
	switch {
	case len(d.files) == 0:
		d.hold(m.unseen, "the manifest directory has no manifest at all")
	case 2*take > known:
		d.hold(m.unseen, fmt.Sprintf("%d of %d known jobs would be deleted by the first scan", take, known))
	}
}

// judgeLater is the rule for all other scans: what would go now, what is in
// its grace, what is held and what went in the last minute are judged
// together, since `rm` and `rsync` are slower than a scan.
func (d *decider) judgeLater(m missing) {
	take := len(m.expired) + len(m.grace) + len(m.unseen) + len(m.held) + m.gone
	known := d.known(m.gone)
	if !d.allow && known >= fewJobs && 2*take > known {
		d.hold(m.expired, fmt.Sprintf("%d of %d jobs would be deleted within a minute", take, known))
		return
	}
	for _, name := range m.expired {
		d.bury(name)
	}
}

// known counts the jobs of the store and of the labels, with those that went
// a moment ago and without older tombstones.
func (d *decider) known(gone int) int {
	n := gone
	for _, rec := range d.view.jobs {
		if rec.Deleted.IsZero() {
			n++
		}
	}
	for name := range d.running {
		if _, has := d.view.jobs[name]; !has {
			n++
		}
	}
	return n
}

// hold stops the deletion of jobs until a file names them again or a person
// confirms. It is written into the record, so it outlasts restarts.
func (d *decider) hold(names []string, why string) {
	for _, name := range names {
		rec := d.decision.jobs[name]
		rec.Held, rec.HeldSince = store.HeldMassDeletion, d.now
		d.set(name, rec)
		d.tell(change{
			reason: "DeletionHeld", warn: true, job: name, file: rec.File, generation: rec.Generation,
			message: why + "; put the files back, or run `reconciler confirm-deletions`",
		})
	}
}

// bury turns the record of a job into a tombstone.
func (d *decider) bury(name string) {
	rec := d.decision.jobs[name]
	rec.Held, rec.HeldSince = "", time.Time{}
	rec.Deleted = d.now
	d.set(name, rec)
	why := "its file is gone"
	if _, there := d.files[rec.File]; there {
		why = "its block is gone from the file"
	}
	d.tell(change{reason: "JobDeleted", job: name, file: rec.File, generation: rec.Generation, message: why})
	d.lookAgain(d.now.Add(tombstoneFor))
}

// released tells that a held deletion is off.
func released(name string, rec store.JobRecord, why string) change {
	return change{
		reason: "DeletionReleased", job: name, file: rec.File, generation: rec.Generation,
		message: "its deletion was held and is off: " + why,
	}
}

// confirm releases all held jobs to their deletion. A tombstone that keeps
// HeldSince is one that a person confirmed.
func confirm(jobs map[string]store.JobRecord, now time.Time) (out map[string]store.JobRecord, changes []change) {
	out = maps.Clone(jobs)
	for _, name := range slices.Sorted(maps.Keys(jobs)) {
		rec := jobs[name]
		if !rec.Deleted.IsZero() || rec.Held != store.HeldMassDeletion && rec.Held != store.HeldOrphan {
			continue
		}
		rec.Held, rec.Deleted = "", now
		out[name] = rec
		changes = append(changes, change{
			reason: "JobDeleted", job: name, file: rec.File, generation: rec.Generation,
			message: "its deletion was confirmed",
		})
	}
	return out, changes
}
