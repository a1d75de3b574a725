package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"reconciler/internal/job"
)

// Reasons of the job.Errors that this package returns. The kind follows from
// the reason but where it is said otherwise.
const (
	// Waits for the user.

	// ReasonInvalidConfig: the engine or we refuse what the task asks for.
	ReasonInvalidConfig = "InvalidConfig"
	// ReasonVolumeRefused: a volume needs an agent option or leaves the
	// allocation's directory.
	ReasonVolumeRefused = "VolumeRefused"
	// ReasonPrivilegeRefused: a task asks for the host's privileges or
	// namespaces, a capability or a device that the agent does not give.
	ReasonPrivilegeRefused = "PrivilegeRefused"
	// ReasonEngineTooOld: the engine does not know an option.
	ReasonEngineTooOld = "EngineTooOld"
	// ReasonProfileRefused: a file of security_opt is missing or is no profile.
	ReasonProfileRefused = "ProfileRefused"
	// ReasonArchiveMissing: the file of load is not there.
	ReasonArchiveMissing = "ArchiveMissing"
	// ReasonArchiveRefused: the file of load may not be read: the agent's
	// option forbids it, or it is no plain file.
	ReasonArchiveRefused = "ArchiveRefused"
	// ReasonArchiveWithoutImage: the archive has other references only.
	ReasonArchiveWithoutImage = "ArchiveWithoutImage"
	// ReasonAuthConfigInvalid: the file of docker.auth.config cannot be read
	// or understood.
	ReasonAuthConfigInvalid = "AuthConfigInvalid"
	// ReasonCredentialHelperMissing: there is no such docker-credential-NAME.
	ReasonCredentialHelperMissing = "CredentialHelperMissing"

	// Retried.

	ReasonImagePullFailed     = "ImagePullFailed"     // the registry answers, the pull failed or went silent
	ReasonImageNotFound       = "ImageNotFound"       // the registry does not have it
	ReasonPullDenied          = "PullDenied"          // the registry does not let us have it
	ReasonImagePullTimeout    = "ImagePullTimeout"    // image_pull_timeout passed
	ReasonRegistryUnreachable = "RegistryUnreachable" // the registry does not answer, or with an error of its own
	ReasonImageLoadFailed     = "ImageLoadFailed"
	ReasonImageGone           = "ImageGone"       // removed between bring and create
	ReasonNameTaken           = "NameTaken"       // by a container that is not the one wanted
	ReasonNameRemoving        = "NameRemoving"    // by a container that is going away
	ReasonPortTaken           = "PortTaken"       // a published port is in use
	ReasonNetworkMissing      = "NetworkMissing"  // network_mode names a network that does not exist
	ReasonContainerGone       = "ContainerGone"   // it does not exist (any more)
	ReasonContainerLive       = "ContainerLive"   // not removed, because it runs
	ReasonConflict            = "Conflict"        // the engine's state does not allow it now
	ReasonEngineError         = "EngineError"     // the engine answered with an error of its own
	ReasonStateNotWritten     = "StateNotWritten" // the intent could not be committed
	// ReasonCredentialHelperFailed: a docker-credential-NAME hangs, ended with
	// an error, or answered with something else.
	ReasonCredentialHelperFailed = "CredentialHelperFailed"

	// Unknown.

	// ReasonEngineUnavailable: the engine did not answer, or not in time.
	ReasonEngineUnavailable = "EngineUnavailable"
	// ReasonCancelled: the caller gave up.
	ReasonCancelled = "Cancelled"
)

// Reasons of the warnings about a pull that goes on.
const (
	// WarnImageFallback: the registry was asked and could not answer; the local
	// copy is used.
	WarnImageFallback = "ImageFallback"
	// WarnAuthSoftFail: the credentials failed, and auth_soft_fail goes on
	// without.
	WarnAuthSoftFail = "AuthSoftFail"
	// WarnCredentialsNotStored: the task's own credentials are in no state file
	// and its manifest could not be read since the agent's start.
	WarnCredentialsNotStored = "CredentialsNotStored"
	// WarnCredentialsServer: server_address is another registry than the
	// image's.
	WarnCredentialsServer = "CredentialsServer"
)

var (
	// ErrInUse is returned by RemoveImage when a container has the image.
	ErrInUse = errors.New("image in use")
	// ErrLeased is returned by RemoveImage when the image, or one of its
	// references, is being brought or made a container from.
	ErrLeased = errors.New("image leased")
)

// refused is an error that waits for the user.
func refused(reason, format string, args ...any) error {
	return job.NewError(job.WaitsForUser, reason, fmt.Errorf(format, args...))
}

// retried is an error that may go away by itself.
func retried(reason, format string, args ...any) error {
	return job.NewError(job.Retried, reason, fmt.Errorf(format, args...))
}

// classify gives the engine's answer err to what we were doing a kind and a
// reason. ctx is the caller's, without the deadline of the call. A nil err
// gives nil; an error that has a kind already keeps it.
func classify(ctx context.Context, doing string, err error) error {
	if err == nil {
		return nil
	}
	kind, reason := kindOf(ctx, err)
	return job.NewError(kind, reason, fmt.Errorf("%s: %w", doing, err))
}

func kindOf(ctx context.Context, err error) (job.Kind, string) {
	var known *job.Error
	switch {
	case errors.As(err, &known):
		return known.Kind, known.Reason
	case ctx.Err() != nil:
		return job.Indeterminate, ReasonCancelled
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return job.Indeterminate, ReasonEngineUnavailable
	case errdefs.IsInvalidArgument(err):
		return job.WaitsForUser, ReasonInvalidConfig
	case errdefs.IsNotFound(err):
		return job.Retried, ReasonContainerGone
	case errdefs.IsConflict(err):
		return job.Retried, ReasonConflict
	case answered(err):
		return job.Retried, ReasonEngineError
	}
	return job.Indeterminate, ReasonEngineUnavailable
}

// answered reports whether err, which is not one of ctx, is what the engine
// said, and not that the connection was refused or broke.
func answered(err error) bool {
	return !client.IsErrConnectionFailed(err) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) &&
		!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) && !errors.As(err, new(net.Error))
}
