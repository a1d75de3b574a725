package gc

import "time"

// maxSkew is how far the system clock may get away from the monotonic clock
// before that counts as a step. Slewing by ntpd (0.5 ms a second at most)
// reaches it after half an hour, and is then made up for like a step.
const maxSkew = time.Second

// stepClock reads the system clock and notices its steps: it compares the
// time that passed by it with the time that passed by the monotonic clock. A
// suspended host looks like a step, too.
//
// It is not safe for concurrent use.
type stepClock struct {
	now     func() time.Time     // the system clock
	elapsed func() time.Duration // the monotonic clock

	wall time.Time // of the base of the comparison; zero before the first read
	mono time.Duration
}

// read returns the system time, and by how much the clock was set forward
// (negative: back) since the last read.
func (c *stepClock) read() (now time.Time, step time.Duration) {
	now, mono := c.now().Round(0), c.elapsed()
	if !c.wall.IsZero() {
		step = now.Sub(c.wall) - (mono - c.mono)
		if step.Abs() < maxSkew {
			return now, 0
		}
	}
	c.wall, c.mono = now, mono
	return now, step
}
