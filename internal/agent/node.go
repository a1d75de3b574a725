package agent

import (
	"maps"
	"sync"

	"reconciler/internal/config"
	"reconciler/internal/host"
	"reconciler/internal/job"
	"reconciler/observed"
)

// nodeInfo is this host as job.Node. The engine's attributes follow the cache,
// and the host's what refresh finds, but for the address: the ports of all
// containers stand on the one that the agent began with.
type nodeInfo struct {
	cfg   config.Config
	id    string
	addr  string
	cache *observed.Cache
	read  func() map[string]string // host.Attributes

	mu    sync.Mutex
	attrs map[string]string
}

func newNodeInfo(cfg config.Config, id, addr string, cache *observed.Cache) *nodeInfo {
	n := &nodeInfo{cfg: cfg, id: id, addr: addr, cache: cache, read: host.Attributes}
	n.refresh()
	return n
}

// refresh reads the host's attributes again. They seldom change while it is
// up, and when they do (an upgrade of the system, a processor more), dockerd is
// often restarted with them.
func (n *nodeInfo) refresh() {
	attrs := n.read()
	attrs[host.AttrHostAddress] = n.addr
	n.mu.Lock()
	defer n.mu.Unlock()
	n.attrs = attrs
}

func (n *nodeInfo) get() job.Node {
	n.mu.Lock()
	attrs := maps.Clone(n.attrs)
	n.mu.Unlock()
	if e := n.cache.Engine(); e.Version != "" {
		attrs["driver.docker"] = "1"
		attrs["driver.docker.version"] = e.Version
		if e.BridgeIP != "" {
			attrs["driver.docker.bridge_ip"] = e.BridgeIP
		}
	}
	return host.Node(n.id, n.cfg.Name, n.cfg.Datacenter, n.cfg.Region, n.cfg.Client.Meta, attrs)
}
