package host

import (
	"math/rand/v2"
	"net/netip"
	"sync"

	"reconciler/internal/job"
)

// The range of dynamic ports unless configured, both ends included (Nomad's:
// below the kernel's ephemeral ports, which begin at 32768).
const (
	DefaultMinDynamicPort = 20000
	DefaultMaxDynamicPort = 32000
)

// loopback is the address of last resort.
const loopback = "127.0.0.1"

// PortOptions configures Ports. The zero value means the defaults.
type PortOptions struct {
	// Address is the host IP of a port that names none; empty is 127.0.0.1.
	Address string
	// Min and Max are the ends of the dynamic range, both included.
	Min, Max int
	// Random returns a number in [0,n): where in the range a search begins.
	// Nil is math/rand/v2.
	Random func(n int) int
}

// PublishedPort is a port that the engine forwards to a running container.
type PublishedPort struct {
	HostIP    string // empty is every address
	Host      int
	AllocID   string // empty for a stranger's container
	Container string // its name
}

// Ports gives out ports of this host. It is safe for concurrent use.
type Ports struct {
	opts      PortOptions
	published func() []PublishedPort
	probe     func(addr netip.Addr, port int) error

	mu    sync.Mutex
	table map[string][]job.AllocPort // by allocation id
}

// NewPorts makes an empty table. published tells which ports running
// containers publish; it is called with the table locked and must not call
// back. A nil published means that there are none.
func NewPorts(opts PortOptions, published func() []PublishedPort) *Ports {
	if opts.Address == "" {
		opts.Address = loopback
	}
	if opts.Min == 0 {
		opts.Min = DefaultMinDynamicPort
	}
	if opts.Max == 0 {
		opts.Max = DefaultMaxDynamicPort
	}
	if opts.Random == nil {
		opts.Random = rand.IntN
	}
	if published == nil {
		published = func() []PublishedPort { return nil }
	}
	return &Ports{opts: opts, published: published, probe: probe, table: map[string][]job.AllocPort{}}
}

// Reserve gives the allocation all the ports it asks for, or none and the
// first reason: a job.Error that wraps a *BusyError (PortBusy, retried), or
// one with reason PortsExhausted or AddressGone (retried), PortForbidden,
// PortInvalid or PortTwice (wait for the user). Ports that the allocation has
// stay as they are and are not tested. The result is in the order of reqs.
func (p *Ports) Reserve(allocID string, reqs []job.PortRequest) ([]job.AllocPort, error) {
	return p.reserve(allocID, reqs, true)
}

// ReserveDynamic is Reserve for an allocation that is only prepared: static
// ports stand in the result with their numbers and are neither tested nor
// reserved, because the predecessor may hold them. A later Reserve adds them.
func (p *Ports) ReserveDynamic(allocID string, reqs []job.PortRequest) ([]job.AllocPort, error) {
	return p.reserve(allocID, reqs, false)
}

// Restore notes, without a test, that the allocation has these ports: at
// start, from its record or its labels. It replaces what was noted before. Of
// an allocation that is only prepared the caller passes the dynamic ports
// alone.
func (p *Ports) Restore(allocID string, ports []job.AllocPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.put(allocID, append([]job.AllocPort(nil), ports...))
}

// Release gives back all ports of the allocation. To release what is not
// reserved is no error.
func (p *Ports) Release(allocID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.table, allocID)
}

func (p *Ports) put(allocID string, ports []job.AllocPort) {
	if len(ports) == 0 {
		delete(p.table, allocID)
		return
	}
	p.table[allocID] = ports
}

// reserve keeps what the allocation has, then takes the static ports, then the
// dynamic ones, so that none of these lands on a number that the same
// allocation asks for.
func (p *Ports) reserve(allocID string, reqs []job.PortRequest, statics bool) ([]job.AllocPort, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.newRound(allocID, statics)
	out := make([]job.AllocPort, len(reqs))
	done := make([]bool, len(reqs))
	for _, step := range []func(job.PortRequest) (job.AllocPort, bool, error){r.keep, r.static, r.dynamic} {
		for i, req := range reqs {
			if done[i] {
				continue
			}
			port, ok, err := step(req)
			if err != nil {
				return nil, err
			}
			out[i], done[i] = port, ok
		}
	}
	p.put(allocID, r.reserved)
	return out, nil
}
