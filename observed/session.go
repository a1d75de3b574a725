package observed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// errSilent ends a session whose stream of events did not tell what a list
// shows to have changed: the connection is half open, or events were dropped.
var errSilent = errors.New("changes came without their events")

// Run fills the cache and keeps it fresh until ctx is done, which is no
// error. It may be called once.
func (c *Cache) Run(ctx context.Context) error {
	defer c.stopped()
	wait := backoffFirst
	for ctx.Err() == nil {
		began := time.Now()
		s := c.newSession()
		err := s.run(ctx)
		s.lost(ctx, err)
		if time.Since(began) > backoffMax {
			wait = backoffFirst // it worked for a while
		}
		sleep(ctx, jittered(wait))
		wait = min(2*wait, backoffMax)
	}
	return nil
}

// stopped says that nobody follows the engine any more. It tells nobody:
// everything ends.
func (c *Cache) stopped() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Connected = false
}

// session is one connection with the engine, from the subscription to the
// first thing that fails.
type session struct {
	cache  *Cache
	number uint64
	queue  *queue        // ids of containers that events named
	images chan struct{} // 1-slot: list the images

	mu    sync.Mutex
	heard map[string]bool // ids that events named since the running list began; nil between lists
	mute  map[string]bool // ids whose change no event has told yet
}

func (c *Cache) newSession() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session++
	return &session{
		cache: c, number: c.session, queue: newQueue(),
		images: make(chan struct{}, 1), mute: map[string]bool{},
	}
}

// run subscribes, fills the cache and follows. It returns the first error.
func (s *session) run(ctx context.Context) error {
	engine, err := s.cache.lookAtEngine(ctx)
	if err != nil {
		return err
	}
	stream, cancel := context.WithCancel(ctx)
	defer cancel()
	msgs, errs, err := s.cache.subscribe(stream, cancel)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(stream)
	start := func(f func(context.Context) error) {
		g.Go(func() error {
			err := f(gctx)
			if err != nil {
				s.lost(ctx, err) // now, and not once all the others have ended
			}
			return err
		})
	}
	start(func(ctx context.Context) error { return s.receive(ctx, msgs, errs) })
	start(func(ctx context.Context) error { return s.fill(ctx, engine) })
	for range inspectsAtOnce {
		start(func(ctx context.Context) error { s.queue.work(ctx, s.look); return ctx.Err() })
	}
	return g.Wait()
}

// fill makes the cache complete, says so, and goes on to follow.
func (s *session) fill(ctx context.Context, engine Engine) error {
	if _, err := s.cache.relist(ctx, true); err != nil {
		return err
	}
	if err := s.listImages(ctx); err != nil {
		return err
	}
	if !s.synced(ctx, engine) {
		return ctx.Err()
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.followContainers(ctx) })
	g.Go(func() error { return s.followImages(ctx) })
	return g.Wait()
}

// synced says that the cache is complete, unless the session has ended
// meanwhile.
func (s *session) synced(ctx context.Context, engine Engine) bool {
	c := s.cache
	c.mu.Lock()
	if ctx.Err() != nil || c.session != s.number {
		c.mu.Unlock()
		return false
	}
	c.engine = engine
	c.status.Connected, c.status.Since, c.status.Problem = true, time.Now(), ""
	containers, images := len(c.tbl.entries), len(c.images)
	c.mu.Unlock()
	c.log.WithField("engine", engine.Version).WithField("containers", containers).WithField("images", images).
		Info("dockerd connected")
	c.attemptedOnce.Do(func() { close(c.attempted) })
	c.tell(Hint{All: true})
	return true
}

// lost says that the session has failed with err. Only its first call does
// anything, and none once ctx, that of Run, is done.
func (s *session) lost(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	c := s.cache
	c.mu.Lock()
	if c.session != s.number {
		c.mu.Unlock()
		return
	}
	c.session++ // ends this session for synced
	was, first := c.status.Connected, c.status.Since.IsZero()
	c.status.Connected, c.status.Problem = false, err.Error()
	if was || first {
		c.status.Since = time.Now()
	}
	c.mu.Unlock()
	c.attemptedOnce.Do(func() { close(c.attempted) })
	if was || first {
		c.log.WithError(err).Warn("dockerd cannot be followed: what runs is unknown until it can")
	} else {
		c.log.WithError(err).Debug("dockerd still cannot be followed")
	}
	if was {
		c.tell(Hint{All: true})
	}
}

// look inspects a container that an event named.
func (s *session) look(ctx context.Context, id string) {
	if err := s.cache.Refresh(ctx, id); err != nil && ctx.Err() == nil {
		s.cache.log.WithError(err).Debug("container not inspected; asked again soon")
		// An event is not told twice, and the next list is up to a minute away.
		time.AfterFunc(lookAgain, func() { s.queue.add(id) })
	}
}

// sleep waits for d or until ctx is done.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// jittered is d, by chance longer or shorter by up to the part jitter.
func jittered(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (1 + jitter*(2*rand.Float64()-1)))
}

// wrapSilent names some of the containers whose events are missing.
func wrapSilent(ids map[string]bool) error {
	for id := range ids {
		return fmt.Errorf("events: %w (container %.12s, %d in all)", errSilent, id, len(ids))
	}
	return errSilent
}
