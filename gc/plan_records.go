package gc

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
)

// How long what is left of allocations is kept, for people who ask what
// happened.
const (
	KeepEnded       = time.Hour      // directory and record of an ended allocation
	KeepEndedPerJob = 10             // of more ended allocations of a job the oldest go earlier
	KeepUnknown     = 24 * time.Hour // a directory that nobody knows
)

// RecordsInput is everything that PlanRecords decides on.
type RecordsInput struct {
	Now      time.Time
	Allocs   map[string]job.AllocSpec
	Statuses map[string]job.AllocStatus
	// Containers is a complete list.
	Containers []observed.Container
	// Dirs are the allocation directories, listed before the records were
	// read: a new one then has its record.
	Dirs []string
	// Seen is when the agent first saw a directory that nobody knows.
	Seen map[string]time.Time
	// StateLost is true in the run after a loss of the state: what is unknown
	// then may be all that is left of an allocation.
	StateLost bool
}

// RecordsOutput is what may go.
type RecordsOutput struct {
	// Reap lists the ended allocations whose directory and record go.
	Reap []Reap
	// Remove lists the directories of unknown allocations that go.
	Remove []string
	// Seen is the Seen of the next plan.
	Seen map[string]time.Time
}

// Reap is an ended allocation that goes.
type Reap struct {
	AllocID string
	Job     string
	EndedAt time.Time
}

// PlanRecords decides which allocation directories and records may go. It is
// a pure function.
func PlanRecords(in RecordsInput) RecordsOutput {
	out := RecordsOutput{Seen: map[string]time.Time{}}
	held := map[string]bool{}
	for _, c := range in.Containers {
		if c.Ours {
			held[c.Identity.AllocID] = true
		}
	}
	for _, list := range endedByJob(in, held) {
		for i, r := range list {
			if i >= KeepEndedPerJob || !in.Now.Before(r.EndedAt.Add(KeepEnded)) {
				out.Reap = append(out.Reap, r)
			}
		}
	}
	slices.SortFunc(out.Reap, func(a, b Reap) int { return cmp.Compare(a.AllocID, b.AllocID) })
	planUnknown(in, held, &out)
	return out
}

// endedByJob lists the ended allocations that have no container left, newest
// first.
func endedByJob(in RecordsInput, held map[string]bool) map[string][]Reap {
	lists := map[string][]Reap{}
	for id, spec := range in.Allocs {
		status := in.Statuses[id]
		if ended(spec, status) && !held[id] {
			lists[spec.Job] = append(lists[spec.Job], Reap{AllocID: id, Job: spec.Job, EndedAt: status.EndedAt})
		}
	}
	for _, list := range lists {
		slices.SortFunc(list, func(a, b Reap) int {
			return cmp.Or(b.EndedAt.Compare(a.EndedAt), cmp.Compare(a.AllocID, b.AllocID))
		})
	}
	return lists
}

// planUnknown lets the directories go that neither a record nor a container
// names. The time of their first sight survives only while they stay unknown.
func planUnknown(in RecordsInput, held map[string]bool, out *RecordsOutput) {
	for _, id := range slices.Sorted(maps.Keys(set(in.Dirs))) {
		_, spec := in.Allocs[id]
		_, status := in.Statuses[id]
		if spec || status || held[id] || in.StateLost {
			continue
		}
		since, known := in.Seen[id]
		if !known || in.Now.Before(since) {
			since = in.Now
		}
		out.Seen[id] = since
		if !in.Now.Before(since.Add(KeepUnknown)) {
			out.Remove = append(out.Remove, id)
		}
	}
}

func set(keys []string) map[string]bool {
	m := make(map[string]bool, len(keys))
	for _, k := range keys {
		m[k] = true
	}
	return m
}
