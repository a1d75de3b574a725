package gc

import (
	"context"
	"errors"
	"slices"
	"sync"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

var errLeased = errors.New("image leased")

// engine is an engine in memory: its images and containers, what the agent's
// view of them is, and every removal that was asked for.
type engine struct {
	mu         sync.Mutex
	images     []observed.Image
	containers []observed.Container
	seenImages []observed.Image // the agent's view: as of the last list
	away       bool             // neither list is good
	noImages   bool             // that of the images is not
	noList     bool             // that of the containers is not
	listErr    error
	removeErr  error // answer to the next removals
	stuck      bool  // removals succeed and remove nothing
	lists      int
	removals   []string
	onList     func() // something happens while the list is made
	onRemove   func() // … while an image is removed
}

// with changes or reads the engine.
func (e *engine) with(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

func (e *engine) set(images []observed.Image, containers ...observed.Container) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.images, e.containers, e.seenImages = images, containers, images
}

func (e *engine) Images() ([]observed.Image, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.seenImages), !e.away && !e.noImages
}

func (e *engine) Containers() ([]observed.Container, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.containers), !e.away && !e.noList
}

func (e *engine) RefreshImages(context.Context) error {
	e.mu.Lock()
	onList := e.onList
	e.mu.Unlock()
	if onList != nil {
		onList()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lists++
	if e.listErr == nil {
		e.seenImages = slices.Clone(e.images)
	}
	return e.listErr
}

func (e *engine) RemoveImage(_ context.Context, id string, refs []string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.onRemove != nil {
		e.onRemove()
	}
	e.removals = append(e.removals, id)
	if e.removeErr != nil || e.stuck {
		return e.removeErr
	}
	i := slices.IndexFunc(e.images, func(img observed.Image) bool { return img.ID == id })
	if i < 0 {
		return nil
	}
	img := e.images[i]
	img.Refs = slices.DeleteFunc(slices.Clone(img.Refs), func(r string) bool { return slices.Contains(refs, r) })
	e.images = slices.Clone(e.images)
	e.images[i] = img
	if len(img.Refs) == 0 {
		e.images = slices.Delete(e.images, i, i+1)
	}
	return nil
}

func (e *engine) has(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.images, func(img observed.Image) bool { return img.ID == id })
}

func (e *engine) asked() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.removals)
}

func (e *engine) listed() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lists
}

// ledger writes provenance and intents as the puller would.
type ledger struct{ st *store.Store }

func (l ledger) Adopt(id string, p store.ImageProvenance) {
	old, _ := l.st.Provenance.Get(id)
	l.st.Provenance.Put(id, MergeProvenance(old, p))
}

func (l ledger) Forget(id string) { l.st.Provenance.Delete(id) }

func (l ledger) DropIntent(ref string) { l.st.Intents.Delete(store.IntentKey(ref)) }

// dirs are allocation directories.
type dirs struct {
	mu      sync.Mutex
	ids     []string
	err     error
	listErr error
	lists   int
}

// with changes or reads the directories.
func (d *dirs) with(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *dirs) List() ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lists++
	return slices.Clone(d.ids), d.listErr
}

func (d *dirs) Remove(id string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.ids = slices.DeleteFunc(d.ids, func(s string) bool { return s == id })
	}
	return d.err
}

// reaper deletes both halves of a record, as the controllers would.
type reaper struct{ st *store.Store }

func (r reaper) ReapAlloc(id string) {
	r.st.AllocSpecs.Delete(id)
	r.st.AllocStatuses.Delete(id)
}

func ourContainer() observed.Container {
	return observed.Container{
		ID: "c1", Name: "web-a1", Image: "redis:7", ImageID: redisID, State: observed.Running,
		Ours: true, Identity: job.Identity{Job: "web", AllocID: "a1", ImageOurs: true},
	}
}

func (d *dirs) len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.ids)
}
