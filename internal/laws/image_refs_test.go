package laws

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const repo = "registry.example/app"

// byDigest is a reference by digest: "@1" is what the tag 1 means in the
// registry at first, "1@" says the tag as well.
func byDigest(tag string) string {
	name := strings.Trim(tag, "@")
	digest := "@" + image(name).Digest()
	if strings.HasPrefix(tag, "@") {
		return repo + digest
	}
	return repo + ":" + name + digest
}

// plain is a reference as the engine lists it: beside a digest there is no tag.
func plain(ref string) string {
	name, digest, ok := strings.Cut(ref, "@")
	if !ok {
		return ref
	}
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	return name + "@" + digest
}

// present is the id that a reference means on the engine; "" if none.
func (w *world) present(ref string) string {
	for id, refs := range w.e.Images() {
		if slices.Contains(refs, plain(ref)) {
			return id
		}
	}
	return ""
}

// loads is the plain job whose image comes from an archive.
func (w *world) loads(name, archive string) spec {
	return spec{name: name, tag: archive, load: w.archivePath(archive), count: 1}
}

func (w *world) archivePath(name string) string {
	return filepath.Join(filepath.Dir(w.data), name+".tar")
}

// archive writes an archive as docker save does. It holds an image under the
// reference of its name, and one more under each other tag; another version
// has other images.
func (w *world) archive(name, version string, others ...string) {
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	put := func(name string, data []byte) {
		w.must(tw.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(data))}))
		_, err := tw.Write(data)
		w.must(err)
	}
	layer := appLayer()
	put("layer.tar", layer)
	type entry struct {
		Config           string
		RepoTags, Layers []string
	}
	var manifest []entry
	ids, refs := map[string]bool{}, []string(nil)
	for _, tag := range append([]string{name}, others...) {
		config, err := json.Marshal(map[string]any{
			"config": map[string]any{"Entrypoint": []string{"/app"}, "Labels": map[string]string{"salt": tag + version}},
			"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer)}},
		})
		w.must(err)
		id := digest(config)
		put(id[7:]+".json", config)
		manifest = append(manifest, entry{id[7:] + ".json", []string{ref(tag)}, []string{"layer.tar"}})
		ids[id], refs = true, append(refs, ref(tag))
	}
	b, err := json.Marshal(manifest)
	w.must(err)
	put("manifest.json", b)
	w.must(tw.Close())
	path := w.archivePath(name)
	w.must(os.WriteFile(path+".new", out.Bytes(), 0o600))
	w.must(os.Rename(path+".new", path))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.archives == nil {
		w.archives = map[string]archive{}
	}
	a := w.archives[path]
	maps.Copy(ids, a.ids)
	w.archives[path] = archive{ids: ids, refs: refs}
}

// archive is what the archive at a path has held.
type archive struct {
	ids  map[string]bool // ever
	refs []string        // now
}

// anyArchiveThere reports whether of some archive all references are there, so
// that a load of it brings nothing that was absent.
func (w *world) anyArchiveThere() bool {
	var here []string
	for _, refs := range w.e.Images() {
		here = append(here, refs...)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.archives {
		if !slices.ContainsFunc(a.refs, func(r string) bool { return !slices.Contains(here, r) }) {
			return true
		}
	}
	return false
}

// fromArchive are the archives that have held an image.
func (w *world) fromArchive(id string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for path, a := range w.archives {
		if a.ids[id] {
			out = append(out, path)
		}
	}
	return out
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// appLayer is a layer with the program that the images name.
func appLayer() []byte {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	data := make([]byte, 1<<10)
	if err := tw.WriteHeader(&tar.Header{Name: "app", Mode: 0o755, Size: int64(len(data))}); err != nil {
		panic(err) // a buffer
	}
	if _, err := tw.Write(data); err != nil {
		panic(err)
	}
	if err := tw.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}
