package desired

import (
	"strings"
	"testing"
	"time"
)

// broken is a line that no manifest has.
const broken = "job {"

// A broken file under another name is still the file that its jobs came from:
// whoever renames it deletes nothing.
func TestBrokenFileIsRenamed(t *testing.T) {
	for _, tt := range []struct {
		name, text string
	}{
		{"it speaks of its job", block("j1") + "\n" + broken},
		{"it says nothing", broken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := settled(3)
			w.write("j1.hcl", tt.text)
			w.scan()
			w.remove("j1.hcl")
			w.write("renamed.hcl", tt.text)
			wantTold(t, w.scan(), "JobMoved j1")
			wantState(t, w, "j0:1", "j1:1", "j2:1")
			wantTold(t, w.pass(time.Hour), "ManifestInvalid renamed.hcl")
			wantState(t, w, "j0:1", "j1:1", "j2:1")

			w.write("renamed.hcl", block("j1"))
			w.scan()
			wantState(t, w, "j0:1", "j1:1", "j2:1")
		})
	}
}

// A file that was broken before, and speaks of other things, keeps nobody from
// deleting a job.
func TestBrokenFileOfOthersHoldsNothing(t *testing.T) {
	w := settled(3)
	w.write("new.hcl", block("other")+"\n"+broken)
	w.scan()
	w.pass(time.Minute)
	w.remove("j1.hcl")
	w.scan()
	wantTold(t, w.pass(testGrace), "JobDeleted j1")
	wantState(t, w, "j0:1", "j1:1 deleted", "j2:1")
}

// What was meant as a deletion is done once the broken file is mended or goes.
func TestDeletionBesideANewBrokenFile(t *testing.T) {
	for name, mend := range map[string]func(w *world){
		"mended":  func(w *world) { w.write("new.hcl", block("other")) },
		"removed": func(w *world) { w.remove("new.hcl") },
	} {
		t.Run(name, func(t *testing.T) {
			w := settled(3)
			w.remove("j1.hcl")
			w.write("new.hcl", broken)
			wantTold(t, w.scan(), "JobMoved j1")
			w.pass(time.Hour)
			mend(w)
			w.scan()
			w.pass(testGrace)
			if got := strings.Join(w.state(), ", "); !strings.Contains(got, "j1:1 deleted") {
				t.Errorf("jobs %s", got)
			}
		})
	}
}

func TestFindHeaders(t *testing.T) {
	got := findHeaders([]byte("job \"a\" {\n  group b-1 {\n\ttask \"c.d\"{ imge = \n# job \"no\" {\njob {\n x = \"job \\\"e\\\" {\"\n"))
	for _, name := range []string{"a", "b-1", "c.d"} {
		if !got[name] {
			t.Errorf("%q is not found in %v", name, got)
		}
	}
	if len(got) != 3 {
		t.Errorf("found %v", got)
	}
}
