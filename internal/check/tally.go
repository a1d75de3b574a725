package check

import "reconciler/internal/job"

// result is what one look has found.
type result struct {
	status job.CheckStatus // passing, warning or critical; empty is no result
	output string
}

// tally makes the state of a check out of its looks. The zero tally has seen
// nothing.
type tally struct {
	good, bad int // looks in a row that did not fail, that failed
}

// add counts a look at a check that stands at was, and returns where it stands
// now. A look without a result counts for nothing.
func (t *tally) add(c job.Check, was, look job.CheckStatus) job.CheckStatus {
	switch look {
	case job.CheckPassing, job.CheckWarning:
		t.good, t.bad = t.good+1, 0
		up := was == job.CheckPassing || was == job.CheckWarning
		if up || t.good >= c.SuccessBeforePassing {
			return look
		}
	case job.CheckCritical:
		t.good, t.bad = 0, t.bad+1
		if t.bad >= c.FailuresBeforeCritical {
			return look
		}
	}
	return was
}
