package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	fileName = "state.db"
	fileMode = 0o640

	// lockWait is how long one attempt waits for the file's lock; the recorder
	// makes more. bbolt's own timeout is not used: it polls every 50 ms.
	lockWait = 500 * time.Millisecond
	lockPoll = 5 * time.Millisecond
)

// errFault is a panic of bbolt.
var errFault = errors.New("bbolt stumbled")

// openFunc is os.OpenFile; tests inject faults here.
type openFunc func(name string, flag int, perm os.FileMode) (*os.File, error)

// identity tells whether a file is the one that we left, as we left it.
type identity struct {
	dev, ino uint64
	size     int64
	modified int64 // nanoseconds
}

func identityOf(fi fs.FileInfo) identity {
	id := identity{size: fi.Size(), modified: fi.ModTime().UnixNano()}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		id.dev, id.ino = uint64(st.Dev), st.Ino //nolint:unconvert // Dev has 32 bits on MIPS
	}
	return id
}

// dbFile opens state.db for one transaction at a time. It is not safe for
// concurrent use.
type dbFile struct {
	path string
	open openFunc

	left    identity // the file after our last look at it; zero: there was none
	suspect bool     // a transaction ended in a fault: look at the structure again
}

// opened is one opening of the file.
type opened struct {
	*dbFile
	file    *os.File
	changed bool // somebody else touched the file, or there is none
	empty   bool // bbolt will initialise it
}

// update runs fn in one read-write transaction and commits it if fn returns
// true. changed tells fn that the file is not as we left it.
func (f *dbFile) update(ctx context.Context, fn func(tx *bolt.Tx, changed bool) (commit bool, err error)) error {
	o := &opened{dbFile: f}
	return o.guarded(func() error {
		db, err := bolt.Open(f.path, fileMode, &bolt.Options{OpenFile: o.locker(ctx), NoStatistics: true})
		if err != nil {
			o.discardEmpty()
			return err
		}
		err = o.transact(db, fn)
		return errors.Join(err, db.Close())
	})
}

func (o *opened) transact(db *bolt.DB, fn func(*bolt.Tx, bool) (bool, error)) error {
	tx, err := db.Begin(true)
	if err != nil {
		return err
	}
	commit, err := fn(tx, o.changed)
	if err != nil || !commit {
		// Not Commit: an empty one would still write a meta page.
		err = errors.Join(err, tx.Rollback())
	} else if err = tx.Commit(); err == nil && o.empty {
		err = syncDir(filepath.Dir(o.path))
	}
	if err != nil {
		return err
	}
	fi, err := o.file.Stat()
	if err != nil {
		return err
	}
	o.left = identityOf(fi)
	return nil
}

// view runs fn in a read-only transaction. A missing file is fs.ErrNotExist.
func (f *dbFile) view(ctx context.Context, fn func(tx *bolt.Tx) error) error {
	o := &opened{dbFile: f}
	return o.guarded(func() error {
		db, err := bolt.Open(f.path, fileMode, &bolt.Options{ReadOnly: true, OpenFile: o.locker(ctx), NoStatistics: true})
		if err != nil {
			return err
		}
		err = db.View(fn)
		if err == nil {
			if fi, statErr := o.file.Stat(); statErr == nil {
				f.left = identityOf(fi)
			}
		}
		return errors.Join(err, db.Close())
	})
}

// guarded turns a panic of bbolt, or a fault in its memory map (the file was
// truncated under us, or the disk gave an I/O error), into an error. bbolt's
// locks may be held then, so its DB is left alone, with its memory map. The next turn checks the structure; if
// that finds nothing and bbolt stumbles again, the file counts as corrupt.
func (o *opened) guarded(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			o.abandon()
			err = fmt.Errorf("state file: %w: %v", errFault, r)
			if o.suspect {
				err = fmt.Errorf("%w: %w", ErrCorrupt, err)
			}
			o.suspect = true
		}
	}()
	if err := fn(); err != nil {
		return fmt.Errorf("state file: %w", err)
	}
	o.suspect = false
	return nil
}

// abandon frees the lock and the descriptor of a file that bbolt will not
// close any more. Closing alone would not free the lock: the memory map keeps
// the open file alive.
func (o *opened) abandon() {
	if o.file != nil {
		_ = syscall.Flock(int(o.file.Fd()), syscall.LOCK_UN)
		_ = o.file.Close()
	}
}

// locker is lock as bolt.Options.OpenFile wants it.
func (o *opened) locker(ctx context.Context) openFunc {
	return func(path string, flag int, perm os.FileMode) (*os.File, error) {
		return o.lock(ctx, path, flag, perm)
	}
}

// lock returns the file open, locked, and checked if somebody else touched it.
// bbolt then locks the same descriptor once more, which changes nothing.
func (o *opened) lock(ctx context.Context, path string, flag int, perm os.FileMode) (*os.File, error) {
	how := syscall.LOCK_EX
	if flag&os.O_RDWR == 0 {
		how = syscall.LOCK_SH
	}
	for {
		if err := regularOrMissing(path); err != nil {
			return nil, err
		}
		file, err := o.open(path, flag, perm)
		if err != nil {
			return nil, err
		}
		again, err := o.take(ctx, file, path, how)
		if err == nil && !again {
			o.file = file
			return file, nil
		}
		_ = file.Close()
		if err != nil {
			return nil, err
		}
	}
}

// take locks file and looks at it. again is true if the path was given to
// another file meanwhile.
func (o *opened) take(ctx context.Context, file *os.File, path string, how int) (again bool, err error) {
	if err := flockWait(ctx, file, how, lockWait); err != nil {
		return false, err
	}
	fi, err := file.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(fi, named) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	o.empty = fi.Size() == 0
	o.changed = o.empty || o.suspect || identityOf(fi) != o.left
	if o.empty && how == syscall.LOCK_SH {
		return false, fs.ErrNotExist // created and never written
	}
	if o.changed && !o.empty {
		return false, checkStructure(file, fi.Size())
	}
	return false, nil
}

// discardEmpty removes a file that bbolt could not initialise, as on a full
// disk: the half of it would be taken for a corrupt one.
func (o *opened) discardEmpty() {
	if o.empty && o.file != nil {
		_ = os.Remove(o.path)
	}
}

// touched reports whether the file is not as we left it.
func (f *dbFile) touched() bool {
	fi, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	return err == nil && identityOf(fi) != f.left
}

// keepAside is how many files of one kind are kept by moveAside.
const keepAside = 5

// moveAside renames the file to state.db.<kind>-<time> and returns that path.
// Of each kind only the newest few are kept.
func (f *dbFile) moveAside(kind string, now time.Time) (string, error) {
	base := fmt.Sprintf("%s.%s-", f.path, kind)
	to := base + now.UTC().Format("20060102T150405.000000000Z")
	if err := os.Rename(f.path, to); err != nil {
		return "", fmt.Errorf("moving the state file aside: %w", err)
	}
	f.left = identity{}
	for _, name := range tooOld(filepath.Dir(base), filepath.Base(base)) {
		_ = os.Remove(filepath.Join(filepath.Dir(base), name))
	}
	return to, nil
}

// tooOld names the files of dir with that prefix but for the newest.
func tooOld(dir, prefix string) []string {
	entries, _ := os.ReadDir(dir) // sorted, and here by time
	var old []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			old = append(old, e.Name())
		}
	}
	return old[:max(0, len(old)-keepAside)]
}

// regularOrMissing keeps us from opening a FIFO, which would block.
func regularOrMissing(path string) error {
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && !fi.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", path)
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
