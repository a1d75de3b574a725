package config

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pageRow is one row of a table: the names in its first cell, and the second.
type pageRow struct{ name, second string }

var (
	pageHeading = regexp.MustCompile(`^#+ (.*)$`)
	pageCells   = regexp.MustCompile("^\\| `([^`]*)` \\|([^|]*)\\|")
)

// pageRows are the rows of docs/agent.md under one heading.
func pageRows(t *testing.T, heading string) []pageRow {
	t.Helper()
	page, err := os.ReadFile("../../docs/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []pageRow
	under := ""
	for line := range strings.Lines(string(page)) {
		if m := pageHeading.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			under = m[1]
		}
		if m := pageCells.FindStringSubmatch(line); m != nil && under == heading {
			out = append(out, pageRow{m[1], strings.Trim(strings.TrimSpace(m[2]), "`")})
		}
	}
	return out
}

// section is a part of the file, and how an entry of it is written.
type section struct {
	heading string
	known   []string
	write   func(entry string) string
}

func sections() []section {
	return []section{
		{
			"Top of the file", append(slices.Collect(maps.Keys(topFields)), "client"),
			func(entry string) string { return entry },
		},
		{
			"client", slices.Concat(slices.Collect(maps.Keys(clientFields)), slices.Collect(maps.Keys(clientMaps))),
			func(entry string) string { return "client {\n  " + entry + "}\n" },
		},
		{
			"options", append(slices.Collect(maps.Keys(options)), loggingConfig+"max-size", loggingConfig+"max-file"),
			func(entry string) string { return "client {\n  options {\n    " + entry + "  }\n}\n" },
		},
	}
}

// maps and blocks have no value to stand in the column of defaults.
var withoutDefault = []string{"client", "meta", "options"}

// TestPageHasEveryOption: every key has one row, and every row is a key.
func TestPageHasEveryOption(t *testing.T) {
	for _, s := range sections() {
		var have []string
		for _, r := range pageRows(t, s.heading) {
			have = append(have, r.name)
		}
		slices.Sort(have)
		slices.Sort(s.known)
		if diff := cmp.Diff(s.known, have); diff != "" {
			t.Errorf("docs/agent.md, %q: one row for each (-the code +the page):\n%s", s.heading, diff)
		}
	}
}

// TestPageHasTheDefaults: the value in the column of defaults, written down,
// changes nothing.
func TestPageHasTheDefaults(t *testing.T) {
	for _, s := range sections() {
		for _, r := range pageRows(t, s.heading) {
			switch {
			case slices.Contains(withoutDefault, r.name):
				if r.second != "" {
					t.Errorf("docs/agent.md: %s is no value and has the default %s", r.name, r.second)
				}
				continue
			case r.name == "name":
				if r.second != "the host name" {
					t.Errorf("docs/agent.md: the default of name is %q", r.second)
				}
				continue
			}
			got, err := load(t, s.write(r.name+" = "+r.second+"\n"))
			if err != nil {
				t.Errorf("docs/agent.md: %s has the default %s: %v", r.name, r.second, err)
				continue
			}
			if diff := cmp.Diff(Default(), got, sameEmpty); diff != "" {
				t.Errorf("docs/agent.md: %s has the default %s, which is none (-default +with it):\n%s", r.name, r.second, diff)
			}
		}
	}
}

// sameEmpty: an allowlist without a word is none.
var sameEmpty = cmp.Comparer(func(a, b []string) bool { return slices.Equal(a, b) })

// TestPageColumnCanBeWrong: the check above sees a default that is another.
func TestPageColumnCanBeWrong(t *testing.T) {
	for _, line := range []string{
		`docker.cleanup.image = false`, `docker.cleanup.image.delay = "4m"`, `docker.logging.config.max-file = 4`, `docker.caps.allowlist = "ALL"`,
	} {
		got, err := load(t, "client {\n  options {\n    "+line+"\n  }\n}\n")
		if err != nil {
			t.Fatal(err)
		}
		if cmp.Equal(Default(), got, sameEmpty) {
			t.Errorf("%s is taken for the default", line)
		}
	}
}

// TestNoBlock: no block, an empty one and a part of one have the defaults for
// all that is not said.
func TestNoBlock(t *testing.T) {
	for _, text := range []string{
		"", "client {\n}\n", "client {\n  options {\n  }\n}\n", "client {\n  meta {\n  }\n  options = {}\n}\n",
		"client {\n  enabled = true\n}\n", "client {\n}\nclient {\n  options {\n  }\n}\n",
	} {
		got, err := load(t, text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(Default(), got); diff != "" {
			t.Errorf("%q (-default +got):\n%s", text, diff)
		}
	}
}

// TestPageHasTheGates: the gates are options, each with a row of its own, and
// what the page quotes from the messages is in the code that refuses.
func TestPageHasTheGates(t *testing.T) {
	rows := pageRows(t, "Gates")
	if len(rows) == 0 {
		t.Fatal("docs/agent.md has no table of gates")
	}
	page, err := os.ReadFile("../../docs/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, file := range []string{"isolation.go", "mounts.go"} {
		text, err := os.ReadFile("../docker/" + file)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(text)
	}
	for _, r := range rows {
		if _, ok := options[r.name]; !ok {
			t.Errorf("docs/agent.md: the gate %s is no option", r.name)
		}
		words := gateWords(string(page), r.name)
		if !strings.Contains(words, `"`+r.name+`"`) || !strings.Contains(code.String(), words) {
			t.Errorf("docs/agent.md: %s is not refused in the words %q", r.name, words)
		}
	}
}

// gateWords is the last cell of the gate's row.
func gateWords(page, name string) string {
	_, table, _ := strings.Cut(page, "### Gates")
	_, line, _ := strings.Cut(table, "| `"+name+"` |")
	line, _, _ = strings.Cut(line, "\n")
	cells := strings.Split(strings.Trim(line, " |"), "|")
	return strings.TrimSpace(cells[len(cells)-1])
}
