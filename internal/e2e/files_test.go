package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestBrokenFile: a broken file changes nothing that runs, also across a
// restart of the agent, and its problem is shown with its place.
func TestBrokenFile(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	good := spec{Job: "web", Count: 2, Image: ref, Text: "one", Port: true}
	w.drop("web.hcl", good.String())
	before := w.awaitRunning("web", 2)

	w.drop("web.hcl", good.String()+"\njob \"broken\" {\n")
	if p := w.awaitProblem("web.hcl"); p.Line == 0 || p.Col == 0 {
		t.Errorf("the problem has no place: %s", p)
	}
	w.staysSame(2*time.Second, "web", before)

	w.settle()
	w.crash()
	w.up()
	w.awaitProblem("web.hcl")
	w.staysSame(3*time.Second, "web", before)

	// The store knew the good spec; with only the labels left it must hold, too.
	w.crash()
	must(t, os.Remove(w.state()))
	w.up()
	w.awaitProblem("web.hcl")
	w.staysSame(3*time.Second, "web", before)

	good.Count = 1
	w.drop("web.hcl", good.String())
	w.awaitNoProblem("web.hcl")
	after := w.awaitRunning("web", 1)
	if err := sameContainer(before[0], after[0]); err != nil {
		t.Errorf("the one that stays: %v", err)
	}
}

// TestEmptied: a file that had jobs and has none now is a problem and deletes
// nothing: a full disk makes such files.
func TestEmptied(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	good := spec{Job: "web", Image: ref}.String()
	w.drop("web.hcl", good)
	before := w.awaitRunning("web", 1)
	for _, empty := range []string{"", "# nothing left\n"} {
		must(t, os.WriteFile(filepath.Join(w.manifests, "web.hcl"), []byte(empty), 0o644))
		w.awaitProblem("web.hcl")
		w.staysSame(2*time.Second, "web", before)
		w.drop("web.hcl", good)
		w.awaitNoProblem("web.hcl")
	}
	w.staysSame(time.Second, "web", before)
}

// TestBlockRemoved: a block that is gone from a file which still has others is
// a deletion.
func TestBlockRemoved(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	one, two := spec{Job: "one", Image: ref}.String(), spec{Job: "two", Image: ref}.String()
	w.drop("both.hcl", one+two)
	before := w.awaitRunning("one", 1)
	w.awaitRunning("two", 1)
	w.drop("both.hcl", one)
	w.awaitNone("two")
	w.staysSame(time.Second, "one", before)
}

// TestGrace: a file that is back within the grace was never gone.
func TestGrace(t *testing.T) {
	w := start(t, "--delete-grace", "5s")
	ref, _ := w.images.push("web:1", "1")
	good := spec{Job: "web", Image: ref}.String()
	w.drop("web.hcl", good)
	before := w.awaitRunning("web", 1)
	w.take("web.hcl")
	w.staysSame(2*time.Second, "web", before)
	w.drop("web.hcl", good)
	w.staysSame(5*time.Second, "web", before)
	// A rename is a removal and an addition; the job is the same.
	must(t, os.Rename(filepath.Join(w.manifests, "web.hcl"), filepath.Join(w.manifests, "shop.hcl")))
	w.staysSame(7*time.Second, "web", before)
	w.take("shop.hcl")
	w.awaitNone("web")
}

// TestDirectoryMovedAway: a missing directory holds everything, and works
// again when it is back.
func TestDirectoryMovedAway(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	s := spec{Job: "web", Image: ref, Text: "one", Port: true}
	w.drop("web.hcl", s.String())
	before := w.awaitRunning("web", 1)

	away := w.manifests + ".away"
	must(t, os.Rename(w.manifests, away))
	eventually(t, "status says that the directory is missing", func() error {
		st, err := w.status()
		if err == nil && (st.Manifests.OK || st.Manifests.Problem == "") {
			err = fmt.Errorf("manifests: %+v", st.Manifests)
		}
		return err
	})
	w.staysSame(2*time.Second, "web", before)
	w.crash()
	w.up()
	w.staysSame(3*time.Second, "web", before)

	must(t, os.Rename(away, w.manifests))
	eventuallyIn(t, patience, "status says that the directory is back", func() error {
		st, err := w.status()
		if err == nil && !st.Manifests.OK {
			err = fmt.Errorf("manifests: %+v", st.Manifests)
		}
		return err
	})
	w.staysSame(time.Second, "web", before)
	s.Text = "two"
	w.drop("web.hcl", s.String())
	w.awaitText("web", "two")
}

// TestMassDeletion: files that go all at once are held until somebody says
// that it is meant, or they are back.
func TestMassDeletion(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	names := []string{"a", "b", "c", "d"}
	before := map[string][]box{}
	for _, n := range names {
		w.drop(n+".hcl", spec{Job: n, Image: ref}.String())
	}
	for _, n := range names {
		before[n] = w.awaitRunning(n, 1)
	}
	w.settle()
	for _, n := range names {
		w.take(n + ".hcl")
	}
	for _, n := range names {
		w.awaitHeld(n, "MassDeletionHeld")
	}
	w.drop("a.hcl", spec{Job: "a", Image: ref}.String())
	w.awaitHeld("a", "")
	w.crash()
	w.up()
	for _, n := range names {
		w.staysSame(time.Second, n, before[n])
	}
	if r := w.run("confirm-deletions", "--data-dir", w.data); r.code != 0 || !containsAll(r.out, "b", "c", "d") {
		t.Fatalf("confirm-deletions: exit %d, %q, %q", r.code, r.out, r.err)
	}
	for _, n := range names[1:] {
		w.awaitNone(n)
	}
	w.staysSame(time.Second, "a", before["a"])
}
