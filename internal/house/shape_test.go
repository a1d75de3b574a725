package house

import (
	"fmt"
	"go/ast"
	"strings"
	"testing"
)

// Caps on code that is no test. Aim at half of them: a file is read in one
// go, a function seen at once.
const (
	maxFileLines = 400
	maxFuncLines = 70
)

// TestShape: short files and functions, nothing started by a constructor, no
// context kept in a struct.
func TestShape(t *testing.T) {
	var broken []string
	for _, s := range sources(t) {
		if !s.test {
			broken = append(broken, checkShape(s)...)
		}
	}
	report(t, broken)
}

func checkShape(s source) []string {
	var broken []string
	if s.size > maxFileLines {
		broken = append(broken, fmt.Sprintf("%s has %d lines, more than %d: split it by the parts of the mechanism", s.path, s.size, maxFileLines))
	}
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			broken = append(broken, checkFunc(s, d)...)
		case *ast.GenDecl:
			ast.Inspect(d, func(n ast.Node) bool {
				if st, ok := n.(*ast.StructType); ok {
					broken = append(broken, checkStruct(s, st)...)
				}
				return true
			})
		}
	}
	return broken
}

func checkFunc(s source, d *ast.FuncDecl) []string {
	var broken []string
	if n := s.lines(d); n > maxFuncLines {
		broken = append(broken, fmt.Sprintf("%s: func %s has %d lines, more than %d: name its steps", s.at(d), d.Name.Name, n, maxFuncLines))
	}
	if d.Recv != nil || d.Body == nil || !strings.HasPrefix(d.Name.Name, "New") {
		return broken
	}
	ast.Inspect(d.Body, func(n ast.Node) bool {
		if _, ok := n.(*ast.FuncLit); ok {
			return false // runs later, from Run or a hook
		}
		if g, ok := n.(*ast.GoStmt); ok {
			broken = append(broken, fmt.Sprintf("%s: %s starts a goroutine: a constructor starts nothing, Run does, so that its end can be awaited", s.at(g), d.Name.Name))
		}
		return true
	})
	return broken
}

func checkStruct(s source, st *ast.StructType) []string {
	var broken []string
	for _, f := range st.Fields.List {
		sel, ok := f.Type.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != "Context" {
			continue
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == "context" {
			broken = append(broken, s.at(f)+": a context in a struct: pass it to the call, so that one can see what ends what")
		}
	}
	return broken
}

func TestCheckShape(t *testing.T) {
	long := strings.Repeat("\n", maxFileLines)
	body := strings.Repeat("\t_ = 1\n", maxFuncLines)
	for _, tc := range []struct{ name, text, want string }{
		{"file at the cap", "package x\n" + long[1:], ""},
		{"file over the cap", "package x\n" + long, "401 lines"},
		{"func over the cap", "package x\nfunc f() {\n" + body + "}\n", "func f has 72 lines"},
		{"constructor with a goroutine", "package x\nfunc NewA() { go f() }\n", "NewA starts a goroutine"},
		{"goroutine in a method", "package x\nfunc (a A) Run() { go f() }\n", ""},
		{"goroutine of a function made for later", "package x\nfunc New() func() { return func() { go f() } }\n", ""},
		{"context in a struct", "package x\ntype a struct { ctx context.Context }\n", "context in a struct"},
		{"context in a call", "package x\nfunc f(ctx context.Context) {}\n", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := strings.Join(checkShape(mustParse(t, "x/x.go", tc.text)), "\n")
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q in it", got, tc.want)
			}
		})
	}
}
