package check

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"reconciler/internal/job"
)

// TestRunnerKeepsToWhatIsSet: whatever is set when, the Runner looks at the
// targets that were set last, and at nothing else, at their interval, one look
// of a check at a time (see rig.onLook), and its states are of them.
func TestRunnerKeepsToWhatIsSet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type op struct {
			keys  []int
			port  int
			pause int // ms
		}
		ops := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) op {
			return op{
				keys:  rapid.SliceOfNDistinct(rapid.IntRange(0, 4), 0, 5, rapid.ID[int]).Draw(rt, "keys"),
				port:  rapid.IntRange(1, 2).Draw(rt, "port"),
				pause: rapid.IntRange(0, 30000).Draw(rt, "pause"),
			}
		}), 1, 8).Draw(rt, "ops")
		startAt := rapid.IntRange(0, len(ops)-1).Draw(rt, "run")
		var problems []string
		inBubble(t, func(_ *testing.T, r *rig) {
			for i, o := range ops {
				var targets []job.CheckTarget
				var want []string
				for _, k := range o.keys {
					name := fmt.Sprint("check", k)
					want = append(want, name)
					targets = append(targets, target(name, func(t *job.CheckTarget) { t.Port = o.port }))
				}
				slices.Sort(want)
				r.Set("a", targets)
				if i == startAt {
					r.run()
				}
				synctest.Wait()
				r.mu.Lock()
				seen := len(r.glances)
				r.mu.Unlock()
				r.pass(time.Duration(o.pause) * time.Millisecond)
				if got := sortedKeys(r.States("a")); !slices.Equal(got, want) {
					problems = append(problems, fmt.Sprintf("op %d: states of %q, want %q", i, got, want))
				}
				r.mu.Lock()
				for _, g := range r.glances[seen:] {
					if g.port != o.port || !slices.Contains(want, g.key) {
						problems = append(problems, fmt.Sprintf("op %d: look at %+v, which is not set", i, g))
					}
				}
				r.mu.Unlock()
				if i >= startAt && time.Duration(o.pause)*time.Millisecond > FirstLook {
					for k, s := range r.States("a") {
						if s.Status != job.CheckPassing {
							problems = append(problems, fmt.Sprintf("op %d: %s is %s after %d ms", i, k, s.Status, o.pause))
						}
					}
				}
			}
			if r.stop == nil {
				problems = append(problems, "never run")
			}
		})
		if len(problems) > 0 {
			rt.Fatalf("%q", problems)
		}
	})
}
