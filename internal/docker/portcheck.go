package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
)

// portHolder says in words which of the bindings of container own is taken and
// by whom, after a start failed; "" if all are free. The engine tells that by
// the text of its error alone.
func (e *Engine) portHolder(ctx context.Context, own string, bindings nat.PortMap) string {
	published := e.published(ctx, own)
	for _, inside := range slices.Sorted(maps.Keys(bindings)) {
		for _, b := range bindings[inside] {
			if c, ok := published[publishedKey(b.HostPort, inside.Proto())]; ok && overlap(c.ip, b.HostIP) {
				return fmt.Sprintf("port %s/%s is taken by container %s", b.HostPort, inside.Proto(), c.name)
			}
			if busy(ctx, inside.Proto(), net.JoinHostPort(b.HostIP, b.HostPort)) {
				return fmt.Sprintf("port %s/%s on %s is taken by a process outside Docker", b.HostPort, inside.Proto(), b.HostIP)
			}
		}
	}
	return ""
}

type publisher struct{ ip, name string }

func publishedKey(port, proto string) string { return port + "/" + proto }

// published are the host ports of all containers but own. It is empty if the
// engine does not tell: this is for a message only.
func (e *Engine) published(ctx context.Context, own string) map[string]publisher {
	out := map[string]publisher{}
	_ = within(ctx, listDeadline, func(ctx context.Context) error {
		list, err := e.api.ContainerList(ctx, container.ListOptions{})
		for _, c := range list {
			if c.ID == own || len(c.Names) == 0 {
				continue
			}
			for _, p := range c.Ports {
				if p.PublicPort != 0 {
					out[publishedKey(strconv.Itoa(int(p.PublicPort)), p.Type)] = publisher{p.IP, c.Names[0][1:]}
				}
			}
		}
		return err
	})
	return out
}

// overlap reports whether a port on address a and one on b are in each
// other's way.
func overlap(a, b string) bool {
	return a == b || unspecified(a) || unspecified(b)
}

func unspecified(ip string) bool {
	a, err := netip.ParseAddr(ip)
	return ip == "" || err == nil && a.IsUnspecified()
}

// busy reports whether the address cannot be bound because somebody has it.
func busy(ctx context.Context, proto, addr string) bool {
	var lc net.ListenConfig
	var err error
	if proto == "udp" {
		var c net.PacketConn
		if c, err = lc.ListenPacket(ctx, "udp", addr); err == nil {
			_ = c.Close()
		}
	} else {
		var l net.Listener
		if l, err = lc.Listen(ctx, "tcp", addr); err == nil {
			_ = l.Close()
		}
	}
	return errors.Is(err, syscall.EADDRINUSE)
}
