package host

import (
	"slices"

	"reconciler/internal/job"
)

// Probe reports, as Reserve would, the first static port that the allocation
// could not have even if the allocations in except gave back theirs: what
// works is not stopped for a successor that cannot start. It takes nothing.
func (p *Ports) Probe(allocID string, reqs []job.PortRequest, except []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.newRound(allocID, true)
	for _, req := range reqs {
		if req.Static == 0 {
			continue
		}
		if _, has, _ := r.keep(req); has {
			continue
		}
		addr, err := r.address(req)
		if err != nil {
			return err
		}
		leaves := func(h portHolder) bool { return overlap(h.addr, addr) && slices.Contains(except, h.alloc) }
		if slices.ContainsFunc(r.taken[req.Static], leaves) {
			// Its holder has it bound; that only it has can be seen when it is gone.
			stays := slices.DeleteFunc(slices.Clone(r.taken[req.Static]), leaves)
			r.taken[req.Static] = stays
			if !slices.ContainsFunc(stays, func(h portHolder) bool { return overlap(h.addr, addr) }) {
				continue
			}
		}
		if err := r.free(addr, req); err != nil {
			return err
		}
	}
	return nil
}
