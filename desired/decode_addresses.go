package desired

import (
	"fmt"
	"net"
	"net/netip"

	"reconciler/internal/job"
)

// networkFields are the options of a container's network beside its mode and
// its ports.
func (l *loader) networkFields(c *job.Config) fields {
	return fields{
		"dns_servers":        l.checkedList(&c.DNSServers, checkDNSServer),
		"dns_search_domains": l.checkedList(&c.DNSSearchDomains, nil),
		"dns_options":        l.checkedList(&c.DNSOptions, nil),
		"extra_hosts":        l.checkedList(&c.ExtraHosts, checkExtraHost),
		"network_aliases":    l.checkedList(&c.NetworkAliases, nil),
		"ipv4_address":       l.checked(&c.IPv4Address, checkIPv4),
		"ipv6_address":       l.checked(&c.IPv6Address, checkIPv6),
		"mac_address":        l.checked(&c.MACAddress, checkMAC),
	}
}

func checkDNSServer(s string) (string, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return "", fmt.Errorf("dns_servers: %q is no IP address; a name cannot be looked up without a server", s)
	}
	return addr.String(), nil
}

func checkExtraHost(s string) (string, error) {
	_, _, err := job.ParseExtraHost(s)
	return s, err
}

func checkIPv4(s string) (string, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil || !addr.Is4() {
		return "", fmt.Errorf("ipv4_address: %q is no IPv4 address such as \"172.20.0.10\"", s)
	}
	return addr.String(), nil
}

func checkIPv6(s string) (string, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil || !addr.Is6() || addr.Is4In6() || addr.Zone() != "" {
		return "", fmt.Errorf("ipv6_address: %q is no IPv6 address such as \"fd00::10\"", s)
	}
	return addr.String(), nil
}

// macLen is the length of an Ethernet address.
const macLen = 6

func checkMAC(s string) (string, error) {
	mac, err := net.ParseMAC(s)
	if err != nil || len(mac) != macLen {
		return "", fmt.Errorf("mac_address: %q is no MAC address such as \"02:68:b3:29:da:98\"", s)
	}
	return mac.String(), nil
}
