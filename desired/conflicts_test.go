package desired

import (
	"strings"
	"testing"
	"time"

	"reconciler/store"
)

func wantProblem(t *testing.T, w *world, file string, parts ...string) {
	t.Helper()
	var all []string
	for _, p := range w.manifests[file].Problems {
		all = append(all, p.String())
	}
	text := strings.Join(all, "\n")
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s: %q has no %q", file, text, part)
		}
	}
}

func wantNoProblems(t *testing.T, w *world) {
	t.Helper()
	if got := w.problems(); len(got) != 0 {
		t.Errorf("problems %q", got)
	}
}

func TestDuplicateJobFirstInPathOrder(t *testing.T) {
	w := newWorld()
	w.write("b.hcl", "\n"+block("web", "image=b"))
	w.write("a.hcl", "# a\n"+block("web", "image=a")+block("other"))
	w.pass(0)
	w.pass(time.Minute)
	wantState(t, w, "other:1", "web:1")
	if got := w.jobs["web"].File; got != "a.hcl" {
		t.Errorf("%s has it", got)
	}
	wantProblem(t, w, "b.hcl", `b.hcl:2,1-10: Duplicate job`, "a.hcl:2")
	if len(w.manifests["a.hcl"].Problems) != 0 {
		t.Errorf("the owner has a problem: %v", w.manifests["a.hcl"].Problems)
	}
}

// Two files that nobody knew name one job: the one whose spec runs has it, also
// if the first scan comes before anybody knows what runs.
func TestDuplicateJobAfterARename(t *testing.T) {
	for _, blind := range []bool{false, true} {
		w := newWorld()
		w.write("moved.hcl", block("web"))
		w.scan()
		w.run("web")
		w.remove("moved.hcl")
		w.write("web.hcl", block("web"))
		w.write("a.hcl", block("web", "count=2", "image=b"))
		w.first, w.ready, w.live = true, !blind, !blind
		w.scan()
		w.ready, w.live = true, true
		w.scan()
		wantState(t, w, "web:1")
		if got := w.jobs["web"].File; got != "web.hcl" {
			t.Errorf("blind first: %v: %s has it", blind, got)
		}
	}
}

func TestDuplicateJobIncumbent(t *testing.T) {
	setUp := func() *world {
		w := newWorld()
		w.write("b.hcl", block("web"))
		w.scan()
		w.pass(time.Minute)
		return w
	}
	t.Run("a copy that sorts first", func(t *testing.T) {
		w := setUp()
		w.write("a.hcl", block("web", "image=copy"))
		w.scan()
		w.pass(time.Minute)
		wantState(t, w, "web:1")
		wantProblem(t, w, "a.hcl", "Duplicate job", "b.hcl:1")
		t.Run("takes over when the other goes", func(t *testing.T) {
			w.remove("b.hcl")
			w.scan()
			wantState(t, w, "web:2")
			wantNoProblems(t, w)
		})
	})
	t.Run("the incumbent cannot be read", func(t *testing.T) {
		w := setUp()
		w.write("b.hcl", "job {")
		w.write("a.hcl", block("web", "image=copy"))
		w.scan()
		w.pass(time.Minute)
		wantState(t, w, "web:1")
		wantProblem(t, w, "a.hcl", "Duplicate job", "b.hcl")
	})
	t.Run("what runs, after state loss", func(t *testing.T) {
		w := newWorld()
		w.write("a.hcl", block("web", "image=copy"))
		w.write("b.hcl", block("web"))
		w.running["web"] = labels(3, tinyJob("web"))
		w.scan()
		wantState(t, w, "web:3")
		if got := w.jobs["web"].File; got != "b.hcl" {
			t.Errorf("%s has it", got)
		}
	})
	t.Run("twice in one file", func(t *testing.T) {
		w := setUp()
		w.write("b.hcl", block("web")+block("web", "image=twice"))
		w.scan()
		w.pass(time.Minute)
		wantState(t, w, "web:1")
		wantProblem(t, w, "b.hcl", "Duplicate job")
	})
}

func TestStaticPorts(t *testing.T) {
	type files map[string]string
	tests := []struct {
		name     string
		before   files // adopted long ago
		after    files
		want     []string
		problems []string // "file: part"
	}{
		{
			name:     "two new jobs",
			after:    files{"a.hcl": block("a", "port=80"), "b.hcl": block("b", "port=80")},
			want:     []string{"a:1"},
			problems: []string{`b.hcl: job "b" wants port 80, which job "a" in a.hcl:1 has`},
		},
		{
			name:     "a new one against an old one",
			before:   files{"z.hcl": block("z", "port=80")},
			after:    files{"a.hcl": block("a", "port=80")},
			want:     []string{"z:1"},
			problems: []string{"a.hcl: z.hcl:1"},
		},
		{
			name:     "an edit against an old one",
			before:   files{"a.hcl": block("a", "port=81"), "z.hcl": block("z", "port=80")},
			after:    files{"a.hcl": block("a", "port=80", "image=v2")},
			want:     []string{"a:1", "z:1"},
			problems: []string{"a.hcl: it keeps its last good spec"},
		},
		{
			name:   "two that swap",
			before: files{"a.hcl": block("a", "port=80"), "b.hcl": block("b", "port=81")},
			after:  files{"a.hcl": block("a", "port=81"), "b.hcl": block("b", "port=80")},
			want:   []string{"a:2", "b:2"},
		},
		{
			name:   "one hands its port on",
			before: files{"a.hcl": block("a", "port=80")},
			after:  files{"a.hcl": block("a"), "b.hcl": block("b", "port=80")},
			want:   []string{"a:2", "b:1"},
		},
		{
			name:   "one that is gone hands its port on",
			before: files{"a.hcl": block("a", "port=80") + block("keep")},
			after:  files{"a.hcl": block("a2", "port=80") + block("keep")},
			want:   []string{"a:1 grace", "a2:1", "keep:1"},
		},
		{
			// b may not have 82, so it keeps 81, so a may not have that.
			name:     "a chain",
			before:   files{"a.hcl": block("a", "port=80"), "b.hcl": block("b", "port=81"), "c.hcl": block("c", "port=82")},
			after:    files{"a.hcl": block("a", "port=81"), "b.hcl": block("b", "port=82")},
			want:     []string{"a:1", "b:1", "c:1"},
			problems: []string{"a.hcl: wants port 81", "b.hcl: wants port 82"},
		},
		{
			// b is refused for a, a is refused for c: then b may have its port.
			name:     "a refusal that is taken back",
			before:   files{"c.hcl": block("c", "port=82")},
			after:    files{"a.hcl": block("a", "port=81", "port=82"), "b.hcl": block("b", "port=81")},
			want:     []string{"b:1", "c:1"},
			problems: []string{"a.hcl: Static port conflict"},
		},
		{
			name:  "different addresses",
			after: files{"a.hcl": block("a", "port=80", "ip=10.0.0.1"), "b.hcl": block("b", "port=80", "ip=10.0.0.2")},
			want:  []string{"a:1", "b:1"},
		},
		{
			name:     "all addresses",
			after:    files{"a.hcl": block("a", "port=80", "ip=10.0.0.1"), "b.hcl": block("b", "port=80", "ip=0.0.0.0")},
			want:     []string{"a:1"},
			problems: []string{"b.hcl: wants port 80"},
		},
		{
			name:  "no allocation wanted",
			after: files{"a.hcl": block("a", "port=80", "count=0"), "b.hcl": block("b", "port=80")},
			want:  []string{"a:1", "b:1"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld()
			for f, text := range tt.before {
				w.write(f, text)
			}
			w.scan()
			w.pass(time.Hour)
			for f, text := range tt.after {
				w.write(f, text)
			}
			w.scan()
			w.pass(stillFor)
			wantState(t, w, tt.want...)
			if len(w.problems()) != len(tt.problems) {
				t.Errorf("problems %q, want %q", w.problems(), tt.problems)
			}
			for _, p := range tt.problems {
				file, part, _ := strings.Cut(p, ": ")
				wantProblem(t, w, file, part)
			}
			wantTold(t, w.scan())
		})
	}
}

func TestStaticPortOfWhatRuns(t *testing.T) {
	w := newWorld()
	w.write("a.hcl", block("a", "port=80"))
	w.write("b.hcl", block("b", "port=80"))
	w.running["b"] = labels(3, tinyJob("b", "port=80"))
	w.running["a"] = labels(2, tinyJob("a", "image=old"))
	w.scan()
	wantState(t, w, "b:3") // and a is no orphan: a file names it
}

// Both had the port when they came together: one was away in its grace while
// the other took it. Neither is stopped for it here.
func TestStaticPortOfOneThatComesBack(t *testing.T) {
	w := settled(3)
	w.write("j0.hcl", block("j0", "port=80"))
	w.scan()
	w.run("j0")
	w.remove("j0.hcl")
	w.write("j1.hcl", block("j1", "port=80"))
	w.scan()
	w.write("j0.hcl", block("j0", "port=80"))
	w.scan()
	w.pass(time.Minute)
	wantState(t, w, "j0:2", "j1:2", "j2:1")
	wantProblem(t, w, "j1.hcl", "Static port conflict")
	wantTold(t, w.pass(time.Hour))
}

func TestProblemNamesTheJob(t *testing.T) {
	w := newWorld()
	w.write("a.hcl", block("web"))
	w.write("b.hcl", block("web")+block("ok"))
	w.scan()
	w.pass(time.Minute)
	if p := w.manifests["b.hcl"].Problems; len(p) != 1 || p[0].Job != "web" || p[0].Severity == store.SeverityWarning {
		t.Errorf("problems %+v", p)
	}
	wantState(t, w, "ok:1", "web:1")
}
