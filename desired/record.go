package desired

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"reconciler/store"
)

// specKeptFor is how long a spec stays that neither the job nor any of its
// allocations needs: a controller may be about to make an allocation from it.
const specKeptFor = time.Minute

// record writes a decision into the store, and tells what changed. The
// credentials go first: who sees a spec finds them.
func (w *Watcher) record(v view, d decision) {
	renewed := w.auth.replace(d.auth, d.jobs, v.now)
	w.putJobs(v.jobs, d.jobs)
	for file, rec := range d.manifests {
		w.st.Manifests.Put(file, rec)
	}
	for file := range v.manifests {
		if _, still := d.manifests[file]; !still {
			w.st.Manifests.Delete(file)
		}
	}
	w.tell(append(d.changes, renewals(v.jobs, d.jobs, renewed)...), v.now)
	for _, name := range renewed {
		for _, f := range w.onAuth {
			f(name)
		}
	}
}

// putJobs makes the job records those of next. The spec of a new generation
// goes first, so that who sees the generation finds its spec.
func (w *Watcher) putJobs(old, next map[string]store.JobRecord) {
	for _, name := range leavingFirst(next) {
		rec := next[name]
		key := store.SpecKey(name, rec.Generation)
		if _, has := w.st.Specs.Get(key); rec.Spec != nil && rec.Deleted.IsZero() && (!has || rec.Generation != old[name].Generation) {
			w.st.Specs.Put(key, store.SpecRecord{Spec: rec.Spec})
		}
		if !sameRecord(old[name], rec) {
			w.st.Jobs.Put(name, rec)
		}
	}
	for name := range old {
		if _, still := next[name]; !still {
			w.st.Jobs.Delete(name)
		}
	}
}

// leavingFirst orders jobs so that whoever sees a new job sees what leaves
// with it: a renamed job must not start beside the one it takes over from.
func leavingFirst(jobs map[string]store.JobRecord) []string {
	stays := func(name string) int {
		if rec := jobs[name]; rec.MissingSince.IsZero() && rec.Deleted.IsZero() && rec.Held == "" {
			return 1
		}
		return 0
	}
	return slices.SortedFunc(maps.Keys(jobs), func(a, b string) int {
		return cmp.Or(cmp.Compare(stays(a), stays(b)), cmp.Compare(a, b))
	})
}

// sameRecord reports, without encoding them, that two records are equal. Two
// equal specs at different addresses count as different; the table finds out.
func sameRecord(a, b store.JobRecord) bool {
	return a.Generation == b.Generation && a.Hash == b.Hash && a.File == b.File && a.Spec == b.Spec &&
		a.Held == b.Held && a.MissingSince.Equal(b.MissingSince) && a.HeldSince.Equal(b.HeldSince) &&
		a.Deleted.Equal(b.Deleted)
}

// prune deletes the specs of generations that are needed no more.
func (w *Watcher) prune(now time.Time) {
	needed := w.neededSpecs()
	keys := w.st.Specs.Keys()
	for _, key := range keys {
		since, noted := w.unused[key]
		switch {
		case needed[key]:
			delete(w.unused, key)
		case !noted:
			w.unused[key] = now
		case now.Sub(since) >= specKeptFor:
			delete(w.unused, key)
			w.st.Specs.Delete(key)
		}
	}
	maps.DeleteFunc(w.unused, func(key string, _ time.Time) bool { return !slices.Contains(keys, key) })
}

// neededSpecs are the keys of the generations that a job, a deployment or an
// allocation names, the last that worked among them. A generation that a controller has not caught up with is
// the one it may fall back to.
func (w *Watcher) neededSpecs() map[string]bool {
	out := map[string]bool{}
	for name, rec := range w.st.Jobs.All() {
		out[store.SpecKey(name, rec.Generation)] = true
	}
	for name, dep := range w.st.Deployments.All() {
		out[store.SpecKey(name, dep.ObservedGeneration)] = true
		for _, g := range dep.Groups {
			if g.Stable != nil {
				out[store.SpecKey(name, g.Stable.Generation)] = true
			}
		}
	}
	for _, a := range w.st.AllocSpecs.All() {
		out[store.SpecKey(a.Job, a.Generation)] = true
	}
	return out
}
