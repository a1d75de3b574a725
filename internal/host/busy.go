package host

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"reconciler/internal/job"
)

// Reasons of the errors of Ports.
const (
	ReasonBusy      = "PortBusy"       // somebody has it; retried
	ReasonExhausted = "PortsExhausted" // no dynamic port is left; retried
	ReasonAddress   = "AddressGone"    // the host has no such address; retried
	ReasonForbidden = "PortForbidden"  // the agent may not bind it; waits for the user
	ReasonInvalid   = "PortInvalid"    // number, address or range make no sense; waits for the user
	ReasonTwice     = "PortTwice"      // two labels of one allocation ask for it; waits for the user
	ReasonUntested  = "PortUntested"   // the test itself did not work; retried
)

const maxPort = 65535

// BusyError says that a port is taken, and by whom as far as is known.
type BusyError struct {
	Label  string // of the port that was asked for
	HostIP string
	Port   int

	Alloc     string // id of the allocation of ours that has it
	Container string // name of the container that publishes it
	Process   string // "nginx, pid 12"; empty if it cannot be known
}

// Error names the port and its holder.
func (e *BusyError) Error() string {
	where := joinPort(e.HostIP, e.Port)
	return fmt.Sprintf("port %q: %s is held by %s", e.Label, where, e.holder())
}

func (e *BusyError) holder() string {
	var who []string
	if e.Container != "" {
		who = append(who, fmt.Sprintf("container %q", e.Container))
	}
	if e.Alloc != "" {
		who = append(who, "allocation "+e.Alloc)
	}
	switch {
	case len(who) > 0:
		return strings.Join(who, " of ")
	case e.Process != "":
		return "a process outside Docker (" + e.Process + ")"
	}
	return "a process outside Docker"
}

func joinPort(ip string, port int) string {
	if strings.Contains(ip, ":") {
		ip = "[" + ip + "]"
	}
	return ip + ":" + strconv.Itoa(port)
}

// classify turns the errno of a test, other than EADDRINUSE, into an error
// that says what to do.
func classify(label string, addr netip.Addr, port int, err error) error {
	where := joinPort(addr.String(), port)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		err = fmt.Errorf("port %q: the agent may not bind %s; run it as root or with CAP_NET_BIND_SERVICE: %w", label, where, err)
		return job.NewError(job.WaitsForUser, ReasonForbidden, err)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.Is(err, syscall.EAFNOSUPPORT):
		err = fmt.Errorf("port %q: this host has no address %s: %w", label, addr, err)
		return job.NewError(job.Retried, ReasonAddress, err)
	}
	err = fmt.Errorf("port %q: test of %s: %w", label, where, err)
	return job.NewError(job.Retried, ReasonUntested, err)
}
