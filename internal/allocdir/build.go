package allocdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"reconciler/internal/job"
)

// noOwner leaves an owner as it is (chown(2)).
const noOwner = -1

// The name of a directory while it is being made. The bound keeps it within
// the 255 bytes that a file system takes.
const (
	freshPrefix  = ".reconciler-new-"
	maxFreshName = 200
)

// dir is one directory to be made.
type dir struct {
	path string // in the allocation's
	mode fs.FileMode
	uid  int
	gid  int
}

// Build makes the directories of an allocation of the group. What is there
// stays as it is; what is there and no directory is an error. Errors are
// job.Errors.
func (d *Dirs) Build(alloc job.AllocSpec, g *job.Group) error {
	var tasks []string
	for i := range g.Tasks {
		tasks = append(tasks, g.Tasks[i].Name)
	}
	if err := checkNames(alloc.ID, tasks...); err != nil {
		return err
	}
	if err := d.build(alloc.ID, layout(g)); err != nil {
		return job.NewError(job.Retried, ReasonIO, fmt.Errorf("directory of allocation %s: %w", alloc.ID, err))
	}
	return nil
}

// layout lists the directories of an allocation, parents first.
func layout(g *job.Group) []dir {
	dirs := []dir{{sharedName, openMode, noOwner, noOwner}}
	for i := range g.Tasks {
		name := taskDir(g.Tasks[i].Name)
		uid, gid := numericUser(g.Tasks[i].User)
		dirs = append(dirs,
			dir{name, plainMode, noOwner, noOwner},
			dir{filepath.Join(name, localName), openMode, noOwner, noOwner},
			dir{filepath.Join(name, secretsName), secretsMode, uid, gid})
	}
	return dirs
}

// build makes one allocation's directories at a time: those of one allocation
// are asked for by each of its tasks, and all allocations share their parent.
func (d *Dirs) build(allocID string, dirs []dir) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.buildRoot(allocID); err != nil {
		return err
	}
	root, err := d.openAlloc(allocID)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // the directories are made or their error is told
	for _, want := range dirs {
		if err := makeDir(root, want); err != nil {
			return err
		}
	}
	return nil
}

// buildRoot makes DATA_DIR/alloc and the allocation's directory in it.
func (d *Dirs) buildRoot(allocID string) error {
	parent := filepath.Dir(d.root)
	if err := os.MkdirAll(parent, plainMode); err != nil {
		return err
	}
	data, err := os.OpenRoot(parent)
	if err != nil {
		return err
	}
	defer func() { _ = data.Close() }() // as above
	if err := makeDir(data, dir{rootName, rootMode, noOwner, noOwner}); err != nil {
		return err
	}
	return makeDir(data, dir{filepath.Join(rootName, allocID), plainMode, noOwner, noOwner})
}

// makeDir makes one directory beside its place and moves it there when its
// mode and owner are right, so that a crash leaves none that is half right.
func makeDir(root *os.Root, want dir) error {
	info, err := root.Lstat(want.path)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return notDir(want.path)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	parent, name := filepath.Split(want.path)
	fresh := parent + freshPrefix + name[:min(len(name), maxFreshName)]
	// What a crash left is empty; what is not is no leftover of ours.
	if err := root.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := root.Mkdir(fresh, secretsMode); err != nil {
		return err
	}
	if err := root.Chmod(fresh, want.mode); err != nil {
		return err
	}
	if want.uid != noOwner || want.gid != noOwner {
		if err := root.Lchown(fresh, want.uid, want.gid); err != nil {
			return err
		}
	}
	return root.Rename(fresh, want.path)
}

// numericUser reads "uid" or "uid:gid". A name is known to the image alone,
// and gives noOwner.
func numericUser(user string) (uid, gid int) {
	u, g, _ := strings.Cut(user, ":")
	return numericID(u), numericID(g)
}

func numericID(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return noOwner
	}
	return int(n)
}

// notDir is the error of something that should be a directory, with its path.
func notDir(path string) error {
	return &fs.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR}
}
