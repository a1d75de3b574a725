package allocdir

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io/fs"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// stamp is when the files in the archives were changed.
var stamp = time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)

var syscallUmask = syscall.Umask

// item is one entry of an archive.
type item struct {
	name, text, link, same string
	mode                   fs.FileMode
	kind                   byte // of a tar header; 0 is what mode says
}

func file(name, text string, mode fs.FileMode) item { return item{name: name, text: text, mode: mode} }

func folder(name string, mode fs.FileMode) item { return item{name: name, mode: fs.ModeDir | mode} }

func symlink(name, to string) item {
	return item{name: name, link: to, mode: fs.ModeSymlink | 0o777}
}
func hardlink(name, to string) item { return item{name: name, same: to, kind: tar.TypeLink} }

func (i item) tarHeader() *tar.Header {
	h := &tar.Header{Name: i.name, Mode: int64(i.mode.Perm()), Size: int64(len(i.text)), Typeflag: tar.TypeReg, ModTime: stamp}
	if i.mode&fs.ModeSetuid != 0 {
		h.Mode |= 0o4000
	}
	if i.mode&fs.ModeSetgid != 0 {
		h.Mode |= 0o2000
	}
	if i.mode&fs.ModeSticky != 0 {
		h.Mode |= 0o1000
	}
	switch {
	case i.kind != 0:
		h.Typeflag, h.Linkname = i.kind, i.same
	case i.mode.IsDir():
		h.Typeflag = tar.TypeDir
	case i.mode&fs.ModeSymlink != 0:
		h.Typeflag, h.Linkname = tar.TypeSymlink, i.link
	}
	return h
}

func tarOf(t *testing.T, items ...item) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, i := range items {
		if err := w.WriteHeader(i.tarHeader()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(i.text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipOf(t *testing.T, items ...item) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, i := range items {
		h := &zip.FileHeader{Name: i.name, Method: zip.Deflate, Modified: stamp}
		h.SetMode(i.mode)
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(i.text + i.link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// packed compresses with gzip, bzip2, xz or zstd: the programs, where the
// standard library cannot. A test that needs one that is not here is skipped.
func packed(t *testing.T, how string, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if how == "gzip" {
		w := gzip.NewWriter(&out)
		if _, err := w.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	path, err := exec.LookPath(how)
	if err != nil {
		t.Skipf("no %s here", how)
	}
	c := exec.CommandContext(t.Context(), path, "-c")
	c.Stdin, c.Stdout = bytes.NewReader(plain), &out
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
