package desired

import (
	"fmt"

	"reconciler/internal/hclx"
)

// maxCompared bounds how many names one file is compared with for advice: a
// file full of unknown names shall not cost the product of both.
const maxCompared = 1 << 14

// maxListed is how many names a person reads.
const maxListed = 20

// suggest is the one of names that name may be a slip of, or nothing.
func (l *loader) suggest(name string, names func() []string) string {
	if name == "" || l.compared > maxCompared {
		return ""
	}
	all := names()
	l.compared += len(all)
	return hclx.Suggest(name, all)
}

// adviseOf is what to do about a name that is none of names, which are the
// things that are there.
func (l *loader) adviseOf(name, things string, names func() []string) string {
	if near := l.suggest(name, names); near != "" {
		return fmt.Sprintf("Did you mean %q?", near)
	}
	if l.compared > maxCompared {
		return fmt.Sprintf("Look at the names of the %s.", things)
	}
	all := names()
	if more := len(all) - maxListed; more > 0 {
		all = append(all[:maxListed:maxListed], fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("The %s are: %s.", things, listOf(all))
}
