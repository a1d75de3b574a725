package store

import (
	"errors"
	"fmt"
	"strings"
)

// The buckets of the file.
const (
	bucketMeta        = "meta"
	bucketManifests   = "manifests"
	bucketJobs        = "jobs"
	bucketSpecs       = "specs"
	bucketDeployments = "deployments"
	bucketAllocs      = "allocs"
	bucketContainers  = "containers"
	bucketImages      = "images"
	bucketServices    = "services"
	bucketEvents      = "events"
	bucketQuarantine  = "quarantine"
)

// allBuckets are the buckets in the order in which they are loaded: quarantine
// before those that may add to it.
func allBuckets() []string {
	return []string{
		bucketMeta, bucketQuarantine, bucketManifests, bucketJobs, bucketSpecs, bucketDeployments, bucketAllocs,
		bucketContainers, bucketImages, bucketServices, bucketEvents,
	}
}

// intentPrefix keeps intents apart from image ids in the images bucket.
const intentPrefix = "intent/"

// IntentKey is the key of the intent for a canonical reference.
func IntentKey(ref string) string { return intentPrefix + ref }

// column is a Table as the recorder sees it. Every method needs the lock of
// changes.
type column interface {
	// name is the field of the value that the table owns; "" is the whole value.
	name() string
	// raw is the JSON of the record under key, nil if there is none.
	raw(key string) []byte
	// each calls f with every key that has a record.
	each(f func(key string))
	// load sets a record from the file without marking it dirty.
	load(key string, raw []byte) error
	// touch marks a key dirty, whether it has a record or not.
	touch(key string)
	// pending are the dirty keys with the number of their last change.
	pending() map[string]uint64
	// settle takes the mark from key, unless a later change made it dirty again.
	settle(key string, change uint64)
}

// keyspace is the keys of one bucket that hold values of one form: the whole
// record of one table, or an object with a field for each of several tables.
type keyspace struct {
	bucket  string
	prefix  string // what its keys begin with; "" takes all keys of the bucket that no other takes
	columns []column
}

// value returns what the file should hold under key, nil for nothing.
func (s keyspace) value(key string) []byte {
	if s.whole() {
		return s.columns[0].raw(key)
	}
	halves := make([]half, len(s.columns))
	for i, c := range s.columns {
		halves[i] = half{name: c.name(), raw: c.raw(key)}
	}
	return joinHalves(halves)
}

// load reads a value of the file into the tables. A half that cannot be read
// does not keep the other from being loaded.
func (s keyspace) load(key string, raw []byte) error {
	if s.whole() {
		return s.columns[0].load(key, raw)
	}
	halves, err := splitHalves(raw)
	if err != nil {
		return err
	}
	var errs []error
	found := false
	for _, c := range s.columns {
		if half, ok := halves[c.name()]; ok {
			found = true
			if err := c.load(key, half); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", c.name(), err))
			}
		}
	}
	if !found {
		return errNoRecord
	}
	return errors.Join(errs...)
}

func (s keyspace) whole() bool { return len(s.columns) == 1 && s.columns[0].name() == "" }

// keyspaceOf returns the keyspace of a key of the file. The list has those
// with a prefix first.
func keyspaceOf(spaces []keyspace, bucket, key string) (keyspace, bool) {
	for _, s := range spaces {
		if s.bucket == bucket && strings.HasPrefix(key, s.prefix) {
			return s, true
		}
	}
	return keyspace{}, false
}
