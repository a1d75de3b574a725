package house

import (
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	lawRow   = regexp.MustCompile(`(?m)^\| (\d+) \| .* \| (.*) \|$`)
	lawPlace = regexp.MustCompile("`(\\w+)`: ((?:`\\w+`(?:, )?)+)")
	lawTest  = regexp.MustCompile("`(\\w+)`")
)

// TestLaws: each law of ARCHITECTURE.md names tests that exist.
func TestLaws(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, laws, _ := strings.Cut(string(text), "## Laws")
	laws, _, _ = strings.Cut(laws, "\n## ")
	there := map[string]bool{}
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.test && f.Recv == nil {
				there[s.room+" "+f.Name.Name] = true
			}
		}
	}
	report(t, checkLaws(laws, there))
}

// checkLaws holds the table of laws against the tests that there are.
func checkLaws(table string, there map[string]bool) []string {
	var broken []string
	rows := lawRow.FindAllStringSubmatch(table, -1)
	if len(rows) != 17 {
		broken = append(broken, fmt.Sprintf("ARCHITECTURE.md has %d laws with tests, want 17", len(rows)))
	}
	for _, row := range rows {
		places := lawPlace.FindAllStringSubmatch(row[2], -1)
		if len(places) == 0 {
			broken = append(broken, fmt.Sprintf("law %s names no test", row[1]))
		}
		for _, p := range places {
			for _, name := range lawTest.FindAllStringSubmatch(p[2], -1) {
				if !there[p[1]+" "+name[1]] && !there["internal/"+p[1]+" "+name[1]] {
					broken = append(broken, fmt.Sprintf("law %s names %s in %s, which does not exist", row[1], name[1], p[1]))
				}
			}
		}
	}
	return broken
}

func TestCheckLaws(t *testing.T) {
	var table strings.Builder
	for i := range 17 {
		fmt.Fprintf(&table, "| %d | a law | `gc`: `TestA`, `TestB`; `laws`: `TestC` |\n", i+1)
	}
	all := map[string]bool{"gc TestA": true, "gc TestB": true, "internal/laws TestC": true}
	if got := checkLaws(table.String(), all); len(got) > 0 {
		t.Errorf("got %q, want no complaint", got)
	}
	delete(all, "gc TestB")
	if got := checkLaws(table.String(), all); len(got) != 17 || !strings.Contains(got[0], "TestB in gc") {
		t.Errorf("got %q, want 17 complaints about TestB", got)
	}
	if got := checkLaws("| 1 | a law | nothing |\n", all); len(got) != 2 {
		t.Errorf("got %q, want complaints about the number of laws and the one without tests", got)
	}
}
