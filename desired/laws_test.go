package desired

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reconciler/internal/job"
	"reconciler/store"
)

// machine drives a world at random and checks after each scan what must hold
// whatever happens.
type machine struct {
	*world
	lastSeen  map[string]time.Time // job -> when a scan last found it named or kept
	confirmed bool                 // in this step
}

var (
	someFiles = []string{"a.hcl", "b.hcl", "c.hcl", "sub/d.hcl", "sub/e.hcl", "f.hcl"}
	someJobs  = []string{"j1", "j2", "j3", "j4", "j5", "j6", "j7"}
)

func drawText(t *rapid.T) string {
	text := ""
	for range rapid.IntRange(0, 3).Draw(t, "blocks") {
		settings := []string{rapid.SampledFrom([]string{"image=a", "image=b", "count=2"}).Draw(t, "setting")}
		if rapid.IntRange(0, 4).Draw(t, "static") == 0 {
			settings = append(settings, fmt.Sprintf("port=%d", rapid.IntRange(80, 82).Draw(t, "port")))
		}
		text += block(rapid.SampledFrom(someJobs).Draw(t, "job"), settings...)
	}
	if rapid.IntRange(0, 3).Draw(t, "broken") == 0 {
		text += "job {"
	}
	return text
}

func (m *machine) step(t *rapid.T) {
	file := rapid.SampledFrom(someFiles).Draw(t, "file")
	switch op := rapid.IntRange(0, 13).Draw(t, "op"); op {
	case 0, 1, 2, 3:
		m.write(file, drawText(t))
	case 4, 5:
		m.remove(file)
	case 6:
		m.remove(someFiles...)
	case 7:
		if text, ok := m.text[file]; ok {
			m.remove(file)
			m.write(rapid.SampledFrom(someFiles).Draw(t, "to"), text)
		}
	case 8:
		if len(m.dark) > 0 {
			m.dark = map[string]error{}
		} else {
			m.dark = map[string]error{"sub": errors.New("permission denied")}
		}
	case 9: // a restart, with or without dockerd
		m.first = true
		m.ready = rapid.Bool().Draw(t, "ready")
		m.live = m.ready
	case 10:
		m.live = rapid.Bool().Draw(t, "live")
		m.ready = m.ready || m.live
	case 11:
		m.containers(t)
	case 12:
		m.jobs, _ = confirm(m.jobs, m.now)
		m.confirmed = true
	case 13:
		m.allow = !m.allow
	}
	m.now = m.now.Add(time.Duration(rapid.SampledFrom([]int{0, 10, 900, 1100, 4000, 6000, 70000}).Draw(t, "ms")) * time.Millisecond)
}

// containers lets those of one job come, change or go.
func (m *machine) containers(t *rapid.T) {
	name := rapid.SampledFrom(someJobs).Draw(t, "container of")
	switch rec := m.jobs[name]; {
	case rapid.Bool().Draw(t, "gone"):
		delete(m.running, name)
		delete(m.allocs, name)
	case rec.Spec != nil && rapid.Bool().Draw(t, "as recorded"):
		m.running[name] = labels(rec.Generation, rec.Spec)
		m.allocs[name] = rec.Generation
	default: // by another life of the agent
		m.running[name] = labels(uint64(rapid.IntRange(1, 9).Draw(t, "label")), tinyJob(name, "image=b"))
	}
}

func (m *machine) check(t *rapid.T) {
	v := m.view()
	before := m.jobs
	d := decide(v)
	if again := decide(v); !sameDecision(d, again) {
		t.Fatalf("two decisions on one view:\n%+v\n%+v", d, again)
	}
	for name, rec := range before {
		m.checkJob(t, name, rec, d)
	}
	m.checkMassDeletion(t, before, d.jobs)

	m.scan()
	for name, rec := range m.jobs {
		if rec.Deleted.IsZero() && (m.namedIn(v, name) || m.keptIn(v, rec)) {
			m.lastSeen[name] = m.now
		}
	}
	// An unchanged tree changes nothing.
	jobs, manifests := m.jobs, m.manifests
	if told := m.scan(); len(told) > 0 {
		t.Fatalf("a second look tells %q", told)
	}
	if diff := cmp.Diff(jobs, m.jobs) + cmp.Diff(manifests, m.manifests); diff != "" {
		t.Fatalf("a second look changes:\n%s", diff)
	}
	m.confirmed = false
}

func (m *machine) namedIn(v view, name string) bool {
	for _, f := range v.files {
		if slices.ContainsFunc(f.jobs, func(j *job.Job) bool { return j.Name == name }) {
			return true
		}
	}
	return false
}

// keptIn reports whether the job's file is there and says nothing of it that
// could be trusted.
func (m *machine) keptIn(v view, rec store.JobRecord) bool {
	f, there := v.files[rec.File]
	return m.inDark(rec.File) || there && (f.bad || len(f.jobs) == 0)
}

func (m *machine) checkJob(t *rapid.T, name string, was store.JobRecord, d decision) {
	v := m.view()
	is, still := d.jobs[name]
	live := was.Deleted.IsZero() && was.Spec != nil
	switch {
	case live && !still:
		t.Fatalf("%s: a live record went: %+v", name, was)
	case !still:
		return
	case is.Generation < was.Generation:
		t.Fatalf("%s: generation went from %d to %d", name, was.Generation, is.Generation)
	case live && is.Hash != was.Hash && is.Generation == was.Generation:
		t.Fatalf("%s: another meaning under generation %d", name, is.Generation)
	}
	if !live {
		return
	}
	deleted := !is.Deleted.IsZero()
	switch {
	case deleted && (m.keptIn(v, was) || m.namedIn(v, name)):
		t.Fatalf("%s: deleted while its file is there: %+v", name, was)
	case deleted && m.now.Sub(m.lastSeen[name]) < testGrace:
		t.Fatalf("%s: deleted %s after it was seen", name, m.now.Sub(m.lastSeen[name]))
	case deleted && !m.ready:
		t.Fatalf("%s: deleted before anybody knew what runs", name)
	case deleted && was.Held == store.HeldMassDeletion:
		t.Fatalf("%s: deleted in spite of its hold", name)
	case m.keptIn(v, was) && !m.namedIn(v, name) && is.Hash != was.Hash:
		t.Fatalf("%s: lost its last good spec", name)
	case was.Held == store.HeldMassDeletion && is.Held != was.Held && !m.keptIn(v, was) && !m.namedIn(v, name):
		t.Fatalf("%s: its hold ended by itself", name)
	case m.ready && is.Held == "" && m.running[name].Generation > is.Generation && is.MissingSince.IsZero():
		t.Fatalf("%s: generation %d acts beside containers of %d", name, is.Generation, m.running[name].Generation)
	}
}

func (m *machine) checkMassDeletion(t *rapid.T, before, after map[string]store.JobRecord) {
	if m.allow {
		return
	}
	known, gone, now := 0, 0, 0
	for name, rec := range after {
		fresh := !rec.Deleted.IsZero() && before[name].Deleted.IsZero()
		counts := !rec.Deleted.IsZero() && rec.HeldSince.IsZero() && m.now.Sub(rec.Deleted) < time.Minute
		if fresh {
			now++
		}
		if counts {
			gone++
		}
		if counts || before[name].Deleted.IsZero() {
			known++
		}
	}
	if m.first && now > 0 {
		t.Fatalf("the first scan deleted %d jobs", now)
	}
	if now > 0 && known >= 2*fewJobs && 2*gone > known {
		t.Fatalf("%d of %d jobs went within a minute", gone, known)
	}
}

func sameDecision(a, b decision) bool {
	return cmp.Equal(a.jobs, b.jobs) && cmp.Equal(a.manifests, b.manifests) &&
		slices.Equal(a.changes, b.changes) && a.wake.Equal(b.wake)
}

// Whatever happens to files, containers and the agent: nothing of a file that
// cannot be read is deleted, nothing without its grace, a hold stays, no
// generation goes backwards, and a second look changes nothing.
func TestLaw_LastKnownGoodAndNoBlindAct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{world: newWorld(), lastSeen: map[string]time.Time{}}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			m.step(t)
			m.check(t)
		}
	})
}

// In the end all jobs are what the files say, and nobody waits for anything
// that time alone could bring.
func TestLaw_ConvergeOnFiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{world: newWorld(), lastSeen: map[string]time.Time{}}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			m.step(t)
			m.scan()
		}
		m.ready, m.live, m.dark = true, true, map[string]error{}
		m.running, m.allocs = map[string]RunningJob{}, map[string]uint64{}
		m.remove(someFiles...)
		want := map[string]string{}
		for i, name := range someJobs[:rapid.IntRange(1, len(someJobs)).Draw(t, "jobs")] {
			file := fmt.Sprintf("end%d.hcl", i)
			m.write(file, block(name, "image=end"))
			want[name] = file
		}
		m.scan()
		m.pass(time.Hour)
		m.jobs, _ = confirm(m.jobs, m.now)
		m.pass(time.Hour)
		got := map[string]string{}
		for name, rec := range m.jobs {
			got[name] = rec.File
			if rec.Held != "" || !rec.Deleted.IsZero() || !rec.MissingSince.IsZero() {
				t.Errorf("%s: %+v", name, rec)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if !m.wake.IsZero() || len(m.problems()) > 0 {
			t.Errorf("wakes at %s, problems %q", m.wake, m.problems())
		}
		if len(m.manifests) != len(want) {
			t.Errorf("manifests %v", m.manifests)
		}
	})
}

// What a start makes of the files does not depend on whether the first scan
// comes before the first good list of containers, as an agent's does, or after
// it, as that of a plan does.
func TestLaw_AStartIsAsPlanned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{world: newWorld(), lastSeen: map[string]time.Time{}}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			m.step(t)
			if rapid.Bool().Draw(t, "seen") {
				m.scan()
			}
		}
		for range rapid.IntRange(0, 6).Draw(t, "while no agent runs") {
			m.containers(t)
			m.remove(rapid.SampledFrom(someFiles).Draw(t, "gone"))
			m.write(rapid.SampledFrom(someFiles).Draw(t, "file"), drawText(t))
		}
		m.first, m.ready, m.live = true, true, true
		planned := decide(m.view()).jobs
		m.ready, m.live = false, false
		m.scan()
		m.ready, m.live = true, true
		if diff := cmp.Diff(planned, decide(m.view()).jobs); diff != "" {
			t.Fatalf("with a scan before the first list (-without +with):\n%s", diff)
		}
	})
}
