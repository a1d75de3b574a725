package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

func TestLooksAtTheInterval(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.Set("a", []job.CheckTarget{target("web", nil)})
		r.is("web", job.CheckPending)
		r.pass(time.Minute)
		if got := r.looks("web"); len(got) > 0 {
			t.Fatalf("looks before Run: %v", got)
		}
		begin := time.Since(r.began)
		r.run()
		r.pass(FirstLook)
		r.is("web", job.CheckPassing)
		r.pass(59 * time.Second)
		got := r.looks("web")
		if len(got) != 6 {
			t.Fatalf("looks in a minute: %v", got)
		}
		if got[0]-begin > FirstLook {
			t.Errorf("the first look comes %s after the start", got[0]-begin)
		}
		for i := 1; i < len(got); i++ {
			if got[i]-got[i-1] != 10*time.Second {
				t.Errorf("look %d comes %s after the one before", i, got[i]-got[i-1])
			}
		}
	})
}

// TestIntervalCountsFromTheBegin: a look that takes time shifts no other, but
// one that takes longer than the interval, whose successor follows at once.
func TestIntervalCountsFromTheBegin(t *testing.T) {
	for took, want := range map[time.Duration]time.Duration{
		4 * time.Second: 10 * time.Second, 25 * time.Second: 25 * time.Second,
	} {
		inBubble(t, func(t *testing.T, r *rig) {
			r.setAnswer(func(context.Context, job.CheckTarget) result {
				time.Sleep(took)
				return result{job.CheckPassing, ""}
			})
			r.Set("a", []job.CheckTarget{target("web", func(t *job.CheckTarget) { t.Check.Timeout = job.Duration(time.Minute) })})
			r.run()
			r.pass(2 * time.Minute)
			got := r.looks("web")
			if len(got) < 4 {
				t.Fatalf("looks: %v", got)
			}
			for i := 1; i < len(got); i++ {
				if got[i]-got[i-1] != want {
					t.Errorf("looks of %s: look %d comes %s after the one before, want %s", took, i, got[i]-got[i-1], want)
				}
			}
		})
	}
}

func TestTimeoutBoundsALook(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.setAnswer(hang)
		r.Set("a", []job.CheckTarget{target("web", nil)})
		r.run()
		r.pass(FirstLook + 2*time.Second)
		if s := r.is("web", job.CheckCritical); s.Output != "too late" {
			t.Errorf("state %+v", s)
		}
	})
}

func TestStateChangesWithTheStatusAlone(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		n := 0
		r.setAnswer(func(context.Context, job.CheckTarget) result {
			n++
			return result{job.CheckPassing, fmt.Sprint("look ", n)}
		})
		r.Set("a", []job.CheckTarget{target("web", nil)})
		r.run()
		r.pass(time.Minute)
		first := r.is("web", job.CheckPassing)
		if first.Output != "look 1" || first.Container != "c1" || time.Since(first.Since) < 59*time.Second {
			t.Errorf("state %+v; want that of the first look", first)
		}
		if first.Since.Location() != time.UTC {
			t.Errorf("since is in %s", first.Since.Location())
		}
		r.say("") // the engine is away
		r.pass(time.Minute)
		if diff := cmp.Diff(first, r.is("web", job.CheckPassing)); diff != "" {
			t.Errorf("no result has changed the state:\n%s", diff)
		}
		r.say(job.CheckCritical)
		r.pass(10 * time.Second)
		r.is("web", job.CheckCritical)
		if want := []string{"a", "a"}; !slices.Equal(r.changes, want) {
			t.Errorf("changes told: %q, want %q", r.changes, want)
		}
	})
}

func TestThresholdsOverLooks(t *testing.T) {
	inBubble(t, func(_ *testing.T, r *rig) {
		r.say(job.CheckCritical)
		r.Set("a", []job.CheckTarget{target("web", func(t *job.CheckTarget) {
			t.Check.FailuresBeforeCritical, t.Check.SuccessBeforePassing = 3, 2
		})})
		r.run()
		r.pass(FirstLook + 10*time.Second)
		r.is("web", job.CheckPending)
		r.pass(10 * time.Second)
		r.is("web", job.CheckCritical)
		r.say(job.CheckPassing)
		r.pass(10 * time.Second)
		r.is("web", job.CheckCritical)
		r.pass(10 * time.Second)
		r.is("web", job.CheckPassing)
	})
}

// TestEqualTargetGoesOn: what is known moves on with each result and is no
// change; nor is a copy.
func TestEqualTargetGoesOn(t *testing.T) {
	header := func(t *job.CheckTarget) { t.Check.Header = map[string][]string{"X": {"1"}} }
	inBubble(t, func(t *testing.T, r *rig) {
		r.Set("a", []job.CheckTarget{target("web", header)})
		r.run()
		r.pass(5 * time.Second)
		for range 8 {
			known := r.States("a")["web"]
			r.Set("a", []job.CheckTarget{target("web", func(t *job.CheckTarget) { header(t); t.Known = known })})
			r.pass(5 * time.Second)
		}
		got := r.looks("web")
		if len(got) != 5 {
			t.Fatalf("looks: %v", got)
		}
		for i := 1; i < len(got); i++ {
			if got[i]-got[i-1] != 10*time.Second {
				t.Errorf("look %d comes %s after the one before", i, got[i]-got[i-1])
			}
		}
	})
}

func TestChangedTargetStartsAgain(t *testing.T) {
	since := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	known := job.CheckState{Status: job.CheckPassing, Since: since, Output: "earlier", Container: "c1"}
	for name, tc := range map[string]struct {
		known job.CheckState
		cont  string
		want  job.CheckStatus
	}{
		"same container":    {known, "c1", job.CheckPassing},
		"another container": {known, "c2", job.CheckPending},
		"nothing known":     {job.CheckState{}, "", job.CheckPending},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				r.setAnswer(hang)
				r.Set("a", []job.CheckTarget{target("web", func(t *job.CheckTarget) { t.Port = 1 })})
				r.run()
				r.pass(FirstLook)
				r.setAnswer(func(context.Context, job.CheckTarget) result { return result{} })
				r.Set("a", []job.CheckTarget{target("web", func(t *job.CheckTarget) {
					t.Port, t.Container, t.Known = 2, tc.cont, tc.known
				})})
				s := r.is("web", tc.want)
				if tc.want == job.CheckPassing && s != tc.known {
					t.Errorf("state %+v, want what was known", s)
				}
				if tc.want == job.CheckPending && (s.Container != tc.cont || s.Output != "" || !s.Since.After(since)) {
					t.Errorf("state %+v, want a new one", s)
				}
				r.pass(FirstLook)
				last := r.glances[len(r.glances)-1]
				if last.port != 2 {
					t.Errorf("the last look was at the old target: %+v", last)
				}
			})
		})
	}
}

// TestCheckThatDisappears: its look is cancelled, and what it still says is
// not heard.
func TestCheckThatDisappears(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		cancelled := false
		r.setAnswer(func(ctx context.Context, tg job.CheckTarget) result {
			if tg.Key == "other" {
				return result{job.CheckPassing, ""}
			}
			<-ctx.Done()
			cancelled = true
			return result{job.CheckCritical, "cancelled"}
		})
		slow := func(t *job.CheckTarget) { t.Check.Timeout = job.Duration(time.Hour) }
		r.Set("a", []job.CheckTarget{target("web", slow), target("other", nil)})
		r.run()
		r.pass(FirstLook)
		r.Set("a", []job.CheckTarget{target("other", nil)})
		synctest.Wait()
		if !cancelled {
			t.Error("the look goes on")
		}
		if got := sortedKeys(r.States("a")); !slices.Equal(got, []string{"other"}) {
			t.Errorf("states of %q", got)
		}
		r.Set("a", nil)
		r.pass(time.Minute)
		if got := r.looks("other"); len(got) != 1 {
			t.Errorf("looks at a check that is gone: %v", got)
		}
		if len(r.States("a")) != 0 || len(r.allocs) != 0 || len(r.running) != 0 {
			t.Errorf("left behind: %v, %v", r.allocs, r.running)
		}
		if want := []string{"a"}; !slices.Equal(r.changes, want) { // of other
			t.Errorf("changes told: %q, want %q", r.changes, want)
		}
	})
}

// TestNeverTwoLooksAtOnce: a look that does not end when it is told to delays
// the looks of those that come after it under the same key. The rig fails if
// two are under way.
func TestNeverTwoLooksAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.setAnswer(func(ctx context.Context, _ job.CheckTarget) result {
			<-ctx.Done()
			time.Sleep(30 * time.Second)
			return result{job.CheckPassing, "at last"}
		})
		r.Set("a", []job.CheckTarget{target("web", nil)})
		r.run()
		r.pass(FirstLook)
		for port := range 5 {
			r.Set("a", nil)
			r.Set("a", []job.CheckTarget{target("web", func(t *job.CheckTarget) { t.Port = 100 + port })})
			synctest.Wait()
		}
		if got := r.looks("web"); len(got) != 1 {
			t.Errorf("looks while the first does not end: %v", got)
		}
		r.say(job.CheckPassing)
		r.pass(31 * time.Second)
		r.is("web", job.CheckPassing)
		if got := r.looks("web"); len(got) != 2 || r.glances[1].port != 104 {
			t.Errorf("looks: %+v, want one more, at the last target", r.glances)
		}
	})
}

func TestSameKeyTwice(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.Set("a", []job.CheckTarget{target("web", func(t *job.CheckTarget) { t.Port = 1 }), target("web", func(t *job.CheckTarget) { t.Port = 2 })})
		r.run()
		r.pass(time.Minute)
		for _, g := range r.glances {
			if g.port != 2 {
				t.Errorf("look at %+v", g)
			}
		}
		if len(r.glances) != 6 {
			t.Errorf("%d looks in a minute", len(r.glances))
		}
	})
}

func many(n int, change func(i int, t *job.CheckTarget)) []job.CheckTarget {
	var out []job.CheckTarget
	for i := range n {
		out = append(out, target(fmt.Sprint("check", i), func(t *job.CheckTarget) { change(i, t) }))
	}
	return out
}

// TestHangingChecksBlockThemselvesAlone: whatever hangs, every other check is
// looked at within a few seconds.
func TestHangingChecksBlockThemselvesAlone(t *testing.T) {
	for _, typ := range []job.CheckType{job.CheckTCP, job.CheckScript} {
		inBubble(t, func(t *testing.T, r *rig) {
			const hanging = 100
			r.setAnswer(func(ctx context.Context, tg job.CheckTarget) result {
				if tg.Port == 0 {
					return hang(ctx, tg)
				}
				return result{job.CheckPassing, ""}
			})
			r.Set("hangs", many(hanging, func(_ int, t *job.CheckTarget) {
				t.Check.Type, t.Check.Timeout, t.Port = typ, job.Duration(time.Hour), 0
			}))
			r.run()
			r.pass(FirstLook)
			r.Set("a", []job.CheckTarget{target("tcp", nil), target("script", func(t *job.CheckTarget) { t.Check.Type = job.CheckScript })})
			r.pass(FirstLook + lookLease*(hanging/maxLooks+1))
			r.is("tcp", job.CheckPassing)
			r.pass(scriptLease * (hanging/maxScripts + 1))
			r.is("script", job.CheckPassing)
			before := len(r.looks("script"))
			r.pass(time.Minute)
			if got := len(r.looks("script")) - before; got != 6 {
				t.Errorf("%s checks hang: %d looks at the other in a minute, want 6", typ, got)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	for typ, want := range map[job.CheckType]int{job.CheckHTTP: maxLooks, job.CheckScript: maxScripts} {
		inBubble(t, func(t *testing.T, r *rig) {
			r.setAnswer(func(context.Context, job.CheckTarget) result {
				time.Sleep(900 * time.Millisecond) // less than a lease
				return result{job.CheckPassing, ""}
			})
			r.Set("a", many(200, func(_ int, t *job.CheckTarget) { t.Check.Type = typ }))
			r.run()
			r.pass(time.Minute)
			if r.most != want {
				t.Errorf("%d looks of type %s at once, want %d", r.most, typ, want)
			}
			for k, s := range r.States("a") {
				if s.Status != job.CheckPassing {
					t.Errorf("%s is %s after a minute", k, s.Status)
				}
			}
		})
	}
}

func TestEndOfRun(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.setAnswer(hang)
		r.Set("a", many(100, func(_ int, t *job.CheckTarget) { t.Check.Timeout = job.Duration(time.Hour) }))
		r.run()
		r.pass(FirstLook)
		began := time.Now()
		r.stop()
		if d := time.Since(began); d > 0 {
			t.Errorf("Run ends %s after its context", d)
		}
		for k, s := range r.States("a") {
			if s.Status != job.CheckPending {
				t.Errorf("%s is %s: a look that the end of Run has cancelled was counted", k, s.Status)
			}
		}
		r.Set("b", []job.CheckTarget{target("late", nil)}) // begins nothing
		r.pass(time.Minute)
		if got := r.looks("late"); len(got) != 0 {
			t.Errorf("looks after Run: %v", got)
		}
	})
}

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		" 200 OK:\r\n\tfine \n": "200 OK: fine",
		"a\x00b\x1b[31mred":     "a b [31mred",
		"caf\xc3\xa9 \xff\xfe":  "café \uFFFD",
		"left\u202eright":       "left right",
		strings.Repeat("é", 3):  "ééé",
	} {
		if got := line(in); got != want {
			t.Errorf("line(%q) is %q, want %q", in, got, want)
		}
	}
	for _, s := range []string{strings.Repeat("x", 4096), strings.Repeat("é", 4096), "x" + strings.Repeat("日", 4096)} {
		got := line(s)
		if len(got) > job.MaxCheckOutput || len(got) < job.MaxCheckOutput-6 || !strings.HasSuffix(got, "…") || strings.Contains(got, "\uFFFD") {
			t.Errorf("a long text becomes %d bytes: %q", len(got), got)
		}
	}
	if exact := strings.Repeat("x", job.MaxCheckOutput); line(exact) != exact {
		t.Error("a text that just fits is cut")
	}
}
