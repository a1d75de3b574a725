package dockertest

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/docker/go-connections/nat"
)

// Ports that the engine gives to a binding without one (Linux:
// ip_local_port_range).
const (
	firstFreePort = 32768
	lastFreePort  = 60999
)

// TakePort is a process outside Docker that listens on a host port; ip "" is
// all addresses, proto "tcp" or "udp".
func (e *Engine) TakePort(proto, ip string, port int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.outside[portKey(proto, ip, strconv.Itoa(port))] = true
}

// FreePort ends what TakePort began.
func (e *Engine) FreePort(proto, ip string, port int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.outside, portKey(proto, ip, strconv.Itoa(port)))
}

func portKey(proto, ip, port string) string {
	return proto + " " + net.JoinHostPort(or(ip, "0.0.0.0"), port)
}

// publish finds the host ports of a container; text says why it cannot have
// them. The caller holds mu.
func (e *Engine) publish(c *ctr) (ports nat.PortMap, text string) {
	if c.host.NetworkMode.IsHost() || c.host.NetworkMode.IsContainer() || c.host.NetworkMode.IsNone() {
		return nil, ""
	}
	ports = nat.PortMap{}
	for inside, bindings := range c.host.PortBindings {
		for _, b := range bindings {
			b.HostIP = or(b.HostIP, "0.0.0.0")
			if b.HostPort == "" || b.HostPort == "0" {
				b.HostPort = e.freePort(inside.Proto(), b.HostIP)
			}
			if text := e.portTaken(inside.Proto(), b.HostIP, b.HostPort); text != "" {
				return nil, text
			}
			ports[inside] = append(ports[inside], b)
		}
	}
	return ports, ""
}

func (e *Engine) freePort(proto, ip string) string {
	for p := firstFreePort; p <= lastFreePort; p++ {
		if s := strconv.Itoa(p); e.portTaken(proto, ip, s) == "" {
			return s
		}
	}
	return ""
}

// portTaken says as the engine does why a port cannot be had: its own
// allocator knows equal addresses, the kernel knows the rest.
func (e *Engine) portTaken(proto, ip, port string) string {
	inUse := fmt.Sprintf("Error starting userland proxy: listen %s4 %s: bind: address already in use", proto, net.JoinHostPort(ip, port))
	for _, other := range e.cons {
		for inside, bindings := range other.ports {
			for _, b := range bindings {
				if inside.Proto() != proto || b.HostPort != port {
					continue
				}
				if b.HostIP == ip {
					return fmt.Sprintf("Bind for %s failed: port is already allocated", net.JoinHostPort(ip, port))
				}
				if overlap(b.HostIP, ip) {
					return inUse
				}
			}
		}
	}
	for key := range e.outside {
		held, rest, _ := strings.Cut(key, " ")
		host, p, err := net.SplitHostPort(rest)
		if err == nil && held == proto && p == port && overlap(host, ip) {
			return inUse
		}
	}
	return ""
}

func overlap(a, b string) bool { return a == b || everywhere(a) || everywhere(b) }

func everywhere(ip string) bool {
	a, err := netip.ParseAddr(ip)
	return err == nil && a.IsUnspecified()
}
