package observed

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/docker/docker/api/types/network"
)

// bridgeNameOption is the option of a network that names its interface on the
// host (libnetwork drivers/bridge, BridgeName).
const bridgeNameOption = "com.docker.network.bridge.name"

// lookAtEngine asks dockerd what it is.
func (c *Cache) lookAtEngine(ctx context.Context) (Engine, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	info, err := c.api.Info(ctx)
	if err != nil {
		return Engine{}, fmt.Errorf("info: %w", err)
	}
	return Engine{
		ID: info.ID, Version: info.ServerVersion, APIVersion: c.api.ClientVersion(),
		BridgeIP: c.bridgeIP(ctx),
	}, nil
}

// bridgeIP is the host's address on the default network. It is an attribute
// for constraints and no more, so that none is better than no engine.
func (c *Cache) bridgeIP(ctx context.Context) string {
	n, err := c.api.NetworkInspect(ctx, network.NetworkBridge, network.InspectOptions{})
	if err != nil {
		c.log.WithError(err).Debug("network bridge not inspected")
		return ""
	}
	for _, cfg := range n.IPAM.Config {
		if ip, err := netip.ParseAddr(cfg.Gateway); err == nil && ip.Is4() {
			return ip.String()
		}
	}
	// Some engines leave the gateway out until a container has used it.
	if local(c.api.DaemonHost()) {
		return interfaceIP(n.Options[bridgeNameOption])
	}
	return ""
}

// interfaceIP is the first IPv4 address of a network interface of this host.
func interfaceIP(name string) string {
	if name == "" {
		return ""
	}
	nic, err := net.InterfaceByName(name)
	if err != nil {
		return ""
	}
	addrs, err := nic.Addrs()
	if err != nil {
		return ""
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is4() {
			return p.Addr().String()
		}
	}
	return ""
}
