package allocdir

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// entry is a file, a directory or a link of an archive or a directory.
type entry struct {
	name     string // as the archive has it
	mode     fs.FileMode
	link     string // target of a symbolic link
	same     string // name of the entry that a hard link is the same as
	modified time.Time
}

// writer puts entries into a tree. Everything goes through os.Root, so nothing
// lands outside even if a check should be missing here.
type writer struct {
	tree  *os.Root
	left  *budget
	dirs  []entry  // their modes are set at the end: one may forbid to write
	links []string // looked at again at the end, when their targets are there
}

// add puts one entry into the tree. Of two of one name the later wins.
func (w *writer) add(ctx context.Context, e entry, content io.Reader) error {
	name, err := entryPath(e.name)
	if err != nil || name == "." {
		return err
	}
	if err := w.left.entry(); err != nil {
		return err
	}
	if err := ended(ctx); err != nil {
		return err
	}
	e.name = name
	err = w.put(ctx, e, content)
	if errors.Is(err, fs.ErrNotExist) { // nobody else is at work in the tree
		return invalid("%q leads through a link to nowhere", clip(name))
	}
	return userFault(name, err)
}

func (w *writer) put(ctx context.Context, e entry, content io.Reader) error {
	if e.mode.IsDir() {
		w.dirs = append(w.dirs, e)
		return w.tree.MkdirAll(e.name, plainMode)
	}
	if err := w.tree.MkdirAll(path.Dir(e.name), plainMode); err != nil {
		return err
	}
	if err := w.tree.Remove(e.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch {
	case e.mode&fs.ModeSymlink != 0:
		return w.putLink(e)
	case e.same != "":
		return w.putSame(ctx, e)
	case e.mode.IsRegular():
		return w.putFile(ctx, e, content)
	}
	return invalid("%q is neither a file, nor a directory, nor a link", clip(e.name))
}

func (w *writer) putFile(ctx context.Context, e entry, content io.Reader) error {
	out, err := w.tree.OpenFile(e.name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := w.left.copy(ctx, out, content); err != nil {
		_ = out.Close() // the copy has told why
		return err
	}
	if err := out.Chmod(fileMode(e.mode)); err != nil {
		_ = out.Close() // as above
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	if e.modified.IsZero() {
		return nil
	}
	return w.tree.Chtimes(e.name, e.modified, e.modified)
}

// putLink makes a symbolic link whose target is within the tree.
func (w *writer) putLink(e entry) error {
	if e.link == "" {
		return invalid("%q is a link without a target", clip(e.name))
	}
	if path.IsAbs(e.link) || !filepath.IsLocal(path.Join(path.Dir(e.name), e.link)) {
		return escapes("%q is a link to %q, outside the artifact", clip(e.name), clip(e.link))
	}
	w.links = append(w.links, e.name)
	return w.tree.Symlink(e.link, e.name)
}

// putSame copies the file that a hard link is another name of: what is
// reached by two names in an archive is two files in a task's directory.
func (w *writer) putSame(ctx context.Context, e entry) error {
	target, err := entryPath(e.same)
	if err != nil {
		return err
	}
	info, err := w.tree.Lstat(target)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return invalid("%q is a hard link to %q, which is no file that comes before it", clip(e.name), clip(e.same))
	}
	if err != nil {
		return err
	}
	in, err := w.tree.Open(target)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // opened to read
	e.mode, e.modified = info.Mode(), info.ModTime()
	return w.putFile(ctx, e, in)
}

// finish looks at the links, now that all they lead through is there, and sets
// the modes of the directories, the deepest first.
func (w *writer) finish() error {
	for _, name := range w.links {
		_, err := w.tree.Stat(name)
		if isEscape(err) {
			return escapes("%q is a link that leads outside the artifact", clip(name))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ELOOP) {
			return userFault(name, err)
		}
	}
	for _, d := range slices.Backward(w.dirs) {
		info, err := w.tree.Lstat(d.name)
		if err != nil || !info.IsDir() {
			continue // a later entry has its name
		}
		if err := w.tree.Chmod(d.name, dirMode(d.mode)); err != nil {
			return err
		}
	}
	return nil
}

// entryPath is where an entry goes in the tree.
func entryPath(name string) (string, error) {
	clean := path.Clean(strings.TrimSuffix(name, "/"))
	up := strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '\\' })
	if slices.Contains(up, "..") || !filepath.IsLocal(clean) {
		return "", escapes("%q in the archive leads outside it", clip(name))
	}
	if strings.ContainsRune(name, 0) {
		return "", invalid("a name in the archive has a zero byte")
	}
	return clean, nil
}

// fileMode keeps who may run a file, and lets every user read it: images run
// as users of their own. Set-user-id and its like are never kept.
func fileMode(m fs.FileMode) fs.FileMode { return m.Perm() | 0o644 }

// dirMode does the same for a directory.
func dirMode(m fs.FileMode) fs.FileMode { return m.Perm() | 0o755 }
