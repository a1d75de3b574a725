package store

import "errors"

// Errors of opening the store.
var (
	// ErrLocked: another agent runs on the same data directory. The text
	// names its process id, if that is known.
	ErrLocked = errors.New("data directory is in use by another agent")
	// ErrCorrupt: the file is no bbolt file, or one whose structure is broken.
	// Open moves such a file aside; Read returns the error.
	ErrCorrupt = errors.New("state file is corrupt")
	// ErrNewerSchema: a newer agent wrote the file. Open moves it aside; Read
	// returns the error.
	ErrNewerSchema = errors.New("state file has a newer schema")
)

// Errors of writing.
var (
	// ErrNotCommitted: the records are in memory and stay dirty, but they did
	// not reach the file in time. It wraps the reason, if there is one.
	ErrNotCommitted = errors.New("state is not committed")
	// ErrBusy: somebody holds the lock of the file, for example a bbolt CLI
	// that prints into a pager.
	ErrBusy = errors.New("state file is locked by a reader")
	// ErrClosed: the store was closed, or came from Read.
	ErrClosed = errors.New("store is not open for writing")
)
