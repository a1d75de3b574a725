package reconcile

import (
	"sync"
	"time"

	"reconciler/observed"
)

// sight follows dockerd's comings and goings, so that an exit which belongs
// to its absence is told from a crash. It knows only what happened since this
// process first saw dockerd: a restart of the agent is no absence of dockerd.
type sight struct {
	mu    sync.Mutex
	since time.Time // of the connection that was noted last
	lost  time.Time // when that one was seen to have ended; zero while it holds
	from  time.Time // of the last gap
}

// note takes in a status and returns the last gap between two connections;
// zero if there was none.
func (s *sight) note(st observed.Status) (from, to time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !st.Connected:
		if !s.since.IsZero() && s.lost.IsZero() {
			s.lost = st.Since
		}
	case s.since.IsZero():
		s.since = st.Since
	case !st.Since.Equal(s.since):
		// A loss that nobody noted was too short to be told from the return.
		s.from = earliest(s.lost, st.Since)
		s.since, s.lost = st.Since, time.Time{}
	}
	if s.from.IsZero() {
		return time.Time{}, time.Time{}
	}
	return s.from, s.since
}
