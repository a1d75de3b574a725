package observed

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"
)

// Refresh inspects one container now and returns when the cache shows what
// came of it: a worker that has acted on a container sees its own writes
// afterwards. containerID is the full id. A container that is not found is
// removed from the cache, which is no error.
func (c *Cache) Refresh(ctx context.Context, containerID string) error {
	h, err := c.inspect(ctx, containerID)
	c.tell(h)
	if err != nil && ctx.Err() == nil && c.owe(containerID) {
		poke(c.again)
	}
	return err
}

// owe notes that an inspect of id was due and gave no answer. It reports
// whether a list is worth its while: it tells the state at least.
func (c *Cache) owe(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.tbl.entries[id]
	return c.tbl.owe(id) || !known
}

// inspect asks for one container and puts the answer into the table.
func (c *Cache) inspect(ctx context.Context, id string) (Hint, error) {
	t := c.begin()
	defer c.end(t)
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	r, err := c.api.ContainerInspect(ctx, id)
	switch {
	case errdefs.IsNotFound(err):
		return c.drop(t, id), nil
	case err != nil:
		return Hint{}, fmt.Errorf("inspect of container %.12s: %w", id, err)
	}
	con, labelErr := fromInspect(r, c.nodeID)
	if con.ID == "" {
		return Hint{}, fmt.Errorf("inspect of container %.12s: the answer has no id", id)
	}
	return c.set(t, entry{Container: con}, labelErr), nil
}

// away reports whether err says that the engine cannot be reached, or that
// ctx is done, as against an answer that concerns one container.
func away(ctx context.Context, err error) bool {
	return ctx.Err() != nil || client.IsErrConnectionFailed(err)
}

// set puts what t told about one container and returns what that touched.
func (c *Cache) set(t ticket, e entry, labelErr error) Hint {
	c.mu.Lock()
	old, had, ok := c.tbl.put(t, e)
	c.mu.Unlock()
	if !ok || had && same(old.Container, e.Container) {
		return Hint{}
	}
	if labelErr != nil && !had {
		c.warnLabels(e.Container, labelErr)
	}
	if e.Ours || old.Ours {
		if old.Name != e.Name {
			c.record(old.Name)
		}
		c.record(e.Name)
	}
	h := hint(e.Container)
	h.Image = !had || old.ImageID != e.ImageID
	return h
}

// drop removes one container that t says is gone and returns what that
// touched.
func (c *Cache) drop(t ticket, id string) Hint {
	c.mu.Lock()
	old, had := c.tbl.remove(t, id)
	c.mu.Unlock()
	if !had {
		return Hint{}
	}
	if old.Ours {
		c.record(old.Name)
	}
	h := hint(old.Container)
	h.Image = true
	return h
}

func hint(con Container) Hint {
	if !con.Ours {
		return Hint{}
	}
	return Hint{Job: con.Identity.Job, AllocID: con.Identity.AllocID}
}
