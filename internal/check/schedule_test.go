package check

import (
	"fmt"
	"testing"
	"time"

	"reconciler/internal/job"
)

func TestFirstDelay(t *testing.T) {
	const n = 400
	for _, interval := range []time.Duration{time.Millisecond, 300 * time.Millisecond, time.Second, time.Hour} {
		within := min(interval, FirstLook)
		early := 0
		for i := range n {
			k := key{"alloc", fmt.Sprint("check", i)}
			d := firstDelay(k, interval)
			if d < 0 || d >= within {
				t.Errorf("interval %s: the first look of %v waits %s", interval, k, d)
			}
			if d != firstDelay(k, interval) {
				t.Errorf("the first look of %v waits differently each time", k)
			}
			if d < within/2 {
				early++
			}
		}
		if early < n/3 || early > 2*n/3 {
			t.Errorf("interval %s: %d of %d first looks are in the first half: they are not spread", interval, early, n)
		}
	}
	if firstDelay(key{"a", "bc"}, time.Hour) == firstDelay(key{"ab", "c"}, time.Hour) {
		t.Error("two keys that are alike when glued together begin together")
	}
}

func TestNextLook(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for took, want := range map[time.Duration]time.Duration{
		0: 10 * time.Second, 3 * time.Second: 10 * time.Second, 10 * time.Second: 10 * time.Second, 25 * time.Second: 25 * time.Second,
	} {
		if got := nextLook(began, began.Add(took), 10*time.Second).Sub(began); got != want {
			t.Errorf("after a look of %s the next is at %s, want %s", took, got, want)
		}
	}
}

func TestDefaults(t *testing.T) {
	var c job.Check
	if interval(c) != job.DefaultCheckInterval || timeout(c) != job.DefaultCheckTimeout {
		t.Errorf("the zero check has %s and %s", interval(c), timeout(c))
	}
	c.Interval, c.Timeout = -1, -1
	if interval(c) != job.DefaultCheckInterval || timeout(c) != job.DefaultCheckTimeout {
		t.Errorf("negative times give %s and %s", interval(c), timeout(c))
	}
	c.Interval, c.Timeout = job.Duration(time.Second), job.Duration(time.Minute)
	if interval(c) != time.Second || timeout(c) != time.Minute {
		t.Errorf("given times give %s and %s", interval(c), timeout(c))
	}
}
