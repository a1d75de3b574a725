package job

import "errors"

// Kind says who can do something about an error.
type Kind string

const (
	// WaitsForUser is an error that stays until a file, the agent's config or
	// the named thing changes: a bad spec, a refused option, a missing archive.
	WaitsForUser Kind = "waits_for_user"
	// Retried is an error that may go away by itself: network, registry,
	// engine 5xx, a port that is taken. It is tried again with backoff.
	Retried Kind = "retried"
	// Indeterminate is an error after which nobody knows what is: dockerd is
	// away or did not answer in time. Nothing is concluded from it.
	Indeterminate Kind = "unknown"
)

// Error is an error with its kind and a CamelCase reason for conditions and
// events.
type Error struct {
	Kind   Kind
	Reason string
	Err    error
}

// Error returns the text of the wrapped error.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the wrapped error.
func (e *Error) Unwrap() error { return e.Err }

// NewError wraps err with a kind and a reason; a nil err gives nil.
func NewError(kind Kind, reason string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: kind, Reason: reason, Err: err}
}

// KindOf returns the kind and the reason of err: those of the outermost Error
// in its chain, else Retried and "Error".
func KindOf(err error) (Kind, string) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind, e.Reason
	}
	return Retried, "Error"
}
