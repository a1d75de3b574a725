package reconcile

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// AllocService is a service of an allocation with its runtime names resolved.
type AllocService struct {
	job.Service
	Task string // whose it is; empty for one of the group
}

// allocCheck is one check of an allocation.
type allocCheck struct {
	key     string
	service AllocService
	check   job.Check
}

// String names a check for people.
func (c allocCheck) String() string {
	return "check " + strconv.Quote(c.check.Name) + " of service " + c.service.Name
}

// checksOf lists the checks of an allocation in the order of its services.
func checksOf(in *AllocInput) []allocCheck {
	var out []allocCheck
	for _, s := range in.Services {
		for _, c := range s.Checks {
			key := s.Name + "/"
			if o := owner(s); o != "" {
				key += o + "/"
			}
			out = append(out, allocCheck{key: key + c.Name, service: s, check: c})
		}
	}
	return out
}

// task is the one whose container the check is about: its service's, the one
// that a script runs in, or the one that publishes the group's port.
func (c allocCheck) task(in *AllocInput) string {
	return cmp.Or(c.service.Task, c.check.Task, publisher(in.Group, cmp.Or(c.check.Port, c.service.Port)))
}

// restarts reports whether check_restart of the check is about the task. A
// check of the group that names none is about all.
func (c allocCheck) restarts(task string) bool {
	owner := cmp.Or(c.service.Task, c.check.Task)
	return owner == "" || owner == task
}

// state is where the check stands; what is known of a container of before says
// nothing about the one that runs.
func (c allocCheck) state(in *AllocInput) job.CheckState {
	st := in.Checks[c.key]
	cur := in.current(c.task(in))
	if st.Status == "" || cur == nil || st.Container != cur.ID {
		return job.CheckState{Status: job.CheckPending}
	}
	return st
}

// publisher is the task of a group that has a port of the group: the first
// that maps or names it, else the first.
func publisher(g *job.Group, label string) string {
	for _, t := range g.Tasks {
		if _, ok := t.Config.PortMap[label]; ok || slices.Contains(t.Config.Ports, label) {
			return t.Name
		}
	}
	return g.Tasks[0].Name
}

// checkStates are the states to record: of the checks that there are, and of
// the containers that run.
func checkStates(in AllocInput) map[string]job.CheckState {
	out := map[string]job.CheckState{}
	for _, c := range checksOf(&in) {
		if st := c.state(&in); st.Status != job.CheckPending {
			out[c.key] = st
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// checkTargets are the checks that should run: of tasks that run and are not
// being stopped.
func checkTargets(in AllocInput, status job.AllocStatus) []job.CheckTarget {
	if in.Spec.Desired != job.DesiredRun {
		return nil
	}
	var out []job.CheckTarget
	for _, c := range checksOf(&in) {
		task := c.task(&in)
		cur := in.current(task)
		if status.Tasks[task].Phase != job.PhaseRunning || cur == nil {
			continue
		}
		t := job.CheckTarget{Key: c.key, Check: c.check, Container: cur.ID, Known: c.state(&in)}
		if c.check.Type != job.CheckScript {
			var ok bool
			mode := cmp.Or(c.check.AddressMode, job.AddressHost)
			t.Address, t.Port, ok = address(&in, mode, cmp.Or(c.check.Port, c.service.Port), task)
			if !ok {
				continue
			}
		}
		out = append(out, t)
	}
	return out
}

// services are the instances that others may be sent to: those of tasks that
// run, from the moment at which the allocation was healthy for the first time
// until it is wanted no more.
func services(in AllocInput, status job.AllocStatus) map[string]store.ServiceRecord {
	out := map[string]store.ServiceRecord{}
	if in.Spec.Desired != job.DesiredRun || status.HealthyAt.IsZero() {
		return out
	}
	for _, s := range in.Services {
		if !serves(in, status, s) {
			continue
		}
		task := cmp.Or(s.Task, publisher(in.Group, s.Port))
		ip, port, ok := address(&in, cmp.Or(s.AddressMode, job.AddressAuto), s.Port, task)
		if !ok {
			continue
		}
		rec := store.ServiceRecord{
			Name: s.Name, Job: in.Spec.Job, Group: in.Spec.Group, Task: s.Task, Alloc: in.Spec.ID,
			Address: ip, Port: port, Tags: s.Tags,
		}
		rec.Health, rec.Since = serviceHealth(in, status, s)
		out[store.ServiceKey(s.Name, in.Spec.ID, owner(s))] = rec
	}
	return out
}

// owner tells two services of one name in an allocation apart: its task, and
// its port after a colon, which no name has.
func owner(s AllocService) string {
	if s.Port != "" {
		return s.Task + ":" + s.Port
	}
	return s.Task
}

// serves reports whether what stands behind a service runs: its task, or for
// one of the group all of them.
func serves(in AllocInput, status job.AllocStatus, s AllocService) bool {
	for _, t := range in.Group.Tasks {
		if (s.Task == "" || s.Task == t.Name) && status.Tasks[t.Name].Phase != job.PhaseRunning {
			return false
		}
	}
	return true
}

// checkRank orders the states of checks from good to bad.
var checkRank = map[job.CheckStatus]int{job.CheckPassing: 0, job.CheckWarning: 1, job.CheckPending: 2, job.CheckCritical: 3}

// serviceHealth is the worst state of the checks of a service, and since when.
// A service without checks passes while it runs; one that has not been looked
// at yet is critical, as nobody should be sent to it.
func serviceHealth(in AllocInput, status job.AllocStatus, s AllocService) (job.CheckStatus, time.Time) {
	worst, since := job.CheckPassing, later(status.HealthyAt, runningSince(in, status, s))
	for _, c := range checksOf(&in) {
		if c.service.Name != s.Name || c.service.Task != s.Task || c.service.Port != s.Port {
			continue
		}
		st := c.state(&in)
		switch d := checkRank[st.Status] - checkRank[worst]; {
		case d > 0:
			worst, since = st.Status, st.Since
		case d == 0:
			since = later(since, st.Since)
		}
	}
	if worst == job.CheckPending {
		return job.CheckCritical, runningSince(in, status, s).UTC()
	}
	return worst, since.UTC()
}

func runningSince(in AllocInput, status job.AllocStatus, s AllocService) time.Time {
	var last time.Time
	for _, t := range in.Group.Tasks {
		if s.Task == "" || s.Task == t.Name {
			last = later(last, status.Tasks[t.Name].RunningSince)
		}
	}
	return last
}

// address finds where a port of a task can be reached. ok is false while that
// is not known.
func address(in *AllocInput, mode, port, task string) (ip string, number int, ok bool) {
	t := in.Group.Task(task)
	if t == nil {
		return "", 0, false
	}
	if mode == job.AddressAuto {
		mode = job.AddressHost
		if job.UserNetwork(t.Config.NetworkMode) {
			mode = job.AddressDriver
		}
	}
	p, labelled := allocPort(in.Spec.Ports, port, task)
	if mode == job.AddressHost {
		if port == "" {
			return in.HostAddress, 0, in.HostAddress != ""
		}
		return p.HostIP, p.Host, labelled
	}
	number = cmp.Or(p.To, p.Host)
	if n, err := strconv.Atoi(port); err == nil && !labelled {
		number, labelled = n, true
	}
	ip = containerAddress(in, t)
	return ip, number, ip != "" && (labelled || port == "")
}

func allocPort(ports []job.AllocPort, label, task string) (job.AllocPort, bool) {
	for _, owner := range []string{task, ""} {
		for _, p := range ports {
			if p.Label == label && p.Task == owner {
				return p, true
			}
		}
	}
	return job.AllocPort{}, false
}

// containerAddress is the address of a task's container in its network, or of
// the container whose network it shares; empty if it has none.
func containerAddress(in *AllocInput, t *job.Task) string {
	if name, ok := job.JoinedContainer(t.Config.NetworkMode); ok {
		joined := in.Group.Task(name)
		if joined == nil || joined.Config.NetworkMode == t.Config.NetworkMode {
			return ""
		}
		return containerAddress(in, joined)
	}
	cur := in.current(t.Name)
	if cur == nil {
		return ""
	}
	for _, name := range networkOrder(*cur, t.Config.NetworkMode) {
		ep := cur.Networks[name]
		if ip := ep.IPAddress; ip != "" && !t.Config.AdvertiseIPv6Address {
			return ip
		}
		if t.Config.AdvertiseIPv6Address && ep.IPv6Address != "" {
			return ep.IPv6Address
		}
	}
	return ""
}

// networkOrder lists the networks of a container, its own first.
func networkOrder(c observed.Container, own string) []string {
	names := slices.Sorted(maps.Keys(c.Networks))
	if i := slices.Index(names, own); i > 0 {
		names = append([]string{own}, slices.Delete(names, i, i+1)...)
	}
	return names
}
