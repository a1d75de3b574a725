package check

import (
	"testing"

	"pgregory.net/rapid"

	"reconciler/internal/job"
)

func TestTally(t *testing.T) {
	const p, w, c, n, pending = job.CheckPassing, job.CheckWarning, job.CheckCritical, job.CheckStatus(""), job.CheckPending
	for _, tc := range []struct {
		name          string
		success, fail int
		from          job.CheckStatus
		looks, want   []job.CheckStatus
	}{
		{"defaults", 0, 0, pending, []job.CheckStatus{p, c, w, p, c}, []job.CheckStatus{p, c, w, p, c}},
		{"ones", 1, 1, pending, []job.CheckStatus{c, p}, []job.CheckStatus{c, p}},
		{"a slow starter is not critical at once", 0, 3, pending, []job.CheckStatus{c, c, p}, []job.CheckStatus{pending, pending, p}},
		{"it is after a while", 0, 3, pending, []job.CheckStatus{c, c, c}, []job.CheckStatus{pending, pending, c}},
		{"successes in a row", 3, 0, c, []job.CheckStatus{p, p, c, p, p, p}, []job.CheckStatus{c, c, c, c, c, p}},
		{"a warning is no failure", 3, 0, c, []job.CheckStatus{p, w, w}, []job.CheckStatus{c, c, w}},
		{"failures in a row", 0, 2, p, []job.CheckStatus{c, p, c, c}, []job.CheckStatus{p, p, p, c}},
		{"a warning ends a row of failures", 0, 2, p, []job.CheckStatus{c, w, c, c}, []job.CheckStatus{p, w, w, c}},
		{"up stays up without a count", 5, 2, w, []job.CheckStatus{p, c, p}, []job.CheckStatus{p, p, p}},
		{"no result is no look", 2, 2, c, []job.CheckStatus{p, n, p, c, n, c}, []job.CheckStatus{c, c, p, p, p, c}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var count tally
			at := tc.from
			for i, look := range tc.looks {
				at = count.add(job.Check{SuccessBeforePassing: tc.success, FailuresBeforeCritical: tc.fail}, at, look)
				if at != tc.want[i] {
					t.Fatalf("look %d (%s) makes it %s, want %s", i, look, at, tc.want[i])
				}
			}
		})
	}
}

// model says where a check stands from all of its looks, without a memory.
func model(check job.Check, from job.CheckStatus, looks []job.CheckStatus) job.CheckStatus {
	var told []job.CheckStatus
	for _, l := range looks {
		if l != "" {
			told = append(told, l)
		}
	}
	if len(told) == 0 {
		return from
	}
	before, last := model(check, from, told[:len(told)-1]), told[len(told)-1]
	lastAll := func(n int, failed bool) bool {
		n = max(n, 1)
		if len(told) < n {
			return false
		}
		for _, l := range told[len(told)-n:] {
			if (l == job.CheckCritical) != failed {
				return false
			}
		}
		return true
	}
	switch {
	case last == job.CheckCritical && lastAll(check.FailuresBeforeCritical, true):
		return job.CheckCritical
	case last != job.CheckCritical && (before == job.CheckPassing || before == job.CheckWarning):
		return last
	case last != job.CheckCritical && lastAll(check.SuccessBeforePassing, false):
		return last
	}
	return before
}

func TestTallyIsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		check := job.Check{
			SuccessBeforePassing:   rapid.IntRange(0, 4).Draw(t, "success"),
			FailuresBeforeCritical: rapid.IntRange(0, 4).Draw(t, "failures"),
		}
		at := rapid.SampledFrom([]job.CheckStatus{job.CheckPending, job.CheckPassing, job.CheckWarning, job.CheckCritical}).Draw(t, "from")
		looks := rapid.SliceOfN(rapid.SampledFrom([]job.CheckStatus{job.CheckPassing, job.CheckWarning, job.CheckCritical, job.CheckCritical, ""}), 0, 14).Draw(t, "looks")
		from, count := at, tally{}
		for i, look := range looks {
			at = count.add(check, at, look)
			if want := model(check, from, looks[:i+1]); at != want {
				t.Fatalf("after %q from %s it is %s, want %s", looks[:i+1], from, at, want)
			}
		}
	})
}
