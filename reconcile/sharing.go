package reconcile

import (
	"fmt"
	"maps"
	"slices"

	"reconciler/internal/job"
	"reconciler/store"
)

// waitFor names the other jobs that leave, or are held, and share a static
// port or a writable source of the host with spec. A job that was renamed is
// such a pair: the new one starts when the old one is gone.
func (c *Controller) waitFor(name string, spec *job.Job) []string {
	return sharing(name, spec, c.Store.Jobs.All(), c.hasLiveAllocs)
}

// sharing is waitFor over given records; live tells whether a job has
// allocations that have not ended.
func sharing(name string, spec *job.Job, all map[string]store.JobRecord, live func(name string) bool) []string {
	mine := claims(spec)
	if len(mine) == 0 {
		return nil
	}
	var out []string
	for _, other := range slices.Sorted(maps.Keys(all)) {
		rec := all[other]
		if other == name || rec.Spec == nil || !leavingJob(rec) || !live(other) {
			continue
		}
		for _, claim := range slices.Sorted(maps.Keys(claims(rec.Spec))) {
			if mine[claim] {
				out = append(out, fmt.Sprintf("job %s, which shares %s and is not gone yet", other, claim))
				break
			}
		}
	}
	return out
}

func leavingJob(rec store.JobRecord) bool {
	return !rec.MissingSince.IsZero() || !rec.Deleted.IsZero() || rec.Held != ""
}

func (c *Controller) hasLiveAllocs(name string) bool {
	return len(c.Observe.Job(name)) > 0 ||
		slices.ContainsFunc(c.allocsOf(name), func(a job.Alloc) bool { return !a.Ended() })
}

// claims are the things of the host that a job cannot share with another:
// static ports, and paths that are mounted writable.
func claims(j *job.Job) map[string]bool {
	out := map[string]bool{}
	for i := range j.Groups {
		g := &j.Groups[i]
		for _, p := range g.PortRequests() {
			if p.Static != 0 {
				out[fmt.Sprintf("port %d", p.Static)] = true
			}
		}
		for _, t := range g.Tasks {
			for _, src := range t.Config.WritableSources() {
				out["volume "+src] = true
			}
		}
	}
	return out
}
