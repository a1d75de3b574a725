package reconcile

import (
	"testing"
	"time"

	"reconciler/observed"
	"reconciler/store"
)

// TestMissingJobBeginsNothing: a job that is in its deletion grace keeps what
// runs and begins nothing, also if its record came back from a backup.
func TestMissingJobBeginsNothing(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		r.mark("web", func(rec *store.JobRecord) { rec.MissingSince = time.Now() })
		r.after(time.Second)
		r.with(func() { clear(r.truth) }) // the next agent finds no container
		r.kill()
		r.after(time.Minute)
		if got := r.running("web"); len(got) != 0 {
			t.Errorf("%d containers of a job that is missing were begun", len(got))
		}
		r.mark("web", func(rec *store.JobRecord) { rec.MissingSince = time.Time{} })
		r.after(time.Minute)
		// A deletion that is held leaves the last good spec in force.
		r.mark("web", func(rec *store.JobRecord) { rec.MissingSince, rec.Held = time.Now(), store.HeldMassDeletion })
		r.rmf(r.one("web").ID)
		r.after(time.Minute)
		r.one("web")
	})
}

// TestOutdatedRecordBeginsNothing: the state file is older than what runs. Its
// allocations are not begun beside those of the later generation.
func TestOutdatedRecordBeginsNothing(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		old := r.one("web")
		later := old
		later.ID, later.Name = "later", "web-later"
		later.Identity.AllocID, later.Identity.Generation, later.Identity.SpecHash = "later", 7, "v1:later"
		later.State = observed.Running
		r.mark("web", func(rec *store.JobRecord) { rec.Held = store.HeldOutdated })
		r.put(later)
		r.rmf(old.ID)
		r.after(time.Minute)
		if c := r.one("web"); c.ID != "later" {
			t.Errorf("%s runs, want what was there", c.ID)
		}
	})
}
