package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// batch is what one commit writes: everything dirty at one moment.
type batch struct {
	all     bool              // it holds every record: what the file has beyond it goes
	through uint64            // the last change in it
	values  map[string]values // by bucket
	settle  []func()          // takes the dirty marks away; needs the lock of changes
}

// values are new values by key, nil for none.
type values map[string][]byte

// commit writes what is dirty, or everything if the file is not as it was
// left, and does nothing if nothing is dirty.
func (s *Store) commit(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed {
		return ErrClosed
	}
	if !s.all && !s.dirty() {
		s.health.advance(s.changed())
		return nil
	}
	b, err := s.write(ctx)
	if s.setAside(err) {
		b, err = s.write(ctx)
	}
	if err != nil {
		return err
	}
	s.all = false
	s.changes.mu.Lock()
	for _, settle := range b.settle {
		settle()
	}
	s.changes.mu.Unlock()
	s.health.advance(b.through)
	return nil
}

// write brings what is dirty once the file is locked into it in one
// transaction; everything if somebody else touched the file.
func (s *Store) write(ctx context.Context) (batch, error) {
	var b batch
	wrote := false
	err := s.file.update(ctx, func(tx *bolt.Tx, changed bool) (bool, error) {
		s.all = s.all || changed
		b = s.collect(s.all)
		var err error
		wrote, err = s.apply(tx, b)
		return wrote, err
	})
	if err == nil && wrote {
		s.health.wrote(s.now().UTC())
	}
	return b, err
}

func (s *Store) dirty() bool {
	s.changes.mu.RLock()
	defer s.changes.mu.RUnlock()
	for _, space := range s.spaces {
		for _, c := range space.columns {
			if len(c.pending()) > 0 {
				return true
			}
		}
	}
	return false
}

// collect takes a copy of what is to be written, of one moment.
func (s *Store) collect(all bool) batch {
	s.changes.mu.RLock()
	defer s.changes.mu.RUnlock()
	b := batch{all: all, through: s.changes.count, values: map[string]values{}}
	for _, space := range s.spaces {
		into := b.values[space.bucket]
		if into == nil {
			into = values{}
			b.values[space.bucket] = into
		}
		take := func(key string) { into[encodeKey(key)] = space.value(key) }
		for _, c := range space.columns {
			if all {
				c.each(take)
			}
			for key, change := range c.pending() {
				take(key)
				b.settle = append(b.settle, func() { c.settle(key, change) })
			}
		}
	}
	return b
}

// apply makes the file equal to b and reports whether that changed anything.
func (s *Store) apply(tx *bolt.Tx, b batch) (changed bool, err error) {
	if b.all {
		if _, err := checkVersion(tx); err != nil {
			return false, err
		}
	}
	for _, name := range allBuckets() {
		n, err := s.applyBucket(tx, name, b)
		if err != nil {
			return false, fmt.Errorf("bucket %s: %w", name, err)
		}
		changed = changed || n
	}
	if changed {
		err = s.writeMeta(tx.Bucket([]byte(bucketMeta)))
	}
	return changed, err
}

func (s *Store) applyBucket(tx *bolt.Tx, name string, b batch) (changed bool, err error) {
	bucket := tx.Bucket([]byte(name))
	if bucket == nil {
		if bucket, err = tx.CreateBucket([]byte(name)); err != nil {
			return false, err
		}
		changed = true
	}
	for key, value := range b.values[name] {
		n, err := s.applyValue(bucket, name, []byte(key), value)
		if err != nil {
			return false, err
		}
		changed = changed || n
	}
	keep, ours := b.values[name]
	if !b.all || !ours {
		return changed, nil
	}
	n, err := deleteOthers(bucket, keep)
	return changed || n, err
}

// applyValue sets or deletes one key. A key or value that bbolt can never
// take is logged and left out: it must not keep the others from the file.
func (s *Store) applyValue(bucket *bolt.Bucket, name string, key, value []byte) (changed bool, err error) {
	if bytes.Equal(bucket.Get(key), value) {
		return false, nil
	}
	if value == nil {
		return true, bucket.Delete(key)
	}
	err = bucket.Put(key, value)
	if errors.Is(err, bolterrors.ErrKeyRequired) || errors.Is(err, bolterrors.ErrKeyTooLarge) || errors.Is(err, bolterrors.ErrValueTooLarge) {
		s.log.WithError(err).WithField("bucket", name).Errorf("record %.100q cannot be stored", key)
		return false, nil
	}
	return err == nil, err
}

// deleteOthers removes what is not in keep, buckets too: none of ours has one.
func deleteOthers(bucket *bolt.Bucket, keep values) (changed bool, err error) {
	var others, nested [][]byte
	err = bucket.ForEach(func(k, v []byte) error {
		if v == nil {
			nested = append(nested, bytes.Clone(k))
		} else if _, ok := keep[string(k)]; !ok {
			others = append(others, bytes.Clone(k))
		}
		return nil
	})
	for _, k := range others {
		err = errors.Join(err, bucket.Delete(k))
	}
	for _, k := range nested {
		err = errors.Join(err, bucket.DeleteBucket(k))
	}
	return len(others)+len(nested) > 0, err
}

// setAside moves a file away that we cannot write to, and reports whether a
// new one can be written now.
func (s *Store) setAside(err error) bool {
	kind := asideKind(err)
	if kind == "" {
		return false
	}
	to, moveErr := s.file.moveAside(kind, time.Now())
	if moveErr != nil {
		s.log.WithError(errors.Join(err, moveErr)).Error("state file is unusable and stays in the way")
		return false
	}
	s.log.WithError(err).WithField("moved_to", to).Error("state file is unusable: it was moved aside and is written anew")
	return true
}

func asideKind(err error) string {
	switch {
	case errors.Is(err, ErrCorrupt):
		return "corrupt"
	case errors.Is(err, ErrNewerSchema):
		return "newer"
	}
	return ""
}
