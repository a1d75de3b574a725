package docker

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"reconciler/internal/job"
)

// containerMode is the prefix of a network mode that shares the network of
// another container.
const containerMode = "container:"

// network sets the network mode. "container:<task>" of the same group means
// that task's container of this allocation.
func (b *builder) network() error {
	mode := cmp.Or(b.env.Replace(b.conf.NetworkMode), job.DefaultNetworkMode)
	if name, ok := strings.CutPrefix(mode, containerMode); ok && b.req.Group.Task(name) != nil {
		mode = containerMode + job.ContainerName(name, b.req.Alloc.ID)
	}
	b.out.HostConfig.NetworkMode = container.NetworkMode(mode)
	return nil
}

// ports publishes every port of the task, on tcp and udp, on the address that
// was reserved for it.
func (b *builder) ports() error {
	ports, err := b.taskPorts()
	if err != nil {
		return err
	}
	if !ownNetwork(b.out.HostConfig.NetworkMode) || len(ports) == 0 {
		return nil
	}
	b.out.Config.ExposedPorts = nat.PortSet{}
	b.out.HostConfig.PortBindings = nat.PortMap{}
	for _, p := range ports {
		for _, proto := range []string{"tcp", "udp"} {
			inside := nat.Port(fmt.Sprintf("%d/%s", p.To, proto))
			b.out.Config.ExposedPorts[inside] = struct{}{}
			// Two labels for one port in the container keep both.
			b.out.HostConfig.PortBindings[inside] = append(b.out.HostConfig.PortBindings[inside],
				nat.PortBinding{HostIP: p.HostIP, HostPort: strconv.Itoa(p.Host)})
		}
	}
	return nil
}

// ownNetwork reports whether a container in this mode has a network of its
// own, in which ports can be published. The engine drops the ports of one in
// the host's network, and refuses those of one in another container's.
func ownNetwork(mode container.NetworkMode) bool {
	return !mode.IsHost() && !mode.IsNone() && !mode.IsContainer()
}

// taskPorts are the ports of the allocation that this task publishes, with
// the number in the container: those of its own resources, and those of the
// group that ports or port_map name.
func (b *builder) taskPorts() ([]job.AllocPort, error) {
	var out []job.AllocPort
	known := map[string]bool{}
	for _, p := range b.req.Alloc.Ports {
		_, mapped := b.conf.PortMap[p.Label]
		named := mapped || slices.Contains(b.conf.Ports, p.Label)
		if p.Task != b.task.Name && (p.Task != "" || !named) {
			continue
		}
		known[p.Label] = true
		p.To = cmp.Or(b.conf.PortMap[p.Label], p.To, p.Host)
		out = append(out, p)
	}
	for _, l := range b.conf.Ports {
		if !known[l] {
			return nil, refused(ReasonInvalidConfig, "ports: no port is called %q", l)
		}
	}
	for _, l := range slices.Sorted(maps.Keys(b.conf.PortMap)) {
		if !known[l] {
			return nil, refused(ReasonInvalidConfig, "port_map: no port is called %q", l)
		}
	}
	return out, nil
}
