// Package docker is the write half of our dealings with the Docker engine.
// Package observed reads; this package makes, starts, kills and removes
// containers, and brings and removes images.
//
// What it owns:
//
//   - Build, the pure mapping from a job.ContainerRequest to what the engine is
//     asked for. Every concern of a task (ports, logging, volumes, …) is one
//     small function in the list rows; a new option of the language is a new
//     field and a new row.
//   - Engine, the executor. Every method has the deadline of its class, may be
//     repeated (law "replay safe"), and classifies what went wrong as a
//     job.Error; the reasons are the constants in errors.go.
//   - Leases. A reference is leased while it is pulled or loaded, an image id
//     from the moment it is looked at until a container holds it. RemoveImage
//     works under an exclusive section that no lease overlaps, so that an image
//     never goes between "it is there" and "a container has it".
//
// What it promises:
//
//   - One pull or load per reference at a time; three in all; one that nobody
//     waits for any more is cancelled. It is shared by all who would show the
//     registry the same credentials, and by nobody else.
//   - Credentials come from the task, docker.auth.config, docker.auth.helper, or
//     nobody, in this order, anew for each pull. No error, log line or warning
//     holds one, nor anything that a helper wrote to its stdout.
//   - No pull has a time limit but for silence (Options.PullActivityTimeout).
//   - A reference that is absent is pulled or loaded only after Provenance has
//     committed the intent, so that a crash leaves the knowledge that the image
//     is ours. A reference that was there before never becomes ours, but for an
//     id that our pull brought. Nor does a tag of an image that somebody had
//     pulled by a digest of its repository: with the tag the engine would
//     remove the digest. (A crash in such a pull forgets that.)
//   - A command that is run in a container (Exec) and does not end in time is
//     known to run on, and is not begun once more meanwhile.
//   - Nothing is forced: neither the removal of a container that runs nor that
//     of an image that is used.
//
// Caveats: pulls are shared, so a result says nothing about who asked first. An
// image that is there is used, whoever brought it with which credentials.
// The engine tells unreachable registries and refused pulls apart by text
// only; we ask it for the manifest once more (GET /distribution) and go by the
// status of that answer, with one exception (see noBasicAuth).
package docker
