package reconcile

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
)

// foreseen are the deeds of a forecast: "run web attempt 1 (Placed)".
func (r *rig) foreseen() []string {
	r.Helper()
	deeds, _ := r.forecast()
	return deeds
}

// forecast returns the deeds of a forecast, and what jobs wait for in the end.
func (r *rig) forecast() (deeds, waits []string) {
	r.Helper()
	all, err := r.c.Forecast()
	if err != nil {
		r.Errorf("forecast: %v", err)
	}
	for _, f := range all {
		if f.Waits() {
			waits = append(waits, f.String())
		} else {
			deeds = append(deeds, f.What)
		}
	}
	return deeds, waits
}

// foresees checks the deeds of a forecast, and that the writes which follow
// are those that it tells of.
func (r *rig) foresees(d time.Duration, want ...string) {
	r.Helper()
	got := r.foreseen()
	if !slices.Equal(got, want) {
		r.Errorf("forecast %q, want %q", got, want)
	}
	r.done()
	r.after(d)
	var told []string
	for _, w := range got {
		f := strings.Fields(w)
		if slices.Contains([]string{"run", "kill", "remove", "rename", "start", "update", "unpause"}, f[0]) {
			told = append(told, f[0])
		}
	}
	var done []string
	for _, w := range r.done() {
		done = append(done, strings.Fields(w)[0])
	}
	// The rig's engine counts a call for a container whose image is gone.
	told, done = slices.Compact(told), slices.Compact(done)
	if !slices.Equal(done, told) {
		r.Errorf("writes %q, told %q", done, told)
	}
}

// image2 is another image than the one that the registry has first.
const image2 = "sha256:2222"

func twice(j *job.Job) { j.Groups[0].Count = 2 }

// An image that a person removed is brought again before its container is made.
func TestForecastOfAnImageThatIsGone(t *testing.T) {
	t.Run("crash", func(t *testing.T) {
		live(t, func(r *rig) {
			r.write(webJob())
			r.after(time.Minute)
			c := r.one("web")
			r.end() // it crashes and its image goes while no agent runs
			r.exit(c.ID, 1)
			r.with(func() { r.images[refWeb] = image2 })
			r.after(time.Second)
			r.reconnect()
			r.startQuietly(func() {
				r.foresees(time.Minute,
					"rename web to "+job.DeadContainerName("web", "alloc1", 1)+" (KeptForLogs)",
					"bring web (ImageRequired)", "run web attempt 2 (DiedOutOfSight)")
			})
			if got := r.one("web"); got.ImageID != image2 {
				t.Errorf("it runs %s, want %s", got.ImageID, image2)
			}
		})
	})
	t.Run("pinned", func(t *testing.T) {
		live(t, func(r *rig) {
			r.write(webJob())
			r.after(time.Minute)
			r.end()
			r.with(func() { r.images[refWeb] = image2 })
			r.reconnect()
			r.startQuietly(func() {
				r.write(webJob(twice))
				// What the deployment has pinned is gone: the new one finds another.
				r.foresees(time.Minute, "advance web[0] alloc1 (UpdatedInPlace count)", "place web[1] (New)",
					"bring web (ImageRequired)", "run web attempt 1 (Placed)")
			})
		})
	})
}

// startQuietly starts an agent that waits for its manifests while f looks.
func (r *rig) startQuietly(f func()) {
	ready := make(chan struct{})
	r.ready = ready
	r.start()
	r.ready = nil
	time.AfterFunc(time.Second, func() { close(ready) })
	f()
}

// What cannot be placed is not said to be, and what it waits for is told.
func TestForecastOfRefusals(t *testing.T) {
	live(t, func(r *rig) {
		r.ports.hold(80, "nginx")
		r.startQuietlyAgain(func() {
			r.write(webJob(static(80)))
			deeds, waits := r.forecast()
			if len(deeds) > 0 || len(waits) != 1 || !strings.Contains(waits[0], "waits: web[0]: port 80 is held by nginx") {
				t.Errorf("deeds %q, waits %q; want none, and one for port 80", deeds, waits)
			}
		})
		r.after(time.Minute)
		r.did()
		// Told by the agent that was refused it as well.
		if deeds, waits := r.forecast(); len(deeds) > 0 || len(waits) != 1 {
			t.Errorf("deeds %q, waits %q; want none, and one", deeds, waits)
		}
		r.ports.hold(80, "")
		if got, _ := r.forecast(); !slices.Equal(got, []string{"place web[0] (New)", "bring web (ImageRequired)", "run web attempt 1 (Placed)"}) {
			t.Errorf("forecast with a free port: %q", got)
		}
		r.after(time.Minute)
		r.did("run web")
		r.quiet()
	})
}

func (r *rig) startQuietlyAgain(f func()) {
	r.end()
	strangers := r.ports.foreign
	r.reconnect()
	r.ports.foreign = strangers
	r.startQuietly(f)
}

// Of two that ask for one port the first has it, in the play as well.
func TestForecastOfTwoThatWantOnePort(t *testing.T) {
	live(t, func(r *rig) {
		r.startQuietlyAgain(func() {
			r.write(webJob(static(80), twice))
			deeds, waits := r.forecast()
			want := []string{"place web[0] (New)", "bring web (ImageRequired)", "run web attempt 1 (Placed)"}
			if !slices.Equal(deeds, want) || len(waits) != 1 || !strings.Contains(waits[0], "web[1]") {
				t.Errorf("deeds %q, waits %q; want %q, and one for web[1]", deeds, waits, want)
			}
		})
		r.after(time.Minute)
		r.did("run web")
	})
}

// A successor whose new port a stranger takes is not said to start.
func TestForecastOfAPromotion(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(static(80)))
		r.after(time.Minute)
		r.did("run web")
		r.ports.hold(81, "nginx")
		r.startQuietlyAgain(func() {
			r.write(webJob(static(81)))
			deeds, waits := r.forecast()
			if len(deeds) != 2 || !strings.HasPrefix(deeds[0], "prepare web[0]") || !strings.HasPrefix(deeds[1], "bring web") ||
				len(waits) != 1 || !strings.Contains(waits[0], "port 81 is held by nginx") {
				t.Errorf("deeds %q, waits %q; want a preparation and no more", deeds, waits)
			}
		})
		r.after(time.Minute)
		r.did()
	})
}

// An image name that makes no sense is refused at its placement.
func TestForecastOfAnImageThatIsNone(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob(func(j *job.Job) { j.Groups[0].Tasks[0].Config.Image = "Not An Image" }))
		deeds, waits := r.forecast()
		if len(deeds) > 0 || len(waits) != 1 || !strings.Contains(waits[0], "Not An Image") {
			t.Errorf("deeds %q, waits %q", deeds, waits)
		}
		r.after(time.Minute)
		r.did()
	})
}

// The limits of the speed of a core are those of this host, and a drift of any
// field is repaired once.
func TestForecastOfLimits(t *testing.T) {
	live(t, func(r *rig) {
		hard := func(j *job.Job) {
			j.Groups[0].Tasks[0].Config.CPUHardLimit, j.Groups[0].Tasks[0].Config.PidsLimit = true, 100
		}
		r.write(webJob(hard))
		r.after(time.Minute)
		task := webJob(hard).Groups[0].Tasks[0]
		want := task.Limits(job.Node{}.CoreMHz())
		c := r.one("web")
		r.change(c.ID, func(c *observed.Container) {
			c.CPUQuota, c.CPUPeriod, c.PidsLimit = want.CPUQuota, want.CPUPeriod, want.PidsLimit
		})
		r.after(time.Second)
		if got := r.foreseen(); len(got) > 0 {
			t.Errorf("forecast %q, want nothing: it is as wanted", got)
		}
		r.with(func() {
			r.fail = func(op string, _ observed.Container) error {
				if op == "update" {
					return errors.New("refused")
				}
				return nil
			}
		})
		r.change(c.ID, func(c *observed.Container) { c.CPUQuota, c.PidsLimit = 1, 7 })
		r.after(time.Second)
		if got := r.foreseen(); !slices.Equal(got, []string{"update web (Drift cpu_hard_limit, pids_limit)"}) {
			t.Errorf("forecast %q, want one update", got)
		}
	})
}

// What only a list told of a container is inspected soon: the forecast takes
// it for what it is.
func TestForecastOfAPartialView(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		c := r.one("web")
		r.with(func() {
			v := r.view[c.ID]
			v.Partial, v.State = true, observed.Exited
			r.view[c.ID] = v
		})
		got := r.foreseen()
		if len(got) != 2 || !strings.HasPrefix(got[1], "run web attempt 2") {
			t.Errorf("forecast %q, want a new container", got)
		}
	})
}

// A held job is said to be held, and nothing to be done for it.
func TestForecastOfAHold(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		r.ask("web", Hold)
		r.after(time.Second)
		r.exit(r.one("web").ID, 1)
		r.after(time.Second)
		deeds, waits := r.forecast()
		if len(deeds) > 0 || len(waits) != 1 || !strings.Contains(waits[0], "reconciler release web") {
			t.Errorf("deeds %q, waits %q; want none, and one that says how to end the hold", deeds, waits)
		}
	})
}
