package allocdir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// place moves what a stage holds into the task's directory dir. Directories
// are merged, and files that are there are replaced, each at once: a task that
// runs sees the old or the new one.
func (d *Dirs) place(ctx context.Context, s *stage, dir *os.Root, src source) error {
	from, err := s.wanted(src)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // opened to find things by
	if s.file != "" {
		target := filepath.Join(src.dest, src.name)
		if err := d.makeDirs(dir, filepath.Dir(target)); err != nil {
			return err
		}
		if err := s.tree.Chmod(s.file, modeOf(s.tree, s.file)); err != nil {
			return err
		}
		return userFault(target, move(from, s.file, dir, target))
	}
	if err := d.makeDirs(dir, src.dest); err != nil {
		return err
	}
	return fs.WalkDir(from.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if err := ended(ctx); err != nil {
			return err
		}
		return placeEntry(from, name, e, dir, filepath.Join(src.dest, name))
	})
}

func placeEntry(from *os.Root, name string, e fs.DirEntry, dir *os.Root, target string) error {
	if !e.IsDir() {
		return userFault(target, move(from, name, dir, target))
	}
	info, err := e.Info()
	if err != nil {
		return err
	}
	err = dir.Mkdir(target, plainMode)
	if err == nil {
		return userFault(target, dir.Chmod(target, dirMode(info.Mode())))
	}
	if errors.Is(err, fs.ErrExist) {
		there, statErr := dir.Stat(target) // through a link, if that stays within dir
		if statErr == nil && there.IsDir() {
			return nil
		}
		if statErr != nil {
			err = statErr
		}
	}
	return userFault(target, err)
}

// modeOf is the mode that a file from a server or from this host gets.
func modeOf(tree *os.Root, name string) fs.FileMode {
	info, err := tree.Lstat(name)
	if err != nil {
		return 0o644
	}
	return fileMode(info.Mode())
}

// makeDirs makes a destination, open to every user as the task's local
// directory is.
func (d *Dirs) makeDirs(root *os.Root, dirPath string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	made := "."
	for _, name := range names(dirPath) {
		made = filepath.Join(made, name)
		info, err := root.Stat(made)
		if err == nil && info.IsDir() {
			continue
		}
		if isEscape(err) {
			return userFault(made, err)
		}
		if err := makeDir(root, dir{made, openMode, noOwner, noOwner}); err != nil {
			return userFault(made, err)
		}
	}
	return nil
}

// move renames a file or a link from one directory to another. Both parents
// are opened within their roots and named by their descriptors, so that no
// link which is put in the way meanwhile leads the file elsewhere.
func move(from *os.Root, name string, to *os.Root, target string) error {
	src, err := from.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // opened to find things by
	dst, err := to.OpenFile(filepath.Dir(target), os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = dst.Close() }() // as above
	err = unix.Renameat(int(src.Fd()), path.Base(name), int(dst.Fd()), filepath.Base(target))
	if err != nil {
		return &fs.PathError{Op: "rename", Path: target, Err: err}
	}
	return nil
}
