package taskenv

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/go-version"

	"reconciler/internal/job"
)

// semverTerm is one comparison of a list.
var semverTerm = regexp.MustCompile(`^\s*(=|==|!=|<|<=|>|>=)?\s*(\S+)\s*$`)

// semverMeets compares by the precedence of Semantic Versioning 2.0: a
// pre-release comes before its version, and what stands behind "+" does not
// count. Both sides must be of the form of job.Semver.
func semverMeets(host, want string) (bool, error) {
	v, err := parseSemver(host)
	if err != nil {
		return false, err
	}
	met := true
	for term := range strings.SplitSeq(want, ",") {
		m := semverTerm.FindStringSubmatch(term)
		if m == nil {
			return false, fmt.Errorf("%q compares no versions: write one as in \">= 1.2.0, < 2.0.0\"", clip(want))
		}
		w, err := parseSemver(m[2])
		if err != nil {
			return false, err
		}
		met = met && holds(m[1], precedence(v, w))
	}
	return met, nil
}

func parseSemver(s string) (*version.Version, error) {
	if !job.Semver.MatchString(s) {
		return nil, fmt.Errorf("%q is no semantic version: it has the form 1.2.3", clip(s))
	}
	v, err := version.NewSemver(s)
	if err != nil {
		return nil, fmt.Errorf("%q is a semantic version that cannot be compared", clip(s))
	}
	return v, nil
}

// precedence compares as §11 of Semantic Versioning 2.0 says. go-version, whose
// Compare does the rest, puts alpha.beta before alpha.
func precedence(v, w *version.Version) int {
	if v.Prerelease() == "" || w.Prerelease() == "" || !v.Core().Equal(w.Core()) {
		return v.Compare(w)
	}
	a, b := strings.Split(v.Prerelease(), "."), strings.Split(w.Prerelease(), ".")
	for i := range min(len(a), len(b)) {
		if c := compareIdentifiers(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// compareIdentifiers puts numbers before words. Numbers have no
// leading zeros, so the longer one is the greater, whatever its size.
func compareIdentifiers(a, b string) int {
	numA, numB := isNumber(a), isNumber(b)
	switch {
	case numA && numB:
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	case numA:
		return -1
	case numB:
		return 1
	}
	return cmp.Compare(a, b)
}

func isNumber(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}
