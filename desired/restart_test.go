package desired

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/store"
)

func TestRestartChangesNothing(t *testing.T) {
	r := newRig(t)
	r.save("web.hcl", block("web")+block("side"))
	r.save("bad.hcl", "job {")
	r.start()
	r.wantProblem("bad.hcl", "Invalid block")
	r.stop()
	jobs, manifests, events := r.st.Jobs.All(), r.st.Manifests.All(), r.st.Events()
	r.start()
	r.stays("side:1, web:1")
	if diff := cmp.Diff(jobs, r.st.Jobs.All()) + cmp.Diff(manifests, r.st.Manifests.All()) + cmp.Diff(events, r.st.Events()); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	if n := len(r.log.AllEntries()); n != 0 {
		t.Errorf("%d log lines", n)
	}
}

func TestLaw_LastKnownGoodOverRestart(t *testing.T) {
	r := newRig(t)
	r.save("web.hcl", block("web"))
	r.start()
	r.wantJobs("web:1")
	r.stop()
	r.save("web.hcl", "job {")
	r.start()
	r.wantProblem("web.hcl", "Invalid block")
	r.stays("web:1")
	if rec, _ := r.st.Jobs.Get("web"); rec.Spec == nil {
		t.Error("the last good spec is lost")
	}
	r.save("web.hcl", block("web", "image=v2"))
	r.wantJobs("web:2")
}

func TestHoldOutlastsRestart(t *testing.T) {
	r := newRig(t)
	r.save("a.hcl", block("a"))
	r.save("b.hcl", block("b"))
	r.save("c.hcl", block("c"))
	r.start()
	r.wantJobs("a:1, b:1, c:1")
	r.stop()
	r.remove("a.hcl")
	r.remove("b.hcl")
	r.start()
	const held = "a:1 MassDeletionHeld, b:1 MassDeletionHeld, c:1"
	r.wantJobs(held)
	r.stop()
	r.start()
	r.stays(held)
	r.save("a.hcl", block("a"))
	r.wantJobs("a:1, b:1 MassDeletionHeld, c:1")
}

func TestDeletedWhileTheAgentWasDown(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"a", "b", "c"} {
		r.save(name+".hcl", block(name))
	}
	r.start()
	r.wantJobs("a:1, b:1, c:1")
	r.stop()
	r.remove("b.hcl")
	r.start()
	r.wantJobs("a:1, b:1 deleted, c:1")
}

// The store is lost: everything is adopted under the generation of its labels.
func TestLaw_StateLossAdoptsGenerations(t *testing.T) {
	r := newRig(t)
	r.save("web.hcl", block("web"))
	r.save("edited.hcl", block("edited", "image=v2"))
	r.save("new.hcl", block("new"))
	r.running.jobs = map[string]RunningJob{
		"web": labels(12, tinyJob("web")), "edited": labels(3, tinyJob("edited")), "stray": labels(1, tinyJob("stray")),
	}
	r.start()
	r.wantJobs("edited:4, new:1, stray:0 OrphanHeld, web:12")
}

func TestSpecsArePruned(t *testing.T) {
	r := newRig(t)
	r.save("web.hcl", block("web"))
	now := time.Now()
	w := New(Config{Dir: r.dir}, r.st, r.running, quiet())
	w.files = newFiles(tinyParse)
	w.now = func() time.Time { return now }
	defer w.notify.close()
	alloc := func(gen uint64) { r.st.AllocSpecs.Put("x", job.AllocSpec{ID: "x", Job: "web", Generation: gen}) }

	w.pass()
	alloc(1)
	for i := range 3 {
		r.must(os.WriteFile(r.path("web.hcl"), []byte(block("web", "image=v"+string(rune('1'+i)))), 0o644))
		w.pass()
	}
	now = now.Add(2 * specKeptFor)
	w.pass()
	if got, want := r.st.Specs.Keys(), []string{"web/00000001", "web/00000004"}; !slices.Equal(got, want) {
		t.Errorf("specs %q, want %q", got, want)
	}
	alloc(4)
	w.pass()
	if _, kept := r.st.Specs.Get(store.SpecKey("web", 1)); !kept {
		t.Error("a spec went the moment its last allocation did")
	}
	now = now.Add(specKeptFor)
	w.pass()
	if got, want := r.st.Specs.Keys(), []string{"web/00000004"}; !slices.Equal(got, want) {
		t.Errorf("specs %q, want %q", got, want)
	}
}
