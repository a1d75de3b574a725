package observed

import (
	"context"
	"time"
)

// followContainers lists the containers now and then, and ends the session if
// a list shows what the events have not told.
func (s *session) followContainers(ctx context.Context) error {
	next := time.NewTimer(jittered(relistEvery))
	defer next.Stop()
	late := time.NewTimer(0) // checks the mute once their events are late
	defer late.Stop()
	inspected := time.Now() // all of ours
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late.C:
			if err := s.checkMute(); err != nil {
				return err
			}
			continue
		case <-s.cache.again:
		case <-next.C:
		}
		full := time.Since(inspected) >= inspectEvery
		if full {
			inspected = time.Now()
		}
		if err := s.listOnce(ctx, full); err != nil {
			return err
		}
		late.Reset(lateEvent)
		next.Reset(jittered(relistEvery))
	}
}

// listOnce lists the containers, inspects all of ours if full, and notes those
// whose change no event has told so far.
func (s *session) listOnce(ctx context.Context, full bool) error {
	s.mu.Lock()
	s.heard = map[string]bool{}
	for _, id := range s.queue.keys() {
		s.heard[id] = true
	}
	s.mu.Unlock()
	moved, err := s.cache.relist(ctx, full)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range moved {
		if !s.heard[id] {
			s.mute[id] = true
		}
	}
	s.heard = nil
	return err
}

// hear notes that an event named id.
func (s *session) hear(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mute, id)
	if s.heard != nil {
		s.heard[id] = true
	}
}

func (s *session) checkMute() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mute) == 0 {
		return nil
	}
	return wrapSilent(s.mute)
}

// followImages lists the images now and then, and soon after an event about
// one.
func (s *session) followImages(ctx context.Context) error {
	next := time.NewTimer(jittered(s.imagesEvery()))
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-next.C:
		case <-s.images:
			sleep(ctx, imageSettle)
			select {
			case <-s.images:
			default:
			}
		}
		if err := s.listImages(ctx); err != nil {
			return err
		}
		next.Reset(jittered(s.imagesEvery()))
	}
}

// imagesEvery is how long a list of images is good for; one that failed is
// asked for again sooner.
func (s *session) imagesEvery() time.Duration {
	if s.cache.imagesProblem() != nil {
		return relistEvery
	}
	return relistImages
}
