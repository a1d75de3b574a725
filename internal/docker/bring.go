package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
)

// Bring makes the image of a task be there and returns its id. It blocks while
// the image is pulled or loaded, and shares that with everybody who asks for
// the same reference in the same name; cancel ctx to wait no more. Asked again
// when the image is there (and req.Ask is not set) it makes no write call.
func (e *Engine) Bring(ctx context.Context, req job.ImageRequest) (job.ImageResult, error) {
	wait, stop := patience(ctx, req)
	defer stop()
	release, err := e.leases.holdRefs(wait, req.Ref)
	if err != nil {
		return job.ImageResult{}, gaveUp(ctx, wait, req, classify(ctx, "image "+imageref.Familiar(req.Ref), err))
	}
	defer release()
	if req.Load != "" {
		return e.bringArchive(ctx, req)
	}
	local, err := e.localImage(ctx, req.Ref)
	if err != nil {
		return job.ImageResult{}, err
	}
	if local.id != "" && !req.Ask {
		return e.present(req.Ref, SourcePull, local), nil
	}
	got, err := e.pulls.join(wait, cargo{req.Ref, SourcePull, identityOf(req)}, func(ctx context.Context, m *meter) (outcome, error) {
		return e.pull(ctx, req, m)
	})
	tell(req, got.notices)
	if err == nil {
		return job.ImageResult{ID: got.id, Ours: got.ours}, nil
	}
	err = gaveUp(ctx, wait, req, classify(ctx, "pull of "+imageref.Familiar(req.Ref), err))
	return e.instead(ctx, req, local, err)
}

// instead returns a local copy in place of a pull that ended with err, or err.
func (e *Engine) instead(ctx context.Context, req job.ImageRequest, local localImage, err error) (job.ImageResult, error) {
	if !req.Ask && ctx.Err() == nil {
		// It was absent and need only be there: another task, with other
		// credentials, may have brought it meanwhile.
		if now, lerr := e.localImage(ctx, req.Ref); lerr == nil && now.id != "" {
			return e.present(req.Ref, SourcePull, now), nil
		}
	}
	if local.id == "" || req.Force || !replaceable(err) {
		return job.ImageResult{}, err
	}
	tell(req, []notice{{WarnImageFallback, fmt.Sprintf("the local copy of %s is used: %v", imageref.Familiar(req.Ref), err)}})
	return e.present(req.Ref, SourcePull, local), nil
}

// errPatience is why a task waits for a pull no more.
var errPatience = errors.New("image_pull_timeout")

// patience returns the context in which a task waits for a pull.
func patience(ctx context.Context, req job.ImageRequest) (context.Context, context.CancelFunc) {
	if req.Timeout <= 0 || req.Load != "" {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, req.Timeout, errPatience)
}

// gaveUp is err, or that the task's own patience ended before the pull did.
// Others may wait on; without them the pull ends.
func gaveUp(ctx, wait context.Context, req job.ImageRequest, err error) error {
	if ctx.Err() != nil || !errors.Is(context.Cause(wait), errPatience) {
		return err
	}
	return retried(ReasonImagePullTimeout, "pull of %s: not done after %s (%w)", imageref.Familiar(req.Ref), req.Timeout, errPatience)
}

// tell passes on what a person should know of a pull.
func tell(req job.ImageRequest, notices []notice) {
	if req.Warn == nil {
		return
	}
	for _, n := range notices {
		req.Warn(n.reason, n.message)
	}
}

// replaceable reports whether a local copy may stand in for a pull that ended
// with err: not if the registry said no, nor if there are no credentials to ask
// it with, nor if the engine is away.
func replaceable(err error) bool {
	kind, reason := job.KindOf(err)
	switch reason {
	case ReasonImageNotFound, ReasonPullDenied, ReasonStateNotWritten, ReasonCredentialHelperFailed:
		return false
	}
	return kind == job.Retried
}

// present is the result for an image that is there. An intent that a crash
// left open is ended: what the reference means now came by us.
func (e *Engine) present(ref, source string, local localImage) job.ImageResult {
	if e.prov.Intended(ref) {
		e.prov.Done(ref, source, local.id, true, local.size)
	}
	return job.ImageResult{ID: local.id, Ours: e.prov.Known(local.id)}
}

// localImage is what a reference means on the engine; the id is empty if it
// means nothing.
type localImage struct {
	id   string
	size int64
	refs []string // tags and digests of the image, in the engine's form
	tags []string // tags alone
}

// localImage looks up a reference or an id.
func (e *Engine) localImage(ctx context.Context, ref string) (localImage, error) {
	var got image.InspectResponse
	err := within(ctx, inspectDeadline, func(ctx context.Context) (err error) {
		got, err = e.api.ImageInspect(ctx, apiRef(ref))
		return err
	})
	if errdefs.IsNotFound(err) {
		return localImage{}, nil
	}
	if err != nil {
		return localImage{}, classify(ctx, "image "+imageref.Familiar(ref), err)
	}
	return localImage{
		id: got.ID, size: got.Size, tags: got.RepoTags,
		refs: append(append([]string(nil), got.RepoTags...), got.RepoDigests...),
	}, nil
}

// settleDeadline bounds the look at what is there after a pull that ended
// badly, perhaps because it was cancelled.
const settleDeadline = inspectDeadline

// transport is how images are brought.
type transport struct {
	source string
	do     func() error
	// goesOn says of an error of do whether the engine may go on all the same.
	goesOn func(error) bool
}

// acquire brings refs and keeps the books: intents before it, and afterwards
// which of the images are ours. It returns what wanted, one of refs, means then.
func (e *Engine) acquire(ctx context.Context, wanted string, refs []string, by transport) (outcome, error) {
	before, err := e.survey(ctx, refs)
	if err != nil {
		return outcome{}, err
	}
	if ref, err := e.intend(ctx, before, refs, by.source); err != nil {
		return outcome{}, classify(ctx, "image "+imageref.Familiar(ref), job.NewError(job.Retried, ReasonStateNotWritten, err))
	}
	doErr := by.do()
	// Whatever became of it, the engine may have finished: look, also when
	// the caller has given up.
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleDeadline*time.Duration(len(refs)))
	defer cancel()
	open := by.goesOn(doErr)
	var out outcome
	for _, ref := range refs {
		got, err := e.settle(settle, before, ref, by.source, open)
		if ref == wanted {
			out = got
			if doErr == nil {
				doErr = err
			}
		}
	}
	return out, doErr
}

// intend notes all refs that are absent, or none: a note of what is not brought
// after all would make ours what a person brings later. It returns the ref that
// could not be noted. What was noted before, by work that was cut off, stays.
func (e *Engine) intend(ctx context.Context, before survey, refs []string, source string) (string, error) {
	var noted []string
	for _, ref := range refs {
		if before.ids[ref] != "" {
			continue
		}
		if !e.prov.Intended(ref) {
			noted = append(noted, ref)
		}
		if err := e.prov.Intend(ctx, ref, source); err != nil {
			for _, n := range noted {
				e.prov.Done(n, source, "", false, 0)
			}
			return ref, err
		}
	}
	return "", nil
}

// survey is what the engine had before something was brought.
type survey struct {
	ids     map[string]string   // by reference; "" if it was absent
	digests map[string][]string // of every image, by its id, in the engine's form
}

// survey looks before a pull or load. Only the list of all images tells whether
// an image is new that a reference means afterwards.
func (e *Engine) survey(ctx context.Context, refs []string) (s survey, err error) {
	s.ids = map[string]string{}
	for _, ref := range refs {
		local, err := e.localImage(ctx, ref)
		if err != nil {
			return s, err
		}
		s.ids[ref] = local.id
	}
	s.digests, err = e.imageDigests(ctx)
	return s, err
}

// had reports whether the image id was there.
func (s survey) had(id string) bool {
	_, ok := s.digests[id]
	return ok
}

// pulledByDigest reports whether the image id was there by a digest of the
// repository of ref. A tag that it gets there must stay: with the last tag of a
// repository the engine removes its digests.
func (s survey) pulledByDigest(id, ref string) bool {
	return slices.ContainsFunc(s.digests[id], func(d string) bool { return repository(d) == repository(ref) })
}

func (e *Engine) imageDigests(ctx context.Context) (map[string][]string, error) {
	var list []image.Summary
	err := within(ctx, listDeadline, func(ctx context.Context) (err error) {
		list, err = e.api.ImageList(ctx, image.ListOptions{All: true})
		return err
	})
	if err != nil {
		return nil, classify(ctx, "images", err)
	}
	out := make(map[string][]string, len(list))
	for _, i := range list {
		out[i.ID] = i.RepoDigests
	}
	return out, nil
}

// pullGoesOn reports whether the engine may go on with a pull of which we hear
// no more: the connection broke. What we cancel it ends by itself.
func pullGoesOn(err error) bool {
	return errors.Is(err, errCutOff) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// settle notes what became of ref, which source should bring. The intent stays
// open, as after a crash, if the engine cannot be asked, or if nothing came of
// work that may go on there.
func (e *Engine) settle(ctx context.Context, before survey, ref, source string, open bool) (outcome, error) {
	local, err := e.localImage(ctx, ref)
	if err != nil {
		return outcome{}, err
	}
	was := before.ids[ref]
	out := outcome{id: local.id, size: local.size}
	switch {
	case local.id == "" && open:
		return out, nil
	case local.id == "":
	case e.prov.Known(local.id):
		out.ours = true
	case was == "":
		out.ours = !before.pulledByDigest(local.id, ref)
	default:
		out.ours = !before.had(local.id)
	}
	if was == "" || out.ours {
		e.prov.Done(ref, source, out.id, out.ours, out.size)
	}
	return out, nil
}
