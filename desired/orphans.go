package desired

import (
	"maps"
	"slices"

	"reconciler/store"
)

// settleOrphans holds the jobs that run without a record and without a file,
// and drops the records that nothing needs any more.
func (d *decider) settleOrphans(wanted map[string]candidate) {
	if !d.live {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(d.running)) {
		_, has := d.decision.jobs[name]
		if _, isWanted := wanted[name]; has || isWanted || d.named(name) {
			continue // a file that names it in vain has a problem that says so
		}
		d.set(name, store.JobRecord{Held: store.HeldOrphan, HeldSince: d.now})
		d.tell(change{
			reason: store.HeldOrphan, warn: true, job: name,
			message: "its containers run and no file has named it since the store was made; add its file, or run `reconciler confirm-deletions`",
		})
	}
	for _, name := range slices.Sorted(maps.Keys(d.decision.jobs)) {
		d.drop(name)
	}
}

// drop removes the record of an orphan or a tombstone once nothing of the job
// is left.
func (d *decider) drop(name string) {
	rec := d.decision.jobs[name]
	_, runs := d.running[name]
	_, hasAllocs := d.allocs[name]
	if runs || hasAllocs {
		return
	}
	switch {
	case rec.Deleted.IsZero() && rec.Held != store.HeldOrphan:
	case !rec.Deleted.IsZero() && d.now.Sub(rec.Deleted) < tombstoneFor:
		d.lookAgain(rec.Deleted.Add(tombstoneFor))
	default:
		delete(d.decision.jobs, name)
	}
}
