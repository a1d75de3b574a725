package allocdir

import (
	"archive/tar"
	"archive/zip"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hashicorp/go-getter/v2"

	"reconciler/internal/job"
)

// maxTarget bounds the target of a link in a zip file (PATH_MAX).
const maxTarget = 4096

// plainName is what an archive is called in a stage once it is not compressed
// any more.
const plainName = "plain"

// unpack fills the tree from the archive. go-getter's own way is not taken: it
// makes an empty file of each link, and cuts what is too large without a word.
func (f *fetcher) unpack(ctx context.Context, s *stage, src source) error {
	w := &writer{tree: s.tree, left: f.budget()}
	var err error
	switch kind := src.archive; {
	case kind == "zip":
		err = unzip(ctx, s.rawPath(), w)
	case singleFile(kind):
		s.file = entryName
		err = f.inflated(ctx, s, kind, func(r io.Reader) error {
			return w.add(ctx, entry{name: entryName}, r)
		})
	default:
		err = f.inflated(ctx, s, compression(kind), func(r io.Reader) error { return untar(ctx, r, w) })
	}
	if err == nil {
		err = w.finish()
	}
	if err != nil {
		return unpackError(ctx, src.archive, err)
	}
	if src.mode == job.ArtifactFile && s.file == "" {
		return s.onlyFile()
	}
	return nil
}

// compression says what a tar archive is compressed with, if it is.
func compression(kind string) string {
	for _, c := range []string{"gz", "bz2", "xz", "zst"} {
		if kind == "tar."+c || kind == "t"+c || kind == "tgz" && c == "gz" {
			return c
		}
	}
	return ""
}

// inflated reads the content of a compressed file.
func (f *fetcher) inflated(ctx context.Context, s *stage, how string, read func(io.Reader) error) error {
	path := s.rawPath()
	if how == "xz" || how == "zst" {
		plain, err := f.inflate(ctx, s, how)
		if err != nil {
			return err
		}
		path, how = plain, ""
	}
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // opened to read
	var r io.Reader = in
	switch how {
	case "gz":
		if r, err = gzip.NewReader(in); err != nil {
			return err
		}
	case "bz2":
		r = bzip2.NewReader(in)
	}
	return read(r)
}

// inflate writes out what xz and zst hold by go-getter's decompressors. They
// take no context, so its end takes their input away; and they stop without an
// error at their limit, so that is a byte above ours.
func (f *fetcher) inflate(ctx context.Context, s *stage, how string) (string, error) {
	plain := filepath.Join(s.path, plainName)
	left := f.budget()
	most, err := left.room()
	if err != nil {
		return "", err
	}
	most = min(f.limits.bytes, max(most, roomEvery)) + 1
	var d getter.Decompressor = &getter.XzDecompressor{FileSizeLimit: most}
	if how == "zst" {
		d = &getter.ZstdDecompressor{FileSizeLimit: most}
	}
	stop := context.AfterFunc(ctx, func() { _ = os.Truncate(s.rawPath(), 0) })
	err = d.Decompress(plain, s.rawPath(), false, 0)
	if !stop() {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", err
	}
	info, err := os.Stat(plain)
	if err != nil {
		return "", err
	}
	if err := left.take(info.Size()); err != nil {
		return "", err
	}
	if info.Size() == most { // what was left of the disk was the bound
		return "", errNoRoom
	}
	return plain, os.Remove(s.rawPath())
}

func untar(ctx context.Context, r io.Reader, w *writer) error {
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // that is add's to say
			return err
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		e := entry{name: h.Name, mode: h.FileInfo().Mode(), modified: h.ModTime}
		switch h.Typeflag {
		case tar.TypeSymlink:
			e.link = h.Linkname
		case tar.TypeLink:
			e.same = h.Linkname
		}
		if err := w.add(ctx, e, in); err != nil {
			return err
		}
	}
}

func unzip(ctx context.Context, path string, w *writer) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // opened to read
	info, err := file.Stat()
	if err != nil {
		return err
	}
	at := &boundedAt{ReaderAt: file, left: maxIndexEnd + int64(w.left.files)*maxIndex}
	in, err := zip.NewReader(at, info.Size())
	if at.left < 0 {
		return w.left.entries(w.left.files + 1)
	}
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // as above
		return err
	}
	at.left = math.MaxInt64 // the files have their own bounds
	for _, f := range in.File {
		if err := unzipEntry(ctx, f, w); err != nil {
			return err
		}
	}
	return nil
}

// maxIndex is how many bytes of the index of a zip file belong to one entry:
// name, comment and what systems add may have 64 KiB each and never do. The
// whole index is held in memory, so it is bounded before it is read.
const maxIndex = 1 << 10

// maxIndexEnd is what is read to find the index: its end has a comment of
// 64 KiB at most.
const maxIndexEnd = 128 << 10

// boundedAt ends when more than left bytes were read.
type boundedAt struct {
	io.ReaderAt
	left int64
}

// ReadAt is io.ReaderAt's.
func (b *boundedAt) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return b.ReaderAt.ReadAt(p, off)
}

func unzipEntry(ctx context.Context, f *zip.File, w *writer) error {
	e := entry{name: f.Name, mode: f.Mode(), modified: f.Modified}
	if e.mode.IsDir() || strings.HasSuffix(f.Name, "/") {
		e.mode |= fs.ModeDir
		return w.add(ctx, e, nil)
	}
	content, err := f.Open()
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }() // opened to read
	if e.mode&fs.ModeSymlink != 0 {
		target, err := io.ReadAll(io.LimitReader(content, maxTarget))
		if err != nil {
			return err
		}
		e.link = string(target)
	}
	return w.add(ctx, e, content)
}

// onlyFile finds the one file of the tree.
func (s *stage) onlyFile() error {
	var files []string
	err := fs.WalkDir(s.tree.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		return err
	}
	if len(files) != 1 {
		return invalid("with mode file the archive holds one file: it has %d", len(files))
	}
	if info, err := s.tree.Lstat(files[0]); err != nil || !info.Mode().IsRegular() {
		return invalid("with mode file the archive holds one file: %q is a link", clip(files[0]))
	}
	s.file = files[0]
	return nil
}

// unpackError says whose fault it is that an archive could not be unpacked. An
// error that does not come from the system is the archive's.
func unpackError(ctx context.Context, kind string, err error) error {
	if _, ok := errors.AsType[*job.Error](err); ok || ended(ctx) != nil {
		return err
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return err
	}
	return invalid("it cannot be unpacked as %s: %w", kind, err)
}
