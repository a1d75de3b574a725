package desired

import (
	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/job"
)

// processFields are the options of the process in a container.
func (l *loader) processFields(c *job.Config) fields {
	return fields{
		"interactive":  l.truth(&c.Interactive),
		"init":         l.truth(&c.Init),
		"group_add":    l.checkedList(&c.GroupAdd, nil),
		"healthchecks": l.healthchecks(c),
	}
}

func (l *loader) healthchecks(c *job.Config) func([]item) {
	return func(items []item) {
		if s, ok := l.structure(items); ok {
			l.decode(s, "healthchecks", fields{"disable": l.truth(&c.Healthchecks.Disable)})
		}
	}
}

// Bounds of numbers that the kernel or the engine would refuse.
const (
	maxBytes     = 1 << 50 // a petabyte
	maxPids      = 1 << 22 // Linux: PID_MAX_LIMIT
	maxScoreAdj  = 1000    // Linux: OOM_SCORE_ADJ_MAX
	maxGPUs      = 1024
	noPidsLimit  = -1
	maxFileModes = 0o7777
)

// limitFields are the options that bound what a container may use.
func (l *loader) limitFields(c *job.Config) fields {
	return fields{
		"sysctl": l.checkedMap(&c.Sysctl, func(key, _ string) error { return job.CheckSysctl(key) }),
		"ulimit": l.checkedMap(&c.Ulimit, func(key, value string) error {
			_, _, err := job.ParseUlimit(key, value)
			return err
		}),
		"shm_size":          l.whole(&c.ShmSize, bounds{0, maxBytes, "shm_size, in bytes,"}),
		"pids_limit":        l.whole(&c.PidsLimit, bounds{noPidsLimit, maxPids, "pids_limit"}),
		"oom_score_adj":     l.whole(&c.OOMScoreAdj, bounds{-maxScoreAdj, maxScoreAdj, "oom_score_adj"}),
		"cpu_hard_limit":    l.truth(&c.CPUHardLimit),
		"cpu_cfs_period":    l.whole(&c.CPUCFSPeriod, bounds{job.MinCFSPeriod, job.MaxCFSPeriod, "cpu_cfs_period, in microseconds,"}),
		"memory_hard_limit": l.whole(&c.MemoryHardLimitMB, bounds{minMemMB, maxMemMB, "memory_hard_limit, in MB,"}),
		"gpus":              l.gpus(c),
	}
}

// gpus decodes "all", a number, or a block that tells more.
func (l *loader) gpus(c *job.Config) func([]item) {
	return func(items []item) {
		it := l.one(items)
		g := job.GPUs{}
		if it.expr != nil {
			v, ok := l.value(it.expr)
			if !ok || v.IsNull() {
				return
			}
			if !isMap(v) {
				if g.Count, ok = l.gpuCount(items); ok && g.Count != 0 {
					c.GPUs = &g
				}
				return
			}
		}
		if s, ok := l.structure(items); ok && l.gpuBlock(s, &g) {
			c.GPUs = &g
		}
	}
}

// gpuCount decodes a number of devices, or "all" of them.
func (l *loader) gpuCount(items []item) (int, bool) {
	const want = `a number of devices or "all"`
	v, at, ok := l.present(items, want)
	if !ok {
		return 0, false
	}
	text, ok := l.asText(v, at, want)
	if !ok || text == "all" {
		return job.AllGPUs, ok
	}
	if _, whole := wholeOf(v); !whole {
		l.wrongType(at, want, v)
		return 0, false
	}
	return l.asWhole(v, at, bounds{0, maxGPUs, "the number of gpus"})
}

func (l *loader) gpuBlock(s section, g *job.GPUs) bool {
	before := len(l.diags)
	countAt := hcl.Range{}
	l.decode(s, "gpus", fields{
		"count": func(items []item) {
			countAt = items[0].at
			g.Count, _ = l.gpuCount(items)
		},
		"device_ids":   l.checkedList(&g.DeviceIDs, nil),
		"driver":       l.filled(&g.Driver, new(hcl.Range)),
		"capabilities": l.checkedList(&g.Capabilities, nil),
		"options":      l.textMap(&g.Options, nil),
	})
	switch {
	case len(l.diags) > before:
		return false
	case g.Count != 0 && len(g.DeviceIDs) > 0:
		l.errorf(countAt, "Conflicting options", "\"device_ids\" names the devices, and \"count\" asks for any. Remove one of the two.")
		return false
	case g.Count == 0 && len(g.DeviceIDs) == 0:
		g.Count = job.AllGPUs
	}
	return true
}
