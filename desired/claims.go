package desired

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"reconciler/internal/job"
	"reconciler/store"
)

// claim is one file's word that a job should be.
type claim struct {
	file string
	spec *job.Job
	// kept marks the last good spec of a job whose file cannot be used.
	kept bool
	// weak marks a kept claim of a file that can be read and is empty: it
	// gives way to any other file that names the job.
	weak bool
}

// candidate is the claim that a job's name went to.
type candidate struct {
	claim
	changedAt time.Time // of the file
}

// settleNames gives each job name to one claim. The others become problems of
// their files.
func (d *decider) settleNames() map[string]candidate {
	out := map[string]candidate{}
	all := d.claims()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		list := all[name]
		win := d.incumbent(name, list)
		out[name] = candidate{claim: list[win], changedAt: d.files[list[win].file].changedAt}
		for i, c := range list {
			if i != win && !c.kept {
				d.duplicate(name, c, list[win])
			}
		}
		if list[win].weak {
			d.emptied(list[win].file)
		}
	}
	return out
}

// claims collects what all files say, in path order for each job.
func (d *decider) claims() map[string][]claim {
	out := map[string][]claim{}
	for _, file := range slices.Sorted(maps.Keys(d.files)) {
		m := d.files[file]
		for _, j := range m.jobs {
			out[j.Name] = append(out[j.Name], claim{file: file, spec: j})
		}
	}
	for name, rec := range d.view.jobs {
		if !rec.Deleted.IsZero() || rec.Spec == nil {
			continue
		}
		m, there := d.files[rec.File]
		switch {
		case d.inDark(rec.File), there && m.bad:
			out[name] = append(out[name], claim{file: rec.File, spec: rec.Spec, kept: true})
		case there && len(m.jobs) == 0:
			out[name] = append(out[name], claim{file: rec.File, spec: rec.Spec, kept: true, weak: true})
		}
	}
	return out
}

// inDark reports whether the file lies in a folder that could not be read.
func (d *decider) inDark(file string) bool {
	for dir := range d.dark {
		if inFolder(file, dir) {
			return true
		}
	}
	return false
}

// incumbent chooses among the claims on a name: the file that has the job
// (its unchanged block, if the file names it twice), else the spec that runs,
// else the first in path order.
func (d *decider) incumbent(name string, list []claim) int {
	rec, run := d.view.jobs[name], d.running[name]
	rules := []func(c claim) bool{
		func(c claim) bool { return c.file == rec.File && !c.weak && sameMeaning(rec, c.spec) },
		func(c claim) bool { return c.file == rec.File && !c.weak },
		func(c claim) bool { return d.ready && !c.kept && run.runs(c.spec) },
		func(c claim) bool { return !c.weak },
	}
	for _, rule := range rules {
		if i := slices.IndexFunc(list, rule); i >= 0 {
			return i
		}
	}
	return 0
}

// duplicate notes that a file names a job that another one has.
func (d *decider) duplicate(name string, c, win claim) {
	p := d.problemAt(c.file, name)
	p.Summary = "Duplicate job"
	p.Detail = fmt.Sprintf("job %q is already defined in %s, which keeps it; job names are unique over all files", name, d.where(win, name))
	from := d.files[c.file].changedAt
	if t := d.files[win.file].changedAt; t.After(from) {
		from = t // a job that moves is in both files for a moment
	}
	d.find(c.file, p, from.Add(stillFor))
}

// emptied notes that a file which had jobs is there and has none any more.
func (d *decider) emptied(file string) {
	for _, f := range d.findings[file] {
		if f.problem.Summary == summaryEmptied {
			return
		}
	}
	d.find(file, store.Problem{
		File: file, Summary: summaryEmptied,
		Detail: "it had jobs and names none any more, so they are kept as they were; remove the file to delete them",
	}, d.files[file].changedAt.Add(stillFor))
}

const summaryEmptied = "No job in this file"

// find adds a problem to a file, to be shown from then on.
func (d *decider) find(file string, p store.Problem, from time.Time) {
	d.findings[file] = append(d.findings[file], finding{problem: p, from: from})
}

// problemAt begins a problem of one job at its block.
func (d *decider) problemAt(file, name string) store.Problem {
	at := d.files[file].lines[name]
	return store.Problem{File: file, Line: at.line, Col: at.col, EndCol: at.end, Job: name}
}

// where says in which file and line a claim stands.
func (d *decider) where(c claim, name string) string {
	if at := d.files[c.file].lines[name]; at.line > 0 {
		return fmt.Sprintf("%s:%d", c.file, at.line)
	}
	return c.file
}
