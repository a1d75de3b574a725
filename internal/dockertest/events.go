package dockertest

import (
	"maps"
	"net/http"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	timetypes "github.com/docker/docker/api/types/time"
)

// Bounds of the engine's event log (moby daemon/events): so many events are
// replayed, so many wait for a reader before further ones are dropped.
const (
	ringSize   = 256
	readerSize = 1024
)

// EventFault says when an event is told: one delay for each time, none loses
// it.
type EventFault func(events.Message) []time.Duration

// bus carries events to readers; Engine.mu guards it.
type bus struct {
	ring    []events.Message
	readers map[*reader]bool
	fault   EventFault
	silent  bool
}

type reader struct {
	ch  chan events.Message
	cut chan struct{} // closed by CloseEvents
}

// SetEventFault says how events are told from now on; nil is as they should.
// Replayed events are not concerned.
func (e *Engine) SetEventFault(f EventFault) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.bus.fault = f
}

// SilenceEvents keeps streams open and tells nothing, as a half-open
// connection. What happens meanwhile is in the replay only.
func (e *Engine) SilenceEvents(silent bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.bus.silent = silent
}

// CloseEvents ends all streams of events.
func (e *Engine) CloseEvents() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for r := range e.bus.readers {
		close(r.cut)
	}
	clear(e.bus.readers)
}

// emit tells an event; the caller holds mu. A stopped engine tells nothing.
func (e *Engine) emit(typ events.Type, action events.Action, id string, attrs map[string]string) {
	if e.life == nil {
		return
	}
	now := time.Now().UTC()
	m := events.Message{
		Type: typ, Action: action, Actor: events.Actor{ID: id, Attributes: attrs},
		Scope: "local", Time: now.Unix(), TimeNano: now.UnixNano(),
	}
	switch typ {
	case events.ContainerEventType:
		m.Status, m.ID, m.From = string(action), id, attrs["image"] //nolint:staticcheck // engines still fill the old fields
	case events.ImageEventType:
		m.Status, m.ID = string(action), id //nolint:staticcheck // engines still fill the old fields
	}
	e.bus.ring = append(e.bus.ring, m)
	if len(e.bus.ring) > ringSize {
		e.bus.ring = e.bus.ring[len(e.bus.ring)-ringSize:]
	}
	if e.bus.silent {
		return
	}
	delays := []time.Duration{0}
	if e.bus.fault != nil {
		delays = e.bus.fault(m)
	}
	for _, d := range delays {
		if d <= 0 {
			e.bus.tell(m)
			continue
		}
		e.spawn(func(life <-chan struct{}) {
			if pause(d, life) {
				e.mu.Lock()
				defer e.mu.Unlock()
				e.bus.tell(m)
			}
		})
	}
}

// tell drops the event for readers that are too slow.
func (b *bus) tell(m events.Message) {
	for r := range b.readers {
		select {
		case r.ch <- m:
		default:
		}
	}
}

// emitContainer tells an event of a container with its labels, as the engine
// does.
func (e *Engine) emitContainer(c *ctr, action events.Action, more ...string) {
	attrs := maps.Clone(c.config.Labels)
	if attrs == nil {
		attrs = map[string]string{}
	}
	attrs["image"], attrs["name"] = c.config.Image, c.name
	for i := 0; i+1 < len(more); i += 2 {
		attrs[more[i]] = more[i+1]
	}
	e.emit(events.ContainerEventType, action, c.id, attrs)
}

func (e *Engine) handleEvents(c *call) error {
	since, until, err := eventTimes(c)
	if err != nil {
		return err
	}
	args, err := filters.FromJSON(c.query("filters"))
	if err != nil {
		return invalid("%s", err)
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusOK)
	if f, ok := c.w.(http.Flusher); ok {
		f.Flush()
	}
	if err := c.wait(e.timing.Subscribe); err != nil {
		return err
	}
	past, r := e.subscribe(since, until, args)
	defer e.unsubscribe(r)
	for _, m := range past {
		c.line(m)
	}
	var end <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		end = t.C
	}
	for {
		select {
		case <-c.r.Context().Done():
			return nil
		case <-c.life:
			return errAborted
		case <-r.cut:
			panic(http.ErrAbortHandler)
		case <-end:
			return nil
		case m := <-r.ch:
			if wanted(args, m) {
				c.line(m)
			}
		}
	}
}

func eventTimes(c *call) (since, until time.Time, err error) {
	for key, t := range map[string]*time.Time{"since": &since, "until": &until} {
		v := c.query(key)
		if v == "" {
			continue
		}
		s, ns, err := timetypes.ParseTimestamps(v, -1)
		if err != nil {
			return since, until, invalid("%s", err)
		}
		if s != -1 {
			*t = time.Unix(s, ns)
		}
	}
	if !since.IsZero() && !until.IsZero() && until.Before(since) {
		return since, until, invalid("`since` time (%s) cannot be after `until` time (%s)", c.query("since"), c.query("until"))
	}
	return since, until, nil
}

// subscribe returns the events of the replay and a reader of those to come.
// Without since and until there is no replay.
func (e *Engine) subscribe(since, until time.Time, args filters.Args) ([]events.Message, *reader) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := &reader{ch: make(chan events.Message, readerSize), cut: make(chan struct{})}
	if e.bus.readers == nil {
		e.bus.readers = map[*reader]bool{}
	}
	e.bus.readers[r] = true
	var past []events.Message
	if since.IsZero() && until.IsZero() {
		return nil, r
	}
	for _, m := range e.bus.ring {
		early := !since.IsZero() && m.TimeNano < since.UnixNano()
		late := !until.IsZero() && m.TimeNano > until.UnixNano()
		if !early && !late && wanted(args, m) {
			past = append(past, m)
		}
	}
	return past, r
}

func (e *Engine) unsubscribe(r *reader) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.bus.readers, r)
}

// fuzzyEvents make the engine compare all given actions by their beginning.
var fuzzyEvents = map[string]bool{"health_status": true, "exec_create": true, "exec_start": true}

// wanted is the engine's filter of events.
func wanted(f filters.Args, m events.Message) bool {
	event := f.ExactMatch("event", string(m.Action))
	for _, v := range f.Get("event") {
		if fuzzyEvents[v] {
			event = f.FuzzyMatch("event", string(m.Action))
		}
	}
	if !event || !f.ExactMatch("type", string(m.Type)) || f.Contains("scope") && !f.ExactMatch("scope", m.Scope) {
		return false
	}
	for _, t := range []events.Type{events.ContainerEventType, events.NetworkEventType, events.VolumeEventType, events.DaemonEventType} {
		if !f.FuzzyMatch(string(t), m.Actor.ID) && !f.FuzzyMatch(string(t), m.Actor.Attributes["name"]) {
			return false
		}
	}
	if f.Contains("image") && !f.ExactMatch("image", m.Actor.ID) && !f.ExactMatch("image", m.Actor.Attributes["image"]) &&
		(m.Type != events.ImageEventType || !f.ExactMatch("image", m.Actor.Attributes["name"])) {
		return false
	}
	return !f.Contains("label") || f.MatchKVList("label", m.Actor.Attributes)
}
