package reconcile

import (
	"testing"
	"time"
)

// A clock that is set back leaves times of the future in the records. None of
// them may take the wait out of a crash loop, which would then spin.
func TestClockSetBackLeavesTheBackoff(t *testing.T) {
	for name, ask := range map[string]func(r *rig){
		"after a retry": func(r *rig) { r.ask("web", Retry) },
		"after a hold": func(r *rig) {
			r.ask("web", Hold)
			r.ask("web", Release)
		},
		"with dockerd in sight since then": func(*rig) {},
	} {
		t.Run(name, func(t *testing.T) {
			live(t, func(r *rig) {
				r.write(webJob())
				r.after(time.Minute)
				ask(r)
				r.shift.Store(int64(-time.Hour))
				r.done()
				for range 600 {
					for _, c := range r.running("web") {
						r.exit(c.ID, 1)
					}
					r.after(100 * time.Millisecond)
				}
				// One at once, then after 10 s, 20 s and 40 s at the earliest.
				if n := len(short(r.done())); n > 20 {
					t.Errorf("%d writes within a minute", n)
				}
			})
		})
	}
}

// A restart that was asked for before the clock was set back happens once.
func TestClockSetBackAfterRestart(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(staticPort))
		r.after(time.Minute)
		before := r.made
		r.ask("web", Restart)
		r.shift.Store(int64(-time.Hour))
		r.after(10 * time.Minute)
		if n := r.made - before; n != 1 {
			t.Errorf("%d containers for one restart", n)
		}
	})
}
