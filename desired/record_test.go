package desired

import (
	"slices"
	"testing"
	"time"

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
