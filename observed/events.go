package observed

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// containerActions are those after which an inspect can differ. Stop, restart
// and kill only frame a die and a start. The two of health are given with
// their data, so that the engine compares all actions exactly: a bare
// "health_status" would let through an event per probe.
var containerActions = []events.Action{
	events.ActionCreate, events.ActionStart, events.ActionDie, events.ActionDestroy,
	events.ActionPause, events.ActionUnPause, events.ActionRename, events.ActionUpdate,
	events.ActionOOM, events.ActionHealthStatusHealthy, events.ActionHealthStatusUnhealthy,
}

// networkActions change the endpoints of the container that they name.
var networkActions = []events.Action{events.ActionConnect, events.ActionDisconnect}

// imageActions change which images there are or what they are called. A
// commit is an event of the container.
var imageActions = []events.Action{
	events.ActionPull, events.ActionLoad, events.ActionImport, events.ActionTag,
	events.ActionUnTag, events.ActionDelete, events.ActionPrune, events.ActionCommit, events.ActionCreate,
}

// eventFilters ask the engine for what we want and little more: it matches
// types and actions each on their own.
func eventFilters() filters.Args {
	f := filters.NewArgs()
	for _, t := range []events.Type{events.ContainerEventType, events.ImageEventType, events.NetworkEventType} {
		f.Add("type", string(t))
	}
	for _, a := range slices.Concat(containerActions, networkActions, imageActions) {
		f.Add("event", string(a))
	}
	return f
}

// eventKey says what an event is about: the container to look at, or the
// images.
func eventKey(m events.Message) (containerID string, images bool) {
	switch m.Type {
	case events.ContainerEventType:
		if slices.Contains(containerActions, m.Action) {
			return m.Actor.ID, false
		}
		return "", m.Action == events.ActionCommit
	case events.NetworkEventType:
		if slices.Contains(networkActions, m.Action) {
			return m.Actor.Attributes["container"], false
		}
	case events.ImageEventType:
		return "", slices.Contains(imageActions, m.Action)
	}
	return "", false
}

// subscribe opens the stream of events. It asks for those since now as well,
// because the engine answers a moment before it begins to listen. cancel ends
// ctx, the stream's; it is called if the answer takes too long.
func (c *Cache) subscribe(ctx context.Context, cancel context.CancelFunc) (<-chan events.Message, <-chan error, error) {
	guard := time.AfterFunc(subscribeTimeout, cancel)
	now := time.Now()
	msgs, errs := c.api.Events(ctx, events.ListOptions{
		Since:   fmt.Sprintf("%d.%09d", now.Unix(), now.Nanosecond()),
		Filters: eventFilters(),
	})
	if !guard.Stop() {
		return nil, nil, fmt.Errorf("events: no answer within %s", subscribeTimeout)
	}
	return msgs, errs, nil
}

// receive takes events until the stream ends. It never waits for anything
// else: the engine drops the events of slow readers.
func (s *session) receive(ctx context.Context, msgs <-chan events.Message, errs <-chan error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err, ok := <-errs:
			if !ok || err == nil {
				err = io.EOF
			}
			return fmt.Errorf("events: %w", err)
		case m := <-msgs:
			s.onEvent(m)
		}
	}
}

func (s *session) onEvent(m events.Message) {
	id, images := eventKey(m)
	if images {
		poke(s.images)
	}
	if id == "" {
		return
	}
	s.hear(id)
	e := s.cache.peek(id)
	if m.Type == events.ContainerEventType && m.Action == events.ActionOOM {
		s.oom(m, e)
	}
	if !s.cache.sameClock || !e.covers(m, time.Now()) {
		s.queue.add(id)
	}
}

// oom records the event, whether or not the container still exists: the event
// carries its labels.
func (s *session) oom(m events.Message, e entry) {
	id, ours, err := identify(m.Actor.Attributes, s.cache.nodeID)
	if err != nil || !ours {
		return
	}
	s.cache.recordOOM(id, m.Actor.Attributes["name"], e.MemoryBytes, eventTime(m))
}

// covers reports whether the inspect that made the entry began after the
// event, so that it has seen what the event tells. Where that is not certain
// the answer is no: if the entry came from a list, which lags, and if the
// clock was set between the entry and now.
func (e entry) covers(m events.Message, now time.Time) bool {
	if e.ID == "" || e.listed || e.owed || m.TimeNano == 0 {
		return false
	}
	wall, monotonic := now.Round(0).Sub(e.AsOf.Round(0)), now.Sub(e.AsOf)
	if (wall - monotonic).Abs() > clockGranularity {
		return false
	}
	return eventTime(m).Add(clockGranularity).Before(e.AsOf.Round(0))
}

func eventTime(m events.Message) time.Time {
	if m.TimeNano != 0 {
		return time.Unix(0, m.TimeNano)
	}
	return time.Unix(m.Time, 0)
}

// local reports whether the engine's clock is ours.
func local(host string) bool { return strings.HasPrefix(host, "unix://") }
