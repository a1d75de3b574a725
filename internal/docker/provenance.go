package docker

import "context"

// Provenance remembers which images we brought. The store has it.
type Provenance interface {
	// Intend notes that ref, which is absent, is about to be brought from
	// source ("pull", or the path of an archive). The note is committed when
	// it returns nil; with an error nothing is brought, and the note, which may
	// be there all the same, is to be ended by Done.
	Intend(ctx context.Context, ref, source string) error
	// Done ends the intent for ref, if there is one. ours says that the image
	// id is ours now; size is in bytes. An empty id says that nothing came.
	// The image came from the source of the intent; where there is none, since
	// ref was there before and has moved, from source.
	// It may be called again with the same arguments.
	Done(ref, source, id string, ours bool, size int64)
	// Known reports whether the image id is ours.
	Known(id string) bool
	// Intended reports whether an intent for ref is open: a crash came
	// between Intend and Done, and what ref names now is ours.
	Intended(ref string) bool
}

// SourcePull is the source of an image that came from its registry.
const SourcePull = "pull"
