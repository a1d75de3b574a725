package house

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// TestImports holds every file against the table of rooms.
func TestImports(t *testing.T) {
	var broken []string
	for _, s := range sources(t) {
		broken = append(broken, checkImports(s)...)
	}
	report(t, broken)
}

func checkImports(s source) []string {
	r, known := rooms[s.room]
	if !known {
		return []string{fmt.Sprintf("%s: the folder %q is not in the table of rooms (internal/house/rooms_test.go, ARCHITECTURE.md): say there what it owns and what it may import", s.path, s.room)}
	}
	var broken []string
	for _, p := range s.imports() {
		if why := forbidden(s, r, p); why != "" {
			broken = append(broken, fmt.Sprintf("%s imports %s: %s", s.path, p, why))
		}
	}
	return broken
}

// forbidden says why a file may not import p, or "".
func forbidden(s source, r room, p string) string {
	if ours, ok := strings.CutPrefix(p, modulePath+"/"); ok {
		if mayUseRoom(s, r, ours) {
			return ""
		}
		return fmt.Sprintf("%s may not use %s; %s", s.room, ours, r.why)
	}
	if standard(p) {
		if !s.test && slices.Contains(pureRooms, s.room) && isImpure(s, p) {
			return fmt.Sprintf("%s is pure: no clock, no I/O, no randomness; %s", s.room, r.why)
		}
		return ""
	}
	if mayUseModule(s, r, p) {
		return ""
	}
	for _, h := range home {
		if under(p, []string{h.module}) {
			return h.why
		}
	}
	return fmt.Sprintf("%s may not use this module; %s", s.room, r.why)
}

func mayUseRoom(s source, r room, ours string) bool {
	if slices.Contains(r.ours, "*") || slices.Contains(r.ours, ours) {
		return true
	}
	if !s.test {
		return false
	}
	// ours == s.room: an external test package of the room itself.
	return ours == s.room || slices.Contains(testRooms, ours) || slices.Contains(extraTestRooms[s.room], ours)
}

func mayUseModule(s source, r room, p string) bool {
	if under(p, r.outside) {
		return true
	}
	if s.test {
		return under(p, testModules) || under(p, extraTestModules[s.room])
	}
	return under(p, everywhere) && !slices.Contains(pureRooms, s.room)
}

// isImpure reports whether the file does more with p, of the standard
// library, than a pure function may.
func isImpure(s source, p string) bool {
	if p == "net" {
		return !onlyText(s)
	}
	return under(p, impure) && !under(p, purely)
}

// onlyText reports whether all that the file uses of package net is in text.
func onlyText(s source) bool {
	ok := true
	ast.Inspect(s.file, func(n ast.Node) bool {
		if sel, is := n.(*ast.SelectorExpr); is {
			if x, is := sel.X.(*ast.Ident); is && x.Name == "net" && !text[sel.Sel.Name] {
				ok = false
			}
		}
		return ok
	})
	return ok
}

// standard reports whether p is of the standard library: its first element
// has no dot.
func standard(p string) bool {
	first, _, _ := strings.Cut(p, "/")
	return !strings.Contains(first, ".")
}

// under reports whether p is one of the prefixes or below one of them.
func under(p string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool {
		return p == prefix || strings.HasPrefix(p, prefix+"/")
	})
}

func TestOnlyText(t *testing.T) {
	for call, want := range map[string]bool{
		`net.JoinHostPort("a", "1")`: true, `net.LookupHost("a")`: false, `net.Dial("tcp", "a:1")`: false,
	} {
		s := mustParse(t, "internal/taskenv/x.go", "package x\nimport \"net\"\nvar _ = "+call+"\n")
		if got := len(checkImports(s)) == 0; got != want {
			t.Errorf("%s is allowed: %t, want %t", call, got, want)
		}
	}
}

// TestRoomsNameRooms finds slips in the table itself: a room that it lets
// others import must be in it.
func TestRoomsNameRooms(t *testing.T) {
	for name, r := range rooms {
		if r.why == "" {
			t.Errorf("%s has no reason", name)
		}
		for _, o := range r.ours {
			if _, ok := rooms[o]; !ok && o != "*" {
				t.Errorf("%s may import %s, which is no room", name, o)
			}
		}
	}
}

func TestCheckImports(t *testing.T) {
	for _, tc := range []struct {
		name, file, imports string
		want                string // part of the complaint; "" is none
	}{
		{"allowed room", "gc/plan.go", "reconciler/observed", ""},
		{"forbidden room", "gc/plan.go", "reconciler/internal/docker", "may not use internal/docker; gc decides"},
		{"a verb wires nothing", "cmd/reconciler/agent.go", "reconciler/reconcile", "wired in internal/agent"},
		{"agent may use all", "internal/agent/agent.go", "reconciler/reconcile", ""},
		{"docker outside its rooms", "reconcile/allocs.go", "github.com/docker/docker/client", "every write call"},
		{"docker in its room", "internal/docker/pull.go", "github.com/docker/docker/client", ""},
		{"bbolt outside store", "internal/control/status.go", "go.etcd.io/bbolt", "bbolt only in store"},
		{"log in a pure room", "internal/job/job.go", "github.com/sirupsen/logrus", "standard library only"},
		{"log elsewhere", "gc/worker.go", "github.com/sirupsen/logrus", ""},
		{"file access in a pure room", "internal/hclx/guard.go", "os", "is pure"},
		{"text of package net", "internal/taskenv/env.go", "net", ""},
		{"net/netip is data", "internal/job/node.go", "net/netip", ""},
		{"file access in a pure room's test", "internal/hclx/guard_test.go", "os", ""},
		{"test helper in code", "store/store.go", "github.com/google/go-cmp/cmp", "may not use this module"},
		{"test helper in a test", "store/store_test.go", "github.com/google/go-cmp/cmp", ""},
		{"prefix of a name is no module", "store/store.go", "go.etcd.io/bbolt2", "may not use this module"},
		{"unknown folder", "util/strings.go", "fmt", "not in the table"},
		{"the room's own external test", "gc/plan_test.go", "reconciler/gc", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := checkImports(mustParse(t, tc.file, "package x\nimport _ \""+tc.imports+"\"\n"))
			if tc.want == "" && len(got) > 0 {
				t.Errorf("complains: %q", got)
			}
			if tc.want != "" && (len(got) != 1 || !strings.Contains(got[0], tc.want)) {
				t.Errorf("got %q, want one complaint with %q", got, tc.want)
			}
		})
	}
}
