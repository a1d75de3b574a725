package dockertest

import (
	"cmp"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
)

// inspect is the answer to an inspect; the caller holds mu.
func (e *Engine) inspect(c *ctr) container.InspectResponse {
	s := c.state
	st := &container.State{
		Status: s.word(), Running: s.running, Paused: s.paused, Restarting: s.restarting, OOMKilled: s.oom,
		Dead: s.dead, Pid: s.pid, ExitCode: s.code, Error: s.message,
		StartedAt: s.started.Format(time.RFC3339Nano), FinishedAt: s.finished.Format(time.RFC3339Nano),
	}
	if s.health != "" {
		st.Health = &container.Health{Status: s.health, Log: []*container.HealthcheckResult{}}
	}
	path, args := c.command()
	host, config := c.host, c.config
	out := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			ID: c.id, Created: c.created.Format(time.RFC3339Nano), Path: path, Args: args, State: st,
			Image: c.imageID, Name: "/" + c.name, RestartCount: c.restartN, Driver: "dockertest", Platform: "linux",
			HostConfig: &host,
		},
		Mounts: slices.Clone(c.mounts), Config: &config,
		NetworkSettings: &container.NetworkSettings{Networks: copyEndpoints(c.endpoints)},
	}
	if out.Mounts == nil {
		out.Mounts = []container.MountPoint{}
	}
	out.NetworkSettings.Ports = e.portsShown(c)
	if b := c.endpoints["bridge"]; b != nil {
		out.NetworkSettings.IPAddress, out.NetworkSettings.Gateway = b.IPAddress, b.Gateway //nolint:staticcheck // engines below 29 fill the old fields
	}
	return out
}

// command is the container's argv[0] and the rest.
func (c *ctr) command() (string, []string) {
	all := slices.Concat([]string(c.config.Entrypoint), []string(c.config.Cmd))
	if len(all) == 0 {
		return "", []string{}
	}
	return all[0], append([]string{}, all[1:]...)
}

// portsShown are the ports of an inspect: what is published, and what is only
// exposed as nil; empty without a process.
func (e *Engine) portsShown(c *ctr) nat.PortMap {
	out := nat.PortMap{}
	if !c.state.live() || c.host.NetworkMode.IsHost() || c.host.NetworkMode.IsContainer() {
		return out
	}
	for p := range c.config.ExposedPorts {
		out[p] = nil
	}
	maps.Copy(out, c.ports)
	return out
}

func copyEndpoints(in map[string]*network.EndpointSettings) map[string]*network.EndpointSettings {
	out := map[string]*network.EndpointSettings{}
	for name, ep := range in {
		cp := *ep
		out[name] = &cp
	}
	return out
}

func (e *Engine) handleList(c *call) error {
	args, err := filters.FromJSON(c.query("filters"))
	if err != nil {
		return invalid("%s", err)
	}
	if err := args.Validate(listFilters); err != nil {
		return invalid("%s", err)
	}
	limit, _ := strconv.Atoi(c.query("limit"))
	all := c.flag("all") || limit > 0 || args.Contains("status") || args.Contains("exited")
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []container.Summary{}
	for _, con := range e.sorted() {
		if limit > 0 && len(out) == limit {
			break
		}
		if (all || con.listed.running) && e.listWants(args, con) {
			out = append(out, e.summary(con))
		}
	}
	return c.answer(http.StatusOK, out)
}

var listFilters = map[string]bool{
	"ancestor": true, "before": true, "exited": true, "expose": true, "health": true, "id": true, "isolation": true,
	"is-task": true, "label": true, "name": true, "network": true, "publish": true, "since": true, "status": true, "volume": true,
}

func (e *Engine) listWants(f filters.Args, c *ctr) bool {
	exited := func() bool {
		for _, v := range f.Get("exited") {
			if v == strconv.Itoa(c.listed.code) && !c.listed.running && !c.listed.started.IsZero() {
				return true
			}
		}
		return !f.Contains("exited")
	}
	ancestor := func() bool {
		for _, v := range f.Get("ancestor") {
			if i := e.image(v); i != nil && i.id == c.imageID {
				return true
			}
		}
		return !f.Contains("ancestor")
	}
	networks := func() bool {
		for name, ep := range c.endpoints {
			if f.ExactMatch("network", name) || f.ExactMatch("network", ep.NetworkID) {
				return true
			}
		}
		return !f.Contains("network")
	}
	return (f.Match("name", c.name) || f.Match("name", "/"+c.name)) && f.Match("id", c.id) &&
		f.MatchKVList("label", c.config.Labels) && f.ExactMatch("status", c.listed.word()) &&
		f.ExactMatch("health", cmp.Or(c.listed.health, "none")) && exited() && ancestor() && networks()
}

// summary is a container in a list; the caller holds mu.
func (e *Engine) summary(c *ctr) container.Summary {
	path, args := c.command()
	s := container.Summary{
		ID: c.id, Names: []string{"/" + c.name}, Image: e.shownImage(c), ImageID: c.imageID,
		Command: strings.Join(append([]string{path}, args...), " "), Created: c.created.Unix(),
		Ports: []container.Port{}, Labels: maps.Clone(c.config.Labels), State: c.listed.word(), Status: c.listed.sentence(),
		NetworkSettings: &container.NetworkSettingsSummary{Networks: copyEndpoints(c.endpoints)},
		Mounts:          slices.Clone(c.mounts),
	}
	for _, ep := range s.NetworkSettings.Networks {
		ep.Aliases, ep.DNSNames = nil, nil
	}
	s.HostConfig.NetworkMode = string(c.host.NetworkMode)
	if !c.listed.live() || c.host.NetworkMode.IsHost() {
		return s
	}
	for port := range c.config.ExposedPorts {
		if len(c.ports[port]) == 0 {
			s.Ports = append(s.Ports, container.Port{PrivatePort: uint16(port.Int()), Type: port.Proto()})
		}
		for _, b := range c.ports[port] {
			public, _ := strconv.ParseUint(b.HostPort, 10, 16)
			s.Ports = append(s.Ports, container.Port{
				IP: net.ParseIP(b.HostIP).String(), PrivatePort: uint16(port.Int()), PublicPort: uint16(public), Type: port.Proto(),
			})
		}
	}
	slices.SortFunc(s.Ports, func(a, b container.Port) int {
		return cmp.Or(cmp.Compare(a.PrivatePort, b.PrivatePort), cmp.Compare(a.PublicPort, b.PublicPort), cmp.Compare(a.Type, b.Type), cmp.Compare(a.IP, b.IP))
	})
	return s
}

// shownImage is the image's name in a list: the reference that the container
// was made from while that still means its image, else the id.
func (e *Engine) shownImage(c *ctr) string {
	if i := e.image(c.config.Image); i != nil && i.id == c.imageID {
		return c.config.Image
	}
	return c.imageID
}
