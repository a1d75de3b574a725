package dockertest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
)

// handleLoad reads an archive in the form of docker save: a manifest.json,
// configs, and layers, gzipped or not. Once it has the whole of it, it goes on
// without its client.
func (e *Engine) handleLoad(c *call) error {
	files, err := readTar(c.r.Body)
	if err != nil && c.r.Context().Err() != nil {
		return c.r.Context().Err()
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusOK)
	if err != nil {
		c.line(inStream("%s", err))
		return nil
	}
	entries, err := manifestOf(files)
	if err != nil {
		c.line(inStream("%s", err))
		return nil
	}
	for _, m := range entries {
		if !pause(e.timing.Load, c.life) {
			return errAborted
		}
		if err := e.loadImage(c, files, m, c.flag("quiet")); err != nil {
			c.line(inStream("%s", err))
			return nil
		}
	}
	return nil
}

// manifest is one entry of manifest.json (moby image/tarexport).
type manifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// maxArchive bounds what a load keeps in memory.
const maxArchive = 256 << 20

func readTar(r io.Reader) (map[string][]byte, error) {
	files := map[string][]byte{}
	tr := tar.NewReader(io.LimitReader(r, maxArchive))
	for {
		h, err := tr.Next()
		switch {
		case errors.Is(err, io.EOF):
			_, _ = io.Copy(io.Discard, r)
			return files, nil
		case err != nil:
			return nil, err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			return nil, err
		}
		files[path.Clean(h.Name)] = b
	}
}

func manifestOf(files map[string][]byte) ([]manifest, error) {
	b, ok := files["manifest.json"]
	if !ok {
		return nil, errors.New("open /var/lib/docker/tmp/docker-import/repositories: no such file or directory")
	}
	var out []manifest
	return out, json.Unmarshal(b, &out)
}

// imageConfig is what an engine reads of an image's config.
type imageConfig struct {
	Created *time.Time       `json:"created"`
	Config  container.Config `json:"config"`
	RootFS  struct {
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
}

func (e *Engine) loadImage(c *call, files map[string][]byte, m manifest, quiet bool) error {
	raw, ok := files[path.Clean(m.Config)]
	if !ok {
		return errors.New("open " + m.Config + ": no such file or directory")
	}
	var cf imageConfig
	if err := json.Unmarshal(raw, &cf); err != nil {
		return err
	}
	sum := sha256.Sum256(raw)
	made := &img{id: "sha256:" + hex.EncodeToString(sum[:]), config: cf.Config, layers: cf.RootFS.DiffIDs, files: map[string]bool{}}
	made.digest = digestOf([]any{"manifest", made.id})
	if cf.Created != nil {
		made.created = *cf.Created
	}
	for n, l := range m.Layers {
		size, err := made.addLayer(files[path.Clean(l)])
		if err != nil {
			return err
		}
		if !quiet && n < len(made.layers) {
			c.line(progress{Status: "Loading layer", ID: short(made.layers[n]), Detail: &progressDetail{size, size}})
		}
	}
	said, err := e.enter(made, m.RepoTags)
	for _, text := range said {
		c.line(progress{Stream: text + "\n"})
	}
	return err
}

// enter keeps a loaded image under its tags and returns what the engine says
// about it.
func (e *Engine) enter(made *img, tags []string) (said []string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	made = e.named(made)
	e.keep(made)
	for _, ref := range tags {
		full, err := canonical(ref)
		if err != nil {
			return said, err
		}
		if old := e.refs[full]; old != "" && old != made.id {
			said = append(said, "The image "+familiar(full)+" already exists, renaming the old one with ID "+old+" to empty string")
		}
		e.refs[full] = made.id
		said = append(said, "Loaded image: "+familiar(full))
	}
	if len(tags) == 0 {
		said = append(said, "Loaded image ID: "+made.id)
	}
	e.emitImage(events.ActionLoad, made.id, made.id)
	return said, nil
}

// addLayer notes the files of a layer and returns its size as it lies on disk.
func (i *img) addLayer(blob []byte) (int64, error) {
	if len(blob) > 1 && blob[0] == 0x1f && blob[1] == 0x8b {
		z, err := gzip.NewReader(bytes.NewReader(blob))
		if err != nil {
			return 0, err
		}
		if blob, err = io.ReadAll(z); err != nil {
			return 0, err
		}
	}
	tr := tar.NewReader(bytes.NewReader(blob))
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return int64(len(blob)), nil
		}
		if err != nil {
			return 0, err
		}
		i.files[path.Clean("/" + h.Name)[1:]] = true
		i.size += h.Size
	}
}
