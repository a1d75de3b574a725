package host

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// probe binds the port on tcp and on udp and lets it go again. It does not
// listen: a client that tries just now must not be answered by us.
func probe(addr netip.Addr, port int) error {
	if err := bind(addr, port, unix.SOCK_STREAM); err != nil {
		return fmt.Errorf("tcp: %w", err)
	}
	if err := bind(addr, port, unix.SOCK_DGRAM); err != nil {
		return fmt.Errorf("udp: %w", err)
	}
	return nil
}

func bind(addr netip.Addr, port, kind int) error {
	family := unix.AF_INET
	if addr.Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written; the bind has told what we asked
	if kind == unix.SOCK_STREAM {
		// Old connections in TIME_WAIT keep no server from its port; a socket
		// that listens still conflicts. Not for udp, where this flag lets two
		// sockets share a port.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return err
		}
	}
	if family == unix.AF_INET {
		return unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: addr.As4()})
	}
	// The engine publishes IPv6 apart from IPv4.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
		return err
	}
	return unix.Bind(fd, &unix.SockaddrInet6{Port: port, Addr: addr.As16()})
}
