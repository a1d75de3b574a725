package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// batchDelay is how long the recorder lets changes gather before a commit.
	batchDelay = 20 * time.Millisecond
	// syncWait is how long Sync waits at most: people wait behind it.
	syncWait = time.Second
	// stayWait is how long Sync waits for a reader that has held the file for
	// more than syncWait: it may do so for minutes, and many wait in turn.
	stayWait = 50 * time.Millisecond
	// lookEvery is how often the recorder looks whether the file is still
	// there and as it was left: one stat, no transaction.
	lookEvery = 5 * time.Second
	// flushWait bounds the last write at the end.
	flushWait = 2 * time.Second

	// A failed write is tried again after backoffFirst, then twice that and so
	// on up to backoffMax. Somebody in Sync shortens the wait to backoffFirst.
	backoffFirst = 250 * time.Millisecond
	backoffMax   = 15 * time.Second
	// busyWarn is how long a reader may hold the file before it is a warning.
	busyWarn = 5 * time.Second
)

// Run is the recorder: it writes what is dirty until ctx ends, then once more,
// and returns the error of that last write. It may run once per Store.
func (s *Store) Run(ctx context.Context) error {
	if s.readOnly {
		return ErrClosed
	}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	s.look()
	for ctx.Err() == nil {
		if err := s.record(ctx); errors.Is(err, ErrClosed) {
			return err
		} else if err != nil {
			s.pause(ctx, err)
			continue
		}
		select {
		case <-ctx.Done():
		case <-s.urgent:
		case <-s.changes.hint:
			s.gather(ctx)
		case <-look.C:
			s.look()
		}
	}
	return s.flush(ctx)
}

// gather waits for more changes, unless somebody waits for these.
func (s *Store) gather(ctx context.Context) {
	t := time.NewTimer(batchDelay)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-s.urgent:
	case <-t.C:
	}
}

// look finds out whether somebody touched the file; then everything is dirty.
func (s *Store) look() {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.file.touched() {
		s.all = true
	}
}

// pause waits before the next attempt. A lock is tried again at once: the
// attempt itself has waited.
func (s *Store) pause(ctx context.Context, err error) {
	if errors.Is(err, ErrBusy) {
		return
	}
	s.backoff = min(max(backoffFirst, 2*s.backoff), backoffMax)
	soon := time.NewTimer(backoffFirst)
	defer soon.Stop()
	select {
	case <-ctx.Done():
		return
	case <-soon.C:
	}
	late := time.NewTimer(s.backoff - backoffFirst)
	defer late.Stop()
	select {
	case <-ctx.Done():
	case <-s.urgent:
	case <-late.C:
	}
}

// record writes what is dirty and keeps the books about how that went.
func (s *Store) record(ctx context.Context) error {
	err := s.commit(ctx)
	if errors.Is(err, ErrClosed) || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err // we gave up, not the file
	}
	if err == nil {
		s.backoff = 0
	}
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	s.health.note(err, time.Now(), s.log)
	return err
}

// flush is the last write: it goes on after the end of ctx, for a while.
func (s *Store) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushWait)
	defer cancel()
	for {
		err := s.commit(ctx)
		if !errors.Is(err, ErrBusy) || ctx.Err() != nil {
			return err
		}
	}
}

// Sync returns when all Puts and Deletes before the call are committed. If
// that does not happen within a second, or ctx ends, it returns an error that
// is ErrNotCommitted; the records stay dirty. The wait is short where it is
// known to be in vain, since a reader stays.
func (s *Store) Sync(ctx context.Context) error {
	target := s.changed()
	wait := syncWait
	if s.health.readerStays(time.Now()) {
		wait = stayWait
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	for {
		done, progress := s.committed(target)
		if done {
			return nil
		}
		hint(s.urgent)
		select {
		case <-progress:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrNotCommitted, ctx.Err())
		case <-late.C:
			if _, err := s.LastCommit(); err != nil {
				return fmt.Errorf("%w: %w", ErrNotCommitted, err)
			}
			return ErrNotCommitted
		}
	}
}

// changed is the number of the last change.
func (s *Store) changed() uint64 {
	s.changes.mu.RLock()
	defer s.changes.mu.RUnlock()
	return s.changes.count
}

// committed reports whether the change is in the file, and gives a channel
// that is closed after the next commit.
func (s *Store) committed(change uint64) (bool, <-chan struct{}) {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	return s.health.through >= change, s.health.progress
}
