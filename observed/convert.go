package observed

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"reconciler/internal/job"
)

// identify says whether a container with these labels is ours. err is set for
// one that carries our node id and cannot be read: it counts as a stranger's.
func identify(labels map[string]string, nodeID string) (job.Identity, bool, error) {
	if nodeID == "" || labels[job.LabelNodeID] != nodeID {
		return job.Identity{}, false, nil
	}
	return job.ParseLabels(labels)
}

// fromSummary reads one container of a list.
func fromSummary(s container.Summary, nodeID string) (Container, error) {
	id, ours, err := identify(s.Labels, nodeID)
	c := Container{
		ID: s.ID, Name: listName(s.Names), Image: s.Image, ImageID: s.ImageID,
		State: State(s.State), Ours: ours, Identity: id,
		Ports: listPorts(s.Ports), NetworkMode: s.HostConfig.NetworkMode,
	}
	if s.NetworkSettings != nil {
		c.Networks = endpoints(s.NetworkSettings.Networks, s.ID, ours)
	}
	return c, err
}

// fromInspect reads the answer of an inspect. Of a stranger's container only
// what a list tells as well is taken, so that both give the same.
func fromInspect(r container.InspectResponse, nodeID string) (Container, error) {
	c := Container{}
	if r.ContainerJSONBase == nil {
		return c, nil
	}
	c.ID, c.Name, c.ImageID = r.ID, strings.TrimPrefix(r.Name, "/"), r.Image
	if r.State != nil {
		c.State = State(r.State.Status)
	}
	if r.HostConfig != nil {
		c.NetworkMode = string(r.HostConfig.NetworkMode)
	}
	var labels map[string]string
	if r.Config != nil {
		labels, c.Image = r.Config.Labels, r.Config.Image
	}
	var err error
	c.Identity, c.Ours, err = identify(labels, nodeID)
	if r.NetworkSettings != nil {
		c.Ports = inspectPorts(r.NetworkSettings.Ports)
		c.Networks = endpoints(r.NetworkSettings.Networks, c.ID, c.Ours)
	}
	if c.Ours {
		addDetails(&c, r)
	}
	return c, err
}

// addDetails sets what only an inspect tells.
func addDetails(c *Container, r container.InspectResponse) {
	if s := r.State; s != nil {
		c.ExitCode, c.OOMKilled, c.Error = s.ExitCode, s.OOMKilled, s.Error
		c.StartedAt, c.FinishedAt = engineTime(s.StartedAt), engineTime(s.FinishedAt)
		if s.Health != nil && s.Health.Status != container.NoHealthcheck {
			c.Health = s.Health.Status
		}
	}
	if h := r.HostConfig; h != nil {
		c.RestartPolicy = cmp.Or(string(h.RestartPolicy.Name), string(container.RestartPolicyDisabled))
		c.CPUShares, c.MemoryBytes, c.MemorySwap = h.CPUShares, h.Memory, h.MemorySwap
		c.MemorySoft, c.CPUPeriod, c.CPUQuota = h.MemoryReservation, h.CPUPeriod, h.CPUQuota
		if h.PidsLimit != nil {
			c.PidsLimit = *h.PidsLimit
		}
	}
	if r.Config != nil {
		c.StopSignal = r.Config.StopSignal // the engine merges the image's in at the create
	}
}

// engineTime reads a time of the engine, whose "never" is the year 1.
func engineTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// listName picks the container's own name: those of old-style links have a
// second slash.
func listName(names []string) string {
	for _, n := range names {
		if n = strings.TrimPrefix(n, "/"); !strings.Contains(n, "/") {
			return n
		}
	}
	return ""
}

func listPorts(ports []container.Port) []PublishedPort {
	var out []PublishedPort
	for _, p := range ports {
		if p.PublicPort != 0 {
			out = append(out, PublishedPort{HostIP: p.IP, Host: int(p.PublicPort), Proto: p.Type, To: int(p.PrivatePort)})
		}
	}
	return sortPorts(out)
}

func inspectPorts(ports nat.PortMap) []PublishedPort {
	var out []PublishedPort
	for port, bindings := range ports {
		for _, b := range bindings {
			host, err := strconv.Atoi(b.HostPort)
			if err == nil && host != 0 {
				out = append(out, PublishedPort{HostIP: b.HostIP, Host: host, Proto: port.Proto(), To: port.Int()})
			}
		}
	}
	return sortPorts(out)
}

func sortPorts(ports []PublishedPort) []PublishedPort {
	slices.SortFunc(ports, func(a, b PublishedPort) int {
		return cmp.Or(cmp.Compare(a.Host, b.Host), cmp.Compare(a.Proto, b.Proto),
			cmp.Compare(a.HostIP, b.HostIP), cmp.Compare(a.To, b.To))
	})
	return ports
}

// endpoints reads the networks of a container, with details for ours only.
func endpoints(networks map[string]*network.EndpointSettings, id string, details bool) map[string]Endpoint {
	if len(networks) == 0 {
		return nil
	}
	out := make(map[string]Endpoint, len(networks))
	for name, n := range networks {
		e := Endpoint{}
		if n != nil {
			e.NetworkID = n.NetworkID
		}
		if n != nil && details {
			e.IPAddress, e.IPv6Address, e.Aliases = n.IPAddress, n.GlobalIPv6Address, aliases(n.Aliases, id)
		}
		out[name] = e
	}
	return out
}

// aliases leaves out the short id, which engines before 25 put among those
// that were asked for.
func aliases(given []string, id string) []string {
	var out []string
	for _, a := range given {
		if len(a) < 12 || !strings.HasPrefix(id, a) {
			out = append(out, a)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
