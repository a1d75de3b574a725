package reconcile

import (
	"reconciler/internal/job"
	"reconciler/observed"
)

// CPU share bounds of the kernel's cgroup v1 interface, which Docker keeps.
const (
	minCPUShares = 2
	maxCPUShares = 262144
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
