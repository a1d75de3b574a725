package host

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

func TestAddress(t *testing.T) {
	for _, ip := range []string{"10.1.2.3", "::1", "0.0.0.0"} {
		if got, err := Address(ip, "nosuchif"); err != nil || got != ip {
			t.Errorf("Address(%s) = %q, %v", ip, got, err)
		}
	}
	if got, err := Address("", "lo"); err != nil || got != "127.0.0.1" {
		t.Errorf("address of lo: %q, %v", got, err)
	}
	for _, in := range [][2]string{{"10.1.2", ""}, {"", "nosuchif"}} {
		if got, err := Address(in[0], in[1]); err == nil {
			t.Errorf("Address(%q, %q) = %q", in[0], in[1], got)
		}
	}
}

func TestDefaultAddressIsOneOfOurs(t *testing.T) {
	got, err := Address("", "")
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().String() == got {
			return
		}
	}
	t.Errorf("%s is no address of this host (%v)", got, addrs)
}

func TestDefaultRoute(t *testing.T) {
	const head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
	v4 := map[string]string{
		"":   "",
		head: "",
		head + "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n":                                                                      "",
		head + "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\neth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\nshort\n": "eth0",
		head + "vpn\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\neth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n":            "eth0",
	}
	for table, want := range v4 {
		if got := defaultRoute4(table); got != want {
			t.Errorf("default route %q, want %q, of\n%s", got, want, table)
		}
	}
	zero := strings.Repeat("0", 32)
	line := func(dst, plen, metric, iface string) string {
		return fmt.Sprintf("%s %s %s 00 %s %s 00000001 00000000 00000001 %8s\n", dst, plen, zero, zero, metric, iface)
	}
	table := line("fd"+zero[2:], "40", "00000001", "eth9") + line(zero, "00", "ffffffff", "lo") +
		line(zero, "00", "00000400", "eth0") + line(zero, "00", "00000100", "eth1")
	if got := defaultRoute6(table); got != "eth1" {
		t.Errorf("default route of IPv6: %q", got)
	}
}

func TestAttributes(t *testing.T) {
	attrs := Attributes()
	for _, name := range []string{AttrCPUArch, AttrCPUCores, AttrMemory, AttrKernel, AttrKernelVer, AttrHostname, AttrHostAddress} {
		if attrs[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	for name := range attrs {
		if !job.KnownRuntimeName("attr."+name, nil) {
			t.Errorf("${attr.%s} would be warned of as unknown", name)
		}
	}
	if attrs[AttrKernel] != "linux" {
		t.Errorf("kernel.name = %q", attrs[AttrKernel])
	}
	if hostname, err := os.Hostname(); err != nil || attrs[AttrHostname] != hostname {
		t.Errorf("unique.hostname = %q, want %q (%v)", attrs[AttrHostname], hostname, err)
	}
}

func TestMemTotal(t *testing.T) {
	for text, want := range map[string]string{
		"MemTotal:       16316412 kB\nMemFree: 1 kB\n": "16708005888",
		"MemFree: 1 kB\n":   "",
		"MemTotal: many kB": "",
		"MemTotal: 5 MB":    "",
		"":                  "",
	} {
		if got := memTotal(text); got != want {
			t.Errorf("memTotal(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestParseOSRelease(t *testing.T) {
	got := parseOSRelease("# comment=x\nID=debian\n VERSION_ID=\"12\"\r\nNAME='A \"B\"'\nBAD\nEMPTY=\nQUOTE=\"\n")
	want := map[string]string{"ID": "debian", "VERSION_ID": "12", "NAME": `A "B"`, "EMPTY": "", "QUOTE": `"`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestNode(t *testing.T) {
	meta, attrs := map[string]string{"a": "b"}, map[string]string{"c": "d"}
	want := job.Node{ID: "i", Name: "n", Datacenter: "dc", Region: "r", Meta: meta, Attributes: attrs}
	if diff := cmp.Diff(want, Node("i", "n", "dc", "r", meta, attrs)); diff != "" {
		t.Error(diff)
	}
}

func TestClaimEngine(t *testing.T) {
	long := strings.Repeat("x", 200)
	full := fmt.Sprintf("%0*d", maxSocketName-len("reconciler//node"), os.Getpid())
	for _, engine := range []string{fmt.Sprintf("engine:%d", os.Getpid()), full, fmt.Sprintf("%s%d", long, os.Getpid())} {
		first, err := ClaimEngine(t.Context(), engine, "node")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ClaimEngine(t.Context(), engine, "node"); !errors.Is(err, ErrClaimed) {
			t.Errorf("second claim: %v", err)
		}
		other, err := ClaimEngine(t.Context(), engine, "other")
		if err != nil {
			t.Errorf("another node on the same engine: %v", err)
		} else {
			_ = other.Close()
		}
		if err := first.Close(); err != nil {
			t.Error(err)
		}
		again, err := ClaimEngine(t.Context(), engine, "node")
		if err != nil {
			t.Fatalf("after the first was closed: %v", err)
		}
		_ = again.Close()
	}
}

func TestClaimName(t *testing.T) {
	if got := claimName("E", "N"); got != "reconciler/E/N" {
		t.Errorf("got %q", got)
	}
	fits := strings.Repeat("e", maxSocketName-len("reconciler//N"))
	if got := claimName(fits, "N"); got != "reconciler/"+fits+"/N" {
		t.Errorf("a name that fits was hashed: %q", got)
	}
	a, b := claimName(fits+"a", "N"), claimName(fits+"b", "N")
	if len(a) > maxSocketName || a == b {
		t.Errorf("hashed names %q and %q", a, b)
	}
}

func TestCPUMHz(t *testing.T) {
	for text, want := range map[string]string{
		"processor\t: 0\ncpu MHz\t\t: 2599.998\nflags : x\nprocessor: 1\ncpu MHz : 800\n": "2599",
		"BogoMIPS : 48.00\n": "",
		"cpu MHz\t: quick\n": "",
		"cpu MHz\t: 0.000\n": "",
		"":                   "",
	} {
		if got := cpuMHz(text); got != want {
			t.Errorf("cpuMHz(%q) = %q, want %q", text, got, want)
		}
	}
}
