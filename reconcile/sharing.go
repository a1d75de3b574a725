package reconcile

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

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
			for _, src := range writableSources(&t.Config) {
				out["volume "+src] = true
			}
		}
	}
	return out
}

// writableSources are the paths of the host and the named volumes that a task
// may write to.
func writableSources(c *job.Config) []string {
	var out []string
	for _, v := range c.Volumes {
		if src, ok := writableSource(v); ok {
			out = append(out, src)
		} else if name, rest, _ := strings.Cut(v, ":"); c.VolumeDriver != "" && !path.IsAbs(name) && !readOnly(rest) {
			out = append(out, name)
		}
	}
	for _, m := range c.Mounts {
		named := m.Type == job.MountVolume && m.Source != ""
		if !m.ReadOnly && (named || m.Type == job.MountBind && path.IsAbs(m.Source)) {
			out = append(out, path.Clean(m.Source))
		}
	}
	return out
}

// readOnly reports whether container[:mode] of a volume says so.
func readOnly(rest string) bool {
	_, mode, _ := strings.Cut(rest, ":")
	return slices.Contains(strings.Split(mode, ","), "ro")
}

// writableSource returns the host path of a volume that is absolute and not
// read-only.
func writableSource(volume string) (string, bool) {
	parts := strings.Split(volume, ":")
	if len(parts) < 2 || !path.IsAbs(parts[0]) {
		return "", false
	}
	if len(parts) > 2 && slices.Contains(strings.Split(parts[2], ","), "ro") {
		return "", false
	}
	return path.Clean(parts[0]), true
}
