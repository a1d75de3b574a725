package house

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// modulePath is the name of the module in go.mod.
const modulePath = "reconciler"

// source is one Go file of the module, parsed. Files that do not parse are
// the compiler's to report; they are not here.
type source struct {
	path string // from the module's root, with slashes
	room string // folder of path; "" at the top
	test bool   // its name ends in _test.go
	set  *token.FileSet
	file *ast.File
	size int // lines
}

// parseSource parses text as the file at name.
func parseSource(name string, text []byte) (source, error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	room := path.Dir(name)
	if room == "." {
		room = ""
	}
	return source{
		path: name, room: room, test: strings.HasSuffix(name, "_test.go"),
		set: set, file: file, size: bytes.Count(text, []byte("\n")),
	}, nil
}

// mustParse is parseSource for the made-up files of the tests below.
func mustParse(t *testing.T, name, text string) source {
	t.Helper()
	s, err := parseSource(name, []byte(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return s
}

// imports returns the paths that the file imports.
func (s source) imports() []string {
	var out []string
	for _, spec := range s.file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// at says where a node stands, as compilers do.
func (s source) at(n ast.Node) string {
	p := s.set.Position(n.Pos())
	return s.path + ":" + strconv.Itoa(p.Line)
}

// lines is how many lines a node spans.
func (s source) lines(n ast.Node) int {
	return s.set.Position(n.End()).Line - s.set.Position(n.Pos()).Line + 1
}

// root is the folder of the module, seen from this package's tests.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatalf("the module's root is not where it was: %v", err)
	}
	return dir
}

// walk calls f with every file of the module that a person wrote: no dot
// folder but .ci, nothing built.
func walk(t *testing.T, f func(name string, text []byte)) {
	t.Helper()
	dir := root(t)
	err := filepath.WalkDir(dir, func(full string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, full)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if d.IsDir() {
			if name == "bin" || name == "dist" || name != "." && name != ".ci" && strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(full)
		if err != nil {
			return err
		}
		f(name, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sources parses every Go file of the module outside testdata.
func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	walk(t, func(name string, text []byte) {
		if path.Ext(name) != ".go" || strings.Contains(name, "testdata/") {
			return
		}
		s, err := parseSource(name, text)
		if err != nil {
			t.Logf("not checked: %v", err)
			return
		}
		out = append(out, s)
	})
	if len(out) == 0 {
		t.Fatal("no Go file found")
	}
	return out
}

// report fails the test once for each broken rule.
func report(t *testing.T, broken []string) {
	t.Helper()
	for _, b := range broken {
		t.Error(b)
	}
}
