package reconcile

import (
	"reconciler/internal/job"
	"reconciler/observed"
)

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
