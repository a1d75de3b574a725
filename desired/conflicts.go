package desired

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"reconciler/internal/job"
)

// hostPort is a static port as a manifest asks for it. An empty ip is the
// node's address, which is not known here.
type hostPort struct {
	port int
	ip   string
}

// overlaps reports whether nobody can have both. An address that is given and
// one that is not are left to the placement, which knows the node's.
func (p hostPort) overlaps(q hostPort) bool {
	return p.port == q.port && (p.ip == q.ip || wildcard(p.ip) || wildcard(q.ip))
}

func wildcard(ip string) bool { return ip == "0.0.0.0" || ip == "::" }

// staticPorts lists the static ports of a job's groups, sorted.
func staticPorts(j *job.Job) []hostPort {
	var out []hostPort
	if j == nil {
		return nil
	}
	for i := range j.Groups {
		if j.Groups[i].WantedCount(j.Type) == 0 {
			continue
		}
		for _, p := range j.Groups[i].PortRequests() {
			if p.Static > 0 {
				out = append(out, hostPort{port: p.Static, ip: p.HostIP})
			}
		}
	}
	slices.SortFunc(out, compareHostPorts)
	return slices.Compact(out)
}

func compareHostPorts(a, b hostPort) int {
	return cmp.Or(cmp.Compare(a.port, b.port), cmp.Compare(a.ip, b.ip))
}

// portContest finds which jobs may not have the spec of their file, because
// another job has one of its static ports.
type portContest struct {
	d        *decider
	names    []string // sorted
	asked    map[string]candidate
	ports    map[string][]hostPort // of the spec in force, for each job
	refused  map[string]clash
	reported map[[2]string]bool
}

// clash is why a job's spec was refused.
type clash struct {
	other string
	port  int
}

// settlePorts puts each job whose new spec wants the static port of another
// one back to its last good spec, or takes it out if there is none, and notes
// the problem. It judges the end state: two jobs that swap ports in one edit
// do not clash.
func (d *decider) settlePorts(asked map[string]candidate) map[string]candidate {
	c := &portContest{
		d: d, asked: asked, names: slices.Sorted(maps.Keys(asked)),
		ports: map[string][]hostPort{}, refused: map[string]clash{}, reported: map[[2]string]bool{},
	}
	for name, a := range asked {
		c.ports[name] = staticPorts(a.spec)
	}
	for {
		loser, why, found := c.next()
		if !found {
			break
		}
		c.refuse(loser, why)
	}
	c.reconsider()
	return c.result()
}

// next returns the first clash that has not been dealt with.
func (c *portContest) next() (loser string, why clash, found bool) {
	for i, a := range c.names {
		for _, b := range c.names[i+1:] {
			p, clashing := firstOverlap(c.ports[a], c.ports[b])
			if !clashing || c.reported[[2]string{a, b}] {
				continue
			}
			if c.rank(a, p, b) <= 0 {
				return b, clash{other: a, port: p.port}, true
			}
			return a, clash{other: b, port: p.port}, true
		}
	}
	return "", clash{}, false
}

func firstOverlap(a, b []hostPort) (hostPort, bool) {
	for _, p := range a {
		if slices.ContainsFunc(b, p.overlaps) {
			return p, true
		}
	}
	return hostPort{}, false
}

// rank is negative if a keeps the port, positive if b does: the one whose
// stored spec has it, else the one whose containers run its spec, else the
// first in path order.
func (c *portContest) rank(a string, p hostPort, b string) int {
	return cmp.Or(
		firstIf(c.holds(a, p), c.holds(b, p)),
		firstIf(c.runs(a), c.runs(b)),
		cmp.Compare(c.asked[a].file, c.asked[b].file),
		cmp.Compare(a, b),
	)
}

func firstIf(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

func (c *portContest) holds(name string, p hostPort) bool {
	_, has := firstOverlap([]hostPort{p}, staticPorts(c.lastGood(name)))
	return has
}

func (c *portContest) runs(name string) bool {
	return c.d.ready && c.d.running[name].runs(c.asked[name].spec)
}

// lastGood is the spec that a job falls back to, or nil.
func (c *portContest) lastGood(name string) *job.Job {
	rec := c.d.view.jobs[name]
	if !rec.Deleted.IsZero() {
		return nil
	}
	return rec.Spec
}

// refuse puts a job back to its last good spec. If it is there already, the
// clash stays, for the placement to wait on.
func (c *portContest) refuse(name string, why clash) {
	if _, was := c.refused[name]; was || c.asked[name].kept || sameMeaning(c.d.view.jobs[name], c.asked[name].spec) {
		pair := [2]string{min(name, why.other), max(name, why.other)}
		c.reported[pair] = true
		if _, was := c.refused[name]; !was {
			c.refused[name] = why
		}
		return
	}
	c.refused[name] = why
	c.ports[name] = staticPorts(c.lastGood(name))
}

// reconsider gives back what was refused for the sake of a spec that was
// itself refused later.
func (c *portContest) reconsider() {
	for _, name := range c.names {
		if _, was := c.refused[name]; !was {
			continue
		}
		want, free := staticPorts(c.asked[name].spec), true
		for other, ports := range c.ports {
			if _, clashing := firstOverlap(want, ports); clashing && other != name {
				free = false
			}
		}
		if free {
			delete(c.refused, name)
			c.ports[name] = want
		}
	}
}

// result is what is wanted after all, with a problem for each refusal.
func (c *portContest) result() map[string]candidate {
	out := maps.Clone(c.asked)
	for _, name := range c.names {
		why, was := c.refused[name]
		if !was {
			continue
		}
		a := c.asked[name]
		if !a.kept {
			c.report(name, a, why)
		}
		if last := c.lastGood(name); last != nil {
			out[name] = candidate{claim: claim{file: a.file, spec: last, kept: true}, changedAt: a.changedAt}
		} else {
			delete(out, name)
		}
	}
	return out
}

func (c *portContest) report(name string, a candidate, why clash) {
	p := c.d.problemAt(a.file, name)
	p.Summary = "Static port conflict"
	p.Detail = fmt.Sprintf("job %q wants port %d, which job %q in %s has", name, why.port, why.other, c.d.where(c.asked[why.other].claim, why.other))
	if c.lastGood(name) != nil {
		p.Detail += "; it keeps its last good spec"
	}
	from := a.changedAt
	if t := c.asked[why.other].changedAt; t.After(from) {
		from = t
	}
	c.d.find(a.file, p, from.Add(stillFor))
}
