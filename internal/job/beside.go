package job

import (
	"path"
	"slices"
	"strings"
)

// MayRunBeside reports whether an allocation of one form of a group may run
// beside one of another without harm to either, and if not, why. It says yes
// only to what is proved safe: no port, address, device or namespace of which
// there is one alone, and nothing outside of the allocation's own directory
// that one of them may write to.
func MayRunBeside(a, b *Group) (why string, ok bool) {
	for _, g := range []*Group{a, b} {
		if why := alone(g); why != "" {
			return why, false
		}
	}
	return "", true
}

// alone says what keeps two allocations of a group from running at once; "" if
// nothing does.
func alone(g *Group) string {
	for _, p := range g.PortRequests() {
		if p.Static != 0 {
			return "static port " + p.Label
		}
	}
	for i := range g.Tasks {
		if why := taskAlone(g, &g.Tasks[i].Config); why != "" {
			return "task " + g.Tasks[i].Name + ": " + why
		}
	}
	return ""
}

func taskAlone(g *Group, c *Config) string {
	switch {
	case c.IPv4Address != "", c.IPv6Address != "":
		return "fixed address"
	case c.MACAddress != "":
		return "mac_address"
	case c.Privileged:
		return "privileged"
	case len(c.Devices) > 0:
		return "devices"
	case c.GPUs != nil:
		return "gpus"
	case c.UTSMode == HostMode, c.UsernsMode == HostMode, c.Cgroupns == HostMode:
		return "namespace of the host"
	}
	if !OwnNetwork(c.NetworkMode) && c.NetworkMode != "none" && !joinsGroup(g, c.NetworkMode) {
		return "network_mode " + c.NetworkMode
	}
	for _, mode := range []string{c.IPCMode, c.PIDMode} {
		_, joins := JoinedContainer(mode)
		if mode == HostMode || joins && !joinsGroup(g, mode) || foreignName(mode) {
			return "namespace of " + mode
		}
	}
	if sources := c.WritableSources(); len(sources) > 0 {
		return "writable " + sources[0]
	}
	return ""
}

// joinsGroup reports whether a mode joins a container of the same allocation.
func joinsGroup(g *Group, mode string) bool {
	name, ok := JoinedContainer(mode)
	return ok && g.Task(name) != nil
}

// foreignName reports whether an ipc_mode or pid_mode names a container
// without the prefix, or cannot be told yet.
func foreignName(mode string) bool {
	return mode != "" && !strings.HasPrefix(mode, ContainerMode) && !slices.Contains(Namespaces["ipc_mode"], mode)
}

// WritableSources are the paths of the host and the named volumes that a task
// may write to, with runtime names as they are written. Anonymous volumes and
// what lies in the allocation's directory are not among them.
func (c *Config) WritableSources() []string {
	var out []string
	for _, v := range c.Volumes {
		src, rest, mounted := strings.Cut(v, ":")
		_, mode, _ := strings.Cut(rest, ":")
		outside := path.IsAbs(src) || strings.HasPrefix(src, "${") || c.VolumeDriver != ""
		if mounted && outside && !slices.Contains(strings.Split(mode, ","), "ro") {
			out = append(out, path.Clean(src))
		}
	}
	for _, m := range c.Mounts {
		outside := m.Type == MountVolume && m.Source != "" ||
			m.Type == MountBind && (path.IsAbs(m.Source) || strings.HasPrefix(m.Source, "${"))
		if outside && !m.ReadOnly {
			out = append(out, path.Clean(m.Source))
		}
	}
	return out
}
