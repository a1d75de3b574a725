package gc

import (
	"time"

	"reconciler/observed"
	"reconciler/store"
)

// openFor is how long the intent of a reference that is on the host may stay
// open before it counts as left behind. The puller settles it within seconds,
// unless the engine could not be asked just then.
const openFor = 10 * time.Minute

// leftIntents tells which intents nobody will settle: those of an earlier
// process of the agent, and those whose reference arrived long ago.
func (w *Worker) leftIntents(intents map[string]store.ImageIntent, images []observed.Image) map[string]bool {
	here := map[string]bool{}
	for _, img := range images {
		for _, ref := range img.Refs {
			here[refKey(ref)] = true
		}
	}
	left, now := map[string]bool{}, w.cfg.Elapsed()
	for key, intent := range intents {
		if old, ok := w.left[key]; ok && intent == old {
			left[key] = true
			continue
		}
		if !here[refKey(intent.Ref)] {
			delete(w.arrived, key)
			continue
		}
		if _, ok := w.arrived[key]; !ok {
			w.arrived[key] = now
		}
		left[key] = now-w.arrived[key] >= openFor
	}
	for key := range w.arrived {
		if _, ok := intents[key]; !ok {
			delete(w.arrived, key)
		}
	}
	return left
}
