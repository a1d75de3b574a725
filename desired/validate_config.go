package desired

import (
	"path"
	"path/filepath"
	"strings"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
)

// checkConfig checks what the options of one config say together and in form.
func (l *loader) checkConfig(d *taskDraft, s section, at configPlaces) {
	c := &d.Config
	switch {
	case at.noImage:
		l.errorf(s.at, "Missing image", "a config needs an image, also with \"load\". Write image = \"name:tag\".")
	case c.Image == "" || interpolated(c.Image):
	default:
		if _, err := imageref.Parse(c.Image); err != nil {
			l.errorf(at.image, "Bad image", "%s.", err)
		}
	}
	if c.WorkDir != "" && !interpolated(c.WorkDir) && !path.IsAbs(c.WorkDir) {
		l.errorf(at.workDir, "Bad directory", "work_dir is a path in the container that begins with \"/\", not %q.", c.WorkDir)
	}
	if c.Load != "" && !interpolated(c.Load) && !path.IsAbs(c.Load) && !filepath.IsLocal(c.Load) {
		l.errorf(at.load, "Bad archive", "load is an absolute path, or one below the task's local/ directory, which %q leaves.", c.Load)
	}
	if c.Hostname != "" && !interpolated(c.Hostname) && !hostnameRE.MatchString(c.Hostname) {
		l.errorf(at.hostname, "Bad host name", "%q is no host name: use up to 63 letters, digits, '-' and '.'.", c.Hostname)
	}
	if c.CPUCFSPeriod != 0 && !c.CPUHardLimit {
		l.warnf(at.values["cpu_cfs_period"], "Option without effect", "\"cpu_cfs_period\" has no effect without cpu_hard_limit = true.")
	}
	l.checkNetwork(c, at)
	l.checkAuth(c, at.auth)
	l.checkLogs(d, at)
	l.checkTargets(c, at)
}

// checkLogs warns of a rotation that the log driver does not do.
func (l *loader) checkLogs(d *taskDraft, at configPlaces) {
	c := d.Config.Logging
	if d.Logs != (job.Logs{}) && c != nil && c.Type != "" && !interpolated(c.Type) && !job.RotatesLogs(c.Type) {
		l.warnf(at.values["logging"], "Option without effect", "the task's logs block has no effect with the log driver %q: \"json-file\" and \"local\" keep files.", c.Type)
	}
}

// checkNetwork checks what the options of the network say together.
func (l *loader) checkNetwork(c *job.Config, at configPlaces) {
	name, joins := job.JoinedContainer(c.NetworkMode)
	if joins && name == "" {
		l.errorf(at.networkMode, "Bad network mode", "%q needs the name of a container: \"container:name\".", c.NetworkMode)
	}
	switch {
	case joins && c.Hostname != "":
		l.errorf(at.hostname, "Conflicting options", "a container that joins another one's network has that one's host name. Remove \"hostname\".")
	case c.UTSMode == job.HostMode && c.Hostname != "":
		l.errorf(at.hostname, "Conflicting options", "with uts_mode = \"host\" a container has the host's name. Remove \"hostname\".")
	}
	if interpolated(c.NetworkMode) {
		return // checked when a container is made
	}
	for _, r := range networkRules(c) {
		if where, set := at.values[r.option]; set && r.used && !r.allowed {
			l.errorf(where, "Conflicting options", "%q does not go with network_mode = %q: %s.", r.option, c.NetworkMode, r.why)
		}
	}
}

// networkRule says whether an option that is used goes with the network mode.
type networkRule struct {
	option        string
	used, allowed bool
	why           string
}

func networkRules(c *job.Config) []networkRule {
	own, user := job.OwnNetwork(c.NetworkMode), job.UserNetwork(c.NetworkMode)
	_, joins := job.JoinedContainer(c.NetworkMode)
	const needsUser = "fixed addresses and aliases need a network made with docker network create; set network_mode to its name"
	const needsOwn = "such a container has no network interface of its own"
	const ofOther = "it has the files of the container that it joins; set it there"
	return []networkRule{
		{"ipv4_address", c.IPv4Address != "", user, needsUser},
		{"ipv6_address", c.IPv6Address != "", user, needsUser},
		{"network_aliases", len(c.NetworkAliases) > 0, user, needsUser},
		{"mac_address", c.MACAddress != "", own, needsOwn},
		{"sysctl", hasNetSysctl(c.Sysctl), own || c.NetworkMode == "none", "parameters that begin with \"net.\" belong to a network namespace, and it has none of its own"},
		{"dns_servers", len(c.DNSServers) > 0, !joins, ofOther},
		{"extra_hosts", len(c.ExtraHosts) > 0, !joins, ofOther},
	}
}

func hasNetSysctl(m map[string]string) bool {
	for key := range m {
		if strings.HasPrefix(key, "net.") {
			return true
		}
	}
	return false
}

// checkFixed reports fixed addresses of a group that runs more than once.
func (l *loader) checkFixed(t job.Type, g *groupDraft) {
	n := g.WantedCount(t)
	if n < 2 {
		return
	}
	for i := range g.tasks {
		c := &g.tasks[i].Config
		for _, o := range []struct{ option, value string }{
			{"ipv4_address", c.IPv4Address}, {"ipv6_address", c.IPv6Address}, {"mac_address", c.MACAddress},
		} {
			if o.value != "" && !interpolated(o.value) {
				l.errorf(g.tasks[i].configAt[o.option], "Fixed address with a count",
					"%s is one address, and group %q asks for it %d times. Let it depend on ${NOMAD_ALLOC_INDEX}, remove it, or set count = 1.", o.value, g.Name, n)
			}
		}
	}
}

// checkJoins checks the tasks of a group whose containers join a namespace of
// another one's: that one must be started first, so they cannot go in a circle.
func (l *loader) checkJoins(g *groupDraft) {
	joins := map[string][]string{}
	for i := range g.tasks {
		t := &g.tasks[i]
		for _, o := range []struct{ option, mode string }{
			{"network_mode", t.Config.NetworkMode}, {"ipc_mode", t.Config.IPCMode}, {"pid_mode", t.Config.PIDMode},
		} {
			name, ok := job.JoinedContainer(o.mode)
			other := taskOf(g, name)
			if !ok || other == nil {
				continue
			}
			joins[t.Name] = append(joins[t.Name], name)
			if o.option == "ipc_mode" && !job.SharesIPC(other.Config.IPCMode) {
				l.errorf(t.configAt[o.option], "Conflicting options", "task %q has ipc_mode = %q and shares it with nobody. Remove that, or write \"shareable\".", name, other.Config.IPCMode)
			}
			if reaches(joins, name, t.Name) {
				l.errorf(t.configAt[o.option], "Circular tasks", "%s of task %q waits for task %q, which waits for this one. A container is started after the one that it joins.", o.option, t.Name, name)
			}
		}
	}
}

func taskOf(g *groupDraft, name string) *taskDraft {
	for i := range g.tasks {
		if g.tasks[i].Name == name {
			return &g.tasks[i]
		}
	}
	return nil
}

// reaches reports whether joins lead from one task to another. They hold no
// circle but one through the edge that was added last.
func reaches(joins map[string][]string, from, to string) bool {
	if from == to {
		return true
	}
	seen := map[string]bool{from: true}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, next := range joins[queue[0]] {
			if next == to {
				return true
			}
			if !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	return false
}
