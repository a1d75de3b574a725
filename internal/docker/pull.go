package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
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

// pull asks the registry for the image and returns what its reference then
// means. What came of the credentials is in the outcome's notices, also if the
// pull failed.
func (e *Engine) pull(ctx context.Context, req job.ImageRequest, m *meter) (outcome, error) {
	start := e.opts.Now()
	p := &puller{e: e, ref: req.Ref, soft: req.AuthSoftFail, meter: m}
	l, err := p.login(ctx, req)
	if err != nil {
		return outcome{notices: p.notices}, err
	}
	got, err := e.acquire(ctx, req.Ref, []string{req.Ref}, transport{
		source: SourcePull, goesOn: pullGoesOn, do: func() error { return p.as(ctx, l) },
	})
	got.notices = p.notices
	if err != nil {
		return got, err
	}
	if got.id == "" {
		return got, retried(ReasonImagePullFailed,
			"the engine says that it pulled %s, and does not have it", imageref.Familiar(req.Ref))
	}
	e.log.WithFields(map[string]any{
		"image": imageref.Familiar(req.Ref), "id": got.id, "duration": e.opts.Now().Sub(start).Round(time.Millisecond),
	}).Info("image pulled")
	return got, nil
}

// puller is one pull: in somebody's name, and perhaps once more in nobody's.
type puller struct {
	e       *Engine
	ref     string
	soft    bool // auth_soft_fail
	meter   *meter
	notices []notice
}

func (p *puller) notice(reason, format string, args ...any) {
	p.notices = append(p.notices, notice{reason, fmt.Sprintf(format, args...)})
}

// login finds what to show the registry.
func (p *puller) login(ctx context.Context, req job.ImageRequest) (login, error) {
	name, domain := imageref.Familiar(p.ref), imageref.Domain(p.ref)
	if req.AuthMissing {
		p.notice(WarnCredentialsNotStored, "%s is pulled without the task's own credentials: passwords are not stored, and the manifest has not been readable since the agent's start", name)
	}
	l, err := p.e.logins.find(ctx, p.ref, req.Auth)
	switch {
	case err != nil && p.soft && ctx.Err() == nil:
		p.notice(WarnAuthSoftFail, "%s is pulled anonymously: %v", name, err)
		return login{}, nil
	case err != nil:
		return login{}, err
	}
	if req.Auth != nil && l.server != "" && l == ownLogin(req.Auth) && imageref.Registry(l.server) != domain {
		p.notice(WarnCredentialsServer, "credentials for %s are used for %s, which %s comes from", l.server, domain, name)
	}
	return l, nil
}

// as pulls in the name of l. If the registry refuses it, auth_soft_fail asks
// once more in nobody's name.
func (p *puller) as(ctx context.Context, l login) error {
	err := p.once(ctx, l)
	if _, reason := job.KindOf(err); err == nil || reason != ReasonPullDenied || !p.soft || l.anonymous() {
		return err
	}
	p.notice(WarnAuthSoftFail, "%s is pulled anonymously: the registry refuses the credentials: %v", imageref.Familiar(p.ref), err)
	return p.once(ctx, login{})
}

func (p *puller) once(ctx context.Context, l login) error {
	header, err := l.header()
	if err != nil {
		return retried(ReasonImagePullFailed, "registry %s: %w", imageref.Domain(p.ref), err)
	}
	return p.e.pullError(ctx, p.ref, header, p.e.pullStream(ctx, p.ref, header, p.meter))
}

func (e *Engine) pullStream(ctx context.Context, ref, header string, m *meter) error {
	return e.watched(ctx, ReasonImagePullFailed, func(ctx context.Context, moved func()) error {
		body, err := e.api.ImagePull(ctx, apiRef(ref), image.PullOptions{RegistryAuth: header})
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

// errCutOff: the engine's progress stream ended in the middle. The engine may
// go on all the same.
var errCutOff = errors.New("progress stream")

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
			return fmt.Errorf("%w: %w", errCutOff, err)
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
func (e *Engine) pullError(ctx context.Context, ref, header string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*job.Error)), ctx.Err() != nil, errdefs.IsInvalidArgument(err):
		return classify(ctx, "registry "+imageref.Domain(ref), err)
	case !answered(err):
		return err // the engine is away
	}
	reason := e.diagnose(ctx, ref, header)
	if reason == ReasonRegistryUnreachable && errdefs.IsNotFound(err) {
		reason = ReasonImageNotFound // the pull was answered, so it was reached
	}
	return job.NewError(job.Retried, reason, err)
}

// diagnose asks the registry, through the engine and with the login of the
// pull, for the manifest of ref.
func (e *Engine) diagnose(ctx context.Context, ref, header string) (reason string) {
	err := within(ctx, distributionDeadline, func(ctx context.Context) error {
		_, err := e.api.DistributionInspect(ctx, apiRef(ref), header)
		return err
	})
	switch {
	case err == nil:
		return ReasonImagePullFailed
	case errdefs.IsNotFound(err):
		return ReasonImageNotFound
	case errdefs.IsUnauthorized(err), errdefs.IsPermissionDenied(err), strings.Contains(err.Error(), noBasicAuth):
		return ReasonPullDenied
	}
	return ReasonRegistryUnreachable
}

// noBasicAuth is what an engine says that was given no credentials for a
// registry that wants a user and a password. It is the one answer that is told
// by its text: the engine makes a plain 500 of it (docker/distribution
// ErrNoBasicAuthCredentials, unchanged since 2015), and to ask the registry
// once more with a made-up user would count as a failed login there.
const noBasicAuth = "no basic auth credentials"
