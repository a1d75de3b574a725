package gc

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reconciler/internal/job"
	"reconciler/observed"
)

func TestPlanRecords(t *testing.T) {
	ago := func(d time.Duration) job.AllocStatus { return job.AllocStatus{EndedAt: t0.Add(-d)} }
	stopped := job.AllocSpec{Job: "web", Desired: job.DesiredStop}
	ours := []observed.Container{{Ours: true, Identity: job.Identity{Job: "web", AllocID: "a1"}}}
	for _, tc := range []struct {
		name string
		in   RecordsInput
		reap []string
		gone []string
	}{
		{"ended an hour ago", RecordsInput{
			Allocs: map[string]job.AllocSpec{"a1": stopped}, Statuses: map[string]job.AllocStatus{"a1": ago(time.Hour)},
			Dirs: []string{"a1"},
		}, []string{"a1"}, nil},
		{"ended a little later", RecordsInput{
			Allocs: map[string]job.AllocSpec{"a1": stopped}, Statuses: map[string]job.AllocStatus{"a1": ago(time.Hour - 1)},
		}, nil, nil},
		{"stopping", RecordsInput{
			Allocs: map[string]job.AllocSpec{"a1": stopped}, Statuses: map[string]job.AllocStatus{"a1": {}},
		}, nil, nil},
		{"wanted", RecordsInput{
			Allocs: map[string]job.AllocSpec{"a1": {Job: "web", Desired: job.DesiredRun}}, Statuses: map[string]job.AllocStatus{"a1": ago(time.Hour)},
		}, nil, nil},
		{"its container is not gone", RecordsInput{
			Allocs: map[string]job.AllocSpec{"a1": stopped}, Statuses: map[string]job.AllocStatus{"a1": ago(time.Hour)},
			Containers: ours,
		}, nil, nil},
		{"a stranger's container", RecordsInput{
			Allocs: map[string]job.AllocSpec{"": stopped}, Statuses: map[string]job.AllocStatus{"": ago(time.Hour)},
			Containers: []observed.Container{{Name: "theirs"}},
		}, []string{""}, nil},
		{"unknown directory, seen now", RecordsInput{Dirs: []string{"a1"}}, nil, nil},
		{"unknown directory, seen a day ago", RecordsInput{
			Dirs: []string{"a1"}, Seen: map[string]time.Time{"a1": t0.Add(-KeepUnknown)},
		}, nil, []string{"a1"}},
		{"unknown directory, seen a little later", RecordsInput{
			Dirs: []string{"a1"}, Seen: map[string]time.Time{"a1": t0.Add(-KeepUnknown + 1)},
		}, nil, nil},
		{"unknown directory, the clock was set back", RecordsInput{
			Dirs: []string{"a1"}, Seen: map[string]time.Time{"a1": t0.Add(time.Hour)},
		}, nil, nil},
		{"unknown directory after a loss of the state", RecordsInput{
			Dirs: []string{"a1"}, Seen: map[string]time.Time{"a1": t0.Add(-KeepUnknown)}, StateLost: true,
		}, nil, nil},
		{"directory of a container that has no record yet", RecordsInput{
			Dirs: []string{"a1"}, Seen: map[string]time.Time{"a1": t0.Add(-KeepUnknown)}, Containers: ours,
		}, nil, nil},
		{"directory with a status alone", RecordsInput{
			Dirs: []string{"a1"}, Seen: map[string]time.Time{"a1": t0.Add(-KeepUnknown)}, Statuses: map[string]job.AllocStatus{"a1": {}},
		}, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.in.Now = t0
			out := PlanRecords(tc.in)
			if diff := cmp.Diff(tc.reap, ids(out.Reap)); diff != "" {
				t.Errorf("reaped (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.gone, out.Remove); diff != "" {
				t.Errorf("removed (-want +got):\n%s", diff)
			}
		})
	}
}

func ids(list []Reap) []string {
	var out []string
	for _, r := range list {
		out = append(out, r.AllocID)
	}
	return out
}

func TestPlanRecordsRemembersFirstSight(t *testing.T) {
	seen := map[string]time.Time{"old": t0.Add(-time.Hour), "known": t0.Add(-time.Hour), "gone": t0, "future": t0.Add(time.Hour)}
	out := PlanRecords(RecordsInput{
		Now: t0, Dirs: []string{"old", "new", "known", "future"}, Seen: seen,
		Allocs: map[string]job.AllocSpec{"known": {}},
	})
	want := map[string]time.Time{"old": t0.Add(-time.Hour), "new": t0, "future": t0}
	if diff := cmp.Diff(want, out.Seen); diff != "" {
		t.Errorf("seen (-want +got):\n%s", diff)
	}
}

func TestPlanRecordsKeepsTenPerJob(t *testing.T) {
	in := RecordsInput{Now: t0, Allocs: map[string]job.AllocSpec{}, Statuses: map[string]job.AllocStatus{}}
	for i := range 12 {
		for _, name := range []string{"web", "db"} {
			id := fmt.Sprintf("%s-%02d", name, i)
			in.Allocs[id] = job.AllocSpec{Job: name, Desired: job.DesiredStop}
			in.Statuses[id] = job.AllocStatus{EndedAt: t0.Add(-time.Duration(i) * time.Minute)}
		}
	}
	delete(in.Allocs, "db-00")
	want := []string{"db-11", "web-10", "web-11"}
	for range 20 { // in the order of no map
		if diff := cmp.Diff(want, ids(PlanRecords(in).Reap)); diff != "" {
			t.Fatalf("reaped (-want +got):\n%s", diff)
		}
	}
}

// TestPlanRecordsProperties: nothing that is wanted or has a container goes,
// ten ended allocations of a job at most stay, and a second plan has nothing
// to do.
func TestPlanRecordsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genInput(t)
		in := RecordsInput{
			Now: t0.Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, "later")) * time.Second), Allocs: w.Allocs, Statuses: w.Statuses, Containers: w.Containers,
			Dirs: some(t, append(genAlloc, "a4", "a5"), "dirs"), Seen: map[string]time.Time{},
			StateLost: rapid.Bool().Draw(t, "state lost"),
		}
		for _, id := range some(t, in.Dirs, "seen") {
			in.Seen[id] = t0.Add(-time.Duration(rapid.IntRange(20, 28).Draw(t, "hours")) * time.Hour)
		}
		out := PlanRecords(in)
		for _, id := range append(ids(out.Reap), out.Remove...) {
			if a, ok := in.Allocs[id]; ok && a.Desired != job.DesiredStop {
				t.Fatalf("%s goes and is wanted", id)
			}
			if slices.ContainsFunc(in.Containers, func(c observed.Container) bool { return c.Ours && c.Identity.AllocID == id }) {
				t.Fatalf("%s goes and has a container", id)
			}
		}
		if in.StateLost && len(out.Remove) > 0 {
			t.Fatalf("%v go after a loss of the state", out.Remove)
		}
		next := in
		next.Seen = out.Seen
		next.Dirs = slices.DeleteFunc(slices.Clone(in.Dirs), func(id string) bool {
			return slices.Contains(out.Remove, id) || slices.Contains(ids(out.Reap), id)
		})
		next.Allocs, next.Statuses = map[string]job.AllocSpec{}, map[string]job.AllocStatus{}
		for id, a := range in.Allocs {
			if !slices.Contains(ids(out.Reap), id) {
				next.Allocs[id] = a
			}
		}
		for id, s := range in.Statuses {
			if !slices.Contains(ids(out.Reap), id) {
				next.Statuses[id] = s
			}
		}
		if again := PlanRecords(next); len(again.Reap)+len(again.Remove) > 0 {
			t.Fatalf("a second plan has something to do: %+v", again)
		}
	})
}
