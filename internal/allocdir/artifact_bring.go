package allocdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"reconciler/internal/job"
)

// entryName is what a file that came by itself is called in a stage's tree.
const entryName = "file"

// bring fills the tree of a stage: with the content of an archive or a
// directory, or with one file called entryName.
func (f *fetcher) bring(ctx context.Context, s *stage, src source) error {
	sum, err := f.checksum(ctx, s, src)
	if err != nil {
		return err
	}
	if src.url != nil {
		err = f.download(ctx, src.url, s.rawPath())
	} else {
		err = f.copyLocal(ctx, s, src)
	}
	if err != nil {
		return err
	}
	if s.isTree {
		if sum != nil {
			return invalid("a directory has no checksum: pack it, or leave the checksum out")
		}
		return nil
	}
	if err := verify(ctx, s.rawPath(), sum); err != nil {
		return err
	}
	if src.archive == "" {
		s.file = entryName
		return os.Rename(s.rawPath(), filepath.Join(s.path, treeName, entryName))
	}
	return f.unpack(ctx, s, src)
}

// copyLocal copies a file of the host to the stage, or a directory into its
// tree.
func (f *fetcher) copyLocal(ctx context.Context, s *stage, src source) error {
	in, err := openLocal(src.path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // opened to read
	info, err := in.Stat()
	switch {
	case err != nil:
		return err
	case info.IsDir() && (src.archive != "" && src.archiveAsked || src.mode == job.ArtifactFile):
		return invalid("%q is a directory", src.path)
	case info.IsDir():
		s.isTree = true
		return f.copyTree(ctx, src.path, s.tree)
	case !info.Mode().IsRegular():
		return invalid("%q is neither a file nor a directory", src.path)
	case src.archive == "" && (src.mode == job.ArtifactDir || src.subdir != ""):
		return invalid("%q is no directory", src.path)
	}
	out, err := os.OpenFile(s.rawPath(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.budget().copy(ctx, out, in); err != nil {
		_ = out.Close() // the copy has told why
		return err
	}
	// Who may run a file of the host may run its copy.
	if err := out.Chmod(fileMode(info.Mode())); err != nil {
		_ = out.Close() // as above
		return err
	}
	return out.Close()
}

// openLocal opens a file or directory of the host. A pipe does not hang it.
func openLocal(path string) (*os.File, error) {
	in, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, job.NewError(job.WaitsForUser, ReasonArtifactNotFound, fmt.Errorf("%q is not on this host", path))
	}
	return in, err
}

// copyTree copies a directory of the host. Links in it are copied as such, and
// stay within it.
func (f *fetcher) copyTree(ctx context.Context, dir string, tree *os.Root) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // opened to read
	w := &writer{tree: tree, left: f.budget()}
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		it := entry{name: name, mode: info.Mode(), modified: info.ModTime()}
		switch {
		case e.IsDir():
			return w.add(ctx, it, nil)
		case e.Type() == fs.ModeSymlink:
			if it.link, err = root.Readlink(name); err != nil {
				return err
			}
			return w.add(ctx, it, nil)
		case !e.Type().IsRegular():
			return invalid("%q in the source is neither a file, nor a directory, nor a link", clip(name))
		}
		in, err := root.Open(name)
		if err != nil {
			return err
		}
		defer func() { _ = in.Close() }() // opened to read
		return w.add(ctx, it, in)
	})
	if err != nil {
		return err
	}
	return w.finish()
}

// wanted opens the part of a tree that is to be put into place.
func (s *stage) wanted(src source) (*os.Root, error) {
	if src.subdir == "" || s.file != "" {
		return s.tree.OpenRoot(".")
	}
	pattern := path.Clean(src.subdir)
	found, err := fs.Glob(s.tree.FS(), pattern)
	if err != nil || len(found) != 1 {
		return nil, invalid("the part %q is there %d times: it has to be one directory", clip(src.subdir), len(found))
	}
	info, err := s.tree.Stat(found[0])
	if err != nil || !info.IsDir() {
		return nil, invalid("the part %q is no directory", clip(src.subdir))
	}
	return s.tree.OpenRoot(found[0])
}

// ended is an error if ctx is done.
func ended(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
