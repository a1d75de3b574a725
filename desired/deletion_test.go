package desired

import (
	"errors"
	"testing"
	"time"

	"reconciler/store"
)

// settled is a world with n jobs that have been there for long.
func settled(n int) *world {
	w := newWorld()
	w.fill(n)
	w.scan()
	w.pass(time.Hour)
	return w
}

func TestDeletionWaitsForGrace(t *testing.T) {
	w := settled(3)
	w.remove("j1.hcl")
	wantTold(t, w.scan())
	wantState(t, w, "j0:1", "j1:1 grace", "j2:1")
	wantTold(t, w.pass(testGrace-time.Millisecond))
	wantState(t, w, "j0:1", "j1:1 grace", "j2:1")
	wantTold(t, w.pass(time.Millisecond), "JobDeleted j1")
	wantState(t, w, "j0:1", "j1:1 deleted", "j2:1")
}

func TestGoneForAMomentIsNothing(t *testing.T) {
	w := settled(3)
	before := w.state()
	w.remove("j1.hcl")
	w.scan()
	w.now = w.now.Add(testGrace / 2)
	w.fill(3)
	wantTold(t, w.scan())
	wantTold(t, w.pass(time.Minute))
	wantState(t, w, before...)
	if rec := w.manifests["j1.hcl"]; !rec.Since.Equal(epoch) {
		t.Errorf("manifest's since moved to %s", rec.Since)
	}
}

func TestBlockGoneFromFile(t *testing.T) {
	w := newWorld()
	w.write("all.hcl", block("a")+block("b"))
	w.scan()
	w.write("all.hcl", block("a"))
	w.scan()
	wantState(t, w, "a:1", "b:1 grace")
	wantTold(t, w.pass(testGrace), "JobDeleted b")
}

func TestEmptiedFileIsAProblem(t *testing.T) {
	for _, text := range []string{"", "\n\n", "# nothing\n"} {
		w := newWorld()
		w.write("all.hcl", block("a")+block("b"))
		w.scan()
		w.now = w.now.Add(time.Minute)
		w.write("all.hcl", text)
		wantTold(t, w.scan())
		if got := w.problems(); len(got) != 0 {
			t.Errorf("problems before the file was still: %q", got)
		}
		wantTold(t, w.pass(stillFor), "ManifestInvalid all.hcl")
		wantTold(t, w.pass(time.Hour))
		wantState(t, w, "a:1", "b:1")
		w.write("all.hcl", block("a")+block("b"))
		wantTold(t, w.pass(stillFor), "ManifestFixed all.hcl")
		wantState(t, w, "a:1", "b:1")
	}
}

func TestEmptyFileThatNeverHadJobsIsNothing(t *testing.T) {
	w := newWorld()
	w.write("empty.hcl", "# later\n")
	wantTold(t, w.pass(time.Hour))
	if len(w.manifests) != 0 {
		t.Errorf("records: %v", w.manifests)
	}
}

func TestFirstScan(t *testing.T) {
	tests := []struct {
		name   string
		jobs   int
		remove []string
		want   []string // after the first scan of a new start
	}{
		{"all gone", 3, []string{"j0.hcl", "j1.hcl", "j2.hcl"}, []string{"j0:1 MassDeletionHeld", "j1:1 MassDeletionHeld", "j2:1 MassDeletionHeld"}},
		{"the only one gone", 1, []string{"j0.hcl"}, []string{"j0:1 MassDeletionHeld"}},
		{"more than half", 3, []string{"j0.hcl", "j1.hcl"}, []string{"j0:1 MassDeletionHeld", "j1:1 MassDeletionHeld", "j2:1"}},
		{"half", 4, []string{"j0.hcl", "j1.hcl"}, []string{"j0:1 grace", "j1:1 grace", "j2:1", "j3:1"}},
		{"one", 3, []string{"j0.hcl"}, []string{"j0:1 grace", "j1:1", "j2:1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := settled(tt.jobs)
			w.first = true
			w.remove(tt.remove...)
			w.scan()
			wantState(t, w, tt.want...)
		})
	}
}

func TestFirstScanWithAnotherManifestOnly(t *testing.T) {
	w := settled(1)
	w.first = true
	w.remove("j0.hcl")
	w.write("new.hcl", block("new"))
	w.scan()
	wantState(t, w, "j0:1 MassDeletionHeld", "new:1")
}

func TestFirstScanCountsJobsOfLabels(t *testing.T) {
	w := settled(1)
	w.first = true
	w.remove("j0.hcl")
	w.write("a.hcl", block("a"))
	w.running["a"] = labels(7, tinyJob("a"))
	w.scan() // one of two known jobs: not more than half
	wantState(t, w, "a:7", "j0:1 grace")
}

func TestFirstScanWaitsForRunning(t *testing.T) {
	w := settled(2)
	w.first, w.ready, w.live = true, false, false
	w.remove("j0.hcl", "j1.hcl")
	w.write("new.hcl", block("new"))
	wantTold(t, w.pass(time.Hour))
	wantState(t, w, "j0:1", "j1:1")
	w.ready, w.live = true, true
	w.scan()
	wantState(t, w, "j0:1 MassDeletionHeld", "j1:1 MassDeletionHeld", "new:1")
}

func TestGraceBeginsAnewAfterRestart(t *testing.T) {
	w := settled(3)
	w.remove("j0.hcl")
	w.scan()
	w.first, w.now = true, w.now.Add(time.Hour)
	w.scan()
	wantState(t, w, "j0:1 grace", "j1:1", "j2:1")
	wantTold(t, w.pass(testGrace), "JobDeleted j0")
}

func TestLaterScan(t *testing.T) {
	tests := []struct {
		name   string
		jobs   int
		remove int
		held   int
	}{
		{"all of three", 3, 3, 0},
		{"half of four", 4, 2, 0},
		{"three of four", 4, 3, 3},
		{"all of four", 4, 4, 4},
		{"five of ten", 10, 5, 0},
		{"six of ten", 10, 6, 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := settled(tt.jobs)
			for i := range tt.remove {
				w.remove("j" + string(rune('0'+i)) + ".hcl")
			}
			w.scan()
			w.pass(testGrace)
			held, deleted := 0, 0
			for _, r := range w.jobs {
				if r.Held == store.HeldMassDeletion {
					held++
				}
				if !r.Deleted.IsZero() {
					deleted++
				}
			}
			if held != tt.held || held+deleted != tt.remove {
				t.Errorf("held %d, deleted %d; want %d of %d held", held, deleted, tt.held, tt.remove)
			}
		})
	}
}

// rm and rsync are slower than a scan: what went piece by piece within a
// minute is judged together.
func TestSlowRemovalIsHeld(t *testing.T) {
	t.Run("in its grace", func(t *testing.T) {
		w := settled(4)
		for _, f := range []string{"j0.hcl", "j1.hcl", "j2.hcl"} {
			w.remove(f)
			w.scan()
			w.now = w.now.Add(time.Second)
		}
		w.pass(time.Minute)
		wantState(t, w, "j0:1 MassDeletionHeld", "j1:1 MassDeletionHeld", "j2:1 MassDeletionHeld", "j3:1")
	})
	t.Run("gone in the last minute", func(t *testing.T) {
		w := settled(4)
		for _, f := range []string{"j0.hcl", "j1.hcl", "j2.hcl"} {
			w.remove(f)
			w.scan()
			w.pass(20 * time.Second)
		}
		wantState(t, w, "j0:1 deleted", "j1:1 deleted", "j2:1 MassDeletionHeld", "j3:1")
	})
	t.Run("gone long ago", func(t *testing.T) {
		w := settled(4)
		for _, f := range []string{"j0.hcl", "j1.hcl", "j2.hcl"} {
			w.remove(f)
			w.scan()
			w.pass(2 * time.Minute)
		}
		wantState(t, w, "j3:1")
	})
	t.Run("beside what is held", func(t *testing.T) {
		w := settled(10)
		w.remove("j0.hcl", "j1.hcl", "j2.hcl", "j3.hcl", "j4.hcl", "j5.hcl")
		w.scan()
		w.pass(testGrace)
		w.remove("j6.hcl", "j7.hcl", "j8.hcl", "j9.hcl")
		w.scan()
		w.pass(time.Hour)
		for name, r := range w.jobs {
			if r.Held != store.HeldMassDeletion {
				t.Errorf("%s is not held: %+v", name, r)
			}
		}
	})
}

func TestMassDeletionAllowed(t *testing.T) {
	w := settled(5)
	w.allow = true
	w.first = true
	w.remove("j0.hcl", "j1.hcl", "j2.hcl", "j3.hcl")
	w.scan()
	wantTold(t, w.pass(testGrace), "JobDeleted j0", "JobDeleted j1", "JobDeleted j2", "JobDeleted j3")
}

func TestHoldOutlastsScansAndRestarts(t *testing.T) {
	w := settled(4)
	w.remove("j0.hcl", "j1.hcl", "j2.hcl")
	w.scan()
	w.pass(testGrace)
	held := w.state()
	since := w.jobs["j0"].HeldSince
	wantTold(t, w.pass(time.Hour))
	w.first = true
	wantTold(t, w.pass(time.Hour))
	w.allow = true // for what is deleted from now on
	wantTold(t, w.pass(time.Hour))
	wantState(t, w, held...)
	if !w.jobs["j0"].HeldSince.Equal(since) {
		t.Error("HeldSince moved")
	}

	w.write("j0.hcl", block("j0"))
	wantTold(t, w.scan(), "DeletionReleased j0")
	w.write("j3.hcl", block("j3", "image=new"))
	wantTold(t, w.scan(), "JobChanged j3")
	wantState(t, w, "j0:1", "j1:1 MassDeletionHeld", "j2:1 MassDeletionHeld", "j3:2")
}

func TestConfirm(t *testing.T) {
	w := settled(4)
	w.remove("j0.hcl", "j1.hcl", "j2.hcl")
	w.scan()
	w.pass(testGrace)
	w.running["stray"] = labels(3, tinyJob("stray"))
	wantTold(t, w.scan(), "OrphanHeld stray")
	jobs, changes := confirm(w.jobs, w.now)
	w.jobs = jobs
	if len(changes) != 4 {
		t.Errorf("confirmed %v", changes)
	}
	wantState(t, w, "j0:1 deleted", "j1:1 deleted", "j2:1 deleted", "j3:1", "stray:0 deleted")

	// What a person confirmed does not count against the next deletion.
	w.fill(10)
	w.remove("j0.hcl", "j1.hcl", "j2.hcl")
	w.scan()
	w.remove("j4.hcl", "j5.hcl")
	w.scan()
	wantTold(t, w.pass(testGrace), "JobDeleted j4", "JobDeleted j5")
}

func TestOrphans(t *testing.T) {
	w := newWorld()
	w.running["web"] = labels(4, tinyJob("web"))
	wantTold(t, w.scan(), "OrphanHeld web")
	wantTold(t, w.pass(time.Hour))
	wantState(t, w, "web:0 OrphanHeld")

	t.Run("named by a file", func(t *testing.T) {
		w := *w
		w.text, w.at = map[string]string{}, map[string]time.Time{}
		w.write("web.hcl", block("web"))
		wantTold(t, w.scan(), "JobAdded web")
		wantState(t, &w, "web:4")
	})
	t.Run("its containers go", func(t *testing.T) {
		w := *w
		w.running = map[string]RunningJob{}
		wantTold(t, w.scan())
		wantState(t, &w)
	})
	t.Run("dockerd away", func(t *testing.T) {
		w := *w
		w.live, w.running = false, map[string]RunningJob{}
		wantTold(t, w.scan())
		wantState(t, &w, "web:0 OrphanHeld")
	})
}

// A file that has not been read since the store was lost may name any job.
func TestBrokenFileAfterStateLossOrphans(t *testing.T) {
	w := newWorld()
	w.running["web"] = labels(4, tinyJob("web"))
	w.write("web.hcl", "job {")
	w.scan()
	w.pass(time.Hour)
	wantState(t, w, "web:0 OrphanHeld")
	w.write("web.hcl", block("web"))
	w.scan()
	wantState(t, w, "web:4")
}

func TestDarkFolderHoldsItsJobs(t *testing.T) {
	w := newWorld()
	w.write("sub/a.hcl", block("a"))
	w.write("b.hcl", block("b"))
	w.scan()
	w.pass(time.Hour)
	w.dark["sub"] = errors.New("permission denied")
	wantTold(t, w.scan(), "ManifestInvalid sub")
	wantTold(t, w.pass(time.Hour))
	wantState(t, w, "a:1", "b:1")
	w.dark = map[string]error{}
	wantTold(t, w.scan(), "ManifestRemoved sub")
	wantState(t, w, "a:1", "b:1")
}

func TestTombstoneGoes(t *testing.T) {
	w := settled(3)
	w.run("j0")
	w.allocs["j0"] = 1
	w.remove("j0.hcl")
	w.scan()
	w.pass(testGrace)
	w.pass(time.Hour)
	wantState(t, w, "j0:1 deleted", "j1:1", "j2:1")
	delete(w.running, "j0")
	w.pass(time.Hour)
	wantState(t, w, "j0:1 deleted", "j1:1", "j2:1")
	delete(w.allocs, "j0")
	w.live = false
	w.pass(time.Hour)
	wantState(t, w, "j0:1 deleted", "j1:1", "j2:1")
	w.live = true
	wantTold(t, w.scan())
	wantState(t, w, "j1:1", "j2:1")
}

func TestJobThatNeverRanLeavesNoTombstone(t *testing.T) {
	w := settled(3)
	w.remove("j0.hcl")
	w.scan()
	w.pass(testGrace)
	wantState(t, w, "j0:1 deleted", "j1:1", "j2:1")
	w.pass(tombstoneFor)
	wantState(t, w, "j1:1", "j2:1")
}
