package gc

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	redis   = "docker.io/library/redis:7"
	redisID = "sha256:1111"
	digest  = "docker.io/library/redis@sha256:dddd"
)

// unusedRedis is a host with one image of ours that nothing has needed for
// two minutes, and a delay of three.
func unusedRedis() Input {
	return Input{
		Now: t0, Enabled: true, Delay: 3 * time.Minute, Ready: true,
		Images:     []observed.Image{{ID: redisID, Refs: []string{redis, digest}, Size: 42}},
		Provenance: map[string]store.ImageProvenance{redisID: {Refs: []string{redis}, At: t0.Add(-time.Hour)}},
		Clocks:     map[string]store.ImageClock{redisID: {UnusedSince: t0.Add(-2 * time.Minute)}},
		Jobs:       map[string]store.JobRecord{}, Specs: map[string]store.SpecRecord{},
		Deployments: map[string]store.DeploymentRecord{},
		Allocs:      map[string]job.AllocSpec{}, Statuses: map[string]job.AllocStatus{},
		Intents: map[string]store.ImageIntent{}, Left: map[string]bool{}, Refused: map[string]Refusal{},
	}
}

// due is unusedRedis at the end of the delay.
func due() Input {
	in := unusedRedis()
	in.Now = t0.Add(time.Minute)
	return in
}

func spec(image string, count int) *job.Job {
	return &job.Job{Name: "web", Type: job.TypeService, Groups: []job.Group{{
		Name: "web", Count: count, Tasks: []job.Task{{Name: "web", Config: job.Config{Image: image}}},
	}}}
}

// settled is the deployment of a job whose update is done.
func settled(generation uint64, pinned string) store.DeploymentRecord {
	return store.DeploymentRecord{
		ObservedGeneration: generation,
		Conditions:         []job.Condition{{Type: job.CondProgressing, Status: job.False}, {Type: job.CondDegraded, Status: job.False}},
		Groups:             map[string]store.GroupDeployment{"web": {Images: map[string]string{"web": pinned}}},
	}
}

// describe prints an output as the tables have it.
func describe(out Output) []string {
	var lines []string
	for _, id := range sortedKeys(out.Clocks) {
		c := out.Clocks[id]
		line := "clock " + id
		if !c.UnusedSince.IsZero() {
			line += " unused " + offset(c.UnusedSince)
		}
		if !c.DeleteAt.IsZero() {
			line += " delete " + offset(c.DeleteAt)
		}
		if c.Kept != "" {
			line += " kept: " + c.Kept
		}
		lines = append(lines, line)
	}
	for _, d := range out.Delete {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("delete %s %s", d.ID, strings.Join(d.Refs, " "))))
	}
	for _, id := range sortedKeys(out.Adopt) {
		p := out.Adopt[id]
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("adopt %s from %s %s", id, p.Source, strings.Join(p.Refs, " "))))
	}
	for _, id := range out.Forget {
		lines = append(lines, "forget "+id)
	}
	for _, intent := range out.DropIntents {
		lines = append(lines, "drop intent "+intent.Ref)
	}
	if !out.WakeAt.IsZero() {
		lines = append(lines, "wake "+offset(out.WakeAt))
	}
	return lines
}

func offset(t time.Time) string { return t.Sub(t0).String() }

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func check(t *testing.T, in Input, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, describe(Plan(in))); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestPlanDelay(t *testing.T) {
	in := unusedRedis()
	in.Clocks = nil
	check(t, in, "clock sha256:1111 unused 0s delete 3m0s", "wake 3m0s")

	check(t, unusedRedis(), "clock sha256:1111 unused -2m0s delete 1m0s", "wake 1m0s")

	in = due()
	in.Now = in.Now.Add(-1)
	check(t, in, "clock sha256:1111 unused -2m0s delete 1m0s", "wake 1m0s")

	check(t, due(), "clock sha256:1111 unused -2m0s delete 1m0s", "delete sha256:1111 "+redis+" "+digest)

	in = due()
	in.Ready = false
	check(t, in, "clock sha256:1111 unused -2m0s delete 1m0s")

	in = unusedRedis()
	in.Clocks, in.Delay = nil, 0
	check(t, in, "clock sha256:1111 unused 0s delete 0s", "delete sha256:1111 "+redis+" "+digest)

	in = due()
	in.Enabled = false
	check(t, in, `clock sha256:1111 unused -2m0s kept: docker.cleanup.image is "false"`)

	in = due()
	in.Now = t0.Add(-time.Hour) // the system clock was set back
	check(t, in, "clock sha256:1111 unused -1h0m0s delete -57m0s", "wake -57m0s")

	in = due()
	in.Refused[redisID] = Refusal{Until: t0.Add(5 * time.Minute), Why: "conflict"}
	check(t, in, "clock sha256:1111 unused -2m0s delete 5m0s kept: conflict", "wake 5m0s")

	in.Now = t0.Add(5 * time.Minute)
	check(t, in, "clock sha256:1111 unused -2m0s delete 5m0s kept: conflict", "delete sha256:1111 "+redis+" "+digest)
}

// TestPlanUse names everything that keeps an image whose delay is over.
func TestPlanUse(t *testing.T) {
	const gone = "deleted"
	ours := job.Identity{Job: "web", AllocID: "a1"}
	live := job.AllocSpec{ID: "a1", Job: "web", Desired: job.DesiredRun}
	for _, tc := range []struct {
		name string
		with func(in *Input)
		want string // why it is kept
	}{
		{"nothing", func(*Input) {}, gone},
		{"container by id, exited", func(in *Input) {
			in.Containers = []observed.Container{{Name: "web-a1", ImageID: redisID, State: observed.Exited, Ours: true, Identity: ours}}
		}, "container web-a1 of job web has it"},
		{"stranger by id, dead", func(in *Input) {
			in.Containers = []observed.Container{{Name: "theirs", ImageID: redisID, State: observed.Dead}}
		}, "container theirs has it, which is not ours"},
		{"stranger by a reference as it wrote it, created", func(in *Input) {
			in.Containers = []observed.Container{{Name: "theirs", Image: "redis:7", ImageID: "sha256:older", State: observed.Created}}
		}, "container theirs has it, which is not ours"},
		{"stranger by digest", func(in *Input) {
			in.Containers = []observed.Container{{Name: "theirs", Image: "redis:6@sha256:dddd", ImageID: "sha256:older"}}
			in.Images[0].Refs[1] = "docker.io/library/redis@sha256:dddd"
		}, gone}, // no such digest: too short for a reference
		{"container of another image", func(in *Input) {
			in.Containers = []observed.Container{{Name: "theirs", Image: "redis:8", ImageID: "sha256:2222"}}
		}, gone},
		{"container by id as its name", func(in *Input) {
			in.Containers = []observed.Container{{Name: "theirs", Image: "sha256:1111", ImageID: redisID}}
		}, "container theirs has it, which is not ours"},

		{"alloc names the reference", func(in *Input) {
			a := live
			a.Images = map[string]string{"web": redis}
			in.Allocs["a1"] = a
		}, "allocation a1 of job web has it"},
		{"alloc prepares", func(in *Input) {
			a := live
			a.Desired, a.Images = job.DesiredPrepare, map[string]string{"web": redis}
			in.Allocs["a1"] = a
		}, "allocation a1 of job web has it"},
		{"alloc has the id", func(in *Input) {
			in.Allocs["a1"] = live
			in.Statuses["a1"] = job.AllocStatus{Tasks: map[string]job.TaskStatus{"web": {ImageID: redisID}}}
		}, "allocation a1 of job web has it"},
		{"alloc is stopping", func(in *Input) {
			a := live
			a.Desired, a.Images = job.DesiredStop, map[string]string{"web": redis}
			in.Allocs["a1"] = a
		}, "allocation a1 of job web has it"},
		{"alloc has ended", func(in *Input) {
			a := live
			a.Desired, a.Images = job.DesiredStop, map[string]string{"web": redis}
			in.Allocs["a1"] = a
			in.Statuses["a1"] = job.AllocStatus{EndedAt: t0, Tasks: map[string]job.TaskStatus{"web": {ImageID: redisID}}}
		}, gone},
		{"alloc is wanted again after its end", func(in *Input) {
			in.Allocs["a1"] = live
			in.Statuses["a1"] = job.AllocStatus{EndedAt: t0, Tasks: map[string]job.TaskStatus{"web": {ImageID: redisID}}}
		}, "allocation a1 of job web has it"},
		{"status without its spec", func(in *Input) {
			in.Statuses["a1"] = job.AllocStatus{Tasks: map[string]job.TaskStatus{"web": {Image: redis}}}
		}, "allocation a1 has not ended"},

		{"job without an allocation yet", func(in *Input) {
			in.Jobs["web"] = store.JobRecord{Generation: 1, Spec: spec("redis:7", 1)}
		}, "job web wants it"},
		{"job whose file is missing, in its grace", func(in *Input) {
			in.Jobs["web"] = store.JobRecord{Generation: 1, Spec: spec("redis:7", 1), MissingSince: t0}
		}, "job web wants it"},
		{"job is deleted", func(in *Input) {
			in.Jobs["web"] = store.JobRecord{Generation: 1, Spec: spec("redis:7", 1), Deleted: t0}
			in.Deployments["web"] = settled(1, redisID)
		}, gone},
		{"job of count 0", func(in *Input) {
			in.Jobs["web"] = store.JobRecord{Generation: 1, Spec: spec("redis:7", 0)}
			in.Deployments["web"] = settled(1, redisID)
		}, gone},
		{"system job ignores the count", func(in *Input) {
			j := spec("redis:7", 0)
			j.Type = job.TypeSystem
			in.Jobs["web"] = store.JobRecord{Generation: 1, Spec: j}
			in.Deployments["web"] = settled(1, "")
		}, "job web wants it"},
		{"job pinned the id, the tag has moved", func(in *Input) {
			in.Jobs["web"] = store.JobRecord{Generation: 1, Spec: spec("redis:8", 1)}
			in.Deployments["web"] = settled(1, redisID)
		}, "job web wants it"},
		{"image with a runtime name", func(in *Input) {
			in.Jobs["web"] = store.JobRecord{Generation: 1, Spec: spec("redis:${NOMAD_META_v}", 1)}
			in.Deployments["web"] = settled(1, "")
		}, gone},
		{"orphan without a spec", func(in *Input) {
			in.Jobs["web"] = store.JobRecord{Held: store.HeldOrphan}
		}, gone},

		{"older generation, update not seen yet", func(in *Input) {
			in.Jobs["web"] = store.JobRecord{Generation: 2, Spec: spec("redis:8", 1)}
			in.Specs[store.SpecKey("web", 1)] = store.SpecRecord{Spec: spec("redis:7", 1)}
			in.Deployments["web"] = settled(1, "")
		}, "job web may need it again while its update is not healthy"},
		{"older generation, update runs", func(in *Input) {
			in.Jobs["web"] = store.JobRecord{Generation: 2, Spec: spec("redis:8", 1)}
			in.Specs[store.SpecKey("web", 1)] = store.SpecRecord{Spec: spec("redis:7", 1)}
			d := settled(2, "")
			d.Conditions[0].Status = job.True
			in.Deployments["web"] = d
		}, "job web may need it again while its update is not healthy"},
		{"older generation's id, update is degraded", func(in *Input) {
			in.Jobs["web"] = store.JobRecord{Generation: 2, Spec: spec("redis:8", 1)}
			in.Allocs["a1"] = job.AllocSpec{ID: "a1", Job: "web", Desired: job.DesiredStop}
			in.Statuses["a1"] = job.AllocStatus{EndedAt: t0, Tasks: map[string]job.TaskStatus{"web": {ImageID: redisID}}}
			d := settled(2, "")
			d.Conditions[1].Status = job.Unknown
			in.Deployments["web"] = d
		}, "job web may need it again while its update is not healthy"},
		{"older generation, update is done", func(in *Input) {
			in.Jobs["web"] = store.JobRecord{Generation: 2, Spec: spec("redis:8", 1)}
			in.Specs[store.SpecKey("web", 1)] = store.SpecRecord{Spec: spec("redis:7", 1)}
			in.Deployments["web"] = settled(2, "")
		}, gone},
		{"older generation of a job whose name begins alike", func(in *Input) {
			in.Jobs["web"] = store.JobRecord{Generation: 2, Spec: spec("redis:8", 1)}
			in.Specs[store.SpecKey("web-2", 1)] = store.SpecRecord{Spec: spec("redis:7", 1)}
		}, gone},

		{"a pull is about to bring it", func(in *Input) {
			in.Intents[store.IntentKey(redis)] = store.ImageIntent{Ref: redis, At: t0}
		}, "it is being brought"},
		{"only other references are left", func(in *Input) {
			in.Images[0].Refs = []string{"docker.io/library/keep:1"}
		}, "other references hold it: keep:1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := due()
			tc.with(&in)
			out := Plan(in)
			got := out.Clocks[redisID].Kept
			if len(out.Delete) > 0 {
				got = gone
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if got != gone && !out.Clocks[redisID].UnusedSince.IsZero() {
				t.Error("the clock of an image in use runs")
			}
		})
	}
}

func TestPlanTellsTheJobFirst(t *testing.T) {
	in := due()
	in.Containers = []observed.Container{
		{Name: "theirs", ImageID: redisID},
		{Name: "web-a1", ImageID: redisID, Ours: true, Identity: job.Identity{Job: "web", AllocID: "a1"}},
	}
	in.Allocs["a1"] = job.AllocSpec{ID: "a1", Job: "web", Desired: job.DesiredRun, Images: map[string]string{"web": redis}}
	check(t, in, "clock sha256:1111 kept: allocation a1 of job web has it")
	in.Jobs["web"] = store.JobRecord{Generation: 1, Spec: spec("redis:7", 1)}
	check(t, in, "clock sha256:1111 kept: job web wants it")
}

// TestLaw_MineOnly: what we did not bring is never removed.
func TestLaw_MineOnly(t *testing.T) {
	in := due()
	in.Provenance = nil
	in.Clocks = nil
	check(t, in) // not even recorded

	in = due()
	in.Provenance = nil
	check(t, in, "clock sha256:1111 kept: it was here before it was wanted: not ours")

	in.Clocks = nil
	in.Allocs["a1"] = job.AllocSpec{ID: "a1", Job: "web", Desired: job.DesiredRun, Images: map[string]string{"web": redis}}
	check(t, in, "clock sha256:1111 kept: it was here before it was wanted: not ours")
}
