package host

import (
	"slices"

	"reconciler/internal/job"
)

// Probe reports, as Reserve would, the first port that the allocation could
// not have even if the allocations in except gave back theirs: what works is
// not stopped for a successor that cannot start. It takes nothing.
func (p *Ports) Probe(allocID string, reqs []job.PortRequest, except []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.newRound(allocID, true)
	var dynamic []job.PortRequest
	for _, req := range reqs {
		if _, has, _ := r.keep(req); has {
			continue
		}
		if req.Static == 0 {
			dynamic = append(dynamic, req)
			continue
		}
		if err := r.probeStatic(req, except); err != nil {
			return err
		}
	}
	for _, req := range dynamic {
		if err := r.probeDynamic(req, except); err != nil {
			return err
		}
	}
	return nil
}

// probeStatic is static, with the ports of except free.
func (r *round) probeStatic(req job.PortRequest, except []string) error {
	addr, err := r.wanted(req)
	if err != nil {
		return err
	}
	leaves := func(h portHolder) bool { return overlap(h.addr, addr) && slices.Contains(except, h.alloc) }
	if slices.ContainsFunc(r.taken[req.Static], leaves) {
		// Its holder has it bound; that only it has can be seen when it is gone.
		stays := slices.DeleteFunc(slices.Clone(r.taken[req.Static]), leaves)
		r.taken[req.Static] = stays
		if !slices.ContainsFunc(stays, func(h portHolder) bool { return overlap(h.addr, addr) }) {
			r.give(addr, allocPort(req, addr, req.Static), false)
			return nil
		}
	}
	if err := r.free(addr, req); err != nil {
		return err
	}
	r.give(addr, allocPort(req, addr, req.Static), false)
	return nil
}

// probeDynamic is dynamic, with the ports of except free.
func (r *round) probeDynamic(req job.PortRequest, except []string) error {
	for number, holders := range r.taken {
		inRange := number >= r.ports.opts.Min && number <= r.ports.opts.Max
		if inRange && len(holders) > 0 && !slices.ContainsFunc(holders, func(h portHolder) bool { return !slices.Contains(except, h.alloc) }) {
			addr, err := r.address(req)
			if err != nil {
				return err
			}
			r.taken[number] = nil
			r.give(addr, allocPort(req, addr, number), false)
			return nil
		}
	}
	_, _, err := r.dynamic(req)
	return err
}
