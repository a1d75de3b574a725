package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
)

// faultyDisk opens files, or gives an error, and counts.
type faultyDisk struct {
	mu    sync.Mutex
	err   error
	opens int
}

func (d *faultyDisk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *faultyDisk) opened() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.opens
}

func (d *faultyDisk) open(name string, flag int, perm os.FileMode) (*os.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opens++
	if d.err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: d.err}
	}
	return os.OpenFile(name, flag, perm)
}

func openOn(t *testing.T, dir string, disk *faultyDisk) (*Store, *logtest.Hook) {
	t.Helper()
	log, hook := logtest.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	s, err := open(dir, Options{Log: log}, disk.open)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, hook
}

func levels(hook *logtest.Hook) (out []string) {
	for _, e := range hook.AllEntries() {
		out = append(out, e.Level.String())
	}
	return out
}

func TestLaw_QuietStoreMakesNoTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &faultyDisk{}
		s, hook := openOn(t, tempDir(t), disk)
		stop := start(t, s)
		s.Jobs.Put("web", JobRecord{Generation: 1})
		mustSync(t, s)
		before, opens := identityAt(t, s), disk.opened()
		for range 1000 {
			s.Jobs.Put("web", JobRecord{Generation: 1}) // the same bytes
			time.Sleep(5 * time.Second)
		}
		mustSync(t, s)
		stop()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		diff(t, "file", before, identityAt(t, s))
		diff(t, "opens", opens, disk.opened())
		diff(t, "log", []string(nil), levels(hook))
	})
}

func identityAt(t *testing.T, s *Store) map[string]int64 {
	t.Helper()
	fi, err := os.Stat(s.file.path)
	if err != nil {
		t.Fatal(err)
	}
	id := identityOf(fi)
	return map[string]int64{"inode": int64(id.ino), "size": id.size, "modified": id.modified}
}

// TestRestartWritesNothing: opening and closing an unchanged store, by a newer
// agent too, leaves the file alone.
func TestRestartWritesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, tempDir(t))
		for _, a := range actors(s) {
			a.put("a\x00", 1)
		}
		s.Event(Event{Reason: "R"})
		mustCommit(t, s)
		before := identityAt(t, s)
		s = reopen(t, s)
		s.version = "v-next"
		stop := start(t, s)
		time.Sleep(time.Minute)
		for _, a := range actors(s) {
			if a.put("a\x00", 1) {
				t.Errorf("%s: the same record again counts as a change", a.name)
			}
		}
		mustSync(t, s)
		stop()
		s = reopen(t, s)
		diff(t, "file", before, identityAt(t, s))
	})
}

func TestManyChangesOneCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &faultyDisk{}
		s, _ := openOn(t, tempDir(t), disk)
		start(t, s)
		synctest.Wait()
		opens := disk.opened()
		for i := range 500 {
			s.Jobs.Put("web", JobRecord{Generation: uint64(i)})
			s.AllocSpecs.Put("1", allocSpec("1"))
			s.Deployments.Put("gone", DeploymentRecord{})
			s.Deployments.Delete("gone")
		}
		time.Sleep(2 * batchDelay)
		synctest.Wait()
		diff(t, "opens", opens+1, disk.opened())
		got := dump(t, s.Dir())
		if want := `{"generation":499}`; got[bucketJobs]["web"] != want || len(got[bucketDeployments]) != 0 {
			t.Errorf("%v", got)
		}
	})
}

func TestSyncIsFast(t *testing.T) {
	s := mustOpen(t, tempDir(t))
	start(t, s)
	fastest := time.Hour
	for i := range 20 {
		s.Jobs.Put("web", JobRecord{Generation: uint64(i + 1)})
		begin := time.Now()
		mustSync(t, s)
		fastest = min(fastest, time.Since(begin))
		if got := dump(t, s.Dir())[bucketJobs]["web"]; got == "" {
			t.Fatal("Sync returned before the commit")
		}
	}
	if fastest > batchDelay {
		t.Errorf("the fastest of 20 took %v", fastest)
	}
}

func TestReaderDelaysOnlyTheRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, hook := openOn(t, tempDir(t), &faultyDisk{})
		start(t, s)
		s.Jobs.Put("web", JobRecord{Generation: 1})
		mustSync(t, s)
		release := holdShared(t, s.Dir())
		begin := time.Now()
		for i := range 100 {
			s.Jobs.Put("web", JobRecord{Generation: uint64(i + 2)})
		}
		if d := time.Since(begin); d != 0 {
			t.Errorf("Put waited %v", d)
		}
		err := s.Sync(t.Context())
		if !errors.Is(err, ErrNotCommitted) || !errors.Is(err, ErrBusy) {
			t.Errorf("Sync: %v", err)
		}
		diff(t, "Sync waited", syncWait, time.Since(begin))
		if _, err := s.LastCommit(); !errors.Is(err, ErrBusy) {
			t.Errorf("LastCommit: %v", err)
		}
		diff(t, "log while the reader is new", []string(nil), levels(hook))
		time.Sleep(time.Minute)
		diff(t, "log while the reader stays", []string{"warning"}, levels(hook))
		begin = time.Now()
		for range 20 { // so many jobs are edited meanwhile
			if err := s.Sync(t.Context()); !errors.Is(err, ErrBusy) {
				t.Errorf("Sync while the reader stays: %v", err)
			}
		}
		diff(t, "Sync waited for one that stays", 20*stayWait, time.Since(begin))
		release()
		mustSync(t, s)
		diff(t, "value", `{"generation":101}`, dump(t, s.Dir())[bucketJobs]["web"])
		_, err = s.LastCommit()
		diff(t, "LastCommit", nil, err)
		synctest.Wait()
		diff(t, "log in the end", []string{"warning", "info"}, levels(hook))
	})
}

func TestDiskErrorsAreTriedAgain(t *testing.T) {
	for _, fault := range []error{syscall.ENOSPC, syscall.EIO, syscall.EROFS, syscall.EMFILE} {
		t.Run(fault.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk := &faultyDisk{}
				s, hook := openOn(t, tempDir(t), disk)
				start(t, s)
				s.Jobs.Put("web", JobRecord{Generation: 1})
				mustSync(t, s)
				disk.fail(fault)
				opens := disk.opened()
				s.Jobs.Put("web", JobRecord{Generation: 2})
				if err := s.Sync(t.Context()); !errors.Is(err, ErrNotCommitted) || !errors.Is(err, fault) {
					t.Errorf("Sync: %v", err)
				}
				time.Sleep(time.Hour)
				if n := disk.opened() - opens; n < 200 || n > 300 {
					t.Errorf("%d attempts in an hour", n)
				}
				diff(t, "log", []string{"warning"}, levels(hook))
				disk.fail(nil)
				time.Sleep(backoffMax)
				synctest.Wait()
				diff(t, "value", `{"generation":2}`, dump(t, s.Dir())[bucketJobs]["web"])
				diff(t, "log", []string{"warning", "info"}, levels(hook))
			})
		})
	}
}

func TestSyncShortensTheBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &faultyDisk{}
		s, _ := openOn(t, tempDir(t), disk)
		disk.fail(syscall.ENOSPC)
		start(t, s)
		s.Jobs.Put("web", JobRecord{Generation: 1})
		time.Sleep(time.Hour)
		disk.fail(nil)
		mustSync(t, s)
	})
}

func TestSyncEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, tempDir(t)) // nobody runs the recorder
		mustSync(t, s)               // nothing is dirty
		s.Jobs.Put("web", JobRecord{Generation: 1})
		begin := time.Now()
		if err := s.Sync(t.Context()); !errors.Is(err, ErrNotCommitted) {
			t.Errorf("%v", err)
		}
		diff(t, "waited", syncWait, time.Since(begin))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Sync(ctx); !errors.Is(err, ErrNotCommitted) || !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func TestRunFlushesAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, tempDir(t))
		stop := start(t, s)
		synctest.Wait()
		s.Jobs.Put("web", JobRecord{Generation: 1})
		stop()
		diff(t, "value", `{"generation":1}`, dump(t, s.Dir())[bucketJobs]["web"])
	})
}

func TestFlushGivesUpOnAReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustOpen(t, tempDir(t))
		s.Jobs.Put("web", JobRecord{Generation: 1})
		mustCommit(t, s)
		defer holdShared(t, s.Dir())()
		s.Jobs.Put("web", JobRecord{Generation: 2})
		begin := time.Now()
		if err := s.Close(); !errors.Is(err, ErrBusy) {
			t.Errorf("%v", err)
		}
		if d := time.Since(begin); d < flushWait || d > flushWait+lockWait {
			t.Errorf("Close took %v", d)
		}
	})
}

func TestCloseFlushesWithoutRun(t *testing.T) {
	s := mustOpen(t, tempDir(t))
	s.Jobs.Put("web", JobRecord{Generation: 1})
	s = reopen(t, s)
	if _, ok := s.Jobs.Get("web"); !ok || s.Fresh() {
		t.Error("the record was not flushed")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.Jobs.Put("late", JobRecord{})
	if err := s.Close(); !errors.Is(err, ErrClosed) && err != nil {
		t.Errorf("second Close: %v", err)
	}
	if got := dump(t, s.Dir())[bucketJobs]; len(got) != 1 {
		t.Errorf("written after Close: %v", got)
	}
}

// TestFullDisk writes on a real file system without room.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"); err != nil {
		t.Skipf("no right to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s, _ := openOn(t, dir, &faultyDisk{})
	s.Jobs.Put("web", JobRecord{Generation: 1})
	mustCommit(t, s)
	for i := range 200 {
		s.Manifests.Put(SpecKey("f", uint64(i)), ManifestRecord{Hash: string(make([]byte, 200))})
	}
	for range 3 {
		if err := s.commit(t.Context()); !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, errFault) {
			t.Fatalf("commit on a full disk: %v", err)
		}
	}
	diff(t, "moved aside", []string(nil), asideFiles(t, dir, "*"))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=4m"); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s)
	boltCheck(t, filepath.Join(dir, fileName))
	if n := len(dump(t, dir)[bucketManifests]); n != 200 {
		t.Errorf("%d manifests", n)
	}
}

// TestFullDiskFromTheStart: a file that could not be initialised is no corrupt
// file later.
func TestFullDiskFromTheStart(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16k"); err != nil {
		t.Skipf("no right to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s, _ := openOn(t, dir, &faultyDisk{})
	s.Jobs.Put("web", JobRecord{Generation: 1})
	for range 3 {
		if err := s.commit(t.Context()); err == nil {
			t.Fatal("no error on a full disk")
		}
	}
	diff(t, "moved aside", []string(nil), asideFiles(t, dir, "*"))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=4m"); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s)
	boltCheck(t, filepath.Join(dir, fileName))
}
