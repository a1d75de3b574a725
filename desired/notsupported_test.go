package desired

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Every option of the table gives the error of the table, wherever it stands
// and whether it is written as a block or as an attribute.
func TestOptionsThatAreNotSupported(t *testing.T) {
	for kind, keys := range notSupported {
		around, ok := around[kind]
		if !ok {
			t.Errorf("no section is called %q", kind)
		}
		for _, key := range keys {
			for _, form := range []string{key + " = true\n", key + " {\n}\n"} {
				_, problems := Parse("a.hcl", []byte(around[0]+form+around[1]))
				found := false
				for _, p := range problems {
					found = found || p.Summary == "Not supported" && strings.Contains(p.Detail, `"`+key+`"`)
				}
				if !found {
					t.Errorf("%s in %q: %v", form, kind, problems)
				}
			}
		}
	}
}

// What stands in the wrong section is told where to go, and would be taken
// there.
func TestOptionsInTheWrongSection(t *testing.T) {
	sections := map[string][]string{
		"a job": {"job"}, "a group": {"group"}, "a task": {"task"}, "a service": {"service"}, "a check": {"check"},
		"a job, a group or a task": {"job", "group", "task"}, "a group or a task": {"group", "task"},
		"a group or a job": {"group", "job"}, "a job or a group": {"job", "group"}, "a network block": {"network", "task network"},
		"a group, or in the resources of a task": {"group", "resources"}, "the file, around everything else": {""},
	}
	for key, home := range homes {
		kinds, ok := sections[home]
		if !ok {
			t.Errorf("%q stands in %q, which is no section", key, home)
		}
		for _, kind := range kinds {
			if !slices.Contains(keysOf(t, kind), key) {
				t.Errorf("%q is told to stand in %s, and %q has no such option", key, home, kind)
			}
		}
		said := 0
		for kind, around := range around {
			_, problems := Parse("a.hcl", []byte(around[0]+key+" = true\n"+around[1]))
			for _, p := range problems {
				if strings.Contains(p.Detail, "Write it in "+home+".") {
					said++
				}
			}
			if slices.Contains(kinds, kind) && strings.Contains(fmt.Sprint(problems), "Write it in") {
				t.Errorf("%q belongs in %q and is sent away: %v", key, kind, problems)
			}
		}
		if said == 0 {
			t.Errorf("nobody is told where %q belongs", key)
		}
	}
}

// In a small section the nearest of its own options is meant.
func TestSlipsInSmallSections(t *testing.T) {
	for src, want := range map[string]string{
		"config {\n image = \"a\"\n auth {\n usernam = \"a\"\n}\n}": `Did you mean "username"?`,
		"config {\n image = \"a\"\n auth {\n user = \"a\"\n}\n}":    "The auth block has: email, password, server_address and username.",
		"config {\n image = \"a\"\n user = \"a\"\n}":                "Write it in a task.",
		"config {\n image = \"a\"\n dynamic \"mount\" {\n}\n}":      "a list can be computed: mounts = [for x in local.all : { … }].",
	} {
		if got := said(t, "task \"t\" {\n"+src+"\n}\n"); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s, want %s", src, got, want)
		}
	}
}
