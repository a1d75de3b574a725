package agent

import (
	"maps"

	"reconciler/internal/config"
	"reconciler/internal/host"
	"reconciler/internal/job"
	"reconciler/observed"
)

// nodeInfo is this host as job.Node; the engine's attributes follow it.
type nodeInfo struct {
	cfg   config.Config
	id    string
	cache *observed.Cache
	attrs map[string]string
}

func newNodeInfo(cfg config.Config, id, addr string, cache *observed.Cache) *nodeInfo {
	attrs := host.Attributes()
	attrs[host.AttrHostAddress] = addr
	return &nodeInfo{cfg: cfg, id: id, cache: cache, attrs: attrs}
}

func (n *nodeInfo) get() job.Node {
	attrs := maps.Clone(n.attrs)
	if e := n.cache.Engine(); e.Version != "" {
		attrs["driver.docker"] = "1"
		attrs["driver.docker.version"] = e.Version
		if e.BridgeIP != "" {
			attrs["driver.docker.bridge_ip"] = e.BridgeIP
		}
	}
	return host.Node(n.id, n.cfg.Name, n.cfg.Datacenter, n.cfg.Region, n.cfg.Client.Meta, attrs)
}
