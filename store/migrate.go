package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"
)

// SchemaVersion is the form of the file that this agent reads and writes, in
// meta/schema_version. It grows when an older agent would misread the file; a
// new field of a record needs no new version.
const SchemaVersion = 1

// Keys of the meta bucket. Values are JSON like everywhere.
const (
	metaSchema  = "schema_version"
	metaNodeID  = "node_id"
	metaAgent   = "agent_version"
	metaCreated = "created"
)

// migration brings a file from one schema version to the next.
type migration func(tx *bolt.Tx) error

// migrations holds at i the step from version i+1 to i+2.
var migrations = []migration{}

// migrate brings an older file to SchemaVersion, all steps in one commit: a
// crash leaves either the old form or the new one.
func migrate(ctx context.Context, f *dbFile, from int, steps []migration) error {
	return f.update(ctx, func(tx *bolt.Tx, _ bool) (bool, error) {
		for i := from; i <= len(steps); i++ {
			if err := steps[i-1](tx); err != nil {
				return false, fmt.Errorf("migration from schema %d: %w", i, err)
			}
		}
		return true, putMeta(tx.Bucket([]byte(bucketMeta)), metaSchema, len(steps)+1)
	})
}

// schemaVersion returns the version of the file, 0 for a file without any
// bucket. A file with buckets and no version is not ours.
func schemaVersion(tx *bolt.Tx) (int, error) {
	var version int
	if meta := tx.Bucket([]byte(bucketMeta)); meta != nil && getMeta(meta, metaSchema, &version) && version > 0 {
		return version, nil
	}
	if k, _ := tx.Cursor().First(); k != nil {
		return 0, fmt.Errorf("%w: it has no schema version", ErrCorrupt)
	}
	return 0, nil
}

// checkVersion is schemaVersion with an error for a newer one.
func checkVersion(tx *bolt.Tx) (int, error) {
	version, err := schemaVersion(tx)
	if err == nil && version > SchemaVersion {
		err = fmt.Errorf("%w: %d, this agent knows %d", ErrNewerSchema, version, SchemaVersion)
	}
	return version, err
}

// writeMeta keeps the meta bucket; only in a transaction that changes records
// anyway, so that a new agent version alone is no reason to write.
func (s *Store) writeMeta(meta *bolt.Bucket) error {
	if s.created.IsZero() {
		s.created = s.now().UTC()
	}
	for _, e := range []struct {
		key   string
		value any
	}{
		{metaSchema, SchemaVersion}, {metaNodeID, s.nodeID}, {metaAgent, s.version}, {metaCreated, s.created},
	} {
		if err := putMeta(meta, e.key, e.value); err != nil {
			return err
		}
	}
	return nil
}

// loadMeta takes what outlasts the agent from the meta bucket.
func (s *Store) loadMeta(meta *bolt.Bucket) {
	var created time.Time
	if getMeta(meta, metaCreated, &created) {
		s.created = created
	}
	var id string
	if getMeta(meta, metaNodeID, &id) && validNodeID(id) {
		s.nodeID = id
	}
}

func getMeta(meta *bolt.Bucket, key string, into any) bool {
	raw := meta.Get([]byte(key))
	return raw != nil && json.Unmarshal(raw, into) == nil
}

func putMeta(meta *bolt.Bucket, key string, value any) error {
	raw, err := encode(value)
	if err != nil {
		return fmt.Errorf("meta %s: %w", key, err)
	}
	return meta.Put([]byte(key), raw)
}
