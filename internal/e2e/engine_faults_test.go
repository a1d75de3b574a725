package e2e

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"reconciler/internal/testimage"
)

// faults are what can befall a single call.
var faults = []fault{
	{name: "slow", delay: 1500 * time.Millisecond},
	{name: "500", status: http.StatusInternalServerError},
	{name: "409", status: http.StatusConflict},
	{name: "404", status: http.StatusNotFound},
	{name: "hang", hang: true, delay: 2 * time.Second},
	{name: "lost", lost: true},
	{name: "cut", cut: true},
}

// faultyCalls are the calls that belong to one job, by story.
var faultyCalls = []string{"pull", "create", "start", "inspect", "kill", "remove"}

// TestLaw_Converge_Faults: every fault meets the first call of every kind, of
// a job of its own, while the job is placed, again while it is replaced and
// again while it is removed. After each story the engine has exactly the
// containers that the files ask for; at the end nothing is left.
func TestLaw_Converge_Faults(t *testing.T) {
	w, p := proxied(t, "--image-delay", "2s")
	w.allowMassDeletion()
	theirs, _ := w.images.push("theirs:1", "theirs")
	w.pull(theirs)
	stranger := w.stranger(fmt.Sprintf("stranger-%d", time.Now().UnixNano()), theirs, nil, true)
	jobs := faultyJobs()
	refs := w.pushAll(jobs)
	w.up()

	hits := map[string]int{}
	story := func(name string, act func(job string), check func() error) {
		rules := everyFault(jobs)
		p.set(rules...)
		begin := time.Now()
		for job := range jobs {
			act(job)
		}
		eventuallyIn(t, 90*time.Second, name+": as the files say", check)
		t.Logf("%s: as the files say after %s", name, time.Since(begin).Round(time.Millisecond))
		p.lift()
		for k, n := range p.struck(rules) {
			hits[k] += n
		}
		steadily(t, time.Second, name+": still as the files say", check)
	}
	place := func(version int) func(string) {
		return func(job string) { w.drop(job+".hcl", faultySpec(job, refs[job][version], version).String()) }
	}
	story("place", place(0), func() error { return w.exactly(jobs, 1) })
	story("replace", place(1), func() error { return w.exactly(jobs, 2) })
	story("remove", func(job string) { w.take(job + ".hcl") }, func() error {
		if left := w.boxes(); len(left) > 0 {
			return fmt.Errorf("left: %s", brief(left))
		}
		return nil
	})

	for _, call := range faultyCalls {
		for _, f := range faults {
			if hits[call+" "+f.name] == 0 {
				t.Errorf("no %s met %q: the test proves nothing of it", call, f.name)
			}
		}
	}
	eventually(t, "no image of the agent's is left", func() error {
		return w.onlyImages(theirs)
	})
	w.untouched(stranger)
	for _, call := range p.wrote() {
		if strings.Contains(call, stranger.id) || strings.Contains(call, "theirs") {
			t.Errorf("a write call names a stranger: %s", call)
		}
	}
}

// faultyJobs names a job for each call and fault. The value says whether its
// containers may run beside each other.
func faultyJobs() map[string]bool {
	jobs := map[string]bool{}
	for _, call := range faultyCalls {
		for i, f := range faults {
			jobs[call+"-"+f.name] = i%2 == 0
		}
	}
	return jobs
}

func everyFault(jobs map[string]bool) []*rule {
	var rules []*rule
	for _, call := range faultyCalls {
		for _, f := range faults {
			rules = append(rules, &rule{kind: call, job: call + "-" + f.name, nth: 1, times: 1, fault: f})
		}
	}
	if len(rules) != len(jobs) {
		panic("a job without its fault")
	}
	return rules
}

// faultySpec is a job in a version. Without a network of its own it is stopped
// before its successor starts.
func faultySpec(job, ref string, version int) spec {
	s := spec{Job: job, Image: ref, Text: fmt.Sprint(version)}
	if !faultyJobs()[job] {
		s.Config = "        network_mode = \"none\"\n"
	}
	return s
}

// pushAll pushes two versions of an image to a repository of each job.
func (w *world) pushAll(jobs map[string]bool) map[string][2]string {
	w.t.Helper()
	refs := map[string][2]string{}
	for v := range 2 {
		img, err := testimage.Image(w.images.options(fmt.Sprint("v", v)))
		must(w.t, err)
		for job := range jobs {
			both := refs[job]
			both[v] = fmt.Sprintf("%s/%s:%d", w.images.addr, job, v)
			refs[job] = both
			must(w.t, testimage.Push(both[v], img))
		}
	}
	return refs
}

// exactly demands one container of each job, that it runs and is of this
// generation, and no other container.
func (w *world) exactly(jobs map[string]bool, generation uint64) error {
	w.t.Helper()
	by := map[string][]box{}
	for _, b := range w.boxes() {
		by[b.Who.Job] = append(by[b.Who.Job], b)
	}
	var wrong []string
	for job := range jobs {
		if got := by[job]; len(got) != 1 || got[0].State != "running" || got[0].Who.Generation != generation {
			wrong = append(wrong, job+" "+brief(got))
		}
		delete(by, job)
	}
	for job := range by {
		wrong = append(wrong, "unknown job "+job)
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return fmt.Errorf("%d jobs: %s", len(wrong), strings.Join(wrong, "\n\t"))
	}
	return nil
}

// onlyImages demands that of this test's images only those references are on
// the engine.
func (w *world) onlyImages(refs ...string) error {
	w.t.Helper()
	ctx, cancel := w.ctx()
	defer cancel()
	list, err := w.cli.ImageList(ctx, image.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", testimage.TestLabel+"="+w.images.mark)),
	})
	must(w.t, err)
	for _, i := range list {
		for _, tag := range i.RepoTags {
			if !slices.Contains(refs, tag) {
				return fmt.Errorf("image %s is there", tag)
			}
		}
		if len(i.RepoTags) == 0 {
			return fmt.Errorf("image %s without a reference is there", i.ID)
		}
	}
	return nil
}

// allowMassDeletion lets the agent remove all jobs at once.
func (w *world) allowMassDeletion() {
	w.t.Helper()
	path := filepath.Join(filepath.Dir(w.manifests), "agent.hcl")
	must(w.t, os.WriteFile(path, []byte("mass_deletion = \"allow\"\n"), 0o600))
	w.options = append(w.options, "--config", path)
}

// recovery is how long the agent may take once it is told the truth again: its
// reconnect backoff is 5 s at most. It must not be the next periodic list that
// finds what was missed, which comes after 60 s.
const recovery = 25 * time.Second

// TestLaw_NoBlindAct_Faults: while lists, inspects or events fail or lie, what
// runs is left alone; when they work again, what was asked for meanwhile is
// done.
func TestLaw_NoBlindAct_Faults(t *testing.T) {
	w, p := proxied(t)
	ref, _ := w.images.push("web:1", "1")
	w.up()
	edited := spec{Job: "edited", Count: 2, Image: ref, Config: "        network_mode = \"none\"\n"}
	removed := spec{Job: "removed", Image: ref, Config: "        network_mode = \"none\"\n"}
	w.drop("edited.hcl", edited.String())
	w.drop("removed.hcl", removed.String())
	still := w.awaitRunning("edited", 2)
	lost := w.awaitRunning("removed", 1)

	for i, c := range []struct {
		name  string
		rules []*rule
		blind bool // nothing is known meanwhile: nothing may be done
	}{
		{"list 500", []*rule{{kind: "list", fault: fault{status: 500}}}, true},
		{"list cut", []*rule{{kind: "list", fault: fault{cut: true}}}, true},
		{"list hangs", []*rule{{kind: "list", fault: fault{hang: true}}}, true},
		{"events refused", []*rule{{kind: "events", fault: fault{status: 500}}}, true},
		{"events cut", []*rule{{kind: "events", fault: fault{cut: true}}}, false},
		{"events lost", []*rule{{kind: "events", fault: fault{mute: true}}}, false},
		{"inspect 500", []*rule{{kind: "inspect", fault: fault{status: 500}}}, false},
	} {
		p.set(c.rules...)
		p.dropStreams()
		eventually(t, c.name+": the fault strikes", func() error { return p.strikes(c.rules) })
		edited.Text = fmt.Sprint(i)
		w.drop("edited.hcl", edited.String())
		ctx, cancel := w.ctx()
		must(t, w.cli.ContainerRemove(ctx, lost[0].ID, container.RemoveOptions{Force: true}))
		cancel()
		if c.blind {
			w.staysSame(time.Second, "edited", still)
		} else {
			time.Sleep(500 * time.Millisecond)
		}
		begin := time.Now()
		p.lift()
		eventuallyIn(t, recovery, c.name+": lifted, and as the files say", func() error { return w.fresh(still, lost) })
		t.Logf("%s: as the files say after %s", c.name, time.Since(begin).Round(time.Millisecond))
		still, lost = w.running("edited"), w.running("removed")
	}
	w.take("edited.hcl")
	w.awaitNone("edited")
}

// strikes demands that each rule has met a call.
func (p *faultProxy) strikes(rules []*rule) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range rules {
		if r.hits == 0 {
			return errors.New("no " + r.kind + " came")
		}
	}
	return nil
}

// fresh demands that both jobs run as asked for, in other containers than
// before, and nothing else.
func (w *world) fresh(edited, removed []box) error {
	w.t.Helper()
	old := map[string]bool{}
	for _, b := range append(slices.Clone(edited), removed...) {
		old[b.ID] = true
	}
	count := map[string]int{}
	all := w.boxes()
	for _, b := range all {
		if old[b.ID] || b.State != "running" {
			return errors.New(brief(all))
		}
		count[b.Who.Job]++
	}
	if want := map[string]int{"edited": len(edited), "removed": len(removed)}; !maps.Equal(count, want) {
		return errors.New(brief(all))
	}
	return nil
}
