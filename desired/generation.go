package desired

import (
	"strings"

	"reconciler/internal/job"
	"reconciler/store"
)

// Why a job got the generation it has.
const (
	whySame        = "unchanged"
	whyNew         = "new"
	whyAdopted     = "adopted"
	whyEdited      = "edited"
	whyWantedAgain = "wanted again"
)

// adopt makes the record of a job from the spec in its file. known says that
// the record holds a spec that is in force.
//
// A generation names one meaning of the job and never goes backwards, even if
// the store was lost or is an old copy: the labels of what runs count too.
func (d *decider) adopt(name string, rec store.JobRecord, known bool, c candidate) (store.JobRecord, string) {
	next := store.JobRecord{Generation: rec.Generation, Hash: job.Hash(c.spec), File: c.file, Spec: c.spec}
	run, runs := d.running[name]
	runs = runs && d.ready
	floor := max(rec.Generation, d.allocs[name])
	if runs {
		floor = max(floor, run.Generation)
	}
	switch {
	case known && !d.outdated(name, rec):
		if sameMeaning(rec, c.spec) {
			next.Spec = rec.Spec
			return next, whySame
		}
		next.Generation = floor + 1
		return next, whyEdited
	case !rec.Deleted.IsZero():
		next.Generation = floor + 1
		return next, whyWantedAgain
	case runs && run.Generation == floor && floor > 0 && run.runs(c.spec):
		next.Generation = floor
		return next, whyAdopted
	case known:
		next.Generation = floor + 1
		return next, whyEdited
	}
	next.Generation = floor + 1
	return next, whyNew
}

// tellAdoption tells what became of a job that its file names.
func (d *decider) tellAdoption(name string, old, next store.JobRecord, why string) {
	c := change{job: name, file: next.File, generation: next.Generation}
	switch why {
	case whySame:
		if old.Held == store.HeldMassDeletion {
			d.tell(released(name, next, "its file is back"))
		}
		if old.File != next.File {
			c.reason, c.message = "JobMoved", "moved here from "+old.File
			d.tell(c)
		}
		return
	case whyEdited:
		c.reason, c.message = "JobChanged", "changed: "+strings.Join(changedFields(old.Spec, next.Spec), ", ")
		if sameMeaning(old, next.Spec) {
			c.message = "other containers run than the stored generation asked for"
		}
	case whyAdopted:
		c.reason, c.message = "JobAdded", "containers of this spec run already and are adopted"
	case whyWantedAgain:
		c.reason, c.message = "JobAdded", "wanted again after its deletion"
	default:
		c.reason, c.message = "JobAdded", "new job"
	}
	d.tell(c)
}

// changedFields names what differs between two specs of a job, in the words
// of the language.
func changedFields(old, next *job.Job) []string {
	if old == nil {
		return []string{"everything"}
	}
	var out []string
	if old.Type != next.Type {
		out = append(out, "type")
	}
	if strings.Join(old.Datacenters, "\x00") != strings.Join(next.Datacenters, "\x00") {
		out = append(out, "datacenters")
	}
	for i := range next.Groups {
		g := &next.Groups[i]
		was := old.Group(g.Name)
		if was == nil {
			out = append(out, `group "`+g.Name+`" added`)
			continue
		}
		for _, f := range append(job.ChangedFields(old, was, next, g), job.ChangedInPlace(old, was, next, g)...) {
			out = append(out, fieldName(g.Name, len(next.Groups), f))
		}
	}
	for i := range old.Groups {
		if next.Group(old.Groups[i].Name) == nil {
			out = append(out, `group "`+old.Groups[i].Name+`" removed`)
		}
	}
	if len(out) == 0 {
		out = append(out, "order of groups")
	}
	return out
}

func fieldName(group string, groups int, field string) string {
	if groups == 1 {
		return field
	}
	return group + "." + field
}
