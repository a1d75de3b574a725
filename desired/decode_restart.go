package desired

import (
	"time"

	"reconciler/internal/job"
)

// restart decodes a restart block. What it does not say is the default, not
// what the group around it says.
func (l *loader) restart(dst **job.Restart) func([]item) {
	return func(items []item) {
		s, ok := l.block(items)
		if !ok {
			return
		}
		before := len(l.diags)
		r := job.Restart{
			Attempts: job.DefaultRestartAttempts, Interval: job.Duration(job.DefaultRestartInterval), Delay: job.Duration(job.DefaultRestartDelay),
		}
		mode := string(job.DefaultRestartMode)
		l.decode(s, "restart", fields{
			"attempts": l.whole(&r.Attempts, bounds{0, maxHarmless, "attempts"}),
			"interval": l.atLeast(&r.Interval, time.Millisecond),
			"delay":    l.duration(&r.Delay),
			"mode":     l.word(&mode, string(job.RestartFail), string(job.RestartDelay)),
		})
		r.Mode = job.RestartMode(mode)
		if len(l.diags) == before {
			l.checkRestart(s, r)
		}
		*dst = &r
	}
}

// checkRestart refuses what could never do what it says (as Nomad does).
func (l *loader) checkRestart(s section, r job.Restart) {
	at := valuePlaces(s)
	switch {
	case r.Attempts == 0 && r.Mode == job.RestartDelay:
		l.errorf(firstOf(at, s.at, "attempts"), "Conflicting options",
			"with no attempts there is nothing that mode = \"delay\" could begin anew. For no restart at all, write mode = \"fail\".")
	case r.Delay > 0 && job.Duration(r.Attempts) > r.Interval/r.Delay:
		l.errorf(firstOf(at, s.at, "interval", "attempts", "delay"), "Out of range",
			"%d attempts with a delay of %s each do not fit in an interval of %s, so they are never used up. Raise interval, or lower attempts or delay.", r.Attempts, r.Delay, r.Interval)
	}
}
