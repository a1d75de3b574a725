package docker

import (
	"context"
	"fmt"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"reconciler/internal/imageref"
)

// RemoveImage takes refs, the references of image id that are ours, from it,
// one by one and unforced. If that leaves it without any reference and it is
// ours, the image itself goes; a stranger's reference keeps it. A reference
// that means another image by now is left alone.
//
// It is checked under an exclusive section that no pull and no create overlaps
// whether a container in any state has the image (ErrInUse, naming it), and
// whether it is leased (ErrLeased). An image that is gone is fine.
func (e *Engine) RemoveImage(ctx context.Context, id string, refs []string) error {
	keys := []string{idKey(id)}
	for _, r := range refs {
		keys = append(keys, refKey(r))
	}
	end, ok := e.leases.alone(keys...)
	if !ok {
		return fmt.Errorf("image %s: %w", shortImage(id), ErrLeased)
	}
	defer end()
	current, err := e.meaning(ctx, id, refs)
	if err != nil {
		return err
	}
	if err := e.imageUnused(ctx, id, current); err != nil {
		return err
	}
	for _, ref := range current {
		if err := e.removeImage(ctx, ref); err != nil {
			return err
		}
	}
	return e.removeBareImage(ctx, id, refs)
}

// meaning returns those of refs that mean the image id now, in the engine's
// form.
func (e *Engine) meaning(ctx context.Context, id string, refs []string) ([]string, error) {
	var out []string
	for _, ref := range refs {
		local, err := e.localImage(ctx, ref)
		if err != nil {
			return nil, err
		}
		if local.id == id {
			out = append(out, apiRef(ref))
		}
	}
	return out, nil
}

// imageUnused looks at a fresh list of all containers, strangers' too. It
// compares ids, and the references that mean the image as well: engines with
// the containerd store may name a container's image by another of its ids.
func (e *Engine) imageUnused(ctx context.Context, id string, refs []string) error {
	var list []container.Summary
	err := within(ctx, listDeadline, func(ctx context.Context) (err error) {
		list, err = e.api.ContainerList(ctx, container.ListOptions{All: true})
		return err
	})
	if err != nil {
		return classify(ctx, "containers", err)
	}
	for _, c := range list {
		named, err := imageref.Parse(c.Image)
		if c.ImageID == id || err == nil && slices.Contains(refs, apiRef(named)) {
			return fmt.Errorf("image %s: %w by container %s", shortImage(id), ErrInUse, containerName(c))
		}
	}
	return nil
}

func containerName(c container.Summary) string {
	if len(c.Names) == 0 {
		return shortID(c.ID)
	}
	return c.Names[0][1:]
}

// removeBareImage removes an image of ours that has no reference left but
// digests of the repositories that we pulled it from: the engine keeps those
// when a tag moves on.
func (e *Engine) removeBareImage(ctx context.Context, id string, refs []string) error {
	local, err := e.localImage(ctx, id)
	if err != nil || local.id == "" || !e.prov.Known(id) || !bare(local, refs) {
		return err
	}
	// A pull could give it a reference while we remove it by id, which would
	// take that reference away.
	end, ok := e.leases.alone(anyRef)
	if !ok {
		return fmt.Errorf("image %s: %w: images are being pulled", shortImage(id), ErrLeased)
	}
	defer end()
	if local, err = e.localImage(ctx, id); err != nil || local.id == "" || !bare(local, refs) {
		return err
	}
	return e.removeImage(ctx, id)
}

func bare(local localImage, refs []string) bool {
	var ours []string
	for _, r := range refs {
		ours = append(ours, repository(r))
	}
	if len(local.tags) > 0 {
		return false
	}
	for _, r := range local.refs {
		if !slices.Contains(ours, repository(r)) {
			return false
		}
	}
	return true
}

// removeImage removes a reference or an id. The engine's 409 means that a
// container, or a child image, needs it.
func (e *Engine) removeImage(ctx context.Context, ref string) error {
	err := e.write(ctx, removeImageDeadline, func(ctx context.Context) error {
		_, err := e.api.ImageRemove(ctx, ref, image.RemoveOptions{PruneChildren: true})
		return err
	})
	switch {
	case errdefs.IsNotFound(err):
		return nil
	case errdefs.IsConflict(err):
		return fmt.Errorf("image %s: %w: %w", ref, ErrInUse, err)
	}
	return classify(ctx, "image "+ref, err)
}

// shortImage is an image id as docker images shows it.
func shortImage(id string) string {
	const prefix = "sha256:"
	if len(id) > len(prefix)+12 {
		return id[len(prefix) : len(prefix)+12]
	}
	return id
}
