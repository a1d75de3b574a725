package desired

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// headings are where the page of the language has the options of each kind of
// section. Those of config stand in several tables.
var headings = map[string][]string{
	"": {"File"}, "variable": {"variable"}, "job": {"job"}, "update": {"update"}, "group": {"group"},
	"network": {"network of a group"}, "port": {"port of a group"},
	"task": {"task"}, "logs": {"logs"}, "resources": {"resources"}, "task network": {"network of a task"}, "task port": {"port of a task"},
	"config":   {"Image and command", "Network", "Files", "Rights and namespaces", "Limits"},
	"artifact": {"artifact"}, "constraint": {"constraint"}, "restart": {"restart"},
	"service": {"service"}, "check": {"check"}, "check_restart": {"check_restart"},
	"logging": {"logging"}, "auth": {"auth"}, "healthchecks": {"healthchecks"}, "gpus": {"gpus"}, "device": {"An entry of devices"}, "mount": {"An entry of mounts"},
	"bind_options": {"bind_options"}, "volume_options": {"volume_options"}, "driver_config": {"driver_config"}, "tmpfs_options": {"tmpfs_options"},
}

var (
	heading = regexp.MustCompile(`^#+ (.*)$`)
	row     = regexp.MustCompile("^\\| (`[^|]*`)[ ●]*\\|")
	quoted  = regexp.MustCompile("`([^`]*)`")
)

// rowsOf are the options with a row in a page, by heading.
func rowsOf(page string) map[string][]string {
	out := map[string][]string{}
	under := ""
	for line := range strings.Lines(page) {
		if m := heading.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			under = m[1]
		}
		if m := row.FindStringSubmatch(line); m != nil {
			for _, name := range quoted.FindAllStringSubmatch(m[1], -1) {
				out[under] = append(out[under], name[1])
			}
		}
	}
	return out
}

// TestLanguagePage: every option of the decoder has one row in the page of the
// language, and every row is an option.
func TestLanguagePage(t *testing.T) {
	page, err := os.ReadFile("../docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := rowsOf(string(page))
	for _, kind := range slices.Sorted(maps.Keys(around)) {
		var have []string
		for _, h := range headings[kind] {
			have = append(have, rows[h]...)
			delete(rows, h)
		}
		slices.Sort(have)
		for i, name := range have {
			if i > 0 && have[i-1] == name {
				t.Errorf("docs/language.md: %q has two rows for %q", kind, name)
			}
		}
		known := keysOf(t, kind)
		for _, name := range known {
			if !slices.Contains(have, name) {
				t.Errorf("docs/language.md: %q has no row for %q under %q: say what it does and its default", kind, name, headings[kind])
			}
		}
		for _, name := range have {
			if !slices.Contains(known, name) {
				t.Errorf("docs/language.md: there is no option %q in %q: remove its row", name, kind)
			}
		}
	}
	for h, names := range rows {
		t.Errorf("docs/language.md: the rows %q under %q belong to no section of the language", names, h)
	}
}

func TestRowsOf(t *testing.T) {
	got := rowsOf("## a\n| option | x |\n|---|---|\n| `one`, `two` ● | with `three` |\n| `four` | x |\n## b\n| `five` | |\ntext `six`\n")
	// A mark behind the name is part of the first cell.
	if strings.Join(got["a"], " ") != "one two four" || strings.Join(got["b"], " ") != "five" {
		t.Errorf("%q", got)
	}
}
