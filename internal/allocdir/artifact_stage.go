package allocdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// stagesName is the directory in which artifacts are prepared: beside the
// allocations, where no volume leads, and on their file system.
const stagesName = ".artifacts"

// Names in a stage.
const (
	rawName  = "raw"  // as it was downloaded
	treeName = "tree" // as it is put into the task's directory
)

// stage is the private directory of one artifact on its way. Its lock says
// that somebody is at work in it; the kernel takes it back when a process ends,
// however it ends.
type stage struct {
	path string
	lock *os.File // the directory itself
	tree *os.Root

	isTree bool   // the source was a directory
	file   string // what is wanted of the tree, if that is one file
}

// newStage makes a stage, and removes those that a crash has left.
func (d *Dirs) newStage() (*stage, error) {
	parent := filepath.Join(d.root, stagesName)
	if err := os.Mkdir(parent, secretsMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	// While this is held nobody looks at a stage that has no lock yet.
	all, err := lockDir(parent, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer func() { _ = all.Close() }() // which unlocks
	if err := sweep(parent); err != nil {
		return nil, fmt.Errorf("leftovers of artifacts: %w", err)
	}
	path, err := os.MkdirTemp(parent, "")
	if err != nil {
		return nil, err
	}
	s := &stage{path: path}
	if err := s.open(); err != nil {
		s.remove()
		return nil, err
	}
	return s, nil
}

func (s *stage) open() (err error) {
	if s.lock, err = lockDir(s.path, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return err
	}
	tree := filepath.Join(s.path, treeName)
	if err := os.Mkdir(tree, secretsMode); err != nil {
		return err
	}
	s.tree, err = os.OpenRoot(tree)
	return err
}

// remove takes the stage away. What is left after an error is swept by the
// next.
func (s *stage) remove() {
	_ = os.RemoveAll(s.path)
	if s.tree != nil {
		_ = s.tree.Close()
	}
	if s.lock != nil {
		_ = s.lock.Close()
	}
}

// rawPath is where the source is before it is unpacked.
func (s *stage) rawPath() string { return filepath.Join(s.path, rawName) }

// sweep removes the stages that nobody holds.
func sweep(parent string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(parent, e.Name())
		lock, err := lockDir(path, unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
			continue // at work, or just done
		}
		if err != nil {
			return err
		}
		err = os.RemoveAll(path)
		_ = lock.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func lockDir(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), how)
	for errors.Is(err, unix.EINTR) {
		err = unix.Flock(int(f.Fd()), how)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
