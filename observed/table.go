package observed

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// ticket marks one request to the engine. Its number orders the requests by
// when they began, also where the clock is too coarse or is set back.
type ticket struct {
	seq uint64
	at  time.Time
}

// entry is a container and the request that told it.
type entry struct {
	Container
	seq uint64
	// listed is true if a list told it, which can lag behind an event by some
	// milliseconds. An inspect cannot: the engine makes both under one lock.
	listed bool
	// owed is true if an inspect was due and gave no answer.
	owed bool
}

// table is the set of containers with its indexes and the order of the
// answers. Not safe for concurrent use.
type table struct {
	entries map[string]entry // by container id
	names   index
	allocs  index // ours only
	jobs    index // ours only

	seq    uint64
	flying map[uint64]bool // requests that have begun and not ended
	// gone keeps what was removed, by the request that told so, for as long
	// as an older request is on its way and could bring it back.
	gone map[string]uint64
}

func newTable() *table {
	return &table{
		entries: map[string]entry{}, names: index{}, allocs: index{}, jobs: index{},
		flying: map[uint64]bool{}, gone: map[string]uint64{},
	}
}

// begin registers a request that begins now.
func (t *table) begin(now time.Time) ticket {
	t.seq++
	t.flying[t.seq] = true
	return ticket{seq: t.seq, at: now}
}

// end forgets a request whose answer was put, or will never be.
func (t *table) end(tk ticket) {
	delete(t.flying, tk.seq)
	if len(t.gone) == 0 {
		return
	}
	oldest := t.seq + 1
	for seq := range t.flying {
		oldest = min(oldest, seq)
	}
	maps.DeleteFunc(t.gone, func(_ string, seq uint64) bool { return seq <= oldest })
}

// put sets the entry of e.ID to what the request tk told, unless a newer one
// told otherwise; ok says whether it did. old is the entry before, had says
// whether there was one.
func (t *table) put(tk ticket, e entry) (old entry, had, ok bool) {
	old, had = t.entries[e.ID]
	if t.gone[e.ID] > tk.seq || old.seq > tk.seq {
		return old, had, false
	}
	e.seq, e.AsOf = tk.seq, tk.at
	t.unindex(old)
	t.entries[e.ID] = e
	t.names.add(e.Name, e.ID)
	if e.Ours {
		t.allocs.add(e.Identity.AllocID, e.ID)
		t.jobs.add(e.Identity.Job, e.ID)
	}
	return old, had, true
}

// remove forgets id because the request tk told that it is gone.
func (t *table) remove(tk ticket, id string) (old entry, had bool) {
	old, had = t.entries[id]
	if old.seq > tk.seq {
		return entry{}, false
	}
	t.gone[id] = max(t.gone[id], tk.seq)
	t.unindex(old)
	delete(t.entries, id)
	return old, had
}

// owe notes that id must be inspected and could not be; it reports whether
// that is news.
func (t *table) owe(id string) bool {
	e, ok := t.entries[id]
	if !ok || e.owed {
		return false
	}
	e.owed = true
	t.entries[id] = e
	return true
}

func (t *table) unindex(e entry) {
	if e.ID == "" {
		return
	}
	t.names.remove(e.Name, e.ID)
	t.allocs.remove(e.Identity.AllocID, e.ID)
	t.jobs.remove(e.Identity.Job, e.ID)
}

// named returns the container called name. For a moment two entries can have
// one name, since a rename is seen entry by entry: the newer answer is right.
func (t *table) named(name string) (Container, bool) {
	var best entry
	for id := range t.names[name] {
		if e := t.entries[id]; e.seq > best.seq {
			best = e
		}
	}
	return best.Container, best.ID != ""
}

// pick returns the containers with the given ids, by task and attempt.
func (t *table) pick(ids map[string]bool) []Container {
	out := make([]Container, 0, len(ids))
	for id := range ids {
		out = append(out, t.entries[id].Container)
	}
	slices.SortFunc(out, func(a, b Container) int {
		return cmp.Or(
			cmp.Compare(a.Identity.AllocIndex, b.Identity.AllocIndex),
			cmp.Compare(a.Identity.AllocID, b.Identity.AllocID),
			cmp.Compare(a.Identity.Task, b.Identity.Task),
			cmp.Compare(a.Identity.Attempt, b.Identity.Attempt),
			cmp.Compare(a.ID, b.ID))
	})
	return out
}

// all returns every container, by name.
func (t *table) all() []Container {
	out := make([]Container, 0, len(t.entries))
	for _, e := range t.entries {
		out = append(out, e.Container)
	}
	slices.SortFunc(out, func(a, b Container) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// index maps a property to the ids of the containers that have it.
type index map[string]map[string]bool

func (x index) add(key, id string) {
	if x[key] == nil {
		x[key] = map[string]bool{}
	}
	x[key][id] = true
}

func (x index) remove(key, id string) {
	delete(x[key], id)
	if len(x[key]) == 0 {
		delete(x, key)
	}
}
