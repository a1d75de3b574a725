package gc

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/sirupsen/logrus"

	"reconciler/internal/imageref"
	"reconciler/store"
)

// Backoff of a removal that did not succeed: 10 s, doubled up to 5 min, with
// up to 20 % on top, as everywhere in the agent.
const (
	firstRetry = 10 * time.Second
	lastRetry  = 5 * time.Minute
	jitter     = 0.2
)

// refusal is a Refusal with what the next one needs.
type refusal struct {
	Refusal
	n int // in a row
}

// errAway is the answer of a view that does not know what is there.
var errAway = errors.New("dockerd is away")

// images makes one pass over the images and returns when time alone will
// change something.
func (w *Worker) images(ctx context.Context) (wake time.Time) {
	out, err := w.plan(ctx, false)
	if err != nil {
		return time.Time{} // the view nudges when dockerd is back
	}
	w.record(out)
	if out.Settled() {
		return out.WakeAt
	}
	return w.collect(ctx)
}

// collect carries out a plan, and makes a new one from a fresh list before
// each removal and after the last.
func (w *Worker) collect(ctx context.Context) (wake time.Time) {
	for tried := map[string]bool{}; ctx.Err() == nil; {
		out, err := w.plan(ctx, true)
		if err != nil {
			return w.blindUntil(ctx, err)
		}
		w.blind = false
		w.record(out)
		w.settleRecords(out)
		i := slices.IndexFunc(out.Delete, func(d Deletion) bool { return !tried[d.ID] })
		if i < 0 {
			return w.refuseRest(out)
		}
		tried[out.Delete[i].ID] = true
		w.remove(ctx, out.Delete[i])
	}
	return time.Time{}
}

// refuseRest delays images that are there after a removal that was said to
// have succeeded, so that they are not asked for again at once.
func (w *Worker) refuseRest(out Output) (wake time.Time) {
	wake = out.WakeAt
	for _, d := range out.Delete {
		w.kept(d, "it is still there after its removal")
		wake = earliest(wake, w.refused[d.ID].Until)
	}
	return wake
}

// blindUntil says once that there is no fresh list, and when to try again.
func (w *Worker) blindUntil(ctx context.Context, err error) time.Time {
	if !w.blind && ctx.Err() == nil {
		w.log.WithError(err).Warn("no image is removed: no fresh list")
	}
	w.blind = true
	return w.cfg.Now().Add(relistRetry)
}

// plan reads everything and plans; with fresh, from a new list of images. The
// containers are listed anew by the Remover, where nothing can come in between.
func (w *Worker) plan(ctx context.Context, fresh bool) (Output, error) {
	in := Input{
		Enabled: w.cfg.Enabled, Delay: w.cfg.Delay, Ready: w.ready && !w.holds(),
		Provenance: w.st.Provenance.All(), Intents: w.st.Intents.All(),
		Refused: map[string]Refusal{},
	}
	if fresh {
		if err := w.parts.Observer.RefreshImages(ctx); err != nil {
			return Output{}, err
		}
	}
	images, imagesOK := w.parts.Observer.Images()
	containers, containersOK := w.parts.Observer.Containers()
	if !imagesOK || !containersOK {
		return Output{}, errAway
	}
	in.Images, in.Containers = images, containers
	in.Now = w.now()
	in.Jobs, in.Specs, in.Deployments = w.st.Jobs.All(), w.st.Specs.All(), w.st.Deployments.All()
	in.Allocs, in.Statuses, in.Clocks = w.st.AllocSpecs.All(), w.st.AllocStatuses.All(), w.st.Clocks.All()
	in.Left = w.leftIntents(in.Intents, images)
	for id, r := range w.refused {
		in.Refused[id] = r.Refusal
	}
	return Plan(in), nil
}

func (w *Worker) holds() bool { return w.cfg.Hold != nil && w.cfg.Hold() }

// record makes store.Clocks equal to the plan. An image that is in use or
// gone has a clean slate.
func (w *Worker) record(out Output) {
	for id, c := range out.Clocks {
		w.st.Clocks.Put(id, c)
	}
	for _, id := range w.st.Clocks.Keys() {
		if _, ok := out.Clocks[id]; !ok {
			w.st.Clocks.Delete(id)
		}
	}
	for id := range w.refused {
		if out.Clocks[id].UnusedSince.IsZero() {
			delete(w.refused, id)
		}
	}
}

func (w *Worker) settleRecords(out Output) {
	for id, p := range out.Adopt {
		w.log.WithFields(logrus.Fields{"image": name(id, p.Refs), "id": id, "source": p.Source}).Info("image is ours: provenance rebuilt")
		w.parts.Ledger.Adopt(id, p)
	}
	for _, id := range out.Forget {
		w.log.WithField("id", id).Debug("image is gone: provenance forgotten")
		w.parts.Ledger.Forget(id)
	}
	for _, intent := range out.DropIntents {
		// A pull may have begun meanwhile and written its own.
		if now, ok := w.st.Intents.Get(store.IntentKey(intent.Ref)); ok && now == intent {
			w.parts.Ledger.DropIntent(intent.Ref)
		}
	}
}

// remove removes one image and tells what came of it.
func (w *Worker) remove(ctx context.Context, d Deletion) {
	err := w.parts.Remover.RemoveImage(ctx, d.ID, d.Refs)
	switch {
	case err == nil:
		w.removed(d)
	case ctx.Err() != nil: // the agent ends; nothing was refused
	case errdefs.IsConflict(err) || w.parts.InUse != nil && w.parts.InUse(err):
		w.st.Clocks.Put(d.ID, store.ImageClock{UnusedSince: w.now().UTC()})
		w.kept(d, "dockerd or a pull still needs it: "+err.Error())
	default:
		w.kept(d, err.Error())
	}
}

func (w *Worker) removed(d Deletion) {
	reason, what := "ImageDeleted", "image deleted"
	if len(d.Others) > 0 {
		reason, what = "ImageUntagged", "our references removed; the image stays, other references hold it: "+familiar(d.Others)
	}
	w.logger(d).Info(what)
	w.event(store.EventNormal, reason, d, fmt.Sprintf("%s: %s, %d bytes, unused for %s",
		name(d.ID, d.Refs), what, d.Size, d.Unused.Round(time.Second)))
}

// kept delays the next try. It is said once, until something changes.
func (w *Worker) kept(d Deletion, why string) {
	if r := w.refuse(d, why); r.n > 1 {
		w.logger(d).WithField("reason", why).Debug("image kept")
		return
	}
	w.logger(d).WithField("reason", why).Warn("image kept")
	w.event(store.EventWarning, "ImageKept", d, name(d.ID, d.Refs)+": "+why)
}

func (w *Worker) refuse(d Deletion, why string) *refusal {
	r := w.refused[d.ID]
	if r == nil {
		r = &refusal{}
		w.refused[d.ID] = r
	}
	delay := min(firstRetry<<min(r.n, 10), lastRetry)
	delay += time.Duration(rand.Float64() * jitter * float64(delay))
	r.n++
	r.Refusal = Refusal{Until: w.now().Add(delay), Why: why}
	return r
}

func (w *Worker) logger(d Deletion) logrus.FieldLogger {
	return w.log.WithFields(logrus.Fields{
		"image": name(d.ID, d.Refs), "id": d.ID, "refs": strings.Join(d.Refs, " "),
		"size": d.Size, "unused": d.Unused.Round(time.Second).String(),
	})
}

func (w *Worker) event(typ, reason string, d Deletion, message string) {
	w.st.Event(store.Event{Time: w.now().UTC(), Type: typ, Reason: reason, Object: d.ID, Message: message})
}

// name is an image as people know it: by its first reference, else by its id.
func name(id string, refs []string) string {
	if len(refs) == 0 {
		return id
	}
	return imageref.Familiar(refs[0])
}
