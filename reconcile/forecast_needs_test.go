package reconcile

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"reconciler/internal/job"
)

// foresight answers what the rig's engine would, or once everything else.
type foresight struct {
	*engine
	err   error
	asked int
}

// Foresee is the engine's Check.
func (f *foresight) Foresee(ctx context.Context, req job.ContainerRequest) error {
	f.asked++
	if f.err != nil {
		return f.err
	}
	return f.Check(ctx, req)
}

// withForesight gives the controller of a rig that runs a look ahead.
func (r *rig) withForesight(err error) *foresight {
	f := &foresight{engine: r.engine, err: err}
	r.c.Foresight = f
	return f
}

func nowhere(j *job.Job) { j.Groups[0].Tasks[0].Config.NetworkMode = "nowhere" }

// What a task cannot be brought is not said to be brought, nor the container
// run; the job waits, in the plan as in earnest.
func TestForecastOfAnObstacle(t *testing.T) {
	live(t, func(r *rig) {
		r.startQuietlyAgain(func() {
			f := r.withForesight(nil)
			r.write(webJob(nowhere, twice))
			deeds, waits := r.forecast()
			want := []string{"place web[0] (New)", "place web[1] (New)"}
			if !slices.Equal(deeds, want) || len(waits) != 1 || !strings.Contains(waits[0], "waits: web[0] task web: no network nowhere") {
				t.Errorf("deeds %q, waits %q; want %q, and one for the network", deeds, waits, want)
			}
			if f.asked != 2 {
				t.Errorf("asked %d times for two tasks", f.asked)
			}
		})
		r.after(time.Minute)
		r.did()
		// Told by the agent that has met it as well.
		r.withForesight(nil)
		if deeds, waits := r.forecast(); len(deeds) > 0 || len(waits) != 1 {
			t.Errorf("deeds %q, waits %q; want none, and one", deeds, waits)
		}
	})
}

// An update whose successor cannot be made leaves what runs.
func TestForecastOfAnObstacleToAnUpdate(t *testing.T) {
	live(t, func(r *rig) {
		r.write(webJob())
		r.after(time.Minute)
		r.did("run web")
		r.startQuietlyAgain(func() {
			r.withForesight(nil)
			r.write(webJob(nowhere))
			deeds, waits := r.forecast()
			if len(deeds) != 1 || !strings.HasPrefix(deeds[0], "prepare web[0]") || len(waits) != 1 || !strings.Contains(waits[0], "no network nowhere") {
				t.Errorf("deeds %q, waits %q; want a preparation, and one that waits", deeds, waits)
			}
		})
		r.after(time.Minute)
		r.did()
	})
}

// What nobody can tell, as while the engine does not answer, is taken for good.
func TestForecastWithoutAnAnswer(t *testing.T) {
	live(t, func(r *rig) {
		r.startQuietlyAgain(func() {
			r.withForesight(job.NewError(job.Indeterminate, "EngineUnavailable", errors.New("no answer")))
			r.write(webJob())
			deeds, waits := r.forecast()
			if len(deeds) != 3 || len(waits) > 0 {
				t.Errorf("deeds %q, waits %q; want three, and none", deeds, waits)
			}
		})
	})
}
