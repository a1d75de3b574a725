package observed

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"
)

// finding is what a list showed that the table did not: the ids to inspect,
// and the changes of strangers that need none.
type finding struct {
	inspect map[string]container.Summary // ours, or disagreeing; the zero Summary if it was not in the list
	owed    map[string]container.Summary // those of ours whose last inspect gave no answer
	moved   []string                     // changes that an event should have told
	hints   []Hint
	damaged []labelled
}

// labelled is a container with labels that cannot be read.
type labelled struct {
	Container
	err error
}

// relist lists all containers and inspects those that differ, with full all
// of ours besides. It returns the ids of the containers whose change an event
// should have told. An error means that the engine could not be asked; what
// was learned until then stands.
func (c *Cache) relist(ctx context.Context, full bool) (moved []string, err error) {
	t := c.begin()
	defer c.end(t)
	list, err := c.listContainers(ctx)
	if err != nil {
		return nil, err
	}
	f := c.compare(t, list, full)
	for _, l := range f.damaged {
		c.warnLabels(l.Container, l.err)
	}
	for _, h := range f.hints {
		c.tell(h)
	}
	for id, s := range f.owed {
		c.tell(c.overlay(t, id, s)) // the next inspect may hang as well
	}
	found, err := c.inspectAll(ctx, t, f.inspect)
	if err != nil {
		return nil, err
	}
	c.prune()
	c.mu.Lock()
	c.status.LastList = t.at
	c.mu.Unlock()
	return append(f.moved, found...), nil
}

func (c *Cache) listContainers(ctx context.Context) ([]container.Summary, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	list, err := c.api.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, fmt.Errorf("list of containers: %w", err)
	}
	return list, nil
}

// compare puts what the list tells of strangers into the table and finds what
// must be inspected. Entries that a newer request told are left out.
func (c *Cache) compare(t ticket, list []container.Summary, full bool) finding {
	f := finding{inspect: map[string]container.Summary{}, owed: map[string]container.Summary{}}
	now := time.Now()
	listed := make(map[string]bool, len(list))
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range list {
		listed[s.ID] = true
		c.compareOne(t, s, full, now, &f)
	}
	for id, e := range c.tbl.entries {
		switch {
		case listed[id] || e.seq > t.seq:
		case e.Ours:
			f.inspect[id] = container.Summary{} // only "not found" removes one of ours
		default:
			c.tbl.remove(t, id)
			f.moved = append(f.moved, id)
			f.hints = append(f.hints, Hint{Image: true})
		}
	}
	return f
}

func (c *Cache) compareOne(t ticket, s container.Summary, full bool, now time.Time, f *finding) {
	con, labelErr := fromSummary(s, c.nodeID)
	e, had := c.tbl.entries[s.ID]
	if e.seq > t.seq {
		return
	}
	ok := had && !e.owed && agrees(e, con) &&
		(!c.sameClock || statusAgrees(e, s.Status, t.at, now))
	switch {
	case con.Ours:
		if full || !ok {
			f.inspect[s.ID] = s
		}
		if e.owed {
			f.owed[s.ID] = s
		}
	case had && !ok:
		f.inspect[s.ID] = s // an inspect is newer than a list can be
	case !had:
		if _, _, done := c.tbl.put(t, entry{Container: con, listed: true}); !done {
			return
		}
		f.moved = append(f.moved, s.ID)
		f.hints = append(f.hints, Hint{Image: true})
		if labelErr != nil {
			f.damaged = append(f.damaged, labelled{con, labelErr})
		}
	}
}

// inspectAll inspects what the list t has found and returns the ids of the
// containers whose change an event should have told.
func (c *Cache) inspectAll(ctx context.Context, t ticket, found map[string]container.Summary) ([]string, error) {
	var mu sync.Mutex
	var out []string
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inspectsAtOnce)
	for id, s := range found {
		g.Go(func() error {
			before := c.peek(id)
			h, err := c.inspect(ctx, id)
			if err != nil {
				if away(ctx, err) {
					return err
				}
				h = c.overlay(t, id, s)
			}
			c.tell(h)
			after := c.peek(id)
			if err == nil && (before.ID != after.ID || moved(before.Container, after.Container)) {
				mu.Lock()
				defer mu.Unlock()
				out = append(out, id)
			}
			return nil
		})
	}
	return out, g.Wait()
}

func (c *Cache) peek(id string) entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.tbl.entries[id]
}

// overlay is for a container that the list t shows and whose inspect gave no
// answer: its state is the list's, the rest stays as it was seen before. The
// inspect stays owed until one is answered.
func (c *Cache) overlay(t ticket, id string, s container.Summary) Hint {
	if s.ID == "" {
		return Hint{}
	}
	con, labelErr := fromSummary(s, c.nodeID)
	if e := c.peek(id); e.ID != "" {
		e.State, e.Name = con.State, con.Name
		con = e.Container
	}
	con.Partial = con.Ours
	return c.set(t, entry{Container: con, listed: true, owed: true}, labelErr)
}
