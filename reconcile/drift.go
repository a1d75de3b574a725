package reconcile

import (
	"reconciler/internal/job"
)

// CPU share bounds of the kernel's cgroup v1 interface, which Docker keeps.
const (
	minCPUShares = 2
	maxCPUShares = 262144
)

// planDrift compares a running container with what an existing container can
// be changed to: its name, restart policy, CPU shares and memory. Everything
// else cannot drift without a new container.
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
	res := t.task.Resources
	if got := t.cur.CPUShares; got != 0 && got != int64(min(max(res.CPU, minCPUShares), maxCPUShares)) {
		fields = append(fields, "cpu")
	}
	if want := int64(res.MemoryMB) << 20; t.cur.MemoryBytes != 0 && (t.cur.MemoryBytes != want || t.cur.MemorySwap != want) {
		fields = append(fields, "memory")
	}
	if len(fields) == 0 {
		return Step{}, false
	}
	return t.drift(fields...), true
}

func (t *taskPlanner) drift(fields ...string) Step {
	s := t.on(t.cur, StepUpdate, ReasonDrift)
	s.Fields = fields
	return s
}
