package host

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"

	"reconciler/internal/job"
)

// round is one reservation: what is taken by whom at its beginning, and what
// it has taken itself. It lives under the lock of its Ports.
type round struct {
	ports    *Ports
	alloc    string
	statics  bool                  // static ports are reserved too
	mine     []job.AllocPort       // what the allocation had, until it is kept
	running  []netip.AddrPort      // what its own containers publish: held, by itself
	taken    map[int][]portHolder  // by number
	labels   map[portKey]portLabel // numbers that this round gave out
	reserved []job.AllocPort       // what the table will say
}

type (
	portKey struct {
		addr netip.Addr
		host int
	}
	portLabel  = string
	portHolder struct {
		addr             netip.Addr
		alloc, container string
	}
)

func (p *Ports) newRound(allocID string, statics bool) *round {
	r := &round{
		ports: p, alloc: allocID, statics: statics,
		mine:   append([]job.AllocPort(nil), p.table[allocID]...),
		taken:  map[int][]portHolder{},
		labels: map[portKey]portLabel{},
	}
	for id, ports := range p.table {
		for _, port := range ports {
			if id != allocID {
				r.taken[port.Host] = append(r.taken[port.Host], portHolder{addr: lenientAddr(port.HostIP), alloc: id})
			}
		}
	}
	for _, pub := range p.published() {
		addr := lenientAddr(pub.HostIP)
		if pub.AllocID != "" && pub.AllocID == allocID {
			r.running = append(r.running, netip.AddrPortFrom(addr, uint16(pub.Host)))
			continue
		}
		r.taken[pub.Host] = append(r.taken[pub.Host], portHolder{addr: addr, alloc: pub.AllocID, container: pub.Container})
	}
	return r
}

// keep finds a port that the allocation has already.
func (r *round) keep(req job.PortRequest) (job.AllocPort, bool, error) {
	for i, port := range r.mine {
		same := port.Label == req.Label && port.Task == req.Task && port.Static == (req.Static != 0) &&
			(req.Static == 0 || req.Static == port.Host) &&
			(req.HostIP == "" || lenientAddr(req.HostIP) == lenientAddr(port.HostIP))
		if same {
			r.mine = append(r.mine[:i], r.mine[i+1:]...)
			r.give(lenientAddr(port.HostIP), port, true)
			return port, true, nil
		}
	}
	return job.AllocPort{}, false, nil
}

// static takes a port by its number. For a dynamic one it does nothing.
func (r *round) static(req job.PortRequest) (job.AllocPort, bool, error) {
	if req.Static == 0 {
		return job.AllocPort{}, false, nil
	}
	addr, err := r.wanted(req)
	if err != nil {
		return job.AllocPort{}, false, err
	}
	port := allocPort(req, addr, req.Static)
	if r.statics {
		if err := r.free(addr, req); err != nil {
			return job.AllocPort{}, false, err
		}
	}
	r.give(addr, port, r.statics)
	return port, true, nil
}

// wanted is where a static port is to be bound, or why nobody could have it.
func (r *round) wanted(req job.PortRequest) (netip.Addr, error) {
	addr, err := r.address(req)
	if err != nil {
		return netip.Addr{}, err
	}
	if req.Static < 1 || req.Static > maxPort {
		err := fmt.Errorf("port %q: %d is not in 1-%d", req.Label, req.Static, maxPort)
		return netip.Addr{}, job.NewError(job.WaitsForUser, ReasonInvalid, err)
	}
	if label, twice := r.twice(addr, req.Static); twice {
		err := fmt.Errorf("port %d on %s is asked for by %q and by %q", req.Static, addr, label, req.Label)
		return netip.Addr{}, job.NewError(job.WaitsForUser, ReasonTwice, err)
	}
	return addr, nil
}

// free reports why a static port cannot be had.
func (r *round) free(addr netip.Addr, req job.PortRequest) error {
	busy := &BusyError{Label: req.Label, HostIP: addr.String(), Port: req.Static}
	for _, h := range r.taken[req.Static] {
		if overlap(h.addr, addr) {
			busy.Alloc, busy.Container = h.alloc, h.container
			return job.NewError(job.Retried, ReasonBusy, busy)
		}
	}
	for _, own := range r.running {
		if int(own.Port()) == req.Static && overlap(own.Addr(), addr) {
			return nil // a test would only meet our own container
		}
	}
	err := r.ports.probe(addr, req.Static)
	if errors.Is(err, syscall.EADDRINUSE) {
		busy.Process = processOn(addr, req.Static)
		return job.NewError(job.Retried, ReasonBusy, busy)
	}
	return classify(req.Label, addr, req.Static, err)
}

// dynamic finds a free number, from a random start through the whole range. A
// number that is taken on any address is passed over: a container on the
// host's network binds what it likes.
func (r *round) dynamic(req job.PortRequest) (job.AllocPort, bool, error) {
	addr, err := r.address(req)
	if err != nil {
		return job.AllocPort{}, false, err
	}
	o := r.ports.opts
	size := o.Max - o.Min + 1
	exhausted := fmt.Errorf("port %q: no port of %d-%d is free on %s", req.Label, o.Min, o.Max, addr)
	if size <= 0 {
		return job.AllocPort{}, false, job.NewError(job.WaitsForUser, ReasonInvalid, exhausted)
	}
	err = job.NewError(job.Retried, ReasonExhausted, exhausted)
	start := o.Random(size)
	for i := range size {
		number := o.Min + (start+i)%size
		if len(r.taken[number]) > 0 {
			continue
		}
		switch probed := r.ports.probe(addr, number); {
		case probed == nil:
			port := allocPort(req, addr, number)
			r.give(addr, port, true)
			return port, true, nil
		case errors.Is(probed, syscall.EADDRINUSE):
		case errors.Is(probed, syscall.EACCES):
			err = classify(req.Label, addr, number, probed)
		default:
			return job.AllocPort{}, false, classify(req.Label, addr, number, probed)
		}
	}
	return job.AllocPort{}, false, err
}

// give notes a port as taken by this round.
func (r *round) give(addr netip.Addr, port job.AllocPort, reserve bool) {
	r.taken[port.Host] = append(r.taken[port.Host], portHolder{addr: addr, alloc: r.alloc})
	r.labels[portKey{addr, port.Host}] = port.Label
	if reserve {
		r.reserved = append(r.reserved, port)
	}
}

// twice tells which label of the same allocation has the port.
func (r *round) twice(addr netip.Addr, number int) (portLabel, bool) {
	for k, label := range r.labels {
		if k.host == number && overlap(k.addr, addr) {
			return label, true
		}
	}
	return "", false
}

// address is where the port is to be bound.
func (r *round) address(req job.PortRequest) (netip.Addr, error) {
	ip := req.HostIP
	if ip == "" {
		ip = r.ports.opts.Address
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil || addr.Zone() != "" {
		err := fmt.Errorf("port %q: %q is no IP address without a zone", req.Label, ip)
		return netip.Addr{}, job.NewError(job.WaitsForUser, ReasonInvalid, err)
	}
	return addr.Unmap(), nil
}

func allocPort(req job.PortRequest, addr netip.Addr, number int) job.AllocPort {
	to := req.To
	if to == 0 {
		to = number
	}
	return job.AllocPort{
		Label: req.Label, Task: req.Task, HostIP: addr.String(),
		Host: number, To: to, Static: req.Static != 0,
	}
}

// overlap reports whether two listeners on one port would meet. The
// unspecified address of either family is every address: a socket on [::]
// takes IPv4 too unless it says otherwise.
func overlap(a, b netip.Addr) bool {
	return a.IsUnspecified() || b.IsUnspecified() || a == b
}

// lenientAddr reads an address that others wrote. What cannot be read is
// every address, so that a doubt is a conflict.
func lenientAddr(s string) netip.Addr {
	addr, err := netip.ParseAddr(s)
	if err != nil {
		return netip.IPv4Unspecified()
	}
	return addr.Unmap()
}
