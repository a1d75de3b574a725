package agent

import (
	"context"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"reconciler/gc"
	"reconciler/observed"
	"reconciler/store"
)

// provenance is the puller's memory in the store.
type provenance struct {
	st  *store.Store
	now func() time.Time
	mu  sync.Mutex // two pulls of one image may end together
}

// Intend writes the intent and waits for its commit.
func (p *provenance) Intend(ctx context.Context, ref, source string) error {
	p.st.Intents.Put(store.IntentKey(ref), store.ImageIntent{Ref: ref, Source: source, At: p.now().UTC()})
	return p.st.Sync(ctx)
}

// Done ends the intent and, if the image is ours now, enters it.
func (p *provenance) Done(ref, source, id string, ours bool, size int64) {
	if id != "" && ours {
		if intent, had := p.st.Intents.Get(store.IntentKey(ref)); had {
			source = intent.Source
		}
		p.Adopt(id, store.ImageProvenance{Refs: []string{ref}, Source: source, Size: size, At: p.now().UTC()})
	}
	p.st.Intents.Delete(store.IntentKey(ref))
}

// Known reports whether an image is ours.
func (p *provenance) Known(id string) bool {
	_, ok := p.st.Provenance.Get(id)
	return ok
}

// Intended reports whether an intent for ref is open.
func (p *provenance) Intended(ref string) bool {
	_, ok := p.st.Intents.Get(store.IntentKey(ref))
	return ok
}

// Adopt merges what is known of an image of ours.
func (p *provenance) Adopt(id string, add store.ImageProvenance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old, had := p.st.Provenance.Get(id)
	if had {
		add = gc.MergeProvenance(old, add)
	}
	p.st.Provenance.Put(id, add)
}

// adoptLabelled takes from the labels of our containers which images are ours,
// where a record is lost, before anything is done to the containers: the
// labels of one that is removed at once would tell gc nothing more.
func (p *provenance) adoptLabelled(c *observed.Cache, log logrus.FieldLogger) {
	containers, ok := c.Containers()
	images, imagesOK := c.Images()
	if !ok || !imagesOK {
		return
	}
	adopt := gc.Labelled(gc.Input{
		Now: p.now(), Images: images, Containers: containers, Provenance: p.st.Provenance.All(),
	})
	for id, add := range adopt {
		log.WithFields(logrus.Fields{"id": id, "refs": add.Refs, "source": add.Source}).Info("image is ours: provenance rebuilt")
		p.Adopt(id, add)
	}
}

// Forget deletes the record of an image that is gone.
func (p *provenance) Forget(id string) { p.st.Provenance.Delete(id) }

// DropIntent deletes an intent that an earlier process left.
func (p *provenance) DropIntent(ref string) { p.st.Intents.Delete(store.IntentKey(ref)) }
