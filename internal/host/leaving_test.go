package host

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"

	"reconciler/internal/job"
)

func TestProbeLooksPastThoseThatLeave(t *testing.T) {
	busy := map[int]bool{}
	p := NewPorts(PortOptions{}, nil)
	p.probe = func(_ netip.Addr, port int) error {
		if busy[port] {
			return syscall.EADDRINUSE
		}
		return nil
	}
	want := []job.PortRequest{{Port: job.Port{Label: "http", Static: 8080}}}
	check := func(name, wantReason string, except ...string) {
		t.Helper()
		err := p.Probe("new", want, except)
		reason := ""
		if err != nil {
			_, reason = job.KindOf(err)
		}
		if reason != wantReason {
			t.Errorf("%s: %v, want reason %q", name, err, wantReason)
		}
	}
	check("free", "")
	busy[8080] = true
	check("a process outside has it", ReasonBusy)
	p.Restore("old", []job.AllocPort{{Label: "http", HostIP: "127.0.0.1", Host: 8080, To: 80, Static: true}})
	check("the predecessor has it and stays", ReasonBusy)
	check("the predecessor has it and leaves", "", "old")
	p.Restore("other", []job.AllocPort{{Label: "x", HostIP: "0.0.0.0", Host: 8080, To: 80, Static: true}})
	check("another one has it too", ReasonBusy, "old")
	var held *BusyError
	if err := p.Probe("new", want, []string{"old"}); !errors.As(err, &held) || held.Alloc != "other" {
		t.Errorf("held by %+v, want other", held)
	}
	if got, err := p.Reserve("third", []job.PortRequest{{Port: job.Port{Label: "y", Static: 9090}}}); err != nil || got[0].Host != 9090 {
		t.Errorf("a probe left something behind: %v, %v", got, err)
	}
}

// A dynamic port is had as long as one of the range is free, or leaves.
func TestProbeOfDynamicPorts(t *testing.T) {
	w := &world{errnos: map[int]error{20000: syscall.EADDRINUSE}}
	p := table(w)
	p.Restore("old", []job.AllocPort{{Label: "o", HostIP: "10.0.0.1", Host: 20001}})
	three := []job.PortRequest{dynamic("a"), dynamic("b"), dynamic("c")}
	if err := p.Probe("new", three[:2], nil); err != nil {
		t.Errorf("two of two that are free: %v", err)
	}
	if _, reason := job.KindOf(p.Probe("new", three, nil)); reason != ReasonExhausted {
		t.Errorf("three of two that are free: %q, want %s", reason, ReasonExhausted)
	}
	w.errnos[20001] = syscall.EADDRINUSE // its holder has it bound
	if err := p.Probe("new", three, []string{"old"}); err != nil {
		t.Errorf("three of two that are free and one that leaves: %v", err)
	}
	if got := len(p.table); got != 1 {
		t.Errorf("%d allocations have ports after Probe, want 1", got)
	}
}

func TestProbeSaysWhatNobodyCouldHave(t *testing.T) {
	p := table(&world{})
	for reason, reqs := range map[string][]job.PortRequest{
		ReasonTwice:   {static("x", 9), static("y", 9)},
		ReasonInvalid: {static("x", 70000)},
	} {
		if _, got := job.KindOf(p.Probe("new", reqs, nil)); got != reason {
			t.Errorf("Probe of %v: %q, want %s", reqs, got, reason)
		}
	}
}
