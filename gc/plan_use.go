package gc

import (
	"strings"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// user says what kind of thing uses an image. Of several uses the first kind
// is told to people: a job explains its allocations and their containers.
type user int

const (
	byJob user = iota
	byAlloc
	byContainer
	byUpdate
	byPull
	byStranger
)

// reason is why an image is in use.
type reason struct {
	by   user
	text string
}

func (r reason) less(o reason) bool {
	return r.by < o.by || (r.by == o.by && r.text < o.text)
}

// uses is what is in use: an image counts as used if its id or one of its
// references is in it. An exited or merely created container can name a
// reference that has moved to another id, so both are needed.
type uses struct {
	ids  map[string]reason
	refs map[string]reason // by refKey
}

// of returns the strongest reason for which img is in use.
func (u uses) of(img observed.Image) (reason, bool) {
	best, used := u.ids[img.ID]
	for _, ref := range img.Refs {
		if r, ok := u.refs[refKey(ref)]; ok && (!used || r.less(best)) {
			best, used = r, true
		}
	}
	return best, used
}

func (u uses) id(id string, r reason) { note(u.ids, id, r) }

func (u uses) ref(ref string, r reason) { note(u.refs, refKey(ref), r) }

func note(m map[string]reason, key string, r reason) {
	if old, ok := m[key]; key != "" && (!ok || r.less(old)) {
		m[key] = r
	}
}

func collectUses(in Input) uses {
	u := uses{ids: map[string]reason{}, refs: map[string]reason{}}
	for _, c := range in.Containers {
		u.container(c)
	}
	for id, spec := range in.Allocs {
		u.alloc(spec, in.Statuses[id])
	}
	for id, status := range in.Statuses {
		if _, known := in.Allocs[id]; !known && status.EndedAt.IsZero() {
			u.tasks(status, reason{byAlloc, "allocation " + id + " has not ended"})
		}
	}
	for name, rec := range in.Jobs {
		if rec.Spec == nil || !rec.Deleted.IsZero() {
			continue
		}
		u.job(name, rec.Spec, in.Deployments[name])
		if updating(rec, in.Deployments[name]) {
			u.generations(name, in)
		}
	}
	for key, intent := range in.Intents {
		if !in.Left[key] {
			u.ref(intent.Ref, reason{byPull, "it is being brought"})
		}
	}
	return u
}

func (u uses) container(c observed.Container) {
	r := reason{byStranger, "container " + c.Name + " has it, which is not ours"}
	if c.Ours {
		r = reason{byContainer, "container " + c.Name + " of job " + c.Identity.Job + " has it"}
	}
	u.id(c.ImageID, r)
	if ref, ok := canonical(c.Image); ok {
		u.ref(ref, r)
	}
}

// alloc notes the images of an allocation that is wanted or not yet ended.
func (u uses) alloc(spec job.AllocSpec, status job.AllocStatus) {
	if ended(spec, status) {
		return
	}
	r := reason{byAlloc, "allocation " + spec.ID + " of job " + spec.Job + " has it"}
	for _, ref := range spec.Images {
		u.ref(ref, r)
	}
	u.tasks(status, r)
}

func (u uses) tasks(status job.AllocStatus, r reason) {
	for _, t := range status.Tasks {
		u.id(t.ImageID, r)
		if t.Image != "" {
			u.ref(t.Image, r)
		}
	}
}

// job notes what the groups of a job ask for that are wanted at all, also
// before there is an allocation, and the ids that their deployment pinned.
func (u uses) job(name string, j *job.Job, dep store.DeploymentRecord) {
	r := reason{byJob, "job " + name + " wants it"}
	u.spec(j, r)
	for i := range j.Groups {
		if g := &j.Groups[i]; g.WantedCount(j.Type) > 0 {
			for _, id := range dep.Groups[g.Name].Images {
				u.id(id, r)
			}
		}
	}
}

// spec notes the references of a spec. One that holds a runtime name is
// known only once it was resolved for an allocation, which names it then.
func (u uses) spec(j *job.Job, r reason) {
	for i := range j.Groups {
		g := &j.Groups[i]
		if g.WantedCount(j.Type) == 0 {
			continue
		}
		for _, t := range g.Tasks {
			if ref, ok := canonical(t.Config.Image); ok {
				u.ref(ref, r)
			}
		}
	}
}

// generations notes everything that a job ran lately, while its update may
// still turn out badly: the last healthy generation is among it.
func (u uses) generations(name string, in Input) {
	r := reason{byUpdate, "job " + name + " may need it again while its update is not healthy"}
	for key, rec := range in.Specs {
		if strings.HasPrefix(key, name+"/") && rec.Spec != nil {
			u.spec(rec.Spec, r)
		}
	}
	for _, g := range in.Deployments[name].Groups {
		if g.Stable == nil {
			continue
		}
		for _, id := range g.Stable.Images {
			u.id(id, r)
		}
	}
	for id, spec := range in.Allocs {
		if spec.Job != name {
			continue
		}
		for _, ref := range spec.Images {
			u.ref(ref, r)
		}
		u.tasks(in.Statuses[id], r)
	}
}

// updating reports whether a job is on its way to its generation, or got
// stuck there. Whatever is not known to be False counts as a yes.
func updating(rec store.JobRecord, dep store.DeploymentRecord) bool {
	if dep.ObservedGeneration < rec.Generation {
		return true
	}
	for _, typ := range []string{job.CondProgressing, job.CondDegraded} {
		if c, ok := job.FindCondition(dep.Conditions, typ); ok && c.Status != job.False {
			return true
		}
	}
	return false
}

// ended reports whether an allocation is wanted no more and has no container.
func ended(spec job.AllocSpec, status job.AllocStatus) bool {
	return spec.Desired == job.DesiredStop && !status.EndedAt.IsZero()
}
