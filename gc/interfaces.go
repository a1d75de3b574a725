package gc

import (
	"context"

	"reconciler/observed"
	"reconciler/store"
)

// Observer is the view of the engine that the Worker decides on.
type Observer interface {
	// Images and Containers return all images and all containers, strangers'
	// too. ok is false before the first good list and while dockerd is away.
	Images() (all []observed.Image, ok bool)
	Containers() (all []observed.Container, ok bool)
	// RefreshImages lists the images anew, now. After an error the view is as
	// it was.
	RefreshImages(ctx context.Context) error
}

// Remover removes images from the engine, never by force.
type Remover interface {
	// RemoveImage removes the references one by one, and then the id if no
	// reference is left. Before, and where no pull or create can come in
	// between, it lists all containers anew: if one has the image, or a lease
	// is held on it, or dockerd refuses, the error is one for which Parts.InUse
	// holds. References that were removed until then stay removed. What is
	// gone already is no error, so it may be repeated. It keeps the deadline of
	// an image removal (5 min) by itself.
	RemoveImage(ctx context.Context, id string, refs []string) error
}

// Ledger changes the puller's records, which the puller alone writes. Its
// methods do not block and may be repeated.
type Ledger interface {
	// Adopt merges p into the provenance of an image (MergeProvenance).
	Adopt(id string, p store.ImageProvenance)
	// Forget deletes the provenance of an image that is gone.
	Forget(id string)
	// DropIntent deletes the intent of a reference. The Worker has made sure
	// that no pull will settle it.
	DropIntent(ref string)
}

// AllocDirs are the allocation directories. Remove may be repeated.
type AllocDirs interface {
	// List returns the ids of all allocations that have a directory.
	List() ([]string, error)
	Remove(allocID string) error
}

// AllocReaper deletes the record of an ended allocation, both halves. The
// controllers implement it, since the record is theirs. It does not block and
// may be repeated.
type AllocReaper interface {
	ReapAlloc(id string)
}
