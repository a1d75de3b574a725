package laws

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"

	"reconciler/internal/job"
	"reconciler/store"
)

// sight is what the witness remembers; world.mu guards it.
type sight struct {
	now      map[string]bool      // images that containers had at the last look
	lastUsed map[string]time.Time // of images: a container had it then
	deleted  []events.Message
	came     []string  // ids or references of images that came since the last look
	untagged time.Time // when a reference was last taken from an image
	excused  bool      // the agent was killed in the middle of a create, or worse
}

// tell is the engine's event fault: the witness hears of everything, the agent
// of what the story lets through. The caller holds the engine's lock.
func (w *world) tell(m events.Message) []time.Duration {
	w.mu.Lock()
	f := w.events
	w.life.heard(m)
	if m.Type == events.ImageEventType {
		w.sight.brought(m)
	}
	if m.Type == events.ImageEventType && m.Action == events.ActionDelete {
		m.TimeNano = time.Now().UnixNano()
		w.sight.deleted = append(w.sight.deleted, m)
	}
	w.mu.Unlock()
	if strings.HasPrefix(string(m.Action), "exec_") {
		return []time.Duration{0} // a check looks, and changes nothing
	}
	select {
	case w.noticed <- struct{}{}:
	default:
	}
	if f == nil {
		return []time.Duration{0}
	}
	return f(m)
}

// setEvents says how the agent hears of events from now on.
func (w *world) setEvents(f func(events.Message) []time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events, w.seeing = f, time.Now()
}

// witness looks at the engine after each event until ctx ends, and once more
// when what follows from it should have happened.
func (w *world) witness(ctx context.Context) {
	var later <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.noticed:
			later = time.After(2 * moment)
		case <-later:
			later = nil
		}
		w.look()
	}
}

// look checks what must hold at any time.
func (w *world) look() {
	ours, all, images := w.running(""), w.e.Containers(), w.e.Images()
	var st *store.Store
	if p := w.live.Load(); p != nil {
		st = p.Store
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checkDoubles(ours)
	w.checkLives(ours, st)
	w.checkImages(all, images)
}

// checkDoubles: never two live containers of one task of one allocation, nor,
// while nothing went wrong, more than two of one index: an allocation and the
// successor that may run beside it.
func (w *world) checkDoubles(ours []container.InspectResponse) {
	tasks, indexes := map[string]string{}, map[string][]container.InspectResponse{}
	for _, c := range ours {
		l := c.Config.Labels
		task := l["reconciler.alloc_id"] + "/" + l["reconciler.task"]
		if other := tasks[task]; other != "" {
			w.badLocked("one container per task: %s and %s run", other, c.Name)
		}
		tasks[task] = c.Name
		index := fmt.Sprintf("%s.%s[%s].%s", l["reconciler.job"], l["reconciler.group"], l["reconciler.alloc_index"], l["reconciler.task"])
		others := indexes[index]
		if !w.sight.excused && (len(others) > 1 || len(others) == 1 && (!harmless(others[0]) || !harmless(c))) {
			w.badLocked("one container per index: %s and %s run for %s", others[0].Name, c.Name, index)
		}
		indexes[index] = append(others, c)
	}
}

// harmless reports whether a container has nothing that another of the same
// task could want at the same time.
func harmless(c container.InspectResponse) bool {
	outside := slices.ContainsFunc(c.HostConfig.Binds, func(bind string) bool {
		return !strings.Contains(bind, "/alloc/"+c.Config.Labels["reconciler.alloc_id"]+"/") && !strings.HasSuffix(bind, ":ro")
	})
	own := c.HostConfig.NetworkMode == "bridge" || c.HostConfig.NetworkMode.IsContainer() // of its own allocation
	return !outside && own && !strings.Contains(c.Config.Labels["reconciler.ports"], `"static":true`)
}

// checkImages: no image of somebody else goes, and none before its delay.
func (w *world) checkImages(all []container.InspectResponse, images map[string][]string) {
	now, used := time.Now(), map[string]bool{}
	for _, c := range all {
		used[c.Image] = true
	}
	if w.sight.lastUsed == nil {
		w.sight.lastUsed = map[string]time.Time{}
	}
	for id := range w.sight.now {
		w.sight.lastUsed[id] = now // until this look
	}
	w.sight.arrived(images)
	for _, m := range w.sight.deleted {
		id := m.Actor.ID
		since := time.Unix(0, m.TimeNano).Sub(w.sight.lastUsed[id])
		switch {
		case w.byHand[id]:
		case w.theirs[id]:
			w.badLocked("mine only: image %s was there before us and was deleted", id)
		case w.cleanup.off:
			w.badLocked("no early delete: image %s went, and docker.cleanup.image is false", id)
		case !w.sight.lastUsed[id].IsZero() && since < w.cleanup.delay:
			w.badLocked("no early delete: image %s went %s after its last use", id, since)
		}
	}
	w.sight.deleted = nil
	w.sight.now = used
}

// checkMine holds a write of the agent against whom it names. The caller holds
// w.mu.
func (w *world) checkMine(c write) {
	if c.target != "" && c.labels[job.LabelNodeID] != w.nodeID() {
		w.badLocked("mine only: %s names a stranger", c)
	}
	switch {
	case strings.Contains(c.what, "/volumes"), strings.Contains(c.what, "/networks"):
		w.badLocked("mine only: %s", c)
	case strings.HasPrefix(c.what, "DELETE /images/") && strings.Contains(c.what, "force=1"):
		w.badLocked("no early delete: %s is forced", c)
	case strings.HasPrefix(c.what, "DELETE /containers/") && strings.Contains(c.what, "force=1"):
		w.badLocked("mine only: %s is forced", c)
	}
}
