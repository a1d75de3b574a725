package desired

import (
	"maps"
	"slices"

	"reconciler/store"
)

// followMoved lets the jobs whose file is gone belong to a file that cannot be
// used and may be theirs under another name: one that speaks of them, or one
// that nobody has seen before. Who renames a broken file deletes nothing; who
// meant to delete sees it done once that file is mended or removed.
func (d *decider) followMoved() {
	d.view.jobs = maps.Clone(d.view.jobs)
	for _, name := range slices.Sorted(maps.Keys(d.view.jobs)) {
		rec := d.view.jobs[name]
		if _, there := d.files[rec.File]; there || rec.Spec == nil || !rec.Deleted.IsZero() || rec.Held != "" || d.inDark(rec.File) || d.named(name) {
			continue
		}
		file, ok := d.maybeMoved(name, rec)
		if !ok {
			continue
		}
		from := rec.File
		rec.File = file
		d.view.jobs[name] = rec
		d.set(name, rec)
		d.tell(change{
			reason: "JobMoved", warn: true, job: name, file: file, generation: rec.Generation,
			message: from + " is gone, and this file cannot be used and may be it; the job is kept until it can",
		})
	}
}

// maybeMoved finds the file that a job may have moved to.
func (d *decider) maybeMoved(name string, rec store.JobRecord) (string, bool) {
	for _, file := range slices.Sorted(maps.Keys(d.files)) {
		m := d.files[file]
		_, seen := d.view.manifests[file]
		if m.bad && (m.mentions[name] || !seen && rec.MissingSince.IsZero()) {
			return file, true
		}
	}
	return "", false
}
