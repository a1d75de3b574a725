package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"reconciler/internal/job"
)

// listenOn takes a port of the loopback, on one protocol, until the test ends.
func listenOn(t *testing.T, network, ip string) (port int, release func()) {
	t.Helper()
	addr := net.JoinHostPort(ip, "0")
	if network == "udp" {
		c, err := net.ListenPacket("udp", addr)
		if err != nil {
			t.Skipf("no %s on this host: %v", ip, err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c.LocalAddr().(*net.UDPAddr).Port, func() { _ = c.Close() }
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Skipf("no %s on this host: %v", ip, err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).Port, func() { _ = l.Close() }
}

func TestStaticPortOfAProcess(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		for _, ip := range []string{"127.0.0.1", "::1"} {
			t.Run(network+" "+ip, func(t *testing.T) {
				port, release := listenOn(t, network, ip)
				p := NewPorts(PortOptions{Address: ip}, nil)
				_, err := p.Reserve("a", []job.PortRequest{static("s", port)})
				if _, reason := job.KindOf(err); reason != ReasonBusy {
					t.Fatalf("reason %s: %v", reason, err)
				}
				if want := fmt.Sprintf("pid %d)", os.Getpid()); !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not name this process (%s)", err, want)
				}
				release()
				mustReserve(t, p, "a", static("s", port))
			})
		}
	}
}

func TestDynamicPortPassesAProcess(t *testing.T) {
	port, _ := listenOn(t, "udp", "127.0.0.1")
	p := NewPorts(PortOptions{Min: port, Max: port}, nil)
	_, err := p.Reserve("a", []job.PortRequest{dynamic("d")})
	if _, reason := job.KindOf(err); reason != ReasonExhausted {
		t.Errorf("reason %s: %v", reason, err)
	}
}

func TestEveryAddressMeetsALoopbackListener(t *testing.T) {
	port, _ := listenOn(t, "tcp", "127.0.0.1")
	_, err := NewPorts(PortOptions{}, nil).Reserve("a", []job.PortRequest{on("0.0.0.0", static("s", port))})
	if _, reason := job.KindOf(err); reason != ReasonBusy {
		t.Errorf("reason %s: %v", reason, err)
	}
}

func TestProbeLeavesThePortFree(t *testing.T) {
	port, release := listenOn(t, "tcp", "127.0.0.1")
	release()
	for range 3 {
		if err := probe(netip.MustParseAddr("127.0.0.1"), port); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}

// The engine publishes IPv4 and IPv6 apart, so one does not hold the other.
func TestProbeOfEveryIPv6AddressLeavesIPv4Alone(t *testing.T) {
	port, _ := listenOn(t, "udp", "127.0.0.1")
	if err := bind(netip.IPv6Unspecified(), port, syscall.SOCK_DGRAM); errors.Is(err, syscall.EAFNOSUPPORT) {
		t.Skipf("no IPv6 on this host: %v", err)
	} else if err != nil {
		t.Error(err)
	}
}

// A server that closed its connections first leaves them in TIME_WAIT.
func TestProbeIgnoresOldConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = server.Close() // the server's end first
	_ = client.Close()
	_ = l.Close()
	if err := probe(netip.MustParseAddr("127.0.0.1"), port); err != nil {
		t.Error(err)
	}
}

func TestProbeOfAnAddressThatTheHostLacks(t *testing.T) {
	// 203.0.113.0/24 is for documentation (RFC 5737).
	err := probe(netip.MustParseAddr("203.0.113.7"), 20000)
	if !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Skipf("this host binds any address (ip_nonlocal_bind): %v", err)
	}
	if _, reason := job.KindOf(classify("x", netip.MustParseAddr("203.0.113.7"), 20000, err)); reason != ReasonAddress {
		t.Errorf("reason %s", reason)
	}
}

func TestSocketInodes(t *testing.T) {
	const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
   2: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0
   3: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 444 1 0 100 0 0 10 0
   4: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 555 1 0
   5: nonsense 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 666 1 0 100 0 0 10 0
`
	for ip, want := range map[string]string{"127.0.0.1": "111 222", "::1": "222 555", "10.0.0.1": "222", "0.0.0.0": "111 222 555"} {
		got := strings.Join(socketInodes(table, true, netip.MustParseAddr(ip), 8080), " ")
		if got != want {
			t.Errorf("%s: %q, want %q", ip, got, want)
		}
	}
}
