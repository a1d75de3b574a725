package store

import (
	"errors"
	"testing"

	bolt "go.etcd.io/bbolt"
)

func TestMigrate(t *testing.T) {
	s, _ := filled(t)
	rename := func(from, to string) migration {
		return func(tx *bolt.Tx) error {
			jobs := tx.Bucket([]byte(bucketJobs))
			return errors.Join(jobs.Put([]byte(to), jobs.Get([]byte(from))), jobs.Delete([]byte(from)))
		}
	}
	steps := []migration{rename("never", "never"), rename("a", "x"), rename("x", "y")}
	must(t, migrate(t.Context(), s.file, 2, steps))
	got := dump(t, s.Dir())
	diff(t, "version", "4", got[bucketMeta][metaSchema])
	if _, ok := got[bucketJobs]["y"]; !ok {
		t.Errorf("%v", got[bucketJobs])
	}
	bad := errors.New("bad")
	err := migrate(t.Context(), s.file, 3, append(steps, func(*bolt.Tx) error { return bad }))
	if !errors.Is(err, bad) {
		t.Errorf("%v", err)
	}
	diff(t, "a failed migration changes nothing", got, dump(t, s.Dir()))
}

func TestEverySchemaHasAMigration(t *testing.T) {
	if len(migrations) != SchemaVersion-1 {
		t.Errorf("%d migrations lead to schema %d", len(migrations), SchemaVersion)
	}
}
