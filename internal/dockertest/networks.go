package dockertest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	vol "github.com/docker/docker/api/types/volume"
)

// netw is one network.
type netw struct {
	id, name, driver string
	labels           map[string]string
	created          time.Time
	prefix           string // of its addresses, as in "172.17.0"
	last             int    // last byte given out
}

// predefined networks cannot be removed.
var predefined = map[string]bool{"bridge": true, "host": true, "none": true}

// addNetwork makes a network; the caller holds mu, or nobody knows the engine
// yet.
func (e *Engine) addNetwork(name, driver string, labels map[string]string) *netw {
	if driver == "none" {
		driver = "null"
	}
	n := &netw{id: e.newID(), name: name, driver: driver, labels: labels, created: time.Now().UTC(), last: 1}
	if driver == "bridge" {
		n.prefix = fmt.Sprintf("172.%d.0", 17+len(e.nets))
	}
	e.nets[name] = n
	return n
}

func (e *Engine) network(ref string) *netw {
	if n := e.nets[ref]; n != nil {
		return n
	}
	for _, n := range e.nets {
		if len(ref) > 3 && strings.HasPrefix(n.id, ref) {
			return n
		}
	}
	return nil
}

// attach notes which networks a new container will be in; the caller holds mu.
func (e *Engine) attach(c *ctr, req *network.NetworkingConfig) {
	mode := c.host.NetworkMode
	if mode.IsContainer() {
		return
	}
	name := mode.NetworkName()
	if name == "default" || name == "" {
		name = "bridge"
	}
	c.endpoints[name] = &network.EndpointSettings{}
	if req == nil {
		return
	}
	for n, ep := range req.EndpointsConfig {
		if ep == nil {
			ep = &network.EndpointSettings{}
		}
		c.endpoints[n] = &network.EndpointSettings{IPAMConfig: ep.IPAMConfig, Links: ep.Links, Aliases: slices.Clone(ep.Aliases), DriverOpts: ep.DriverOpts}
	}
}

// plug gives the endpoint an address; the caller holds mu.
func (e *Engine) plug(c *ctr, n *netw, ep *network.EndpointSettings) {
	ep.NetworkID, ep.EndpointID = n.id, e.newID()
	if n.prefix != "" {
		n.last++
		ep.IPAddress, ep.Gateway, ep.IPPrefixLen = fmt.Sprintf("%s.%d", n.prefix, n.last%250+2), n.prefix+".1", 16
		ep.MacAddress = fmt.Sprintf("02:42:ac:11:00:%02x", n.last%256)
	}
	if predefined[n.name] {
		return
	}
	if e.speaks("1.44") {
		ep.DNSNames = append([]string{c.name, short(c.id)}, ep.Aliases...)
	} else if !slices.Contains(ep.Aliases, short(c.id)) {
		ep.Aliases = append(ep.Aliases, short(c.id))
	}
}

func (n *netw) inspect(e *Engine) network.Inspect {
	out := network.Inspect{
		Name: n.name, ID: n.id, Created: n.created, Scope: "local", Driver: n.driver, Labels: n.labels,
		IPAM:       network.IPAM{Driver: "default", Config: []network.IPAMConfig{}},
		Containers: map[string]network.EndpointResource{}, Options: map[string]string{},
	}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	if n.prefix != "" {
		out.IPAM.Config = append(out.IPAM.Config, network.IPAMConfig{Subnet: n.prefix + ".0/16", Gateway: n.prefix + ".1"})
	}
	for _, c := range e.cons {
		if ep := c.endpoints[n.name]; ep != nil && ep.EndpointID != "" {
			out.Containers[c.id] = network.EndpointResource{Name: c.name, EndpointID: ep.EndpointID, MacAddress: ep.MacAddress, IPv4Address: ep.IPAddress + "/16"}
		}
	}
	return out
}

func (e *Engine) handleNetworkInspect(c *call) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.network(c.arg)
	if n == nil {
		return notFound("network %s not found", c.arg)
	}
	return c.answer(http.StatusOK, n.inspect(e))
}

func (e *Engine) handleNetworkList(c *call) error {
	f, err := filters.FromJSON(c.query("filters"))
	if err != nil {
		return invalid("%s", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	out := []network.Inspect{}
	for _, n := range e.nets {
		if f.Match("name", n.name) && f.ExactMatch("driver", n.driver) && f.MatchKVList("label", n.labels) && f.Match("id", n.id) {
			out = append(out, n.inspect(e))
		}
	}
	slices.SortFunc(out, func(a, b network.Inspect) int { return cmp.Compare(a.Name, b.Name) })
	return c.answer(http.StatusOK, out)
}

func (e *Engine) handleNetworkCreate(c *call) error {
	var req network.CreateRequest
	if err := c.body(&req); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if req.Name == "" {
		return invalid("network name cannot be empty")
	}
	if e.nets[req.Name] != nil {
		return conflict("network with name %s already exists", req.Name)
	}
	n := e.addNetwork(req.Name, or(req.Driver, "bridge"), req.Labels)
	e.emit(events.NetworkEventType, events.ActionCreate, n.id, map[string]string{"name": n.name, "type": n.driver})
	return c.answer(http.StatusCreated, network.CreateResponse{ID: n.id})
}

func (e *Engine) handleNetworkRemove(c *call) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.network(c.arg)
	if n == nil {
		return notFound("network %s not found", c.arg)
	}
	if predefined[n.name] {
		return refuse(http.StatusForbidden, "%s is a pre-defined network and cannot be removed", n.name)
	}
	if len(n.inspect(e).Containers) > 0 {
		return refuse(http.StatusForbidden, "error while removing network: network %s id %s has active endpoints", n.name, n.id)
	}
	delete(e.nets, n.name)
	e.emit(events.NetworkEventType, events.ActionDestroy, n.id, map[string]string{"name": n.name, "type": n.driver})
	return c.answer(http.StatusNoContent, nil)
}

// volume is one volume.
type volume struct{ name string }

// addVolume makes a volume if it is not there; the caller holds mu.
func (e *Engine) addVolume(name string) {
	if e.volumes[name] == nil {
		e.volumes[name] = &volume{name}
		e.emit(events.VolumeEventType, events.ActionCreate, name, map[string]string{"driver": "local"})
	}
}

// emitMounts tells that the volumes of a container were mounted or unmounted;
// the caller holds mu.
func (e *Engine) emitMounts(c *ctr, action events.Action) {
	for _, m := range c.mounts {
		if m.Type != "volume" {
			continue
		}
		attrs := map[string]string{"container": c.id, "driver": m.Driver}
		if action == events.ActionMount {
			attrs["destination"], attrs["propagation"], attrs["read/write"] = m.Destination, string(m.Propagation), fmt.Sprint(m.RW)
		}
		e.emit(events.VolumeEventType, action, m.Name, attrs)
	}
}

func (e *Engine) handleVolumeList(c *call) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := vol.ListResponse{Volumes: []*vol.Volume{}}
	for name := range e.volumes {
		out.Volumes = append(out.Volumes, &vol.Volume{Name: name, Driver: "local", Mountpoint: volumePath(name), Scope: "local"})
	}
	slices.SortFunc(out.Volumes, func(a, b *vol.Volume) int { return cmp.Compare(a.Name, b.Name) })
	return c.answer(http.StatusOK, out)
}
