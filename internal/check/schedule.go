package check

import (
	"cmp"
	"hash/fnv"
	"time"

	"reconciler/internal/job"
)

// FirstLook is the time within which a check is first looked at, so that its
// health is known early. The looks of many checks that begin together are
// spread over it.
const FirstLook = time.Second

// firstDelay is how long the first look at a check waits. It is the same for
// the same check each time.
func firstDelay(k key, interval time.Duration) time.Duration {
	within := min(interval, FirstLook)
	if within <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(k.alloc + "\x00" + k.check)) // never fails
	return time.Duration(h.Sum64() % uint64(within))
}

// nextLook is when to look again after a look that began at began and has
// ended now.
func nextLook(began, now time.Time, interval time.Duration) time.Time {
	if next := began.Add(interval); next.After(now) {
		return next
	}
	return now
}

func interval(c job.Check) time.Duration {
	return cmp.Or(max(0, c.Interval.Std()), job.DefaultCheckInterval)
}

func timeout(c job.Check) time.Duration {
	return cmp.Or(max(0, c.Timeout.Std()), job.DefaultCheckTimeout)
}
