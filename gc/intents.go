package gc

import (
	"time"

	"reconciler/observed"
	"reconciler/store"
)

// openFor is how long an intent of this process may stay open while nothing
// becomes of it: its reference is on the host and nobody settles it, or it does
// not come and nobody wants it. The puller settles it within seconds, unless
// the engine could not be asked just then, or went on with what it no longer
// tells us of. Until then, what a person brings under the reference counts as
// ours.
const openFor = 10 * time.Minute

// sight is how the reference of an open intent was last seen.
type sight struct {
	intent store.ImageIntent
	here   bool          // on the host
	since  time.Duration // by Elapsed
}

// leftIntents tells which intents nobody will settle: those of an earlier
// process of the agent, and those of this one whose reference has been here, or
// absent, for openFor. Plan keeps those of them that are absent and wanted: a
// pull may last.
func (w *Worker) leftIntents(intents map[string]store.ImageIntent, images []observed.Image) map[string]bool {
	here := map[string]bool{}
	for _, img := range images {
		for _, ref := range img.Refs {
			here[refKey(ref)] = true
		}
	}
	left, now, seen := map[string]bool{}, w.cfg.Elapsed(), map[string]sight{}
	for key, intent := range intents {
		if old, ok := w.left[key]; ok && intent == old {
			left[key] = true
			continue
		}
		s := sight{intent: intent, here: here[refKey(intent.Ref)], since: now}
		if old, ok := w.sights[key]; ok && old.intent == intent && old.here == s.here {
			s.since = old.since
		}
		seen[key] = s
		left[key] = now-s.since >= openFor
	}
	w.sights = seen
	return left
}
