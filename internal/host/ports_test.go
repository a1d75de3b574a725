package host

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

// world is what a table sees of the machine, without a socket.
type world struct {
	published []PublishedPort
	errnos    map[int]error // by port; nil is free
	probes    int
}

func (w *world) probe(_ netip.Addr, port int) error {
	w.probes++
	return w.errnos[port]
}

// table makes a table over w that searches from the lower end of 20000-20003.
func table(w *world) *Ports {
	p := NewPorts(PortOptions{Address: "10.0.0.1", Min: 20000, Max: 20003, Random: func(int) int { return 0 }},
		func() []PublishedPort { return w.published })
	p.probe = w.probe
	return p
}

func static(label string, port int) job.PortRequest {
	return job.PortRequest{Port: job.Port{Label: label, Static: port}, Task: "web"}
}

func dynamic(label string) job.PortRequest {
	return job.PortRequest{Port: job.Port{Label: label}, Task: "web"}
}

func on(ip string, r job.PortRequest) job.PortRequest {
	r.HostIP = ip
	return r
}

func numbers(ports []job.AllocPort) []int {
	var out []int
	for _, p := range ports {
		out = append(out, p.Host)
	}
	return out
}

func mustReserve(t *testing.T, p *Ports, alloc string, reqs ...job.PortRequest) []job.AllocPort {
	t.Helper()
	ports, err := p.Reserve(alloc, reqs)
	if err != nil {
		t.Fatalf("Reserve(%s): %v", alloc, err)
	}
	return ports
}

func TestReserveFillsThePort(t *testing.T) {
	p := table(&world{})
	got := mustReserve(t, p, "a",
		job.PortRequest{Port: job.Port{Label: "http", To: 80}, Task: "web"},
		job.PortRequest{Port: job.Port{Label: "same"}},
		job.PortRequest{Port: job.Port{Label: "ssh", Static: 22, HostIP: "0:0:0:0:0:0:0:1"}, Task: "web"})
	want := []job.AllocPort{
		{Label: "http", Task: "web", HostIP: "10.0.0.1", Host: 20000, To: 80},
		{Label: "same", HostIP: "10.0.0.1", Host: 20001, To: 20001},
		{Label: "ssh", Task: "web", HostIP: "::1", Host: 22, To: 22, Static: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ports differ (-want +got):\n%s", diff)
	}
}

func TestReserveErrors(t *testing.T) {
	full := map[int]error{20000: syscall.EADDRINUSE, 20001: syscall.EADDRINUSE, 20002: syscall.EADDRINUSE, 20003: syscall.EADDRINUSE}
	tests := []struct {
		name   string
		world  world
		reqs   []job.PortRequest
		kind   job.Kind
		reason string
		text   string
	}{
		{"our own table", world{}, []job.PortRequest{static("x", 8080)}, job.Retried, ReasonBusy, "10.0.0.1:8080 is held by allocation other"},
		{
			"a stranger's container",
			world{published: []PublishedPort{{HostIP: "10.0.0.1", Host: 81, Container: "nginx"}}},
			[]job.PortRequest{static("x", 81)},
			job.Retried, ReasonBusy, `held by container "nginx"`,
		},
		{
			"a container on all addresses",
			world{published: []PublishedPort{{HostIP: "::", Host: 81, Container: "nginx"}}},
			[]job.PortRequest{static("x", 81)},
			job.Retried, ReasonBusy, `container "nginx"`,
		},
		{
			"a container without an address",
			world{published: []PublishedPort{{Host: 81, Container: "nginx"}}},
			[]job.PortRequest{static("x", 81)},
			job.Retried, ReasonBusy, `container "nginx"`,
		},
		{
			"all addresses wanted",
			world{published: []PublishedPort{{HostIP: "127.0.0.1", Host: 81, Container: "nginx"}}},
			[]job.PortRequest{on("0.0.0.0", static("x", 81))},
			job.Retried, ReasonBusy, `container "nginx"`,
		},
		{
			"a container of another allocation",
			world{published: []PublishedPort{{HostIP: "0.0.0.0", Host: 81, Container: "web-b", AllocID: "b"}}},
			[]job.PortRequest{static("x", 81)},
			job.Retried, ReasonBusy, `container "web-b" of allocation b`,
		},
		{"a process", world{errnos: map[int]error{9: syscall.EADDRINUSE}}, []job.PortRequest{static("x", 9)}, job.Retried, ReasonBusy, "a process outside Docker"},
		{"forbidden", world{errnos: map[int]error{9: syscall.EACCES}}, []job.PortRequest{static("x", 9)}, job.WaitsForUser, ReasonForbidden, "CAP_NET_BIND_SERVICE"},
		{"address gone", world{errnos: map[int]error{9: syscall.EADDRNOTAVAIL}}, []job.PortRequest{static("x", 9)}, job.Retried, ReasonAddress, "no address 10.0.0.1"},
		{"no IPv6", world{errnos: map[int]error{9: syscall.EAFNOSUPPORT}}, []job.PortRequest{on("::1", static("x", 9))}, job.Retried, ReasonAddress, "no address ::1"},
		{"no test", world{errnos: map[int]error{9: syscall.EMFILE}}, []job.PortRequest{static("x", 9)}, job.Retried, ReasonUntested, "10.0.0.1:9"},
		{"dynamic exhausted", world{errnos: full}, []job.PortRequest{dynamic("x")}, job.Retried, ReasonExhausted, "20000-20003"},
		{"dynamic, address gone", world{errnos: map[int]error{20000: syscall.EADDRNOTAVAIL}}, []job.PortRequest{dynamic("x")}, job.Retried, ReasonAddress, "no address"},
		{"more than there are", world{}, []job.PortRequest{dynamic("a"), dynamic("b"), dynamic("c"), dynamic("d"), dynamic("e")}, job.Retried, ReasonExhausted, `"e"`},
		{"twice", world{}, []job.PortRequest{static("x", 9), static("y", 9)}, job.WaitsForUser, ReasonTwice, `"x" and by "y"`},
		{"twice by all addresses", world{}, []job.PortRequest{static("x", 9), on("0.0.0.0", static("y", 9))}, job.WaitsForUser, ReasonTwice, `"x" and by "y"`},
		{"no address", world{}, []job.PortRequest{on("eth0", static("x", 9))}, job.WaitsForUser, ReasonInvalid, "eth0"},
		{"a zone", world{}, []job.PortRequest{on("fe80::1%eth0", dynamic("x"))}, job.WaitsForUser, ReasonInvalid, "zone"},
		{"no number", world{}, []job.PortRequest{static("x", 70000)}, job.WaitsForUser, ReasonInvalid, "70000"},
		{"negative number", world{}, []job.PortRequest{static("x", -1)}, job.WaitsForUser, ReasonInvalid, "-1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := table(&tt.world)
			p.Restore("other", []job.AllocPort{{Label: "o", HostIP: "10.0.0.1", Host: 8080, Static: true}})
			// A good port in front: it must be given back when the other fails.
			reqs := append([]job.PortRequest{on("127.0.0.9", static("good", 7))}, tt.reqs...)
			_, err := p.Reserve("a", reqs)
			if err == nil {
				t.Fatal("no error")
			}
			if kind, reason := job.KindOf(err); kind != tt.kind || reason != tt.reason {
				t.Errorf("kind %s, reason %s; want %s, %s", kind, reason, tt.kind, tt.reason)
			}
			if !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %q does not say %q", err, tt.text)
			}
			if len(p.table) != 1 {
				t.Errorf("table after a failure: %v", p.table)
			}
		})
	}
}

func TestBusyErrorCarriesTheHolder(t *testing.T) {
	p := table(&world{})
	mustReserve(t, p, "old", static("x", 80))
	_, err := p.Reserve("new", []job.PortRequest{static("x", 80)})
	var busy *BusyError
	if !errors.As(err, &busy) {
		t.Fatalf("%v is no BusyError", err)
	}
	want := BusyError{Label: "x", HostIP: "10.0.0.1", Port: 80, Alloc: "old"}
	if *busy != want {
		t.Errorf("got %+v, want %+v", *busy, want)
	}
}

func TestReserveIsIdempotentAndTestsNothingAgain(t *testing.T) {
	w := &world{}
	p := table(w)
	reqs := []job.PortRequest{dynamic("a"), static("b", 80), dynamic("c")}
	first := mustReserve(t, p, "x", reqs...)
	// The allocation's own containers hold the ports now.
	w.errnos = map[int]error{80: syscall.EADDRINUSE, 20000: syscall.EADDRINUSE, 20001: syscall.EADDRINUSE}
	w.probes = 0
	if diff := cmp.Diff(first, mustReserve(t, p, "x", reqs...)); diff != "" {
		t.Errorf("second reservation differs:\n%s", diff)
	}
	if w.probes != 0 {
		t.Errorf("%d tests", w.probes)
	}
}

func TestReserveDynamicThenReserve(t *testing.T) {
	w := &world{errnos: map[int]error{20000: syscall.EADDRINUSE}}
	p := table(w)
	mustReserve(t, p, "old", static("s", 20001))
	reqs := []job.PortRequest{static("s", 20001), dynamic("d")}

	prepared, err := p.ReserveDynamic("new", reqs)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{20001, 20002}, numbers(prepared)); diff != "" {
		t.Fatalf("prepared ports:\n%s", diff)
	}
	if _, err := p.Reserve("new", reqs); err == nil {
		t.Fatal("the static port of the predecessor was given away")
	}
	if diff := cmp.Diff([]int{20002}, numbers(p.table["new"])); diff != "" {
		t.Fatalf("dynamic port after a failed Reserve:\n%s", diff)
	}
	p.Release("old")
	if diff := cmp.Diff(prepared, mustReserve(t, p, "new", reqs...)); diff != "" {
		t.Errorf("ports after the predecessor has gone:\n%s", diff)
	}
	again, err := p.ReserveDynamic("new", reqs)
	if diff := cmp.Diff(prepared, again); err != nil || diff != "" {
		t.Errorf("ReserveDynamic afterwards: %v\n%s", err, diff)
	}
	if len(p.table["new"]) != 2 {
		t.Errorf("ReserveDynamic gave back the static port: %v", p.table["new"])
	}
}

func TestDynamicKeepsOffStaticNumbersOfTheSameAllocation(t *testing.T) {
	p := table(&world{})
	reqs := []job.PortRequest{dynamic("d"), static("s", 20000), dynamic("e")}
	if diff := cmp.Diff([]int{20001, 20000, 20002}, numbers(mustReserve(t, p, "x", reqs...))); diff != "" {
		t.Error(diff)
	}
	got, err := p.ReserveDynamic("y", []job.PortRequest{dynamic("d"), static("s", 20003)})
	if err == nil {
		t.Errorf("the only number left was given twice: %v", got)
	}
}

func TestOwnPublishedPortIsFree(t *testing.T) {
	w := &world{
		published: []PublishedPort{{HostIP: "10.0.0.1", Host: 80, AllocID: "x", Container: "web-x"}},
		errnos:    map[int]error{80: syscall.EADDRINUSE, 81: syscall.EADDRINUSE},
	}
	w.published = append(w.published, PublishedPort{HostIP: "10.0.0.1", Host: 82, AllocID: "x", Container: "db-x"})
	p := table(w)
	mustReserve(t, p, "x", static("s", 80), static("u", 82))
	if _, err := p.Reserve("x", []job.PortRequest{static("s", 80), static("t", 81)}); err == nil {
		t.Error("a port that its containers do not publish was not tested")
	}
}

func TestDynamicSearch(t *testing.T) {
	w := &world{
		errnos:    map[int]error{20002: syscall.EADDRINUSE, 20003: syscall.EACCES},
		published: []PublishedPort{{HostIP: "127.0.0.1", Host: 20000}},
	}
	p := table(w)
	p.opts.Random = func(n int) int { return n - 2 }
	if got := mustReserve(t, p, "x", dynamic("d"))[0].Host; got != 20001 {
		t.Errorf("got %d; the search goes around the end, past what is published on any address", got)
	}
	_, err := p.Reserve("y", []job.PortRequest{dynamic("d")})
	if _, reason := job.KindOf(err); reason != ReasonForbidden {
		t.Errorf("reason %s (%v); what is forbidden could be had", reason, err)
	}
}

func TestDefaultRangeAndRandomStart(t *testing.T) {
	p := NewPorts(PortOptions{}, nil)
	p.probe = (&world{}).probe
	seen := map[int]bool{}
	for i := range 50 {
		port := mustReserve(t, p, fmt.Sprint(i), dynamic("d"))[0]
		if port.Host < 20000 || port.Host > 32000 || port.HostIP != "127.0.0.1" {
			t.Fatalf("got %+v", port)
		}
		seen[port.Host] = true
	}
	if len(seen) != 50 {
		t.Errorf("%d ports for 50 allocations", len(seen))
	}
}

func TestEmptyRange(t *testing.T) {
	_, err := NewPorts(PortOptions{Min: 30000, Max: 29999}, nil).Reserve("x", []job.PortRequest{dynamic("d")})
	if kind, reason := job.KindOf(err); kind != job.WaitsForUser || reason != ReasonInvalid {
		t.Errorf("%s %s: %v", kind, reason, err)
	}
}

func TestReleaseAndRestore(t *testing.T) {
	w := &world{errnos: map[int]error{80: syscall.EADDRINUSE}}
	p := table(w)
	p.Release("nobody")
	p.Restore("x", []job.AllocPort{{Label: "s", Task: "web", HostIP: "10.0.0.1", Host: 80, To: 8080, Static: true}})
	if w.probes != 0 {
		t.Error("Restore tested a port")
	}
	if got := mustReserve(t, p, "x", static("s", 80))[0].To; got != 8080 {
		t.Errorf("To = %d: what was restored was not kept", got)
	}
	if _, err := p.Reserve("y", []job.PortRequest{static("s", 80)}); err == nil {
		t.Error("a restored port was given away")
	}
	p.Restore("x", nil)
	w.errnos = nil
	mustReserve(t, p, "y", static("s", 80))
	p.Release("y")
	if len(p.table) != 0 {
		t.Errorf("left in the table: %v", p.table)
	}
}

// An allocation never stands in its own way: what it had and asks for no more
// may be had under another label.
func TestOwnOldPortIsNoConflict(t *testing.T) {
	p := table(&world{})
	p.Restore("x", []job.AllocPort{{Label: "old", HostIP: "10.0.0.1", Host: 80, Static: true}})
	mustReserve(t, p, "x", static("new", 80))
}

func TestTwoAllocationsOnDifferentAddresses(t *testing.T) {
	p := table(&world{})
	mustReserve(t, p, "a", on("127.0.0.1", static("s", 80)))
	mustReserve(t, p, "b", on("127.0.0.2", static("s", 80)))
	if _, err := p.Reserve("c", []job.PortRequest{on("::", static("s", 80))}); err == nil {
		t.Error("every address overlaps them")
	}
}

func TestConcurrentReservations(t *testing.T) {
	p := NewPorts(PortOptions{Min: 20000, Max: 20099}, nil)
	var probing sync.Mutex
	p.probe = func(netip.Addr, int) error {
		if !probing.TryLock() {
			return errors.New("two tests at a time")
		}
		probing.Unlock()
		return nil
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			id := fmt.Sprint(i)
			if _, err := p.Reserve(id, []job.PortRequest{dynamic("a"), dynamic("b")}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[int]string{}
	for id, ports := range p.table {
		for _, port := range ports {
			if other := seen[port.Host]; other != "" {
				t.Errorf("port %d of %s and %s", port.Host, other, id)
			}
			seen[port.Host] = id
		}
	}
	if len(seen) != 100 {
		t.Errorf("%d ports given, want 100", len(seen))
	}
}
