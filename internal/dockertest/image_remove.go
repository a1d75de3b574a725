package dockertest

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
)

func (e *Engine) handleImageRemove(c *call) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.image(c.arg)
	if i == nil {
		return notFound("No such image: %s", withTag(c.arg))
	}
	var out []image.DeleteResponse
	var err error
	if i.byID(c.arg) {
		out, err = e.removeByID(i, c.flag("force"))
	} else {
		out, err = e.removeByRef(i, c.arg, c.flag("force"))
	}
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, out)
}

// removeByRef takes one reference away, and the image with its last; the
// caller holds mu (moby daemon/images: ImageDelete).
func (e *Engine) removeByRef(i *img, ref string, force bool) ([]image.DeleteResponse, error) {
	users := e.users(i.id)
	if !force && len(users) > 0 && single(e.fullRefs(i.id)) {
		return nil, conflict("conflict: unable to remove repository reference %q (must force) - container %s is using its referenced image %s",
			ref, short(users[0].id), short(i.id))
	}
	full, err := canonical(ref)
	if err != nil {
		return nil, invalid("%s", err)
	}
	out := []image.DeleteResponse{e.untag(full)}
	e.emitImage(events.ActionUnTag, i.id, i.id)
	rest := e.fullRefs(i.id)
	if !strings.Contains(full, "@") && !slices.ContainsFunc(rest, func(r string) bool {
		return !strings.Contains(r, "@") && repository(r) == repository(full)
	}) {
		// The last tag of a repository takes its digests along.
		for _, r := range rest {
			if repository(r) == repository(full) {
				out = append(out, e.untag(r))
			}
		}
		rest = e.fullRefs(i.id)
	}
	if len(rest) > 0 || len(users) > 0 {
		return out, nil
	}
	return append(out, e.drop(i)...), nil
}

// removeByID removes the image if nothing needs it; the caller holds mu.
func (e *Engine) removeByID(i *img, force bool) ([]image.DeleteResponse, error) {
	refs := e.fullRefs(i.id)
	for _, c := range e.users(i.id) {
		if c.state.running {
			return nil, conflict("conflict: unable to delete %s (cannot be forced) - image is being used by running container %s", short(i.id), short(c.id))
		}
	}
	if force {
		return e.drop(i), nil
	}
	if len(refs) > 0 && !single(refs) {
		return nil, conflict("conflict: unable to delete %s (must be forced) - image is referenced in multiple repositories", short(i.id))
	}
	if users := e.users(i.id); len(users) > 0 {
		return nil, conflict("conflict: unable to delete %s (must be forced) - image is being used by stopped container %s", short(i.id), short(users[0].id))
	}
	return e.drop(i), nil
}

// fullRefs are the canonical references of an image, sorted; the caller holds
// mu.
func (e *Engine) fullRefs(id string) []string {
	var out []string
	for _, ref := range slices.Sorted(maps.Keys(e.refs)) {
		if e.refs[ref] == id {
			out = append(out, ref)
		}
	}
	return out
}

// single reports whether refs are at most one tag and digests of its
// repository alone.
func single(refs []string) bool {
	if len(refs) <= 1 {
		return len(refs) == 1
	}
	tags := 0
	for _, r := range refs {
		if repository(r) != repository(refs[0]) {
			return false
		}
		if !strings.Contains(r, "@") {
			tags++
		}
	}
	return tags <= 1 && tags < len(refs)
}

func (e *Engine) untag(full string) image.DeleteResponse {
	delete(e.refs, full)
	return image.DeleteResponse{Untagged: familiar(full)}
}

// drop removes the image with all its references; the caller holds mu.
func (e *Engine) drop(i *img) []image.DeleteResponse {
	var out []image.DeleteResponse
	for _, ref := range e.fullRefs(i.id) {
		out = append(out, e.untag(ref))
		e.emitImage(events.ActionUnTag, i.id, i.id)
	}
	delete(e.images, i.id)
	e.emitImage(events.ActionDelete, i.id, i.id)
	out = append(out, image.DeleteResponse{Deleted: i.id})
	for _, l := range slices.Backward(i.layers) {
		out = append(out, image.DeleteResponse{Deleted: l})
	}
	return out
}
