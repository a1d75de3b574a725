package store

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"
)

// filled is an open store of which every table has a committed record.
func filled(t *testing.T) (*Store, map[string]string) {
	t.Helper()
	s := mustOpen(t, tempDir(t))
	for _, a := range actors(s) {
		a.put("a", 1)
		a.put("b", 2)
	}
	mustCommit(t, s)
	return s, contents(s)
}

// damages are what people and disks do to a file under a running agent.
var damages = map[string]func(t *testing.T, path string){
	"removed":           func(t *testing.T, path string) { must(t, os.Remove(path)) },
	"emptied":           func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) },
	"truncated to half": func(t *testing.T, path string) { must(t, os.Truncate(path, 20000)) },
	"truncated to meta": func(t *testing.T, path string) { must(t, os.Truncate(path, 5000)) },
	"overwritten":       func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte("hello"), 0o600)) },
	"zeroed": func(t *testing.T, path string) {
		must(t, os.WriteFile(path, make([]byte, 1<<16), 0o600))
	},
	"replaced by garbage": func(t *testing.T, path string) {
		must(t, os.WriteFile(path+".x", bytes.Repeat([]byte("garbage"), 10000), 0o600))
		must(t, os.Rename(path+".x", path))
	},
	"replaced by a copy": func(t *testing.T, path string) {
		b, err := os.ReadFile(path)
		must(t, err)
		must(t, os.WriteFile(path+".x", b, 0o600))
		must(t, os.Rename(path+".x", path))
	},
	"replaced by another bbolt file": func(t *testing.T, path string) {
		must(t, os.Remove(path))
		edit(t, filepath.Dir(path), func(tx *bolt.Tx) error {
			_, err := tx.CreateBucket([]byte("other"))
			return err
		})
	},
	"replaced by a newer schema": func(t *testing.T, path string) {
		edit(t, filepath.Dir(path), func(tx *bolt.Tx) error {
			return tx.Bucket([]byte(bucketMeta)).Put([]byte(metaSchema), []byte("99"))
		})
	},
	"records changed": func(t *testing.T, path string) {
		edit(t, filepath.Dir(path), func(tx *bolt.Tx) error {
			jobs := tx.Bucket([]byte(bucketJobs))
			_, err := jobs.CreateBucket([]byte("nested"))
			return errors.Join(err, jobs.Delete([]byte("a")), jobs.Put([]byte("x"), []byte("{}")), tx.DeleteBucket([]byte(bucketSpecs)))
		})
	},
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamagedFileIsWrittenAnew(t *testing.T) {
	for name, damage := range damages {
		t.Run(name+", at the next write", func(t *testing.T) {
			s, want := filled(t)
			damage(t, s.file.path)
			s.Jobs.Put("c", JobRecord{Generation: 3})
			mustCommit(t, s)
			want["jobs/c"] = `{"generation":3}`
			diff(t, "reopened", want, contents(reopen(t, s)))
		})
		t.Run(name+", without a write", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, want := filled(t)
				stop := start(t, s)
				synctest.Wait()
				damage(t, s.file.path)
				time.Sleep(lookEvery + time.Second)
				synctest.Wait()
				boltCheck(t, s.file.path)
				stop()
				diff(t, "reopened", want, contents(reopen(t, s)))
			})
		})
	}
}

// TestDamagedFileAtOpen: what cannot be used is moved aside, and the agent
// starts without state.
func TestDamagedFileAtOpen(t *testing.T) {
	aside := map[string]string{
		"removed": "", "emptied": "", "replaced by a copy": "-", "records changed": "-", "replaced by a newer schema": "newer",
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			s, _ := filled(t)
			must(t, s.Close())
			damage(t, s.file.path)
			kind, known := aside[name]
			if !known {
				kind = "corrupt"
			}
			again, hook := openOn(t, s.Dir(), &faultyDisk{})
			if got, want := again.Fresh(), kind != "-"; got != want {
				t.Errorf("Fresh is %v", got)
			}
			if kind == "newer" || kind == "corrupt" {
				diff(t, "files moved aside", 1, len(asideFiles(t, s.Dir(), kind)))
				diff(t, "log", "error", strings.Join(levels(hook), " "))
			} else {
				diff(t, "files moved aside", 0, len(asideFiles(t, s.Dir(), "*")))
			}
			diff(t, "node id", s.NodeID(), again.NodeID())
		})
	}
}

// TestFileTruncatedInsideATransaction: bbolt reads a memory map, and a page
// beyond the end of the file is a SIGBUS.
func TestFileTruncatedInsideATransaction(t *testing.T) {
	s, want := filled(t)
	err := s.file.update(t.Context(), func(tx *bolt.Tx, _ bool) (bool, error) {
		must(t, os.Truncate(s.file.path, 4096))
		return true, tx.DeleteBucket([]byte(bucketJobs))
	})
	if !errors.Is(err, errFault) {
		t.Fatalf("%v", err)
	}
	mustCommit(t, s)
	s.look()
	mustCommit(t, s)
	diff(t, "reopened", want, contents(reopen(t, s)))
}

// TestSecondFaultIsCorruption: bbolt stumbles over what the check let pass.
func TestSecondFaultIsCorruption(t *testing.T) {
	s, _ := filled(t)
	stumble := func(*bolt.Tx, bool) (bool, error) { panic("page 7: assertion failed") }
	if err := s.file.update(t.Context(), stumble); !errors.Is(err, errFault) || errors.Is(err, ErrCorrupt) {
		t.Errorf("first: %v", err)
	}
	if err := s.file.update(t.Context(), stumble); !errors.Is(err, ErrCorrupt) {
		t.Errorf("second: %v", err)
	}
}

// A file that cannot be moved aside, as when Read meets it, or on a disk that
// takes no writes any more, is an error and not read for ever.
func TestLoadIsNotRepeatedForEver(t *testing.T) {
	f := &dbFile{path: filepath.Join(tempDir(t), fileName), open: os.OpenFile}
	stumble := func(*bolt.Tx, bool) (bool, error) { panic("bbolt") }
	first, second := f.update(t.Context(), stumble), f.update(t.Context(), stumble)
	now := time.Now()
	for _, tt := range []struct {
		name     string
		err      error
		deadline time.Time
		want     bool
	}{
		{"a fault", first, now, true},
		{"the next fault, with nothing wrong in the structure", second, now.Add(time.Hour), false},
		{"a lock", ErrBusy, now.Add(time.Hour), true},
		{"a lock for too long", ErrBusy, now, false},
		{"a newer schema", ErrNewerSchema, now.Add(time.Hour), false},
	} {
		diff(t, tt.name, tt.want, again(tt.err, tt.deadline))
	}
}

func TestUnreadableRecordsAreSetAside(t *testing.T) {
	s, want := filled(t)
	must(t, s.Close())
	edit(t, s.Dir(), func(tx *bolt.Tx) error {
		allocs := tx.Bucket([]byte(bucketAllocs))
		status := strings.TrimPrefix(want["allocs/a"], want["allocs/a"][:strings.Index(want["allocs/a"], `"status"`)])
		return errors.Join(
			tx.Bucket([]byte(bucketJobs)).Put([]byte("a"), []byte(`{"generation":"many"}`)),
			tx.Bucket([]byte(bucketSpecs)).Put([]byte("a"), []byte("\xff\xfe")),
			tx.Bucket([]byte(bucketManifests)).Put([]byte("x\x00"), []byte(`{}`)),
			tx.Bucket([]byte(bucketImages)).Put([]byte("intent/a"), []byte("null")),
			allocs.Put([]byte("a"), []byte(`{"spec":7,`+status)),
		)
	})
	s, hook := openOn(t, s.Dir(), &faultyDisk{})
	diff(t, "log lines", 5, len(hook.AllEntries()))
	if s.Fresh() {
		t.Error("one bad record is no state loss")
	}
	if _, ok := s.Jobs.Get("a"); ok || s.Jobs.Len() != 1 {
		t.Error("the bad job is there, or the good one is not")
	}
	if _, ok := s.AllocStatuses.Get("a"); !ok || s.AllocSpecs.Len() != 1 {
		t.Error("the good half is not there, or the bad one is")
	}
	mustCommit(t, s)
	got := dump(t, s.Dir())
	diff(t, "note", `{"bucket":"jobs","key":"a","error":"json: cannot unmarshal string into Go struct field JobRecord.generation of type uint64","value":"{\"generation\":\"many\"}"}`,
		got[bucketQuarantine]["jobs/a"])
	diff(t, "notes", 5, len(got[bucketQuarantine]))
	diff(t, "bytes", true, strings.Contains(got[bucketQuarantine]["specs/a"], `"bytes":"//4="`))
	if _, ok := got[bucketManifests]["x\x00"]; ok {
		t.Error("the bad key is still there")
	}
	before := contents(s)
	must(t, s.Close())
	s, hook = openOn(t, s.Dir(), &faultyDisk{})
	diff(t, "log lines of the next start", 0, len(hook.AllEntries()))
	diff(t, "reopened", before, contents(s))
}

func TestAsideFilesAreBounded(t *testing.T) {
	s := mustOpen(t, filepath.Join(tempDir(t), "a[b]")) // no pattern
	for range keepAside + 3 {
		must(t, os.WriteFile(s.file.path, []byte("garbage"), 0o600))
		s.look()
		mustCommit(t, s)
	}
	entries, err := os.ReadDir(s.Dir())
	must(t, err)
	kept := 0
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), fileName+".corrupt-") {
			kept++
		}
	}
	diff(t, "kept", keepAside, kept)
}

func TestModes(t *testing.T) {
	old := syscall.Umask(0o022)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := mustOpen(t, dir)
	s.Jobs.Put("web", JobRecord{})
	mustCommit(t, s)
	for name, want := range map[string]fs.FileMode{"": 0o750 | fs.ModeDir, fileName: 0o640, lockName: 0o640, nodeIDName: 0o644} {
		fi, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		diff(t, "mode of "+name, want.String(), fi.Mode().String())
	}
}

func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	must(t, syscall.Mkfifo(filepath.Join(dir, fileName), 0o600))
	if s, err := Open(dir, Options{}); err == nil {
		_ = s.Close()
		t.Fatal("a FIFO was opened")
	}
	must(t, os.Remove(filepath.Join(dir, fileName)))
	must(t, mustOpen(t, dir).Close()) // the lock was freed by the failed Open
}

// TestFirstCommitHasTheWholeSchema and nothing is written before Run.
func TestFirstCommitHasTheWholeSchema(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, tempDir(t))
		if _, err := os.Stat(s.file.path); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%v", err)
		}
		start(t, s)
		synctest.Wait()
		got := dump(t, s.Dir())
		if len(got) != len(allBuckets()) {
			t.Errorf("%d buckets", len(got))
		}
		diff(t, "meta", map[string]string{
			metaSchema: "1", metaNodeID: `"` + s.NodeID() + `"`, metaAgent: `"v-test"`, metaCreated: `"2000-01-01T00:00:00Z"`,
		}, got[bucketMeta])
	})
}
