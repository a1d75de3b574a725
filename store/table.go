package store

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Table is one typed set of records in memory, which the recorder writes to a
// bucket of the file behind it. Reads never touch the file. A record is
// immutable once it was put: to change one, put a new value.
//
// A Table is safe for concurrent use; each has one writer by convention (the
// table in ARCHITECTURE.md), so that a read-modify-write needs no lock.
type Table[T any] struct {
	bucket  string
	field   string   // of the value that this table owns; "" owns it whole
	changes *changes // shared by all tables of a store; its mutex guards rows and dirty

	rows  map[string]row[T]
	dirty map[string]uint64 // keys that may differ from the file -> the change that made them so
	hooks []func(key string)
}

type row[T any] struct {
	value T
	raw   []byte // value as JSON: what the file holds or will hold
}

// changes is the lock and the count of changes of all tables of one store.
// One lock for all makes what the recorder collects a moment in time.
type changes struct {
	mu    sync.RWMutex
	count uint64        // changes so far; numbers them from 1
	hint  chan struct{} // of one slot: there is work, hints coalesce
}

func newChanges() *changes { return &changes{hint: make(chan struct{}, 1)} }

func newTable[T any](bucket, field string, c *changes) *Table[T] {
	return &Table[T]{
		bucket: bucket, field: field, changes: c,
		rows: map[string]row[T]{}, dirty: map[string]uint64{},
	}
}

// Get returns the record under key and whether there is one.
func (t *Table[T]) Get(key string) (T, bool) {
	t.changes.mu.RLock()
	defer t.changes.mu.RUnlock()
	r, ok := t.rows[key]
	return r.value, ok
}

// Keys returns all keys, sorted.
func (t *Table[T]) Keys() []string {
	t.changes.mu.RLock()
	defer t.changes.mu.RUnlock()
	return slices.Sorted(maps.Keys(t.rows))
}

// All returns all records in a map of their own.
func (t *Table[T]) All() map[string]T {
	t.changes.mu.RLock()
	defer t.changes.mu.RUnlock()
	out := make(map[string]T, len(t.rows))
	for k, r := range t.rows {
		out[k] = r.value
	}
	return out
}

// Len returns the number of records.
func (t *Table[T]) Len() int {
	t.changes.mu.RLock()
	defer t.changes.mu.RUnlock()
	return len(t.rows)
}

// Put sets the record under key, which must not be empty, and reports whether
// that changed anything: a value that encodes to the same bytes is not written
// and wakes nobody.
func (t *Table[T]) Put(key string, value T) bool {
	raw, err := encode(value)
	if err != nil {
		// Records are plain data; one that cannot be encoded is a programming error.
		panic(fmt.Sprintf("store: %s/%s: %v", t.bucket, key, err))
	}
	if !t.set(key, row[T]{value: value, raw: raw}) {
		return false
	}
	t.announce(key)
	return true
}

func (t *Table[T]) set(key string, r row[T]) bool {
	t.changes.mu.Lock()
	defer t.changes.mu.Unlock()
	if old, had := t.rows[key]; had && bytes.Equal(old.raw, r.raw) {
		return false
	}
	t.rows[key] = r
	t.touch(key)
	return true
}

// Delete removes the record under key and reports whether there was one.
func (t *Table[T]) Delete(key string) bool {
	if !t.unset(key) {
		return false
	}
	t.announce(key)
	return true
}

func (t *Table[T]) unset(key string) bool {
	t.changes.mu.Lock()
	defer t.changes.mu.Unlock()
	if _, had := t.rows[key]; !had {
		return false
	}
	delete(t.rows, key)
	t.touch(key)
	return true
}

// OnChange registers f to be called, after the change and outside the lock,
// with each key that Put or Delete changed. f must not block; it is a hint
// only. OnChange must be called before the first Put.
func (t *Table[T]) OnChange(f func(key string)) { t.hooks = append(t.hooks, f) }

func (t *Table[T]) announce(key string) {
	hint(t.changes.hint)
	for _, f := range t.hooks {
		f(key)
	}
}

// hint puts a token into a channel of one slot; hints coalesce.
func hint(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// What follows is the recorder's side, see column. All of it needs the lock.

func (t *Table[T]) name() string               { return t.field }
func (t *Table[T]) pending() map[string]uint64 { return t.dirty }

func (t *Table[T]) touch(key string) {
	t.changes.count++
	t.dirty[key] = t.changes.count
}

func (t *Table[T]) settle(key string, change uint64) {
	if t.dirty[key] == change {
		delete(t.dirty, key)
	}
}

func (t *Table[T]) load(key string, raw []byte) error {
	v, err := decode[T](raw)
	if err != nil {
		return err
	}
	t.rows[key] = row[T]{value: v, raw: bytes.Clone(raw)}
	return nil
}

func (t *Table[T]) raw(key string) []byte { return t.rows[key].raw }

func (t *Table[T]) each(f func(key string)) {
	for k := range t.rows {
		f(k)
	}
}
