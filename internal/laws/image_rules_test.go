package laws

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"
	"pgregory.net/rapid"

	"reconciler/internal/config"
	"reconciler/store"
)

// cleanup is what an operator says of images that nothing needs.
type cleanup struct {
	off   bool          // docker.cleanup.image is "false"
	delay time.Duration // docker.cleanup.image.delay
}

// drawCleanup draws what an operator may say: the delay of the tests mostly.
func drawCleanup(rt *rapid.T) cleanup {
	return cleanup{
		off:   rapid.IntRange(0, 5).Draw(rt, "cleanup off") == 0,
		delay: rapid.SampledFrom([]time.Duration{delay, delay, 0, 3 * time.Minute, 50 * time.Minute}).Draw(rt, "cleanup delay"),
	}
}

// configure writes it into the operator's file.
func (c cleanup) configure(cfg *config.Config) {
	cfg.Client.Docker.CleanupImage, cfg.Client.Docker.CleanupImageDelay = !c.off, c.delay
}

// takes notes what the agent that is being started was told.
func (w *world) takes(cfg config.Config) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := cfg.Client.Docker
	w.cleanup = cleanup{off: !d.CleanupImage, delay: d.CleanupImageDelay}
}

// brought notes that an image came: something wanted it until then. The caller
// holds w.mu.
func (s *sight) brought(m events.Message) {
	switch m.Action {
	case events.ActionPull, events.ActionLoad:
		s.came = append(s.came, m.Actor.ID)
	case events.ActionUnTag, events.ActionDelete:
		s.untagged = time.Now()
	}
}

// arrived gives the images that came the time of this look as that of their
// last use. The caller holds w.mu.
func (s *sight) arrived(images map[string][]string) {
	for _, came := range s.came {
		for id, refs := range images {
			if id == came || slices.Contains(refs, came) {
				s.lastUsed[id] = time.Now()
			}
		}
	}
	s.came = nil
}

// checkIntended: before a pull or load of what is absent, the intent to bring
// it stands in the file, and not only in memory.
func (w *world) checkIntended(r *http.Request) {
	var what string
	switch q := r.URL.Query(); {
	case strings.HasSuffix(r.URL.Path, "/images/load"):
	case !strings.HasSuffix(r.URL.Path, "/images/create"):
		return
	case strings.Contains(q.Get("tag"), ":"):
		what = q.Get("fromImage") + "@" + q.Get("tag")
	default:
		what = q.Get("fromImage") + ":" + q.Get("tag")
	}
	w.mu.Lock()
	lately := time.Since(w.sight.untagged) < 10*time.Second // it was there when the agent looked
	w.mu.Unlock()
	if lately || what != "" && w.present(what) != "" || what == "" && w.anyArchiveThere() {
		return
	}
	file, _, err := store.Read(w.data)
	if err != nil {
		w.bad("intent first: %s %s, and the state file: %v", r.URL.Path, what, err)
		return
	}
	w.mu.Lock()
	archives := maps.Clone(w.archives)
	w.mu.Unlock()
	for _, intent := range file.Intents.All() {
		if what != "" && plain(intent.Ref) == plain(what) || what == "" && archives[intent.Source].refs != nil {
			return
		}
	}
	w.bad("intent first: %s %s, and the file has only %v", r.URL.Path, what, file.Intents.Keys())
}
