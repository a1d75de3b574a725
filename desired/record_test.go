package desired

import (
	"slices"
	"testing"
	"time"

	"reconciler/internal/job"
	"reconciler/store"
)

func TestLeavingJobsAreRecordedFirst(t *testing.T) {
	got := leavingFirst(map[string]store.JobRecord{
		"a-new":  {Generation: 1},
		"b-old":  {Generation: 1, MissingSince: time.Unix(1, 0)},
		"c-held": {Generation: 1, Held: store.HeldMassDeletion},
		"d-gone": {Generation: 1, Deleted: time.Unix(1, 0)},
		"e-stay": {Generation: 1},
	})
	if want := []string{"b-old", "c-held", "d-gone", "a-new", "e-stay"}; !slices.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

// The specs stay that the job, an allocation, or an update that may be taken
// back needs; the others go after a while.
func TestSpecsThatAreNeeded(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for g := uint64(1); g <= 6; g++ {
		st.Specs.Put(store.SpecKey("web", g), store.SpecRecord{Spec: &job.Job{Name: "web"}})
	}
	st.Jobs.Put("web", store.JobRecord{Generation: 6})
	st.AllocSpecs.Put("a", job.AllocSpec{ID: "a", Job: "web", Generation: 4})
	st.Deployments.Put("web", store.DeploymentRecord{
		ObservedGeneration: 5,
		Groups:             map[string]store.GroupDeployment{"web": {Stable: &store.StableGroup{Generation: 2}}, "new": {}},
	})
	w := &Watcher{st: st, unused: map[string]time.Time{}}
	now := time.Unix(1, 0)
	w.prune(now)
	if n := st.Specs.Len(); n != 6 {
		t.Errorf("%d specs at the first look, want all", n)
	}
	w.prune(now.Add(specKeptFor))
	want := []string{"web/00000002", "web/00000004", "web/00000005", "web/00000006"}
	if got := st.Specs.Keys(); !slices.Equal(got, want) {
		t.Errorf("specs %v, want %v", got, want)
	}
}
