package house

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// TestPackageDocs: each room has one package comment, in doc.go, that says
// what it owns and promises. Two comments would be glued together by go doc,
// in the order of the file names.
func TestPackageDocs(t *testing.T) { report(t, checkPackageDocs(sources(t))) }

func checkPackageDocs(all []source) []string {
	docs := map[string][]string{}
	for _, s := range all {
		if _, ok := docs[s.room]; !ok {
			docs[s.room] = nil
		}
		if !s.test && s.file.Doc != nil {
			docs[s.room] = append(docs[s.room], path.Base(s.path))
		}
	}
	var broken []string
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		got := docs[name]
		if len(got) == 1 && (got[0] == "doc.go" || got[0] == "main.go") {
			continue
		}
		broken = append(broken, fmt.Sprintf("%s: package comments in %q; want one, in doc.go: what the room owns, what it promises, its caveats", name, got))
	}
	return broken
}

// TestExportedNamesAreDocumented: a comment on every exported name says what
// it means, in which unit, and which errors there are.
func TestExportedNamesAreDocumented(t *testing.T) {
	var broken []string
	for _, s := range sources(t) {
		if !s.test {
			broken = append(broken, checkExported(s)...)
		}
	}
	report(t, broken)
}

func checkExported(s source) []string {
	var broken []string
	miss := func(n ast.Node, name string) {
		broken = append(broken, fmt.Sprintf("%s: %s is exported and has no comment", s.at(n), name))
	}
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
				miss(d, d.Name.Name)
			}
		case *ast.GenDecl:
			if d.Tok == token.IMPORT {
				continue
			}
			for _, spec := range d.Specs {
				for _, name := range undocumented(d, spec) {
					miss(spec, name)
				}
			}
		}
	}
	return broken
}

// exportedReceiver reports whether d is a function, or a method of a type
// that other packages can name.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	exported := false
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			exported = id.IsExported()
			return false
		}
		return true
	})
	return exported
}

// undocumented returns the exported names of one const, var or type that have
// no comment of their own, behind them, or over their group.
func undocumented(d *ast.GenDecl, spec ast.Spec) []string {
	var names []string
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		if spec.Name.IsExported() && spec.Doc == nil && (d.Lparen.IsValid() || d.Doc == nil) {
			names = append(names, spec.Name.Name)
		}
	case *ast.ValueSpec:
		if spec.Doc != nil || spec.Comment != nil || d.Doc != nil {
			return nil
		}
		for _, n := range spec.Names {
			if n.IsExported() {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

func TestCheckExported(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"func", "package x\nfunc F() {}\n", "F is exported"},
		{"documented func", "package x\n// F does.\nfunc F() {}\n", ""},
		{"unexported", "package x\nfunc f() {}\n", ""},
		{"method", "package x\nfunc (t *T) M() {}\n", "M is exported"},
		{"method of an unexported type", "package x\nfunc (t *t) M() {}\n", ""},
		{"method of a generic type", "package x\nfunc (t *T[K]) M() {}\n", "M is exported"},
		{"type", "package x\ntype T int\n", "T is exported"},
		{"type in a group with a comment", "package x\n// Types.\ntype (\n\tT int\n)\n", "T is exported"},
		{"const in a group with a comment", "package x\n// Limits.\nconst (\n\tA = 1\n)\n", ""},
		{"const with a comment behind it", "package x\nconst (\n\tA = 1 // one\n\tB = 2\n)\n", "B is exported"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := strings.Join(checkExported(mustParse(t, "x/x.go", tc.text)), "\n")
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q in it", got, tc.want)
			}
		})
	}
}

func TestCheckPackageDocs(t *testing.T) {
	one := mustParse(t, "x/doc.go", "// Package x is.\npackage x\n")
	two := mustParse(t, "x/a.go", "// Package x is more.\npackage x\n")
	bare := mustParse(t, "x/a.go", "package x\n")
	for _, tc := range []struct {
		name string
		in   []source
		want int
	}{
		{"one", []source{one, bare}, 0},
		{"none", []source{bare}, 1},
		{"two", []source{one, two}, 1},
		{"in the wrong file", []source{two}, 1},
	} {
		if got := checkPackageDocs(tc.in); len(got) != tc.want {
			t.Errorf("%s: %q, want %d complaints", tc.name, got, tc.want)
		}
	}
}
