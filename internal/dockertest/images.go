package dockertest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"

	"reconciler/internal/imageref"
)

// Image declares an image. Two with equal fields, Refs aside, are the same.
type Image struct {
	// Refs are the references that it gets in AddImage, as in "web:1".
	Refs   []string
	Config container.Config
	// Layers are the sizes of its layers in bytes; nil is one of 1 MB.
	Layers []int64
	// Salt is a string that changes nothing but the ids.
	Salt string
}

func digestOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("dockertest: digest: " + err.Error()) // plain data
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ID is the id that an engine with the classic store gives the image.
func (i Image) ID() string { return digestOf([]any{"config", i.Config, i.sizes(), i.Salt}) }

// Digest is that of its manifest: what a registry knows it by, and the id in
// an engine with the containerd store.
func (i Image) Digest() string { return digestOf([]any{"manifest", i.ID()}) }

func (i Image) sizes() []int64 {
	if i.Layers == nil {
		return []int64{1 << 20}
	}
	return i.Layers
}

// layerIDs name the layers; equal ones of two images are not shared.
func (i Image) layerIDs() []string {
	var out []string
	for n := range i.sizes() {
		out = append(out, digestOf([]any{"layer", i.ID(), n}))
	}
	return out
}

// img is one image of the engine.
type img struct {
	id      string
	config  container.Config
	created time.Time
	size    int64
	layers  []string
	digest  string          // of the manifest
	files   map[string]bool // paths without the leading slash; nil if they are not known
}

func (e *Engine) fromDeclared(i Image) *img {
	out := &img{id: i.ID(), config: i.Config, created: created, layers: i.layerIDs(), digest: i.Digest()}
	for _, s := range i.sizes() {
		out.size += s
	}
	return e.named(out)
}

// created is when all declared images were made.
var created = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// named gives an image the id that the engine's store has for it.
func (e *Engine) named(i *img) *img {
	if e.opts.ContainerdStore {
		i.id = i.digest
	}
	return i
}

// AddImage puts an image into the engine, at once and without an event, and
// returns its id. A reference that another image has moves.
func (e *Engine) AddImage(i Image) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	made := e.fromDeclared(i)
	e.keep(made)
	for _, ref := range i.Refs {
		e.refs[mustCanonical(ref)] = made.id
	}
	return made.id
}

// keep adds the image if it is not there; the caller holds mu.
func (e *Engine) keep(i *img) {
	if e.images[i.id] == nil {
		e.images[i.id] = i
	}
}

// UntagByHand is docker rmi -f of a reference: the tag goes, the image stays.
// Reports whether it was there.
func (e *Engine) UntagByHand(ref string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, err := canonical(ref)
	id, ok := e.refs[c]
	if err != nil || !ok {
		return false
	}
	delete(e.refs, c)
	e.emitImage(events.ActionUnTag, id, id)
	return true
}

// RemoveImageByHand is docker rmi -f of an id or a reference: the image goes
// with all its references, whoever uses it. Reports whether it was there.
func (e *Engine) RemoveImageByHand(ref string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.image(ref)
	if i == nil {
		return false
	}
	e.drop(i)
	return true
}

// TagByHand is docker tag. It panics if there is no such image.
func (e *Engine) TagByHand(image, ref string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := e.image(image)
	if i == nil {
		panic("dockertest: TagByHand: no image " + image)
	}
	e.refs[mustCanonical(ref)] = i.id
	e.emitImage(events.ActionTag, i.id, ref)
}

// Images are the references of each image by its id, sorted, in the form that
// people write.
func (e *Engine) Images() map[string][]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := map[string][]string{}
	for id := range e.images {
		tags, digests := e.refsOf(id)
		out[id] = append(tags, digests...)
	}
	return out
}

// canonical is the full form of a reference, docker.io/library/web:1; one with
// a digest has no tag.
func canonical(ref string) (string, error) {
	full, err := imageref.Parse(ref)
	if err != nil {
		return "", errors.New("invalid reference format")
	}
	if _, digest, ok := strings.Cut(full, "@"); ok {
		return repository(full) + "@" + digest, nil
	}
	return full, nil
}

func mustCanonical(ref string) string {
	c, err := canonical(ref)
	if err != nil {
		panic("dockertest: reference " + ref + ": " + err.Error())
	}
	return c
}

// familiar is the form that the API shows: web:1.
func familiar(ref string) string { return imageref.Familiar(ref) }

// withTag is the familiar form with the tag that is meant.
func withTag(ref string) string {
	c, err := canonical(ref)
	if err != nil {
		return ref
	}
	return familiar(c)
}

// repository is a canonical reference without tag and digest.
func repository(full string) string {
	full, _, _ = strings.Cut(full, "@")
	if i := strings.LastIndex(full, ":"); i > strings.LastIndex(full, "/") {
		return full[:i]
	}
	return full
}

// inHost is the repository without its host, as in "library/web".
func inHost(full string) string {
	return strings.TrimPrefix(repository(full), imageref.Domain(full)+"/")
}

// image looks up a reference, an id or the beginning of one; the caller holds
// mu.
func (e *Engine) image(ref string) *img {
	if i := e.images[ref]; i != nil {
		return i
	}
	if i := e.images["sha256:"+ref]; i != nil {
		return i
	}
	if c, err := canonical(ref); err == nil {
		if id, ok := e.refs[c]; ok {
			return e.images[id]
		}
	}
	bare := strings.TrimPrefix(ref, "sha256:")
	var found *img
	for id, i := range e.images {
		if len(bare) >= 4 && strings.HasPrefix(id, "sha256:"+bare) {
			if found != nil {
				return nil
			}
			found = i
		}
	}
	return found
}

// byID reports whether ref names the image by its id, or the beginning of it.
func (i *img) byID(ref string) bool {
	return strings.HasPrefix(i.id, ref) || strings.HasPrefix(strings.TrimPrefix(i.id, "sha256:"), ref)
}

// refsOf are the tags and the digests of an image; the caller holds mu.
func (e *Engine) refsOf(id string) (tags, digests []string) {
	for _, ref := range slices.Sorted(maps.Keys(e.refs)) {
		switch {
		case e.refs[ref] != id:
		case strings.Contains(ref, "@"):
			digests = append(digests, familiar(ref))
		default:
			tags = append(tags, familiar(ref))
		}
	}
	return tags, digests
}

// emitImage tells an event of an image; the caller holds mu.
func (e *Engine) emitImage(action events.Action, id, name string) {
	attrs := map[string]string{}
	if i := e.image(id); i != nil {
		maps.Copy(attrs, i.config.Labels)
	}
	attrs["name"] = name
	e.emit(events.ImageEventType, action, id, attrs)
}

// sortedImages are all images, the newest first; the caller holds mu.
func (e *Engine) sortedImages() []*img {
	return slices.SortedFunc(maps.Values(e.images), func(a, b *img) int {
		return cmp.Or(b.created.Compare(a.created), cmp.Compare(a.id, b.id))
	})
}
