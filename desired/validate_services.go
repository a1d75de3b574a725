package desired

import (
	"fmt"
	"strconv"

	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/job"
)

// offer is where services stand: in a task, or in a group, whose task is nil.
type offer struct {
	group       *groupDraft
	task        *taskDraft
	defaultName string
	ports       portScope
}

// checkServices checks the services of a group and of its tasks, fills in
// their names, and puts them into place.
func (l *loader) checkServices(jobName string, g *groupDraft) {
	taken := map[string]hcl.Range{}
	ofGroup := offer{group: g, defaultName: jobName + "-" + g.Name}
	ofGroup.ports = portScope{own: map[string]bool{}, group: portLabels(g.ports)}
	for i := range g.tasks {
		for _, p := range g.tasks[i].ports {
			ofGroup.ports.own[p.Label] = true
		}
	}
	g.Services = l.offered(ofGroup, g.services, taken)
	for i := range g.tasks {
		t := &g.tasks[i]
		t.Services = l.offered(offer{
			group: g, task: t, defaultName: ofGroup.defaultName + "-" + t.Name,
			ports: portScope{own: portLabels(t.ports), group: ofGroup.ports.group},
		}, t.services, taken)
	}
}

// offered checks the services of one place. taken holds what the group offers
// already, by name and port.
func (l *loader) offered(o offer, drafts []serviceDraft, taken map[string]hcl.Range) []job.Service {
	var out []job.Service
	for i := range drafts {
		d := &drafts[i]
		if l.nameService(o, d) {
			l.checkTwins(d, taken)
		}
		l.checkServicePort(o, d)
		l.nameChecks(d)
		for k := range d.checks {
			if !d.checks[k].broken {
				l.checkInService(o, d, &d.checks[k])
			}
			d.Checks = append(d.Checks, d.checks[k].Check)
		}
		out = append(out, d.Service)
	}
	return out
}

// checkTwins reports a service that the group offers already.
func (l *loader) checkTwins(d *serviceDraft, taken map[string]hcl.Range) {
	key, at := d.Name+" "+d.Port, firstOf(d.places, d.at, "name")
	if first, ok := taken[key]; ok {
		l.errorf(at, "Duplicate service", "the service %q with this port is already defined in this group at %s. Give one of the two another name or port.", d.Name, first)
		return
	}
	taken[key] = at
}

// nameService fills in the name of a service without one. It returns false if
// the name is not the service's: the one that it has is wrong, and told so.
func (l *loader) nameService(o offer, d *serviceDraft) bool {
	if d.Name != "" {
		return true
	}
	d.Name = o.defaultName
	if d.nameIsWrong {
		return false
	}
	if err := job.CheckServiceName(d.Name); err != nil {
		l.errorf(d.at, "Missing name", "without a name this service is called after its job, group and task, and %s. Write name = \"…\".", err)
	}
	return true
}

// nameChecks fills in the names of checks, which differ within a service.
func (l *loader) nameChecks(d *serviceDraft) {
	taken := map[string]hcl.Range{}
	for i := range d.checks {
		c := &d.checks[i]
		if first, ok := taken[c.Name]; ok {
			l.errorf(c.places["name"], "Duplicate check", "check %q is already defined in this service at %s. Rename one of the two.", c.Name, first)
		} else if c.Name != "" {
			taken[c.Name] = c.places["name"]
		}
	}
	plain := `service: "` + d.Name + `" check`
	n := 1
	for i := range d.checks {
		c := &d.checks[i]
		for ; c.Name == ""; n++ {
			name := plain
			if n > 1 {
				name = fmt.Sprintf("%s %d", plain, n)
			}
			if _, ok := taken[name]; !ok {
				c.Name = name
			}
		}
	}
}

// checkServicePort checks the port and the address of a service.
func (l *loader) checkServicePort(o offer, d *serviceDraft) {
	l.checkAddressMode(o, d.AddressMode, d.places)
	l.checkPort(o, d.Port, d.AddressMode, d.places)
}

// checkAddressMode checks that there is a container with an address of its own
// where one is asked for.
func (l *loader) checkAddressMode(o offer, mode string, places map[string]hcl.Range) {
	if mode != job.AddressDriver {
		return
	}
	at := places["address_mode"]
	if o.task == nil {
		l.errorf(at, "Conflicting options", "a group has several containers, and address_mode = \"driver\" is the address of one. Move the service into its task, or write \"host\".")
		return
	}
	if network := o.task.Config.NetworkMode; !interpolated(network) && !job.OwnNetwork(network) {
		l.errorf(at, "Conflicting options", "with network_mode = %q the task's container has no address of its own. Write address_mode = \"host\".", network)
	}
}

// checkPort checks a port of a service or a check: a label of the place where
// it stands or, in the container's own address, a number.
func (l *loader) checkPort(o offer, port, mode string, places map[string]hcl.Range) {
	if ofGroup, ok := o.ports.has(port); ok || port == "" {
		if owners := o.group.portOwners[port]; o.task == nil && !ofGroup && len(owners) > 1 {
			l.errorf(places["port"], "Ambiguous port", "the tasks %s have a port %q each. Move the service into the one that is meant, or rename a port.", listOf(quotedAll(owners)), port)
		}
		return
	}
	n, err := strconv.Atoi(port)
	switch {
	case err != nil || strconv.Itoa(n) != port:
		l.unknownPort(port, places["port"], o.ports)
	case n < 1 || n > maxPort:
		l.errorf(places["port"], "Out of range", "a port is a number from 1 to %d, not %s.", maxPort, port)
	case mode != job.AddressDriver:
		l.errorf(places["port"], "Conflicting options", "%s is a port inside the container, which others reach at its own address alone. Write address_mode = \"driver\", or the label of a port.", port)
	}
}

// checkInService checks what a check says of the service that it is in.
func (l *loader) checkInService(o offer, d *serviceDraft, c *checkDraft) {
	if c.Type == job.CheckScript {
		l.checkScriptTask(o, c)
		return
	}
	l.checkAddressMode(o, c.AddressMode, c.places)
	l.checkPort(o, c.Port, c.AddressMode, c.places)
	if c.Port != "" {
		return
	}
	_, label := o.ports.has(d.Port)
	_, err := strconv.Atoi(d.Port)
	switch {
	case d.Port == "":
		l.errorf(c.at, "Missing port", "a check of the type %q needs a port, its own or the service's. Write port = \"…\", a label of the group's ports.", c.Type)
	case err == nil && !label && c.AddressMode != job.AddressDriver:
		l.errorf(c.at, "Conflicting options", "the service's port %s is one inside the container, and a check looks at the host's address unless it is told. Write address_mode = \"driver\" in it.", d.Port)
	}
}

// checkScriptTask checks in which task's container a script runs.
func (l *loader) checkScriptTask(o offer, c *checkDraft) {
	at, there := c.places["task"]
	names := func() (names []string) {
		for i := range o.group.tasks {
			names = append(names, o.group.tasks[i].Name)
		}
		return names
	}
	switch {
	case o.task != nil && there:
		l.errorf(at, "Conflicting options", "the script of a task's service runs in that task. Remove \"task\".")
	case o.task != nil:
	case !there || c.Task == "":
		l.errorf(c.at, "Missing task", "the script of a group's service needs to know where it runs. Write task = \"…\". %s", l.adviseOf("", "tasks", names))
	case taskOf(o.group, c.Task) == nil:
		l.errorf(at, "Unknown task", "there is no task %q in this group. %s", c.Task, l.adviseOf(c.Task, "tasks", names))
	}
}

// checkLeaders reports all leaders of a group but the first.
func (l *loader) checkLeaders(g *groupDraft) {
	var first *taskDraft
	for i := range g.tasks {
		t := &g.tasks[i]
		switch {
		case !t.Leader:
		case first == nil:
			first = t
		default:
			l.errorf(t.leaderAt, "Two leaders", "task %q is the group's leader already, at %s: when it ends, all others end with it. Remove \"leader\" from one of the two.", first.Name, first.leaderAt)
		}
	}
}
