package desired

import (
	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/job"
)

// maxParallelCap is far above what one host runs.
const maxParallelCap = 1 << 16

// healthChecks are what can make an allocation healthy.
var healthChecks = vocabulary{words: []string{job.HealthByChecks, job.HealthByTasks}, refused: []string{"manual"}}

// update decodes an update block over what u holds already: the defaults, or
// the job's values for a group.
func (l *loader) update(u *job.Update) func([]item) {
	return func(items []item) {
		s, ok := l.block(items)
		if !ok {
			return
		}
		before := len(l.diags)
		var stagger job.Duration
		healthy := job.Duration(u.HealthyWithin())
		within, _ := u.ProgressWithin()
		progress := job.Duration(within) // 0 is none
		l.decode(s, "update", fields{
			"max_parallel":      l.whole(&u.MaxParallel, bounds{1, maxParallelCap, "max_parallel"}),
			"min_healthy_time":  l.duration(&u.MinHealthyTime),
			"healthy_deadline":  l.duration(&healthy),
			"progress_deadline": l.duration(&progress),
			"auto_revert":       l.truth(&u.AutoRevert),
			"health_check":      l.wordOf(&u.HealthCheck, healthChecks),
			"stagger":           l.duration(&stagger),
			"canary":            l.noCanary(),
		})
		if len(l.diags) == before {
			l.checkDeadlines(s, u.MinHealthyTime, healthy, progress)
		}
		u.HealthyDeadline = unlessDefault(healthy, job.Duration(job.DefaultHealthyDeadline))
		u.ProgressDeadline = unlessDefault(progress, job.Duration(job.DefaultProgressDeadline))
		if progress == 0 {
			u.ProgressDeadline = job.NoDeadline
		}
		u.HealthCheck = unlessDefault(u.HealthCheck, job.HealthByChecks)
	}
}

// unlessDefault is v, and nothing if v is what nothing means: a manifest that
// writes a default out says the same as one that does not.
func unlessDefault[T comparable](v, standard T) T {
	var zero T
	if v == standard {
		return zero
	}
	return v
}

// checkDeadlines checks that an update can succeed within its deadlines.
func (l *loader) checkDeadlines(s section, steady, healthy, progress job.Duration) {
	at := valuePlaces(s)
	if healthy <= steady {
		l.errorf(firstOf(at, s.at, "healthy_deadline", "min_healthy_time"), "Out of range",
			"healthy_deadline is %s, and no allocation is healthy before it has run for min_healthy_time, %s. Raise the one or lower the other.", healthy, steady)
	}
	if progress != 0 && progress <= healthy {
		l.errorf(firstOf(at, s.at, "progress_deadline", "healthy_deadline"), "Out of range",
			"progress_deadline is %s, and an allocation has until healthy_deadline, %s, to become healthy. Raise the one or lower the other; progress_deadline = \"0s\" is none.", progress, healthy)
	}
}

// firstOf is the place of the first of keys that has one, else where the
// section stands.
func firstOf(at map[string]hcl.Range, section hcl.Range, keys ...string) hcl.Range {
	for _, key := range keys {
		if where, ok := at[key]; ok {
			return where
		}
	}
	return section
}

// noCanary takes canary = 0, which is what every manifest without canaries
// says, and refuses more.
func (l *loader) noCanary() func([]item) {
	return func(items []item) {
		var n int
		l.whole(&n, bounds{0, maxHarmless, "canary"})(items)
		if n != 0 {
			l.errorf(items[0].expr.Range(), "Not supported", "canaries are a part of Nomad that reconciler does not have. Remove \"canary\".")
		}
	}
}
