package docker

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/docker/go-connections/nat"

	"reconciler/internal/job"
)

// ports publishes every port of the task, on tcp and udp, on the address that
// was reserved for it. The engine drops the ports of a container in the host's
// network, and refuses those of one in another container's.
func (b *builder) ports() error {
	ports, err := b.taskPorts()
	if err != nil {
		return err
	}
	if !job.OwnNetwork(string(b.out.HostConfig.NetworkMode)) || len(ports) == 0 {
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
