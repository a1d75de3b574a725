package reconcile

import (
	"reconciler/internal/job"
	"reconciler/observed"
)

// repair finds what is to be done beside a container that runs: drift first,
// then what earlier attempts have left.
func (t *taskPlanner) repair() (Step, bool) {
	if s, ok := t.planDrift(); ok {
		return s, true
	}
	return t.deadOlder()
}

// liveOlder finds a container of an earlier attempt that has a process.
func (t *taskPlanner) liveOlder() (Step, bool) {
	for i := range t.older {
		if c := &t.older[i]; c.Live() {
			s := t.on(c, StepKill, ReasonSuperseded)
			s.Signal = sigKill
			return s, true
		}
	}
	return Step{}, false
}

// deadOlder finds a dead container of an earlier attempt that is kept no
// more: after a death all but that one go, else all but the newest, which is
// kept for its logs. It waits until the task runs or rests, so that one that
// cannot be removed holds up no restart.
func (t *taskPlanner) deadOlder() (Step, bool) {
	keep := -1
	if n := len(t.older); n > 0 && t.cur.State == observed.Running && t.older[n-1].State == observed.Exited {
		keep = n - 1
	}
	for i := range t.older {
		if c := &t.older[i]; t.task != nil && i != keep && c.State != observed.Removing {
			return t.on(c, StepRemove, ReasonSuperseded), true
		}
	}
	return Step{}, false
}

// planDrift compares a running container with what an existing container can
// be changed to: its name, its restart policy and its limits. Everything else
// cannot drift without a new container.
func (t *taskPlanner) planDrift() (Step, bool) {
	if name := job.ContainerName(t.name, t.in.Spec.ID); t.cur.Name != name {
		s := t.on(t.cur, StepRename, ReasonDrift)
		s.Name, s.Fields = name, []string{"name"}
		return s, true
	}
	if t.task == nil {
		return Step{}, false
	}
	var fields []string
	if p := t.cur.RestartPolicy; p != "" && p != "no" {
		fields = append(fields, "restart_policy")
	}
	fields = append(fields, limitDrift(*t.cur, t.task.Limits(t.in.CoreMHz))...)
	if len(fields) == 0 {
		return Step{}, false
	}
	return t.drift(fields...), true
}

// limitDrift names the limits that differ from want. One that is not wanted is
// the engine's default and not managed; one that the container does not have
// is one that the kernel cannot do, or the container was not inspected.
func limitDrift(c observed.Container, want job.Limits) []string {
	var fields []string
	if c.CPUShares != 0 && c.CPUShares != want.CPUShares {
		fields = append(fields, "cpu")
	}
	if c.MemoryBytes != 0 && (c.MemoryBytes != want.MemoryBytes || c.MemorySwap != want.MemoryBytes ||
		want.ReservationBytes != 0 && c.MemorySoft != 0 && c.MemorySoft != want.ReservationBytes) {
		fields = append(fields, "memory")
	}
	if c.CPUQuota != 0 && want.CPUQuota != 0 && (c.CPUQuota != want.CPUQuota || c.CPUPeriod != want.CPUPeriod) {
		fields = append(fields, "cpu_hard_limit")
	}
	if c.PidsLimit != 0 && want.PidsLimit > 0 && c.PidsLimit != want.PidsLimit {
		fields = append(fields, "pids_limit")
	}
	return fields
}

func (t *taskPlanner) drift(fields ...string) Step {
	s := t.on(t.cur, StepUpdate, ReasonDrift)
	s.Fields = fields
	return s
}
