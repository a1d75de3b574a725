package check

import (
	"context"
	"sync"
	"time"

	"reconciler/internal/job"
)

// Bounds on the looks that are busy at once. What a look costs, on both sides,
// it costs when it begins: the dial, the start of a process in the container.
// So a look that has lasted for a while gives its slot to the next and goes on
// without: those that hang never hold up the others, and there are never more
// of them than checks.
const (
	maxLooks   = 32 // more would only wait for the processor of a small host
	maxScripts = 8  // as many as writes to the engine: each starts a process there

	// lookLease is how long a look keeps a slot: many times what a health
	// endpoint takes to answer.
	lookLease = time.Second
	// scriptLease is longer, since a script computes meanwhile.
	scriptLease = 5 * time.Second
)

// slots are given to those who wait in the order in which they came: that is
// what a channel does.
type slots chan struct{}

// take waits for a slot. ok is false if ctx was done before. The slot is free
// again after the lease, or once give is called.
func (s slots) take(ctx context.Context, lease time.Duration) (give func(), ok bool) {
	select {
	case s <- struct{}{}:
	case <-ctx.Done():
		return nil, false
	}
	free := sync.OnceFunc(func() { <-s })
	t := time.AfterFunc(lease, free)
	return func() { t.Stop(); free() }, true
}

// turn waits until a look of the type may begin. Who waits for a slot of the
// scripts holds no other.
func (r *Runner) turn(ctx context.Context, typ job.CheckType) (give func(), ok bool) {
	if typ != job.CheckScript {
		return r.all.take(ctx, lookLease)
	}
	script, ok := r.scripts.take(ctx, scriptLease)
	if !ok {
		return nil, false
	}
	general, ok := r.all.take(ctx, lookLease)
	if !ok {
		script()
		return nil, false
	}
	return func() { general(); script() }, true
}
