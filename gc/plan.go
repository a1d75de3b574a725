package gc

import (
	"maps"
	"slices"
	"strings"
	"time"

	"reconciler/internal/imageref"
	"reconciler/observed"
	"reconciler/store"
)

// Reasons of an ImageClock, besides the uses of plan_use.go.
const (
	keptDisabled = `docker.cleanup.image is "false"`
	keptNotOurs  = "it was here before it was wanted: not ours"
)

// Plan decides which images may go and when. It is a pure function: equal
// input gives an equal plan, and a plan that was carried out leaves nothing to
// do.
func Plan(in Input) Output {
	p := planner{in: in, use: collectUses(in), out: Output{Clocks: map[string]store.ImageClock{}}}
	p.own = ownership(in, p.use)
	p.out.Adopt, p.out.DropIntents = p.own.adopt, p.own.settled
	images := slices.Clone(in.Images)
	slices.SortFunc(images, func(a, b observed.Image) int { return strings.Compare(a.ID, b.ID) })
	for _, img := range images {
		p.image(img)
	}
	for _, id := range slices.Sorted(maps.Keys(in.Provenance)) {
		if _, here := p.own.images[id]; !here {
			p.out.Forget = append(p.out.Forget, id)
		}
	}
	return p.out
}

type planner struct {
	in  Input
	use uses
	own owned
	out Output
}

// image decides on one image of the host.
func (p *planner) image(img observed.Image) {
	prov, ours := p.own.records[img.ID]
	why, used := p.use.of(img)
	switch {
	case !ours:
		p.foreign(img, used && why.by < byStranger)
	case used:
		p.keep(img.ID, why.text)
	default:
		p.unused(img, prov)
	}
}

// foreign records why an image that our jobs use, or once used, stays. The
// other images of the host are none of our business.
func (p *planner) foreign(img observed.Image, usedByUs bool) {
	if _, known := p.in.Clocks[img.ID]; known || usedByUs {
		p.keep(img.ID, keptNotOurs)
	}
}

func (p *planner) keep(id, why string) {
	p.out.Clocks[id] = store.ImageClock{Kept: why}
}

// unused lets the clock of one of our images run.
func (p *planner) unused(img observed.Image, prov store.ImageProvenance) {
	refs, foreign := splitRefs(img.Refs, prov.Refs)
	if len(refs) == 0 && len(foreign) > 0 {
		p.keep(img.ID, "other references hold it: "+familiar(foreign))
		return
	}
	// Times are kept as the store gives them back, without the clock's
	// monotonic reading.
	now := p.in.Now.UTC().Round(0)
	clock := store.ImageClock{UnusedSince: p.in.Clocks[img.ID].UnusedSince}
	if clock.UnusedSince.IsZero() || now.Before(clock.UnusedSince) {
		// A clock in the future was written before the system clock was set
		// back: the delay begins anew.
		clock.UnusedSince = now
	}
	if !p.in.Enabled {
		clock.Kept = keptDisabled
		p.out.Clocks[img.ID] = clock
		return
	}
	clock.DeleteAt = clock.UnusedSince.Add(p.in.Delay)
	if r, ok := p.in.Refused[img.ID]; ok {
		clock.Kept = r.Why
		clock.DeleteAt = later(clock.DeleteAt, r.Until.UTC().Round(0))
	}
	p.out.Clocks[img.ID] = clock
	p.due(Deletion{ID: img.ID, Refs: refs, Others: foreign, Size: img.Size}, clock)
}

func (p *planner) due(d Deletion, clock store.ImageClock) {
	switch {
	case p.in.Now.Before(clock.DeleteAt):
		p.out.WakeAt = earliest(p.out.WakeAt, clock.DeleteAt)
	case p.in.Ready:
		d.Since, d.Unused = clock.UnusedSince, p.in.Now.Sub(clock.UnusedSince)
		p.out.Delete = append(p.out.Delete, d)
	}
}

// familiar lists references as people write them.
func familiar(refs []string) string {
	out := make([]string, len(refs))
	for i, r := range refs {
		out[i] = imageref.Familiar(r)
	}
	return strings.Join(out, ", ")
}

// earliest returns the earlier of two times; zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
