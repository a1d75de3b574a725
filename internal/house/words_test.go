package house

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// words may stand in no file of the project. They are put together here, so
// that this file passes its own test.
var words = []struct{ word, why string }{
	{"TO" + "DO", "unfinished work is an issue, or it is finished"},
	{"FIX" + "ME", "unfinished work is an issue, or it is finished"},
	{"../sha" + "red", "a clone has no such folder: say it here, in words that stand alone"},
	{"/work/sha" + "red", "a clone has no such folder: say it here, in words that stand alone"},
}

// TestWords finds marks of unfinished work and pointers out of the clone.
func TestWords(t *testing.T) {
	walk(t, func(name string, text []byte) {
		if strings.Contains(name, "testdata/fuzz/") {
			return // bytes that a fuzzer chose
		}
		report(t, checkWords(name, text))
	})
}

func checkWords(name string, text []byte) []string {
	var broken []string
	for _, w := range words {
		if i := bytes.Index(text, []byte(w.word)); i >= 0 {
			line := 1 + bytes.Count(text[:i], []byte("\n"))
			broken = append(broken, fmt.Sprintf("%s:%d: %q: %s", name, line, w.word, w.why))
		}
	}
	return broken
}

func TestCheckWords(t *testing.T) {
	got := checkWords("a.go", []byte("package a\n\n// TO"+"DO: later\n"))
	if len(got) != 1 || !strings.HasPrefix(got[0], "a.go:3:") {
		t.Errorf("got %q, want one complaint at a.go:3", got)
	}
	if got := checkWords("a.go", []byte("// all done\n")); len(got) != 0 {
		t.Errorf("got %q, want none", got)
	}
}

// top is what may lie at the top of the repository: a newcomer reads this
// list first.
var top = map[string]bool{
	".ci": true, ".gitignore": true, ".golangci.yml": true, "ARCHITECTURE.md": true, "CONTRIBUTING.md": true,
	"LICENSE": true, "Makefile": true, "README.md": true, "go.mod": true, "go.sum": true,
	"cmd": true, "desired": true, "docs": true, "gc": true, "internal": true, "manifests": true,
	"observed": true, "packaging": true, "reconcile": true, "store": true,
}

// TestTop: nothing new at the top without a reason that a newcomer would
// accept.
func TestTop(t *testing.T) {
	seen := map[string]bool{}
	walk(t, func(name string, _ []byte) {
		first, _, _ := strings.Cut(name, "/")
		if !top[first] && !seen[first] && first != "cover.out" && first != "cover.html" {
			t.Errorf("%s at the top of the repository: does it belong into a room?", first)
		}
		seen[first] = true
	})
	for _, must := range []string{"README.md", "LICENSE", "CONTRIBUTING.md", "ARCHITECTURE.md", "Makefile"} {
		if !seen[must] {
			t.Errorf("%s is missing", must)
		}
	}
}
