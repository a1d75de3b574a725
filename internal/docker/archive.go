package docker

import (
	"archive/tar"
	"bufio"
	"compress/bzip2"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"reconciler/internal/imageref"
)

// archiveStat tells cheaply whether a file may have changed.
type archiveStat struct {
	size    int64
	mtime   time.Time
	dev     uint64
	inode   uint64
	changed time.Time // ctime: a copy that keeps the mtime changes it
}

func statArchive(f *os.File) (archiveStat, os.FileInfo, error) {
	fi, err := f.Stat()
	if err != nil {
		return archiveStat{}, nil, err
	}
	st := archiveStat{size: fi.Size(), mtime: fi.ModTime()}
	if sys, ok := fi.Sys().(*syscall.Stat_t); ok {
		st.dev, st.inode = uint64(sys.Dev), sys.Ino //nolint:unconvert // Dev has 32 bits on MIPS
		st.changed = time.Unix(sys.Ctim.Unix())
	}
	return st, fi, nil
}

// contents is what an archive of docker save holds.
type contents struct {
	// ids maps each canonical reference to its image id: the digest of its
	// config, as the classic image store of the engine names images.
	ids map[string]string
	// readable is false for a compression that we do not know and for what is
	// no archive; the engine may still understand it.
	readable bool
}

func (c contents) refs() []string { return sortedKeys(c.ids) }

// maxHashed bounds the entries that are hashed: configs are small, layers are
// not looked at.
const maxHashed = 4 << 20

// manifestEntry is one image in the manifest.json of an archive
// (moby image/tarexport: manifestItem).
type manifestEntry struct {
	Config   string
	RepoTags []string
}

// readContents reads an archive through, skipping over its layers. An archive
// that cannot be read is not readable, without an error; errors are those of
// the file.
func readContents(f *os.File) (contents, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return contents{}, err
	}
	r, err := decompressed(f)
	if err != nil {
		return contents{}, nil
	}
	digests := map[string]string{}
	var manifest []manifestEntry
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if pathErr := (*os.PathError)(nil); errors.As(err, &pathErr) {
			return contents{}, err
		}
		if err != nil {
			return contents{}, nil
		}
		if h.Typeflag != tar.TypeReg || h.Size > maxHashed {
			continue
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			return contents{}, nil
		}
		sum := sha256.Sum256(b)
		digests[h.Name] = "sha256:" + hex.EncodeToString(sum[:])
		if h.Name == "manifest.json" && json.Unmarshal(b, &manifest) != nil {
			return contents{}, nil
		}
	}
	return resolve(manifest, digests), nil
}

func resolve(manifest []manifestEntry, digests map[string]string) contents {
	c := contents{ids: map[string]string{}, readable: manifest != nil}
	for _, m := range manifest {
		for _, tag := range m.RepoTags {
			if ref, err := imageref.Parse(tag); err == nil {
				c.ids[ref] = digests[m.Config]
			}
		}
	}
	return c
}

// decompressed undoes the compressions that the engine and the standard
// library both know. A plain tar is read from the file itself, so that layers
// are skipped by seeking.
func decompressed(f *os.File) (io.Reader, error) {
	magic := make([]byte, 3)
	n, err := io.ReadFull(f, magic)
	if err != nil && n == 0 {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	switch {
	case magic[0] == 0x1f && magic[1] == 0x8b:
		return gzip.NewReader(bufio.NewReader(f))
	case string(magic) == "BZh":
		return bzip2.NewReader(bufio.NewReader(f)), nil
	}
	return f, nil
}
