// Package gc decides which images and allocation directories may go, and
// when, and has them removed.
//
// Images. Only images that we brought are ever removed: the puller's
// provenance says which those are, and after the loss of the state file the
// image_ours label of our containers does. The moment at which the last use of
// an image ends is recorded (store.ImageClock); after the delay our references
// are removed one by one, unforced, and the id if no reference is left. In use
// is what
//
//   - any container has, ours or a stranger's, in any state, by id or by reference;
//   - an allocation has that is wanted, or not yet ended;
//   - a job asks for that has a count above 0, and what its deployment pinned;
//   - the generations of a job need whose update runs or is degraded;
//   - a pull or load is about to bring.
//
// The clock lies in the store, so it survives restarts, and a step of the
// system clock only lengthens it. Immediately before each removal the images
// are listed anew and everything is decided again; the Remover then lists the
// containers where no pull or create can come in between. What it or dockerd
// refuses is kept, and its clock starts again.
//
// Records and directories. An ended allocation's directory and record go
// KeepEnded after its end, the oldest earlier if a job has more than
// KeepEndedPerJob. A directory that nobody knows goes KeepUnknown after the
// agent first saw it, and stays in the run after a loss of the state.
//
// Plan and PlanRecords are pure; Worker carries them out. While dockerd is
// away nothing is concluded and nothing is removed: absent is not empty. The
// package writes store.Clocks and nothing else; provenance, intents and
// allocation records are changed by their writers, through Ledger and
// AllocReaper.
//
// Caveat: when an unknown directory was first seen is kept in memory, so an
// agent that is restarted every day never removes one.
package gc
