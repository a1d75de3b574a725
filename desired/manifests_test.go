package desired

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/store"
)

func TestBrokenFileIsAProblemOnceStill(t *testing.T) {
	w := newWorld()
	w.write("web.hcl", block("web"))
	w.scan()
	w.now = w.now.Add(time.Minute)
	for range 10 { // somebody types
		w.write("web.hcl", "job {")
		wantTold(t, w.pass(stillFor/2))
		wantNoProblems(t, w)
	}
	wantTold(t, w.pass(stillFor/2), "ManifestInvalid web.hcl")
	wantProblem(t, w, "web.hcl", "web.hcl:1,1: Invalid block")
	since := w.manifests["web.hcl"].Since
	wantTold(t, w.pass(time.Hour))
	if got := w.manifests["web.hcl"]; !got.Since.Equal(since) || !cmp.Equal(got.Jobs, []string{"web"}) {
		t.Errorf("record %+v", got)
	}
	wantState(t, w, "web:1")
}

func TestBrokenFileStaysAProblemWhileItIsEdited(t *testing.T) {
	w := newWorld()
	w.write("web.hcl", "job {")
	w.pass(time.Minute)
	w.write("web.hcl", "\njob {")
	wantTold(t, w.scan())
	wantProblem(t, w, "web.hcl", "web.hcl:1,1")
	wantTold(t, w.pass(stillFor), "ManifestInvalid web.hcl")
	wantProblem(t, w, "web.hcl", "web.hcl:2,1")
	w.write("web.hcl", block("web"))
	wantTold(t, w.scan(), "JobAdded web", "ManifestFixed web.hcl")
}

func TestBrokenFileIsRemoved(t *testing.T) {
	w := newWorld()
	w.write("web.hcl", "job {")
	w.pass(time.Minute)
	w.remove("web.hcl")
	wantTold(t, w.scan(), "ManifestRemoved web.hcl")
	if len(w.manifests) != 0 {
		t.Errorf("records %v", w.manifests)
	}
}

func TestWarningsAreTold(t *testing.T) {
	w := newWorld()
	warned := manifest{
		jobs:     []*job.Job{tinyJob("web")},
		problems: []store.Problem{{File: "web.hcl", Severity: store.SeverityWarning, Summary: "Deprecated"}},
	}
	v := w.view()
	v.files["web.hcl"] = warned
	d := decide(v)
	if len(d.jobs) != 1 || len(d.manifests["web.hcl"].Problems) != 1 {
		t.Errorf("decision %+v", d)
	}
	var reasons []string
	for _, c := range d.changes {
		reasons = append(reasons, c.reason)
	}
	wantTold(t, reasons, "JobAdded", "ManifestWarning")
}

func TestLinkLoopIsAWarning(t *testing.T) {
	v := newWorld().view()
	v.loops = map[string]string{"sub/up": ""}
	d := decide(v)
	p := d.manifests["sub/up"].Problems
	if len(p) != 1 || p[0].Severity != store.SeverityWarning {
		t.Errorf("problems %+v", p)
	}
}

func TestSummarise(t *testing.T) {
	got := summarise([]store.Problem{
		{File: "a.hcl", Severity: store.SeverityWarning, Summary: "Old"},
		{File: "a.hcl", Line: 3, Col: 1, Summary: "Wrong"},
		{File: "a.hcl", Line: 4, Col: 1, Summary: "Worse"},
	})
	if want := "a.hcl:3,1: Wrong (and 2 more)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
