package allocdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"reconciler/internal/job"
)

// maxLinks is how many links a path may lead through (Linux: MAXSYMLINKS).
const maxLinks = 40

// errEscape says that a path leads out of the allocation's directory.
var errEscape = errors.New("leads outside the allocation's directory")

// Resolve returns the absolute path that a relative volume means, with all
// links followed: relative to the task's directory, ".." up to the
// allocation's and no further. Directories that are missing are made, open to
// every user as the task's local directory is. The allocation must have been
// built. Errors are job.Errors that name the volume.
func (d *Dirs) Resolve(allocID, task, rel string) (string, error) {
	if err := checkNames(allocID, task); err != nil {
		return "", err
	}
	if filepath.IsAbs(rel) || strings.ContainsRune(rel, 0) {
		return "", job.NewError(job.WaitsForUser, ReasonInvalid, fmt.Errorf("volume %q: no relative path", rel))
	}
	real, err := d.resolve(allocID, filepath.Join(taskDir(task), rel))
	if err != nil {
		return "", volumeError(rel, err)
	}
	return filepath.Join(d.root, allocID, real), nil
}

// volumeError says whose turn it is: a path that is wrong stays wrong until
// somebody changes the manifest or what the task has put there.
func volumeError(rel string, err error) error {
	kind, reason := job.Retried, ReasonIO
	switch {
	case errors.Is(err, errEscape):
		kind, reason = job.WaitsForUser, ReasonEscape
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP), errors.Is(err, syscall.ENAMETOOLONG):
		kind, reason = job.WaitsForUser, ReasonInvalid
	}
	return job.NewError(kind, reason, fmt.Errorf("volume %q: %w", rel, err))
}

func (d *Dirs) resolve(allocID, path string) (string, error) {
	if !filepath.IsLocal(path) {
		return "", errEscape
	}
	root, err := d.openAlloc(allocID)
	if err != nil {
		return "", err
	}
	defer func() { _ = root.Close() }() // opened to read; what was made has told its error
	return walk(root, path)
}

// walk goes down path one name at a time, as the kernel would with root as the
// top, and returns the way it went: no name in it is a link.
func walk(root *os.Root, path string) (string, error) {
	var done []string
	todo := names(path)
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		if name == ".." {
			if len(done) == 0 {
				return "", errEscape
			}
			done = done[:len(done)-1]
			continue
		}
		here := filepath.Join(filepath.Join(done...), name)
		target, err := enter(root, here, len(todo) > 0)
		if err != nil {
			return "", err
		}
		if target == "" {
			done = append(done, name)
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: here, Err: syscall.ELOOP}
		}
		if filepath.IsAbs(target) {
			return "", fmt.Errorf("%s is a link to %s: %w", here, target, errEscape)
		}
		todo = slices.Concat(names(target), todo)
	}
	return filepath.Join(done...), nil
}

// enter looks at one name and makes the directory if there is nothing. The
// target is empty unless the name is a link.
func enter(root *os.Root, path string, mustBeDir bool) (target string, err error) {
	info, err := root.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", makeDir(root, dir{path, openMode, noOwner, noOwner})
	case err != nil:
		return "", err
	case info.Mode()&fs.ModeSymlink != 0:
		return root.Readlink(path)
	case mustBeDir && !info.IsDir():
		return "", notDir(path)
	}
	return "", nil
}

// names splits a path without cleaning it: a ".." behind a link is where the
// link leads, not where it stands.
func names(path string) []string {
	return slices.DeleteFunc(strings.Split(path, string(filepath.Separator)), func(n string) bool {
		return n == "" || n == "."
	})
}
