package reconcile

import (
	"reconciler/internal/job"
	"reconciler/observed"
)

// playImages are the images of the engine that a play is played on.
type playImages struct {
	known bool              // the list of the engine's images is known
	have  map[string]bool   // ids
	refs  map[string]string // canonical reference -> id
}

func newPlayImages(all []observed.Image, known bool) playImages {
	i := playImages{known: known, have: map[string]bool{}, refs: map[string]string{}}
	for _, img := range all {
		i.have[img.ID] = true
		for _, ref := range img.Refs {
			i.refs[ref] = img.ID
		}
	}
	return i
}

// gone reports whether a container cannot be made for want of its image: one
// that a person removed.
func (i playImages) gone(id string) bool { return i.known && !i.have[id] }

// bring makes a reference be there and returns its id. What a registry that is
// asked has under a tag nobody knows before; it is as good as what is there.
func (i playImages) bring(ref string) string {
	id := i.refs[ref]
	if id == "" {
		id = "brought " + ref
		i.refs[ref], i.have[id] = id, true
	}
	return id
}

// pinned is the controller's, in a play. It is asked for only where a task
// has no image yet.
func (p *play) pinned(a *job.Alloc) map[string]string {
	if !p.images.known {
		return nil
	}
	needs := len(a.Status.Tasks) == 0
	for _, ts := range a.Status.Tasks {
		needs = needs || !ts.Prepared || ts.ImageID == ""
	}
	if !needs {
		return nil
	}
	return pinnedImages(a.Spec, p.deploy[a.Spec.Job], p.allocsOf(a.Spec.Job), p.images.have)
}
