package desired

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/job"
)

// checkJob checks what the parts of a job say together.
func (l *loader) checkJob(d *jobDraft) {
	groups := map[string]hcl.Range{}
	var statics []staticPort
	for i := range d.groups {
		g := &d.groups[i]
		if first, ok := groups[g.Name]; ok {
			l.errorf(g.at, "Duplicate group", "group %q is already defined at %s. Rename one of the two.", g.Name, first)
		} else {
			groups[g.Name] = g.at
		}
		l.checkGroup(g)
		l.checkFixed(d.Type, g)
		l.checkServices(d.Name, g)
		statics = append(statics, l.staticPorts(d.Type, g)...)
	}
	l.checkStatics(statics)
}

func (l *loader) checkGroup(g *groupDraft) {
	tasks := map[string]hcl.Range{}
	labels := map[string]hcl.Range{}
	l.checkLabels(g.ports, labels)
	g.portOwners = map[string][]string{}
	for i := range g.tasks {
		t := &g.tasks[i]
		if first, ok := tasks[t.Name]; ok {
			l.errorf(t.at, "Duplicate task", "task %q is already defined at %s. Rename one of the two.", t.Name, first)
		} else {
			tasks[t.Name] = t.at
		}
		l.checkLabels(t.ports, maps.Clone(labels))
		for _, p := range t.ports {
			g.portOwners[p.Label] = append(g.portOwners[p.Label], t.Name)
		}
	}
	l.checkJoins(g)
	l.checkLeaders(g)
	publisher := map[string]string{}
	scope := portScope{group: portLabels(g.ports)}
	for i := range g.tasks {
		scope.own = portLabels(g.tasks[i].ports)
		l.checkPublished(scope, &g.tasks[i], publisher)
		l.checkReach(g, &g.tasks[i])
	}
}

// checkLabels notes the labels of ports and reports those that are there
// already: environment variables are named after them, in which a '-' is a '_'.
// Two tasks may have the same: each sees the other's under the task's name.
func (l *loader) checkLabels(ports []portDraft, labels map[string]hcl.Range) {
	for _, p := range ports {
		name := strings.ReplaceAll(p.Label, "-", "_")
		if first, ok := labels[name]; ok {
			l.errorf(p.at, "Duplicate port label", "port %q has the variable NOMAD_PORT_%s, and so has the one at %s. Rename one of the two.", p.Label, name, first)
			continue
		}
		labels[name] = p.at
	}
}

// portScope is the ports that a task or a group can name.
type portScope struct{ own, group map[string]bool }

func portLabels(ports []portDraft) map[string]bool {
	out := make(map[string]bool, len(ports))
	for _, p := range ports {
		out[p.Label] = true
	}
	return out
}

// has reports whether there is a port called label. ofGroup tells those of the
// group from a task's own.
func (s portScope) has(label string) (ofGroup, ok bool) {
	ofGroup = s.group[label]
	return ofGroup, ofGroup || s.own[label]
}

func (s portScope) names() []string {
	return slices.Sorted(maps.Keys(merged(s.own, s.group)))
}

// checkPublished checks the labels in port_map and ports of a task. publisher
// holds the group's ports that a task before it publishes.
func (l *loader) checkPublished(scope portScope, t *taskDraft, publisher map[string]string) {
	use := func(label string, at hcl.Range) {
		ofGroup, ok := scope.has(label)
		if !ok {
			l.unknownPort(label, at, scope)
			return
		}
		if first, ok := publisher[label]; ofGroup && ok && first != t.Name && publishes(t) {
			l.errorf(at, "Port published twice", "port %q of the group is already published by task %q. Give this task a port of its own.", label, first)
		} else if ofGroup && publishes(t) {
			publisher[label] = t.Name
		}
	}
	for _, p := range t.portMapAt {
		use(p.key, p.at)
	}
	for _, p := range t.portsAt {
		use(p.text, p.at)
	}
}

func (l *loader) unknownPort(label string, at hcl.Range, scope portScope) {
	advice := "Neither the task nor its group has a port. Add a network block with port \"" + label + "\" { }."
	if len(scope.own)+len(scope.group) > 0 {
		advice = l.adviseOf(label, "ports", scope.names)
	}
	l.errorf(at, "Unknown port", "there is no port %q. %s", label, advice)
}

// publishes reports whether Docker publishes ports for the task: not in the
// network of the host or of another container.
func publishes(t *taskDraft) bool {
	return job.OwnNetwork(t.Config.NetworkMode)
}

// checkReach warns of ports of a task, and of their numbers in its container,
// that its network mode makes nothing of.
func (l *loader) checkReach(g *groupDraft, t *taskDraft) {
	mode := t.Config.NetworkMode
	if interpolated(mode) || job.OwnNetwork(mode) {
		return
	}
	const title = "Option without effect"
	if mode != job.HostMode {
		for _, p := range t.ports {
			l.warnf(p.at, title, "port %q is kept free on the host and leads nowhere: with network_mode = %q no port of this task is published. Give it to the task in whose network this one is, or remove it.", p.Label, mode)
		}
		return
	}
	const oneNumber = "has no effect: in the host's network a port has one number, the host's"
	static := map[string]int{}
	for _, p := range slices.Concat(g.ports, t.ports) {
		static[p.Label] = p.Static
	}
	for _, p := range t.ports {
		if p.To != 0 && p.To != p.Static {
			l.warnf(p.at, title, "\"to\" of port %q %s.", p.Label, oneNumber)
		}
	}
	for _, p := range t.portMapAt {
		if at, ok := static[p.key]; ok && at != t.Config.PortMap[p.key] {
			l.warnf(p.at, title, "port_map of port %q %s.", p.key, oneNumber)
		}
	}
}

// staticPort is a port that was asked for by number.
type staticPort struct {
	portDraft
	group string
}

// staticPorts lists the static ports of a group, and reports them if the
// group asks for more than one of each.
func (l *loader) staticPorts(t job.Type, g *groupDraft) []staticPort {
	var out []staticPort
	all := slices.Clone(g.ports)
	for _, t := range g.tasks {
		all = append(all, t.ports...)
	}
	for _, p := range all {
		if p.Static == 0 {
			continue
		}
		out = append(out, staticPort{p, g.Name})
		if n := g.WantedCount(t); n > 1 {
			l.errorf(p.staticAt, "Static port with a count", "port %d is one port on this host, and group %q asks for it %d times. Remove \"static\", or set count = 1.", p.Static, g.Name, n)
		}
	}
	return out
}

// checkStatics reports static ports that two parts of one job ask for.
func (l *loader) checkStatics(statics []staticPort) {
	for i, p := range statics {
		for _, q := range statics[:i] {
			if p.Static == q.Static && sameAddress(p.HostIP, q.HostIP) {
				l.errorf(p.staticAt, "Duplicate static port", "port %d is already asked for at %s. Choose another, or remove \"static\".", p.Static, q.staticAt)
				break
			}
		}
	}
}

// sameAddress reports whether a port on a and one on b get into each other's
// way for sure. An empty address is the node's, which is not known here.
func sameAddress(a, b string) bool {
	if a == b {
		return true
	}
	return anyAddress(a) || anyAddress(b)
}

func anyAddress(ip string) bool {
	addr, err := netip.ParseAddr(ip)
	return err == nil && addr.IsUnspecified()
}
