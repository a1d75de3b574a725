package desired

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"reconciler/store"
)

// recordManifests makes the record of each file that has jobs or problems. A
// problem shows only once the file has been still; until then its record
// stays as it was.
func (d *decider) recordManifests() {
	for _, file := range slices.Sorted(maps.Keys(d.files)) {
		d.recordFile(file, d.files[file])
	}
	for dir, err := range d.dark {
		d.recordDark(dir, err)
	}
	for link, target := range d.loops {
		d.put(link, store.ManifestRecord{Problems: []store.Problem{{
			File: link, Severity: store.SeverityWarning, Summary: "Link loop",
			Detail: fmt.Sprintf("it leads back to the folder %q and is not followed", cmp.Or(target, ".")),
		}}})
	}
	d.keepInGrace()
	d.tellManifests()
}

func (d *decider) recordFile(file string, m manifest) {
	found := d.findings[file]
	for _, p := range m.problems {
		f := finding{problem: p}
		if m.bad {
			f.from = m.changedAt.Add(stillFor)
		}
		found = append(found, f)
	}
	rec := store.ManifestRecord{Hash: m.hash, Jobs: d.jobsOf(file, m)}
	for _, f := range found {
		if d.now.Before(f.from) {
			d.lookAgain(f.from)
			d.keepManifest(file)
			return
		}
		rec.Problems = append(rec.Problems, f.problem)
	}
	slices.SortStableFunc(rec.Problems, compareProblems)
	if len(rec.Jobs)+len(rec.Problems) > 0 {
		d.put(file, rec)
	}
}

func compareProblems(a, b store.Problem) int {
	return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col), cmp.Compare(a.Job, b.Job))
}

// jobsOf are the jobs that a file names, or those that it is kept for.
func (d *decider) jobsOf(file string, m manifest) []string {
	var out []string
	for _, j := range m.jobs {
		out = append(out, j.Name)
	}
	if len(m.jobs) == 0 {
		for name, rec := range d.decision.jobs {
			if rec.File == file && rec.Deleted.IsZero() {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// recordDark makes a record for a folder that could not be read, if jobs of
// ours are in it.
func (d *decider) recordDark(dir string, err error) {
	var jobs []string
	for name, rec := range d.decision.jobs {
		if inFolder(rec.File, dir) && rec.Deleted.IsZero() {
			jobs = append(jobs, name)
		}
	}
	if len(jobs) == 0 {
		return
	}
	slices.Sort(jobs)
	d.put(dir, store.ManifestRecord{Jobs: jobs, Problems: []store.Problem{{
		File: dir, Summary: "Folder cannot be read", Detail: reasonOf(err) + "; its jobs are kept as they were",
	}}})
	for file := range d.view.manifests {
		if inFolder(file, dir) {
			d.keepManifest(file)
		}
	}
}

// put sets the record of a file; the time in it stays while hash and problems
// are the same.
func (d *decider) put(file string, rec store.ManifestRecord) {
	rec.Since = d.now
	if old, had := d.view.manifests[file]; had && old.Hash == rec.Hash && slices.Equal(old.Problems, rec.Problems) {
		rec.Since = old.Since
	}
	d.decision.manifests[file] = rec
}

func (d *decider) keepManifest(file string) {
	if old, had := d.view.manifests[file]; had {
		d.decision.manifests[file] = old
	}
}

// keepInGrace keeps the record of a file that is gone while its jobs are in
// their grace: if it comes back, nothing happened.
func (d *decider) keepInGrace() {
	for _, rec := range d.decision.jobs {
		_, there := d.files[rec.File]
		if !there && !rec.MissingSince.IsZero() && rec.Held != store.HeldMassDeletion && rec.Deleted.IsZero() {
			d.keepManifest(rec.File)
		}
	}
}

// tellManifests tells which files became bad or good.
func (d *decider) tellManifests() {
	for _, file := range slices.Sorted(maps.Keys(d.decision.manifests)) {
		was, is := d.view.manifests[file].Problems, d.decision.manifests[file].Problems
		switch {
		case slices.Equal(was, is):
		case hasError(is):
			d.tell(change{reason: "ManifestInvalid", warn: true, file: file, message: summarise(is)})
		case hasError(was):
			d.tell(change{reason: "ManifestFixed", file: file, message: "the file can be used again"})
		case len(is) > 0:
			d.tell(change{reason: "ManifestWarning", warn: true, file: file, message: summarise(is)})
		}
	}
	for _, file := range slices.Sorted(maps.Keys(d.view.manifests)) {
		if _, still := d.decision.manifests[file]; !still && hasError(d.view.manifests[file].Problems) {
			d.tell(change{reason: "ManifestRemoved", file: file, message: "the file is gone, and its problems with it"})
		}
	}
}

// summarise prints the first error, or else the first problem, and the number
// of the others.
func summarise(problems []store.Problem) string {
	first := problems[0]
	for _, p := range problems {
		if p.Severity != store.SeverityWarning {
			first = p
			break
		}
	}
	s := first.String()
	if n := len(problems) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}
