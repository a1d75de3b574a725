package gc

import (
	"testing"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// twoUnused is a host with two images of ours that nothing has needed, one for
// a minute longer than the other, listed in either order.
func twoUnused(turned bool) Input {
	in := unusedRedis()
	in.Images = append(in.Images, observed.Image{ID: "sha256:2222", Refs: []string{"docker.io/library/web:1"}, Size: 7})
	in.Provenance["sha256:2222"] = store.ImageProvenance{Refs: []string{"docker.io/library/web:1"}, At: t0.Add(-time.Hour)}
	in.Clocks["sha256:2222"] = store.ImageClock{UnusedSince: t0.Add(-time.Minute)}
	if turned {
		in.Images[0], in.Images[1] = in.Images[1], in.Images[0]
	}
	return in
}

// TestPlanWakesForTheFirst: of several times the earliest is the next.
func TestPlanWakesForTheFirst(t *testing.T) {
	for _, turned := range []bool{false, true} {
		in := twoUnused(turned)
		check(
			t, in,
			"clock sha256:1111 unused -2m0s delete 1m0s", "clock sha256:2222 unused -1m0s delete 2m0s", "wake 1m0s",
		)
		in.Clocks["sha256:1111"], in.Clocks["sha256:2222"] = in.Clocks["sha256:2222"], in.Clocks["sha256:1111"]
		check(
			t, in,
			"clock sha256:1111 unused -1m0s delete 2m0s", "clock sha256:2222 unused -2m0s delete 1m0s", "wake 1m0s",
		)
		in.Now = t0.Add(time.Hour)
		check(
			t, in,
			"clock sha256:1111 unused -1m0s delete 2m0s", "clock sha256:2222 unused -2m0s delete 1m0s",
			"delete sha256:1111 "+redis+" "+digest, "delete sha256:2222 docker.io/library/web:1",
		)
	}
}

func TestEarliest(t *testing.T) {
	var never time.Time
	for _, tc := range []struct{ a, b, want time.Time }{
		{never, never, never},
		{never, t0, t0},
		{t0, never, t0},
		{t0, t0.Add(1), t0},
		{t0.Add(1), t0, t0},
	} {
		if got := earliest(tc.a, tc.b); !got.Equal(tc.want) {
			t.Errorf("earliest(%s, %s) = %s", tc.a, tc.b, got)
		}
	}
}

// TestPlanUpdateHoldsItsOwnAlone: what a job may go back to is what it ran
// itself, and a spec that could not be read is nothing.
func TestPlanUpdateHoldsItsOwnAlone(t *testing.T) {
	in := due()
	in.Jobs["web"] = store.JobRecord{Generation: 2, Spec: spec("redis:8", 1)}
	in.Specs[store.SpecKey("web", 1)] = store.SpecRecord{}
	in.Allocs["b1"] = job.AllocSpec{ID: "b1", Job: "db", Desired: job.DesiredStop, Images: map[string]string{"db": redis}}
	in.Statuses["b1"] = job.AllocStatus{EndedAt: t0, Tasks: map[string]job.TaskStatus{"db": {ImageID: redisID}}}
	check(t, in, "clock sha256:1111 unused -2m0s delete 1m0s", "delete sha256:1111 "+redis+" "+digest)
}

// TestPlanHoldsTheLastHealthyGeneration: while an update runs, by the id that
// its deployment knows and by what its ended allocations were made from.
func TestPlanHoldsTheLastHealthyGeneration(t *testing.T) {
	const why = "clock sha256:1111 kept: job web may need it again while its update is not healthy"
	base := func() Input {
		in := due()
		in.Jobs["web"] = store.JobRecord{Generation: 2, Spec: spec("redis:8", 1)}
		d := settled(2, "")
		d.Conditions[0].Status = job.True
		in.Deployments["web"] = d
		return in
	}
	t.Run("its id", func(t *testing.T) {
		in := base()
		g := in.Deployments["web"].Groups["web"]
		g.Stable = &store.StableGroup{Images: map[string]string{"web": redisID}}
		in.Deployments["web"].Groups["web"] = g
		check(t, in, why)
	})
	t.Run("an ended allocation", func(t *testing.T) {
		in := base()
		in.Allocs["a1"] = job.AllocSpec{ID: "a1", Job: "web", Desired: job.DesiredStop, Images: map[string]string{"web": redis}}
		in.Statuses["a1"] = job.AllocStatus{EndedAt: t0}
		check(t, in, why)
	})
}
