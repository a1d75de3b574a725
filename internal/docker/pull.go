package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
)

// errSilent is why a pull or load was cancelled that had not moved for
// Options.PullActivityTimeout.
var errSilent = errors.New("no byte came")

// distributionDeadline bounds the question what is wrong with a registry. The
// engine itself gives a registry that does not answer 15 s per connection.
const distributionDeadline = 20 * time.Second

// pull asks the registry for ref and returns what it then means.
func (e *Engine) pull(ctx context.Context, ref string, m *meter) (outcome, error) {
	start := e.opts.Now()
	got, err := e.acquire(ctx, ref, []string{ref}, SourcePull, func() error {
		return e.pullError(ctx, ref, e.pullStream(ctx, ref, m))
	})
	if err != nil {
		return outcome{}, err
	}
	if got.id == "" {
		return outcome{}, retried(ReasonImagePullFailed,
			"the engine says that it pulled %s, and does not have it", imageref.Familiar(ref))
	}
	e.log.WithFields(map[string]any{
		"image": imageref.Familiar(ref), "id": got.id, "duration": e.opts.Now().Sub(start).Round(time.Millisecond),
	}).Info("image pulled")
	return got, nil
}

func (e *Engine) pullStream(ctx context.Context, ref string, m *meter) error {
	return e.watched(ctx, ReasonImagePullFailed, func(ctx context.Context, moved func()) error {
		body, err := e.api.ImagePull(ctx, apiRef(ref), image.PullOptions{})
		if err != nil {
			return err
		}
		defer body.Close()
		return readStream(body, func(msg message) { moved(); m.add(msg) })
	})
}

// watched runs do and cancels it, with reason, when it has not called moved for
// the activity timeout.
func (e *Engine) watched(ctx context.Context, reason string, do func(ctx context.Context, moved func()) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	limit := e.opts.PullActivityTimeout
	timer := time.AfterFunc(limit, func() { cancel(errSilent) })
	defer timer.Stop()
	err := do(ctx, func() { timer.Reset(limit) })
	if err != nil && errors.Is(context.Cause(ctx), errSilent) {
		return retried(reason, "%w for %s (docker.pull.activity_timeout)", errSilent, limit)
	}
	return err
}

// readStream reads the engine's progress stream to its end and returns the
// first error that stands in it, or that it ends with.
func readStream(r io.Reader, each func(message)) error {
	dec := json.NewDecoder(r)
	var failed error
	for {
		var msg message
		switch err := dec.Decode(&msg); {
		case errors.Is(err, io.EOF):
			return failed
		case err != nil && failed != nil:
			return failed
		case err != nil:
			return fmt.Errorf("progress stream: %w", err)
		}
		each(msg)
		if failed == nil {
			failed = msg.err()
		}
	}
}

// pullError says what err means. The engine's own answer to a pull does not
// tell a registry that is down from one that refuses, so it is asked for the
// manifest, which gives a status that does.
func (e *Engine) pullError(ctx context.Context, ref string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*job.Error)), ctx.Err() != nil, errdefs.IsInvalidArgument(err):
		return classify(ctx, "registry "+imageref.Domain(ref), err)
	case !answered(err):
		return err // the engine is away
	}
	reason := e.diagnose(ctx, ref)
	if reason == ReasonRegistryUnreachable && errdefs.IsNotFound(err) {
		reason = ReasonImageNotFound // the pull was answered, so it was reached
	}
	return job.NewError(job.Retried, reason, err)
}

// diagnose asks the registry, through the engine, for the manifest of ref.
func (e *Engine) diagnose(ctx context.Context, ref string) (reason string) {
	err := within(ctx, distributionDeadline, func(ctx context.Context) error {
		_, err := e.api.DistributionInspect(ctx, apiRef(ref), "")
		return err
	})
	switch {
	case err == nil:
		return ReasonImagePullFailed
	case errdefs.IsNotFound(err):
		return ReasonImageNotFound
	case errdefs.IsUnauthorized(err), errdefs.IsPermissionDenied(err):
		return ReasonPullDenied
	}
	return ReasonRegistryUnreachable
}
