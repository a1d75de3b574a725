package desired

import "reconciler/internal/job"

// Running tells which jobs have containers of ours. The watcher asks it once
// a pass; it must answer from memory.
type Running interface {
	// RunningJobs returns the jobs of our containers, in whatever state these
	// are. ok is false before the first good list and while dockerd is away;
	// jobs means nothing then.
	RunningJobs() (jobs map[string]RunningJob, ok bool)
}

// RunningJob is what the labels of a job's containers say.
type RunningJob struct {
	Generation uint64            // the highest
	Hashes     map[string]string // group -> spec_hash in that generation
}

// runs reports whether the containers were made from this spec: each group
// that wants containers has them, with the spec's hash, and no other group has.
func (r RunningJob) runs(spec *job.Job) bool {
	for name, hash := range r.Hashes {
		g := spec.Group(name)
		if g == nil || job.SpecHash(spec, g) != hash {
			return false
		}
	}
	for i := range spec.Groups {
		g := &spec.Groups[i]
		if _, ok := r.Hashes[g.Name]; !ok && g.WantedCount(spec.Type) > 0 {
			return false
		}
	}
	return len(r.Hashes) > 0
}
