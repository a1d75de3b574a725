package host

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Where the kernel shows its routes.
const (
	routeFile  = "/proc/net/route"
	route6File = "/proc/net/ipv6_route"
)

// Address is the host IP that ports are bound on unless they name another:
// networkIP if it is set, else the first address of networkInterface if that
// is set, else the first address of the default route's interface, else
// 127.0.0.1. It is an error if networkIP is no address, or if
// networkInterface does not exist or has none.
func Address(networkIP, networkInterface string) (string, error) {
	if networkIP != "" {
		addr, err := netip.ParseAddr(networkIP)
		if err != nil {
			return "", fmt.Errorf("network_ip: %w", err)
		}
		return addr.String(), nil
	}
	if networkInterface != "" {
		addr, err := firstAddress(networkInterface)
		if err != nil {
			return "", fmt.Errorf("network_interface: %w", err)
		}
		return addr, nil
	}
	if name := defaultInterface(); name != "" {
		if addr, err := firstAddress(name); err == nil {
			return addr, nil
		}
	}
	return loopback, nil
}

// firstAddress skips IPv6 link-local addresses: they mean nothing without a
// zone, and the engine takes none.
func firstAddress(name string) (string, error) {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return "", fmt.Errorf("interface %s: %w", name, err)
	}
	addrs, err := iface.Addrs()
	if err != nil {
		return "", fmt.Errorf("addresses of %s: %w", name, err)
	}
	for _, a := range addrs {
		prefix, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		if addr := prefix.Addr().Unmap(); addr.Is4() || !addr.IsLinkLocalUnicast() {
			return addr.String(), nil
		}
	}
	return "", fmt.Errorf("interface %s has no address", name)
}

// defaultInterface is the interface of the default route, of IPv4 if there is
// one; empty if there is none.
func defaultInterface() string {
	// A file that is missing reads as one without routes.
	v4, _ := os.ReadFile(routeFile)
	if name := defaultRoute4(string(v4)); name != "" {
		return name
	}
	v6, _ := os.ReadFile(route6File)
	return defaultRoute6(string(v6))
}

// defaultRoute4 reads /proc/net/route: Iface Destination Gateway Flags RefCnt
// Use Metric Mask …, the numbers but Metric in hex. The lowest metric wins.
func defaultRoute4(table string) string {
	best, metric := "", uint64(0)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			continue
		}
		m, err := strconv.ParseUint(f[6], 10, 64)
		if err == nil && (best == "" || m < metric) {
			best, metric = f[0], m
		}
	}
	return best
}

// defaultRoute6 reads /proc/net/ipv6_route: destination, its prefix length,
// source, its length, next hop, metric, two counters, flags, interface. The
// kernel lists a default route on lo that rejects; it is none.
func defaultRoute6(table string) string {
	best, metric := "", uint64(0)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 10 || f[9] == "lo" || f[1] != "00" || strings.Trim(f[0], "0") != "" {
			continue
		}
		m, err := strconv.ParseUint(f[5], 16, 64)
		if err == nil && (best == "" || m < metric) {
			best, metric = f[9], m
		}
	}
	return best
}
