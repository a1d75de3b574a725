package reconcile

import (
	"maps"
	"sync"
	"time"
)

// refusalBase is the first wait after a refusal; it doubles up to portRetry. A
// port is often free a moment later: the engine's proxy ends after its
// container.
const refusalBase = 200 * time.Millisecond

// refusals remembers which indexes could not be filled, so that the plan can
// say why and does not try at once again. An edit clears those of its job.
type refusals struct {
	mu sync.Mutex
	m  map[string]jobRefusals
}

type jobRefusals struct {
	generation uint64
	slots      map[string]Refusal
	tries      map[string]int
}

func (r *refusals) of(name string, generation uint64) map[string]Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	if j, ok := r.m[name]; ok && j.generation == generation {
		return maps.Clone(j.slots)
	}
	delete(r.m, name)
	return nil
}

// set notes a refusal at now, and reports whether its message is news. One
// that waits for a person is tried at userRetry, others soon and then more
// seldom.
func (r *refusals) set(name string, generation uint64, slot string, why Refusal, user bool, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.m == nil {
		r.m = map[string]jobRefusals{}
	}
	j := r.m[name]
	if j.generation != generation || j.slots == nil {
		j = jobRefusals{generation: generation, slots: map[string]Refusal{}, tries: map[string]int{}}
	}
	wait := min(refusalBase<<min(j.tries[slot], 10), portRetry)
	if user {
		wait = userRetry
	}
	j.tries[slot]++
	why.Until = now.Add(wait)
	news := j.slots[slot].Message != why.Message
	j.slots[slot] = why
	r.m[name] = j
	return news
}

// lift lets all that was refused be tried again now: an allocation has ended,
// and what it held is free.
func (r *refusals) lift() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range r.m {
		for slot, why := range j.slots {
			why.Until = time.Time{}
			j.slots[slot] = why
		}
	}
}

// forget drops what was refused to a job: an operator asks for another try.
func (r *refusals) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.m, name)
}

// copied returns refusals of their own, for a forecast.
func (r *refusals) copied() *refusals {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := &refusals{m: map[string]jobRefusals{}}
	for name, j := range r.m {
		out.m[name] = jobRefusals{generation: j.generation, slots: maps.Clone(j.slots), tries: maps.Clone(j.tries)}
	}
	return out
}

func (r *refusals) clear(name, slot string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.m[name].slots, slot)
	delete(r.m[name].tries, slot)
}
