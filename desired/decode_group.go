package desired

import (
	"cmp"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/job"
)

// groupDraft is a group while it is decoded.
type groupDraft struct {
	job.Group
	at      hcl.Range // of its name
	countAt hcl.Range
	ports   []portDraft // of its network block
	tasks   []taskDraft

	services   []serviceDraft
	portOwners map[string][]string // names of the tasks that have a port of this label
}

// portDraft is a port and where its label stands.
type portDraft struct {
	job.Port
	at       hcl.Range
	staticAt hcl.Range
}

// maxCount is far above what one host runs; a typo such as 30000 for 3 shall
// not fill it.
const maxCount = 1000

// group decodes a group block; update holds what it inherits.
func (l *loader) group(it item, update job.Update) groupDraft {
	d := groupDraft{
		Group: job.Group{Name: it.labels[0].text, Count: 1, Update: update},
		at:    it.labels[0].at,
	}
	l.checkName(it.labels[0])
	var tasks []item
	l.decode(l.bodySection(it.key, it.body, it.at), "group", fields{
		"count":   func(items []item) { d.countAt = items[0].at; l.whole(&d.Count, bounds{0, maxCount, "count"})(items) },
		"meta":    l.textMap(&d.Meta, checkMetaKey),
		"update":  l.update(&d.Update),
		"network": l.groupNetwork(&d),
		"task":    func(items []item) { tasks = items },

		"constraint":     l.constraints(&d.Constraints),
		"restart":        l.restart(&d.Restart),
		"service":        l.services(&d.services),
		"shutdown_delay": l.duration(&d.ShutdownDelay),
	})
	l.sharedRefs = append(l.sharedRefs, l.takeRefs()...)
	for _, t := range tasks {
		if l.labelled(t) {
			d.tasks = append(d.tasks, l.task(t))
		}
	}
	if len(tasks) == 0 {
		l.errorf(d.at, "Empty group", "group %q has no task. Write task \"name\" { … } in it.", d.Name)
	}
	d.Ports = sortedPorts(d.ports)
	return d
}

// groupOfTask makes the group that a task without one stands in.
func (l *loader) groupOfTask(it item, update job.Update) groupDraft {
	return groupDraft{
		Group: job.Group{Name: it.labels[0].text, Count: 1, Update: update},
		at:    it.labels[0].at,
		tasks: []taskDraft{l.task(it)},
	}
}

// groupNetwork decodes the network block of a group.
func (l *loader) groupNetwork(d *groupDraft) func([]item) {
	return func(items []item) {
		s, ok := l.block(items)
		if !ok {
			return
		}
		var mode string
		var modeAt hcl.Range
		l.decode(s, "network", fields{
			"mode": l.filled(&mode, &modeAt),
			"port": func(items []item) { d.ports = l.ports(items, "port") },
		})
		if mode != "" && mode != job.GroupNetworkModeBridge {
			l.errorf(modeAt, "Unsupported network mode", "a group's network mode is \"bridge\". For another network of one task, set network_mode in its config.")
		}
	}
}

// ports decodes port blocks. kind tells those of a group, which have host_ip,
// from those of a task.
func (l *loader) ports(items []item, kind string) []portDraft {
	var out []portDraft
	for _, it := range items {
		if !l.labelled(it) {
			continue
		}
		p := portDraft{Port: job.Port{Label: it.labels[0].text}, at: it.labels[0].at, staticAt: it.labels[0].at}
		if err := job.CheckPortLabel(p.Label); err != nil {
			l.errorf(p.at, "Bad port label", "%s.", err)
		}
		f := fields{
			"static": func(items []item) {
				p.staticAt = items[0].at
				l.whole(&p.Static, bounds{0, maxPort, "a port"})(items)
			},
			"to": l.whole(&p.To, bounds{0, maxPort, "a port"}),
		}
		if kind == "port" {
			f["host_ip"] = l.hostIP(&p.HostIP)
		}
		l.decode(l.bodySection(it.key, it.body, it.at), kind, f)
		out = append(out, p)
	}
	return out
}

// sortedPorts are the ports by label: their order in the file means nothing,
// and must not change the hash.
func sortedPorts(drafts []portDraft) []job.Port {
	var out []job.Port
	for _, p := range drafts {
		out = append(out, p.Port)
	}
	slices.SortStableFunc(out, func(a, b job.Port) int { return cmp.Compare(a.Label, b.Label) })
	return out
}

// maxPort is the highest TCP or UDP port.
const maxPort = 65535

// taskNetwork decodes the network block of a task's resources.
func (l *loader) taskNetwork(d *taskDraft) func([]item) {
	return func(items []item) {
		if s, ok := l.block(items); ok {
			l.decode(s, "task network", fields{
				"mbits": l.number(),
				"port":  func(items []item) { d.ports = slices.Concat(d.ports, l.ports(items, "task port")) },
			})
		}
	}
}
