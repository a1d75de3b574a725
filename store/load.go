package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
	"unicode/utf8"

	bolt "go.etcd.io/bbolt"
)

// asideRecord is a value that could not be read, in the quarantine bucket.
type asideRecord struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Error  string `json:"error"`
	Value  string `json:"value,omitempty"` // as it was, if it is text
	Bytes  []byte `json:"bytes,omitempty"` // else base64
}

// load reads the file into the tables. It returns fs.ErrNotExist if there is
// no state: no file, or one that was created and never written.
func (s *Store) load(ctx context.Context) error {
	version := 0
	err := s.file.view(ctx, func(tx *bolt.Tx) error {
		var err error
		if version, err = checkVersion(tx); err != nil || version < SchemaVersion {
			return err
		}
		return s.loadBuckets(tx)
	})
	if err == nil && version == 0 {
		err = fs.ErrNotExist
	}
	if err == nil && version < SchemaVersion {
		err = s.loadOlder(ctx, version)
	}
	if err == nil {
		s.ring.resume()
		s.health.last = time.Unix(0, s.file.left.modified).UTC()
	}
	return err
}

func (s *Store) loadOlder(ctx context.Context, version int) error {
	if s.readOnly {
		return fmt.Errorf("state file has schema %d, which the agent has not yet brought to %d", version, SchemaVersion)
	}
	if err := migrate(ctx, s.file, version, migrations); err != nil {
		return err
	}
	s.log.Infof("state file was brought from schema %d to %d", version, SchemaVersion)
	return s.file.view(ctx, s.loadBuckets)
}

func (s *Store) loadBuckets(tx *bolt.Tx) error {
	s.loadMeta(tx.Bucket([]byte(bucketMeta)))
	for _, name := range allBuckets() {
		bucket := tx.Bucket([]byte(name))
		if bucket == nil || name == bucketMeta {
			continue
		}
		err := bucket.ForEach(func(k, v []byte) error {
			s.loadValue(name, k, v)
			return nil
		})
		if err != nil {
			return fmt.Errorf("bucket %s: %w", name, err)
		}
	}
	return nil
}

// loadValue sets one record. What cannot be read goes to quarantine with the
// next commit, and the half of it that can be read stays.
func (s *Store) loadValue(bucket string, rawKey, value []byte) {
	key, err := decodeKey(rawKey)
	if err == nil && value == nil {
		err = errors.New("a bucket where a record should be")
	}
	if err == nil && bucket == bucketQuarantine && !isPrintable(value) {
		err = errors.New("not one of our notes, which are printable")
	}
	space, known := keyspaceOf(s.spaces, bucket, key)
	if !known {
		return // of a bucket without a table: not ours to judge
	}
	if err == nil {
		err = space.load(key, value)
	}
	if err == nil {
		return
	}
	s.log.WithError(err).Errorf("record %.200q in bucket %s cannot be read: set aside in bucket %s", rawKey, bucket, bucketQuarantine)
	s.quarantine(bucket, rawKey, value, err)
}

// maxAside bounds the quarantine; what is beyond it is only logged.
const maxAside = 200

// quarantine keeps a value that could not be read. Its own key in the file is
// cleared in the same commit, since everything is written then. A broken note
// in the quarantine itself is dropped.
func (s *Store) quarantine(bucket string, key, value []byte, why error) {
	s.all = true
	if bucket == bucketQuarantine || s.aside.Len() >= maxAside {
		return
	}
	r := asideRecord{Bucket: bucket, Key: string(key), Error: why.Error()}
	if utf8.Valid(value) {
		r.Value = string(value)
	} else {
		r.Bytes = bytes.Clone(value)
	}
	s.aside.Put(bucket+"/"+r.Key, r)
}
