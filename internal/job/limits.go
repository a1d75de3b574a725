package job

// Limits are what the engine holds a container to, in its own units, and can
// change while the container runs. A zero field is not managed.
type Limits struct {
	CPUShares        int64
	CPUPeriod        int64 // microseconds
	CPUQuota         int64 // microseconds of CPU time in each period, over all cores
	MemoryBytes      int64 // memory, and memory + swap alike: there is no swap
	ReservationBytes int64
	PidsLimit        int64 // -1 is unlimited
}

// Bounds of CPU shares (Linux: kernel/sched/sched.h, MIN_SHARES and
// MAX_SHARES) and of the CFS bandwidth (kernel/sched/core.c: a quota and a
// period of at least 1 ms, a period of at most 1 s); the engine refuses what
// lies outside.
const (
	minCPUShares = 2
	maxCPUShares = 262144

	MinCFSPeriod     = 1_000
	MaxCFSPeriod     = 1_000_000
	DefaultCFSPeriod = 100_000 // the kernel's
	minCFSQuota      = 1_000
)

// Limits are those of the task on a node whose cores run at coreMHz.
func (t *Task) Limits(coreMHz int) Limits {
	r, c := t.Resources, t.Config
	l := Limits{
		CPUShares:   int64(min(max(r.CPU, minCPUShares), maxCPUShares)),
		MemoryBytes: int64(r.MemoryMB) << 20,
		PidsLimit:   int64(c.PidsLimit),
	}
	if hard := max(r.MemoryMaxMB, c.MemoryHardLimitMB); hard > 0 {
		l.MemoryBytes, l.ReservationBytes = int64(hard)<<20, l.MemoryBytes
	}
	if c.CPUHardLimit {
		l.CPUPeriod = DefaultCFSPeriod
		if c.CPUCFSPeriod != 0 {
			l.CPUPeriod = int64(c.CPUCFSPeriod)
		}
		// The share of one core, which may be more than 1.
		l.CPUQuota = max(minCFSQuota, int64(r.CPU)*l.CPUPeriod/int64(max(coreMHz, 1)))
	}
	return l
}
