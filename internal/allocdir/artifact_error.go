package allocdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"syscall"

	"reconciler/internal/job"
)

// Reasons of the errors of artifacts.
const (
	ReasonArtifactFetch    = "ArtifactFetch"    // network, server or time; retried
	ReasonArtifactNoRoom   = "ArtifactNoRoom"   // the disk is almost full; retried
	ReasonArtifactNotFound = "ArtifactNotFound" // not there; waits for the user, as all that follow
	ReasonArtifactDenied   = "ArtifactDenied"   // the server wants other credentials
	ReasonArtifactRefused  = "ArtifactRefused"  // a source that is not supported or not allowed
	ReasonArtifactChecksum = "ArtifactChecksum" // not what the manifest says it is
	ReasonArtifactInvalid  = "ArtifactInvalid"  // a wrong option, or an archive that cannot be unpacked
	ReasonArtifactEscapes  = "ArtifactEscapes"  // something that leads outside the task's directory
	ReasonArtifactTooLarge = "ArtifactTooLarge" // more than an artifact may be
)

var (
	errTotal = errors.New("not done within the time that an artifact may take")
	errIdle  = errors.New("the server has sent nothing for too long")
)

// statusError is an answer of a server that is not the artifact.
type statusError int

// Error says the code and its name.
func (e statusError) Error() string {
	return fmt.Sprintf("the server answered %d %s", int(e), http.StatusText(int(e)))
}

// kind says whether the same request may have another answer later.
func (e statusError) kind() (job.Kind, string) {
	switch int(e) {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return job.Retried, ReasonArtifactFetch
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return job.WaitsForUser, ReasonArtifactDenied
	}
	if e >= 500 {
		return job.Retried, ReasonArtifactFetch
	}
	return job.WaitsForUser, ReasonArtifactNotFound
}

// artifactError says which artifact it is about and whose turn it is.
func artifactError(a job.Artifact, err error) error {
	kind, reason := artifactKind(err)
	return job.NewError(kind, reason, fmt.Errorf("artifact %s: %w", shown(a.Source), err))
}

func artifactKind(err error) (job.Kind, string) {
	if e, ok := errors.AsType[*job.Error](err); ok {
		return e.Kind, e.Reason
	}
	if e, ok := errors.AsType[statusError](err); ok {
		return e.kind()
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return job.Retried, ReasonIO
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok && !isNetwork(err) {
		return job.Retried, ReasonIO
	}
	return job.Retried, ReasonArtifactFetch
}

// isNetwork reports whether an error came from the HTTP client.
func isNetwork(err error) bool {
	_, ok := errors.AsType[*networkError](err)
	return ok
}

// networkError is a request that got no answer.
type networkError struct{ err error }

func (e *networkError) Error() string { return e.err.Error() }
func (e *networkError) Unwrap() error { return e.err }

// withoutURL takes the URL off an error of the HTTP client: it may hold a
// token.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return &networkError{e.Err}
	}
	return err
}

// because names the reason why a context ended, if that is what an error is
// about.
func because(ctx context.Context, err error) error {
	cause := context.Cause(ctx)
	if cause == nil || errors.Is(err, cause) {
		return err
	}
	if _, ok := errors.AsType[*job.Error](err); ok && !errors.Is(err, ctx.Err()) {
		return err
	}
	return fmt.Errorf("%w (%w)", cause, ctx.Err())
}

// userFault says what an error of the file system means if the paths are not
// ours: some of them are the fault of who chose the names.
func userFault(path string, err error) error {
	switch {
	case err == nil:
		return nil
	case isEscape(err):
		return escapes("%q leads outside the directory that it belongs to", clip(path))
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ELOOP),
		errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.EINVAL), errors.Is(err, fs.ErrExist),
		errors.Is(err, syscall.ENOTEMPTY):
		return job.NewError(job.WaitsForUser, ReasonArtifactInvalid, fmt.Errorf("%q cannot be made: %w", clip(path), bare(err)))
	}
	return err
}

// bare is the error of the system without the path: it has been said.
func bare(err error) error {
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e
	}
	return err
}

// isEscape reports whether os.Root refused to leave its directory: that is the
// one error about a path which does not come from the system.
func isEscape(err error) bool {
	_, isPath := errors.AsType[*fs.PathError](err)
	if _, isLink := errors.AsType[*os.LinkError](err); !isPath && !isLink {
		return false
	}
	_, fromSystem := errors.AsType[syscall.Errno](err)
	return !fromSystem && !errors.Is(err, fs.ErrClosed)
}
