package desired

import (
	"slices"
	"strings"
	"testing"
)

// Every option of the tables gives the error of its table, wherever it stands
// and whether it is written as a block or as an attribute.
func TestOptionsThatAreNotBuilt(t *testing.T) {
	check := func(table map[string][]string, summary string) {
		for kind, keys := range table {
			around, ok := around[kind]
			if !ok {
				t.Errorf("no section is called %q", kind)
			}
			for _, key := range keys {
				for _, form := range []string{key + " = true\n", key + " {\n}\n"} {
					_, problems := Parse("a.hcl", []byte(around[0]+form+around[1]))
					found := false
					for _, p := range problems {
						found = found || p.Summary == summary && strings.Contains(p.Detail, `"`+key+`"`)
					}
					if !found {
						t.Errorf("%s in %q: %v", form, kind, problems)
					}
				}
			}
		}
	}
	check(notYet, "Not supported yet")
	check(notSupported, "Not supported")
	for kind, keys := range notYet {
		for _, key := range keys {
			if slices.Contains(notSupported[kind], key) {
				t.Errorf("%q stands in both tables", key)
			}
		}
	}
}
