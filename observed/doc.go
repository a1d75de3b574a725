// Package observed knows what is on the Docker engine: every container and
// every image, kept fresh in memory. It reads only; it never writes to the
// engine.
//
// It works like an informer. A session subscribes to events (filtered by the
// engine), then lists all containers and images, inspects the containers of
// ours, and from then on follows: an event names a container, and that one is
// inspected; its content is not believed. A list every minute catches what no
// event told, and an inspect of all of ours every five what no list tells.
// Whatever breaks the session (the stream ends or falls silent, a list of
// containers fails) starts another one with backoff, from the subscription on.
// An engine that answers and cannot list its images leaves only those unknown.
//
// # Promises
//
//   - Absent is not empty. A failed list changes nothing; a container of ours
//     leaves the cache only when an inspect of it says "not found".
//   - An older answer never overwrites or deletes what a newer one told. The
//     order is that in which the requests began.
//   - While the engine cannot be followed, Synced is false and everything
//     stays as it was last seen: unknown, not dead.
//   - Hints are levels, not edges: a reader who looks at the cache after each
//     hint misses nothing, and may see several changes in one look.
//   - Memory grows with the number of containers and images on the engine,
//     never with the number of events.
//   - The containers table of the store holds a record for each container of
//     ours that the cache knows, by its name, and nothing else.
//
// # Caveats
//
// Ours is a container whose label reconciler.node_id is our node id and whose
// other labels can be read. One with our id and damaged labels is left alone
// like a stranger's, with one warning.
//
// Times of events are compared with the clock of this process only if the
// engine is behind a unix socket.
package observed
