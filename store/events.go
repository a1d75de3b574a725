package store

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	// maxEvents bounds the ring: the oldest go first.
	maxEvents = 1000
	// maxMessage bounds the text of one event, in bytes.
	maxMessage = 2048

	// eventTime has a fixed width, so that keys sort as times do.
	eventTime = "2006-01-02T15:04:05.000000000Z"
)

// ring keeps the newest events in a table, under keys that sort by time.
type ring struct {
	table *Table[Event]

	mu       sync.Mutex
	keys     []string           // in order, oldest first
	newest   map[subject]string // key of the newest event of each subject
	sequence uint64             // of the last key
	last     string             // time in the last key
}

// subject is what an event is about.
type subject struct{ job, task, alloc, object string }

func subjectOf(e Event) subject { return subject{e.Job, e.Task, e.Alloc, e.Object} }

func newRing(t *Table[Event]) *ring { return &ring{table: t, newest: map[subject]string{}} }

// resume takes over the events that were loaded from the file.
func (r *ring) resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = r.table.Keys()
	for _, key := range r.keys {
		if e, ok := r.table.Get(key); ok {
			r.newest[subjectOf(e)] = key
		}
	}
	if n := len(r.keys); n > 0 {
		at, seq, _ := strings.Cut(r.keys[n-1], "/")
		r.last = at
		r.sequence, _ = strconv.ParseUint(seq, 10, 64)
	}
	r.trim()
}

// Event records that something happened. Time is set to now if it is zero. An
// event that says the same of the same subject as the last one about it is
// counted there, and moves to the end of the ring. Long messages are cut.
func (s *Store) Event(e Event) {
	if e.Time.IsZero() {
		e.Time = s.now()
	}
	e.Time = e.Time.UTC().Round(0)
	e.Message = cut(e.Message, maxMessage)
	e.Count, e.First = 1, e.Time
	s.ring.add(e)
}

// Events returns the events of the ring, oldest first.
func (s *Store) Events() []Event {
	s.ring.mu.Lock()
	defer s.ring.mu.Unlock()
	out := make([]Event, 0, len(s.ring.keys))
	for _, key := range s.ring.keys {
		if e, ok := s.ring.table.Get(key); ok {
			out = append(out, e)
		}
	}
	return out
}

func (r *ring) add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	about := subjectOf(e)
	if key, ok := r.newest[about]; ok {
		old, _ := r.table.Get(key)
		if old.Type == e.Type && old.Reason == e.Reason && old.Message == e.Message {
			e.Count, e.First = old.Count+1, old.First
			r.drop(key)
		}
	}
	key := r.nextKey(e.Time)
	r.table.Put(key, e)
	r.keys = append(r.keys, key)
	r.newest[about] = key
	r.trim()
}

// nextKey returns a key after all others, also when the clock was set back:
// the ring is an order first.
func (r *ring) nextKey(at time.Time) string {
	r.last = max(r.last, at.Format(eventTime))
	r.sequence++
	return fmt.Sprintf("%s/%010d", r.last, r.sequence)
}

func (r *ring) trim() {
	for len(r.keys) > maxEvents {
		key := r.keys[0]
		if e, ok := r.table.Get(key); ok && r.newest[subjectOf(e)] == key {
			delete(r.newest, subjectOf(e))
		}
		r.drop(key)
	}
}

// drop removes one event. It is mostly near an end of the list.
func (r *ring) drop(key string) {
	r.table.Delete(key)
	for i, k := range r.keys {
		if k == key {
			r.keys = append(r.keys[:i], r.keys[i+1:]...)
			return
		}
	}
}

// cut shortens s to at most n bytes, at the border of a rune.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
