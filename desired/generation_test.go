package desired

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/store"
)

func TestGeneration(t *testing.T) {
	old, edited := tinyJob("web"), tinyJob("web", "image=v2")
	rec := func(gen uint64, j *job.Job) store.JobRecord {
		return store.JobRecord{Generation: gen, Hash: job.Hash(j), File: "web.hcl", Spec: j}
	}
	tomb := rec(4, old)
	tomb.Deleted = epoch.Add(-time.Second)
	tests := []struct {
		name   string
		stored *store.JobRecord
		runs   *RunningJob
		allocs uint64
		file   string
		want   uint64
		told   string // reason, "" for nothing
	}{
		{name: "new", file: block("web"), want: 1, told: "JobAdded web"},
		{name: "unchanged", stored: new(rec(3, old)), file: block("web"), want: 3},
		{name: "reformatted", stored: new(rec(3, old)), file: "# comment\n\n" + block("web"), want: 3},
		{name: "edited", stored: new(rec(3, old)), file: block("web", "image=v2"), want: 4, told: "JobChanged web"},
		{name: "edited and runs", stored: new(rec(3, old)), runs: new(labels(3, old)), file: block("web", "image=v2"), want: 4, told: "JobChanged web"},
		{name: "no record, runs as the file says", runs: new(labels(7, old)), file: block("web"), want: 7, told: "JobAdded web"},
		{name: "no record, runs otherwise", runs: new(labels(7, edited)), file: block("web"), want: 8, told: "JobAdded web"},
		{name: "no record, allocs of a later one", runs: new(labels(7, old)), allocs: 9, file: block("web"), want: 10, told: "JobAdded web"},
		{name: "older store, runs as the file says", stored: new(rec(3, old)), runs: new(labels(5, edited)), file: block("web", "image=v2"), want: 5, told: "JobAdded web"},
		{name: "older store, runs otherwise", stored: new(rec(3, old)), runs: new(labels(5, edited)), file: block("web"), want: 6, told: "JobChanged web"},
		{name: "made in an older generation", stored: new(rec(3, old)), runs: new(labels(2, old)), file: block("web"), want: 3},
		{name: "wanted again", stored: &tomb, file: block("web"), want: 5, told: "JobAdded web"},
		{name: "wanted again while it stops", stored: &tomb, runs: new(labels(6, old)), file: block("web"), want: 7, told: "JobAdded web"},
		{name: "orphan that is deleted, wanted again", stored: &store.JobRecord{Deleted: epoch}, runs: new(labels(6, old)), file: block("web"), want: 7, told: "JobAdded web"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			if tt.stored != nil {
				w.jobs["web"] = *tt.stored
			}
			if tt.runs != nil {
				w.running["web"] = *tt.runs
			}
			if tt.allocs > 0 {
				w.allocs["web"] = tt.allocs
			}
			w.write("web.hcl", tt.file)
			told := w.scan()
			var want []string
			if tt.told != "" {
				want = []string{tt.told}
			}
			wantTold(t, told, want...)
			got := w.jobs["web"]
			if got.Generation != tt.want || !got.Deleted.IsZero() || got.Held != "" || got.Spec == nil {
				t.Errorf("record %+v, want a live one of generation %d", got, tt.want)
			}
			wantTold(t, w.scan())
			if w.jobs["web"].Generation != tt.want {
				t.Errorf("the next scan made it generation %d", w.jobs["web"].Generation)
			}
		})
	}
}

// Before the first good list nothing gets another meaning, nor another file:
// the labels of what runs have a say in both.
func TestNoGenerationBeforeRunningIsKnown(t *testing.T) {
	w := newWorld()
	w.jobs["old"] = store.JobRecord{Generation: 2, Hash: job.Hash(tinyJob("old")), File: "old.hcl", Spec: tinyJob("old")}
	w.ready, w.live = false, false
	w.write("new.hcl", block("new"))
	w.write("old.hcl", block("old", "image=v2"))
	w.scan()
	wantState(t, w, "old:2")
	w.ready, w.live = true, true
	w.running["new"] = labels(9, tinyJob("new"))
	w.scan()
	wantState(t, w, "new:9", "old:3")
}

func TestOutdatedSpecNeverActs(t *testing.T) {
	w := newWorld()
	w.jobs["web"] = store.JobRecord{Generation: 2, Hash: "v1:x", File: "web.hcl", Spec: tinyJob("web")}
	w.running["web"] = labels(5, tinyJob("web", "image=v5"))
	w.write("web.hcl", "job {")
	wantTold(t, w.scan(), "SpecOutdated web")
	wantTold(t, w.pass(time.Hour), "ManifestInvalid web.hcl")
	wantState(t, w, "web:2 SpecOutdated")

	w.first, w.ready, w.live = true, false, false // a restart, and dockerd is away
	wantTold(t, w.pass(time.Hour))
	wantState(t, w, "web:2 SpecOutdated")

	w.ready, w.live = true, true
	w.write("web.hcl", block("web", "image=v5"))
	w.scan()
	wantState(t, w, "web:5")
}

func TestMissingJobOfOlderStore(t *testing.T) {
	w := settled(3)
	w.running["j0"] = labels(5, tinyJob("j0", "image=v5"))
	w.remove("j0.hcl")
	w.scan()
	wantState(t, w, "j0:1 SpecOutdated", "j1:1", "j2:1")
	wantTold(t, w.pass(testGrace), "JobDeleted j0")
}

func TestMovedJobKeepsItsGeneration(t *testing.T) {
	w := settled(2)
	w.remove("j0.hcl")
	w.write("sub/renamed.hcl", block("j0"))
	wantTold(t, w.scan(), "JobMoved j0")
	wantState(t, w, "j0:1", "j1:1")
	if got := w.jobs["j0"].File; got != "sub/renamed.hcl" {
		t.Errorf("file is %q", got)
	}
	wantTold(t, w.pass(time.Hour))
}

// A job that is cut from one file and put into another is in both for a
// moment, or in none; neither is worth a word.
func TestMovedBlock(t *testing.T) {
	w := newWorld()
	w.write("a.hcl", block("x")+block("y"))
	w.write("b.hcl", block("z"))
	w.scan()
	w.pass(time.Minute)
	w.write("b.hcl", block("z")+block("y"))
	wantTold(t, w.scan())
	w.now = w.now.Add(stillFor / 2)
	w.write("a.hcl", block("x"))
	wantTold(t, w.scan(), "JobMoved y")
	wantTold(t, w.pass(time.Hour))
	wantState(t, w, "x:1", "y:1", "z:1")
}

// The last block of a file moves away: the file that is left is empty, and
// that is no problem, since none of its jobs is gone.
func TestLastBlockMoves(t *testing.T) {
	w := newWorld()
	w.write("a.hcl", block("x"))
	w.scan()
	w.write("b.hcl", block("x"))
	w.write("a.hcl", "")
	wantTold(t, w.pass(time.Hour), "JobMoved x")
	wantState(t, w, "x:1")
	if got := w.problems(); len(got) != 0 {
		t.Errorf("problems %q", got)
	}
}

func TestChangedFields(t *testing.T) {
	two := tinyJob("web")
	two.Groups = append(two.Groups, tinyJob("side").Groups[0])
	typed := tinyJob("web")
	typed.Type = job.TypeSystem
	dc := tinyJob("web")
	dc.Datacenters = []string{"dc2"}
	tests := []struct {
		name     string
		old, new *job.Job
		want     []string
	}{
		{"image", tinyJob("web"), tinyJob("web", "image=v2"), []string{"tasks.web.config.image"}},
		{"count", tinyJob("web"), tinyJob("web", "count=3"), []string{"count"}},
		{"group added", tinyJob("web"), two, []string{`group "side" added`}},
		{"group removed", two, tinyJob("web"), []string{`group "side" removed`}},
		{"type", tinyJob("web"), typed, []string{"type"}},
		{"datacenters", tinyJob("web"), dc, []string{"datacenters"}},
		{"unknown", nil, tinyJob("web"), []string{"everything"}},
		{"nothing that has a name", tinyJob("web"), tinyJob("web"), []string{"order of groups"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, changedFields(tt.old, tt.new)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRuns(t *testing.T) {
	spec := tinyJob("web")
	two := tinyJob("web")
	two.Groups = append(two.Groups, tinyJob("side").Groups[0])
	idle := tinyJob("web")
	idle.Groups = append(idle.Groups, tinyJob("side", "count=0").Groups[0])
	tests := []struct {
		name string
		runs RunningJob
		spec *job.Job
		want bool
	}{
		{"same", labels(1, spec), spec, true},
		{"nothing", RunningJob{}, spec, false},
		{"other hash", labels(1, tinyJob("web", "image=x")), spec, false},
		{"one group more runs", labels(1, two), spec, false},
		{"one group less runs", labels(1, spec), two, false},
		{"the group that does not run wants nothing", labels(1, spec), idle, true},
	}
	for _, tt := range tests {
		if got := tt.runs.runs(tt.spec); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}
