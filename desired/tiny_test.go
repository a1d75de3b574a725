package desired

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/store"
)

// The tests of the directory speak a tiny language of one block a line,
//
//	job "web" { image=nginx port=80 count=2 }
//
// so that they depend on the rules alone.
var (
	tinyBlock = regexp.MustCompile(`^job "([^"]+)" \{(.*)\}$`)
	epoch     = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func tinyParse(file string, src []byte) (jobs []*job.Job, problems []store.Problem) {
	for i, line := range strings.Split(string(src), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := tinyBlock.FindStringSubmatch(line)
		if m == nil {
			return nil, []store.Problem{{File: file, Line: i + 1, Col: 1, Summary: "Invalid block"}}
		}
		jobs = append(jobs, tinyJob(m[1], strings.Fields(m[2])...))
	}
	return jobs, nil
}

// tinyJob makes a job of one group and one task from settings "key=value".
func tinyJob(name string, settings ...string) *job.Job {
	t := job.Task{Name: name, Driver: job.DriverDocker, Config: job.Config{Image: "img"}}
	g := job.Group{Name: name, Count: 1}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		n, _ := strconv.Atoi(v)
		switch k {
		case "image":
			t.Config.Image = v
		case "count":
			g.Count = n
		case "port":
			t.Resources.Ports = append(t.Resources.Ports, job.Port{Label: "p" + v, Static: n})
		case "ip":
			t.Resources.Ports[len(t.Resources.Ports)-1].HostIP = v
		}
	}
	g.Tasks = []job.Task{t}
	return &job.Job{Name: name, Type: job.TypeService, Groups: []job.Group{g}}
}

// world is a directory in memory, and the store and the containers beside it:
// what the pure rules need, driven scan by scan.
type world struct {
	now       time.Time
	first     bool
	allow     bool
	ready     bool
	live      bool
	text      map[string]string    // files
	at        map[string]time.Time // of the last change of each file
	dark      map[string]error
	running   map[string]RunningJob
	allocs    map[string]uint64
	jobs      map[string]store.JobRecord
	manifests map[string]store.ManifestRecord
	wake      time.Time
}

func newWorld() *world {
	return &world{
		now: epoch, first: true, ready: true, live: true,
		text: map[string]string{}, at: map[string]time.Time{}, dark: map[string]error{},
		running: map[string]RunningJob{}, allocs: map[string]uint64{},
		jobs: map[string]store.JobRecord{}, manifests: map[string]store.ManifestRecord{},
	}
}

const testGrace = 5 * time.Second

func (w *world) write(file, text string) {
	w.text[file], w.at[file] = text, w.now
}

func (w *world) remove(files ...string) {
	for _, f := range files {
		delete(w.text, f)
	}
}

func (w *world) view() view {
	v := view{
		now: w.now, grace: testGrace, allow: w.allow, first: w.first,
		files: map[string]manifest{}, dark: w.dark, running: w.running, ready: w.ready, live: w.live,
		jobs: w.jobs, manifests: w.manifests, allocs: w.allocs,
	}
	for name, text := range w.text {
		if w.inDark(name) {
			continue
		}
		m := newFiles(tinyParse).parsed(name, []byte(text))
		m.changedAt = w.at[name]
		v.files[name] = m
	}
	return v
}

func (w *world) inDark(file string) bool {
	for dir := range w.dark {
		if inFolder(file, dir) {
			return true
		}
	}
	return false
}

// scan decides once and takes the decision over, as the watcher does.
func (w *world) scan() []string {
	d := decide(w.view())
	w.jobs, w.manifests, w.wake = d.jobs, d.manifests, d.wake
	w.first = w.first && !w.ready
	var told []string
	for _, c := range d.changes {
		told = append(told, strings.TrimSpace(c.reason+" "+c.job))
		if c.job == "" {
			told[len(told)-1] = c.reason + " " + c.file
		}
	}
	return told
}

// pass lets time pass, with the scans that fall due meanwhile.
func (w *world) pass(d time.Duration) (told []string) {
	end := w.now.Add(d)
	for !w.wake.IsZero() && !w.wake.After(end) {
		w.now = w.wake
		told = append(told, w.scan()...)
	}
	w.now = end
	return append(told, w.scan()...)
}

// run makes the containers of a job as its record asks for them.
func (w *world) run(names ...string) {
	for _, name := range names {
		w.running[name] = labels(w.jobs[name].Generation, w.jobs[name].Spec)
	}
}

// labels is what the containers of a spec say.
func labels(generation uint64, j *job.Job) RunningJob {
	r := RunningJob{Generation: generation, Hashes: map[string]string{}}
	for i := range j.Groups {
		r.Hashes[j.Groups[i].Name] = job.SpecHash(j, &j.Groups[i])
	}
	return r
}

// state says of each job where it stands, as in "web:3", "web:3 held",
// "web:3 grace", "web:3 deleted".
func (w *world) state() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(w.jobs)) {
		r := w.jobs[name]
		s := fmt.Sprintf("%s:%d", name, r.Generation)
		switch {
		case !r.Deleted.IsZero():
			s += " deleted"
		case r.Held != "":
			s += " " + r.Held
		case !r.MissingSince.IsZero():
			s += " grace"
		}
		out = append(out, s)
	}
	return out
}

// problems lists the errors that the manifests' records show.
func (w *world) problems() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(w.manifests)) {
		for _, p := range w.manifests[name].Problems {
			out = append(out, p.String())
		}
	}
	return out
}

func wantState(t *testing.T, w *world, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, w.state()); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

func wantTold(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func block(name string, settings ...string) string {
	return fmt.Sprintf("job %q { %s }\n", name, strings.Join(settings, " "))
}

// fill writes n files j0.hcl, j1.hcl, … with a job each.
func (w *world) fill(n int) {
	for i := range n {
		w.write(fmt.Sprintf("j%d.hcl", i), block(fmt.Sprintf("j%d", i)))
	}
}
