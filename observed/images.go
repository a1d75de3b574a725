package observed

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/image"

	"reconciler/internal/imageref"
)

// RefreshImages lists the images now and returns when the cache shows them.
// A list that fails changes none of them.
func (c *Cache) RefreshImages(ctx context.Context) error {
	t := c.begin()
	defer c.end(t)
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	list, err := c.api.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return fmt.Errorf("list of images: %w", err)
	}
	images := fromImages(list)
	if c.setImages(t, images) {
		c.tell(Hint{Image: true})
	}
	return nil
}

// setImages reports whether images are newer than what is there, and differ or
// were not known.
func (c *Cache) setImages(t ticket, images []Image) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.imageSeq > t.seq {
		return false
	}
	c.imageSeq = t.seq
	was := c.imagesErr
	c.imagesErr = nil
	if was == nil && reflect.DeepEqual(c.images, images) {
		return false
	}
	c.images = images
	return true
}

// listImages is RefreshImages, and an error only if the engine is away. Some
// engines cannot list any image while one of them is broken; that is no reason
// to look away from the containers. The images are unknown until they can.
func (s *session) listImages(ctx context.Context) error {
	c := s.cache
	was := c.imagesProblem()
	err := c.RefreshImages(ctx)
	switch {
	case err == nil && was != nil:
		c.log.Info("images can be listed again")
	case err == nil || away(ctx, err):
		return err
	case was == nil:
		c.log.WithError(err).Warn("images cannot be listed: none is removed until they can")
	}
	c.mu.Lock()
	c.imagesErr = err
	c.mu.Unlock()
	return nil
}

// imagesProblem is why the images are not known, nil if they are.
func (c *Cache) imagesProblem() error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.imagesErr
}

func fromImages(list []image.Summary) []Image {
	out := make([]Image, 0, len(list))
	for _, s := range list {
		out = append(out, Image{
			ID: s.ID, Size: s.Size, Created: time.Unix(s.Created, 0).UTC(),
			Refs: refs(s.RepoTags, s.RepoDigests),
		})
	}
	slices.SortFunc(out, func(a, b Image) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// refs gives tags and digests their one canonical form. The engine's
// "<none>:<none>" is no reference. One that cannot be read is kept as it is:
// left out, it would make an image look as if nobody named it.
func refs(lists ...[]string) []string {
	var out []string
	for _, given := range slices.Concat(lists...) {
		if strings.Contains(given, "<none>") {
			continue
		}
		if ref, err := imageref.Parse(given); err == nil {
			given = ref
		}
		out = append(out, given)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
