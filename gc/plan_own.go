package gc

import (
	"maps"
	"slices"
	"strings"

	"reconciler/observed"
	"reconciler/store"
)

// Sources of provenance that Plan rebuilds. The puller's own are the registry
// or the archive.
const (
	// SourceLabel is a container's image_ours label, after a loss of the store.
	SourceLabel = "label"
)

// owned is which images of the host are ours.
type owned struct {
	images  map[string]observed.Image        // on the host, by id
	records map[string]store.ImageProvenance // with what is adopted, by id
	adopt   map[string]store.ImageProvenance // the part that is adopted
	settled []store.ImageIntent              // left intents that are done with
}

// Labelled returns, by image id, the provenance that in.Provenance lacks and
// the labels of our containers tell. It is a pure function of the images, the
// containers, the provenance and the time in in. Who is about to let
// containers go that gc has not seen yet takes it first: the labels go with
// them.
func Labelled(in Input) map[string]store.ImageProvenance {
	o := newOwned(in)
	o.fromLabels(in)
	return o.adopt
}

func newOwned(in Input) owned {
	o := owned{
		images:  make(map[string]observed.Image, len(in.Images)),
		records: maps.Clone(in.Provenance),
		adopt:   map[string]store.ImageProvenance{},
	}
	for _, img := range in.Images {
		o.images[img.ID] = img
	}
	if o.records == nil {
		o.records = map[string]store.ImageProvenance{}
	}
	return o
}

func ownership(in Input, use uses) owned {
	o := newOwned(in)
	byRef := map[string]observed.Image{}
	for _, img := range in.Images {
		for _, ref := range img.Refs {
			byRef[refKey(ref)] = img
		}
	}
	o.fromLabels(in)
	o.fromIntents(in, use, byRef)
	return o
}

// fromLabels rebuilds the provenance of images whose record is lost: a
// container of ours carries in a label that we brought its image.
func (o *owned) fromLabels(in Input) {
	for _, c := range in.Containers {
		img, here := o.images[c.ImageID]
		if _, known := in.Provenance[c.ImageID]; known || !here || !c.Ours || !c.Identity.ImageOurs {
			continue
		}
		// Other references of the image may be a person's; only the one that
		// the container was made with came with our pull.
		p := store.ImageProvenance{Source: SourceLabel, Size: img.Size, At: in.Now.UTC().Round(0)}
		if ref, ok := canonical(c.Image); ok && has(img, ref) {
			p.Refs = []string{ref}
		}
		o.add(img.ID, p)
	}
}

// fromIntents settles what a crash, or a stream that broke off, left behind. The
// reference was absent before the intent was written, so if it is there now, our
// pull brought it. If it is not, the pull is started again for as long as
// somebody wants it.
func (o *owned) fromIntents(in Input, use uses, byRef map[string]observed.Image) {
	for _, key := range slices.Sorted(maps.Keys(in.Left)) {
		intent, ok := in.Intents[key]
		if !ok || !in.Left[key] {
			continue
		}
		if img, here := byRef[refKey(intent.Ref)]; here {
			o.add(img.ID, store.ImageProvenance{
				Refs: []string{intent.Ref}, Source: intent.Source, Size: img.Size, At: intent.At,
			})
		} else if _, wanted := use.refs[refKey(intent.Ref)]; wanted {
			continue
		}
		o.settled = append(o.settled, intent)
	}
}

// add adopts p for an image, unless all of it is known.
func (o *owned) add(id string, p store.ImageProvenance) {
	old, known := o.records[id]
	merged := MergeProvenance(old, p)
	if known && len(merged.Refs) == len(old.Refs) {
		return
	}
	o.records[id] = merged
	o.adopt[id] = MergeProvenance(o.adopt[id], p)
}

// MergeProvenance adds the references of p to old, sorted. What else old
// says stays; a zero old is replaced.
func MergeProvenance(old, p store.ImageProvenance) store.ImageProvenance {
	refs := append(slices.Clone(old.Refs), p.Refs...)
	slices.Sort(refs)
	if !old.At.IsZero() {
		p = old
	}
	p.Refs = slices.Compact(refs)
	return p
}

// splitRefs tells which references of an image are ours to remove, tags before
// digests, and which are not. The digest that came with the pull of a tag is
// ours with it, unless a person has another tag in that repository.
func splitRefs(refs, brought []string) (ours, foreign []string) {
	keys, repos := map[string]bool{}, map[string]bool{}
	for _, ref := range brought {
		keys[refKey(ref)], repos[repository(ref)] = true, true
	}
	var tags, digests, companions []string
	theirs := map[string]bool{} // repositories with a tag that is not ours
	for _, ref := range slices.Sorted(slices.Values(refs)) {
		digest := strings.Contains(ref, "@")
		switch {
		case keys[refKey(ref)] && digest:
			digests = append(digests, ref)
		case keys[refKey(ref)]:
			tags = append(tags, ref)
		case digest && repos[repository(ref)]:
			companions = append(companions, ref)
		default:
			foreign = append(foreign, ref)
			theirs[repository(ref)] = true
		}
	}
	for _, ref := range companions {
		if theirs[repository(ref)] {
			foreign = append(foreign, ref)
		} else {
			digests = append(digests, ref)
		}
	}
	return append(tags, digests...), foreign
}
