package reconcile

import (
	"hash/fnv"
	"strconv"
	"time"
)

// Times of the restart and retry rules. The doubling from 10 s to 5 min is
// the kubelet's CrashLoopBackOff and image pull backoff.
const (
	backoffBase = 10 * time.Second
	backoffCap  = 5 * time.Minute
	// backoffJitter is the part of a delay that may be added to it, so that
	// tasks that died together do not come back together for ever.
	backoffJitter = 0.2
	// crashForget is how long a container must have run for its task's earlier
	// crashes to be forgotten (kubelet: MaxContainerBackOff times two).
	crashForget = 10 * time.Minute
	// userRetry is how often a step that waits for a person is tried: the named
	// archive, network or user may appear without any event that tells us.
	userRetry = 10 * time.Second
	// longestWait is the longest wait that any rule but a restart block makes.
	longestWait = backoffCap + backoffCap/5
	// indeterminateRetry follows a call whose outcome nobody knows.
	indeterminateRetry = time.Second
	// partialRetry is how often a dead container is looked at again whose
	// inspect gave no answer; each look may take 5 s.
	partialRetry = 5 * time.Second
	// removingRetry follows the answer that a container is being removed; the
	// engine takes about 100 ms for it.
	removingRetry = 200 * time.Millisecond
	// rekill is how long a SIGKILL may take before it is sent again.
	rekill = 10 * time.Second
	// portRetry is how often a static port that a stranger holds is tried.
	portRetry = 5 * time.Second
	// removedByHand is how soon after its die a container must be gone to have
	// been removed from outside rather than to have crashed (docker rm -f).
	removedByHand = time.Second
	// leaveWindow is how long before the end of its events dockerd may have
	// begun to stop its containers: it gives them 15 s (dockerd
	// --shutdown-timeout), and a little more to itself.
	leaveWindow = 20 * time.Second
	// portLostWindow is for how long an allocation that lost its port counts
	// towards the wait before the next one.
	portLostWindow = 10 * time.Minute
)

// crashDelay is how long a task waits for its next container after its n-th
// crash in a row: nothing the first time, then 10 s, doubling up to 5 min.
func crashDelay(n int, seed string) time.Duration {
	if n <= 1 {
		return 0
	}
	return retryDelay(n-1, seed)
}

// retryDelay is how long the n-th failure in a row is waited out (n from 1).
// The jitter follows from seed and n alone, so that a plan is a function of
// its input.
func retryDelay(n int, seed string) time.Duration {
	d := backoffBase
	for i := 1; i < n && d < backoffCap; i++ {
		d *= 2
	}
	return jittered(min(d, backoffCap), backoffJitter, seed, n)
}

// jittered returns d and up to share of it more.
func jittered(d time.Duration, share float64, seed string, n int) time.Duration {
	h := fnv.New32a()
	h.Write([]byte(seed + "/" + strconv.Itoa(n)))
	part := float64(h.Sum32()) / (1 << 32)
	return d + time.Duration(float64(d)*share*part)
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// passed returns a time that was noted before now; zero if it lies ahead, for
// the clock was set back since and nothing can be told from it any more.
func passed(t, now time.Time) time.Time {
	if t.After(now) {
		return time.Time{}
	}
	return t
}

// earliest returns the earlier of two times, of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
