package house

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// clock are the functions of package time that read or wait for the clock.
var clock = map[string]bool{
	"Now": true, "Since": true, "Until": true, "Sleep": true, "After": true,
	"AfterFunc": true, "NewTimer": true, "NewTicker": true, "Tick": true,
}

// TestPlansArePure: time, randomness and state come into a plan as arguments,
// and "look again at" goes out, so that a test can name every case and equal
// input gives an equal plan.
func TestPlansArePure(t *testing.T) {
	var broken []string
	for _, s := range sources(t) {
		switch {
		case isPlan(s):
			broken = append(broken, checkPlan(s)...)
		case !s.test && slices.Contains(pureRooms, s.room):
			broken = append(broken, checkClock(s)...)
		}
	}
	report(t, broken)
}

func isPlan(s source) bool {
	return !s.test && (s.room == "reconcile" || s.room == "gc") && strings.Contains(path.Base(s.path), "plan")
}

func checkPlan(s source) []string {
	var broken []string
	for _, p := range s.imports() {
		if isImpure(s, p) || under(p, []string{logrus, "context", "sync"}) {
			broken = append(broken, fmt.Sprintf("%s imports %s: a plan is a pure function; what it needs comes in as an argument, what it wants done or logged goes out in its result", s.path, p))
		}
	}
	return append(broken, checkClock(s)...)
}

// checkClock finds what reads the clock or starts something of its own, in
// the plans and in the pure rooms.
func checkClock(s source) []string {
	var broken []string
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			broken = append(broken, s.at(n)+": pure code starts no goroutine")
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && clock[n.Sel.Name] {
				broken = append(broken, fmt.Sprintf("%s: time.%s in pure code: take the time as an argument and return when to look again", s.at(n), n.Sel.Name))
			}
		}
		return true
	})
	return broken
}

func TestCheckPlan(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"clock", "package gc\nimport \"time\"\nvar t = time.Now()\n", "time.Now in pure code"},
		{"since", "package gc\nimport \"time\"\nfunc f(t time.Time) time.Duration { return time.Since(t) }\n", "time.Since in pure code"},
		{"arithmetic", "package gc\nimport \"time\"\nfunc f(now, t time.Time) time.Duration { return now.Sub(t) }\n", ""},
		{"log", "package gc\nimport _ \"github.com/sirupsen/logrus\"\n", "goes out in its result"},
		{"random", "package gc\nimport _ \"math/rand/v2\"\n", "comes in as an argument"},
		{"goroutine", "package gc\nfunc f() { go f() }\n", "no goroutine"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := strings.Join(checkPlan(mustParse(t, "gc/plan.go", tc.text)), "\n")
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q in it", got, tc.want)
			}
		})
	}
	for file, want := range map[string]bool{
		"gc/plan.go": true, "reconcile/plan_alloc.go": true, "reconcile/allocplan.go": true,
		"reconcile/plan_test.go": false, "store/plan.go": false, "gc/worker.go": false,
	} {
		if got := isPlan(mustParse(t, file, "package x\n")); got != want {
			t.Errorf("isPlan(%s) = %t, want %t", file, got, want)
		}
	}
}
