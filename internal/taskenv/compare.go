package taskenv

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/go-version"

	"reconciler/internal/job"
)

// maxPattern bounds a regexp in bytes. The cost of a match is the product of
// the lengths of pattern and text, and a text may have maxValue.
const maxPattern = 4 << 10

// comparison says whether the host's value is what is asked for. An error says
// that one of the two is not of the right form.
type comparison func(host, want string) (bool, error)

// comparisons are the operators that need a value on both sides.
var comparisons = map[string]comparison{
	"=":               equal,
	"==":              equal,
	"is":              equal,
	"<":               ordered("<"),
	"<=":              ordered("<="),
	">":               ordered(">"),
	">=":              ordered(">="),
	job.OpRegexp:      matches,
	job.OpVersion:     versionMeets,
	job.OpSemver:      semverMeets,
	job.OpSetContains: setContains,
}

func equal(host, want string) (bool, error) { return host == want, nil }

// ordered compares numbers as numbers, and everything else as text.
func ordered(operator string) comparison {
	return func(host, want string) (bool, error) { return holds(operator, order(host, want)), nil }
}

func order(a, b string) int {
	if x, y, ok := both(a, b, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }); ok {
		return cmp.Compare(x, y)
	}
	if x, y, ok := both(a, b, finite); ok {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a, b)
}

// both parses both texts or none.
func both[T any](a, b string, parse func(string) (T, error)) (x, y T, ok bool) {
	x, errA := parse(a)
	y, errB := parse(b)
	return x, y, errA == nil && errB == nil
}

// finite reads a number. "inf" and "nan" are words.
func finite(s string) (float64, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err == nil && (math.IsInf(f, 0) || math.IsNaN(f)) {
		return 0, strconv.ErrSyntax
	}
	return f, err
}

// matches looks for the pattern anywhere in the host's value, as Nomad does.
func matches(host, pattern string) (bool, error) {
	if len(pattern) > maxPattern {
		return false, fmt.Errorf("a regexp has at most %d bytes", maxPattern)
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return false, fmt.Errorf("the regexp is not valid: %w", err)
	}
	return re.MatchString(host), nil
}

// setContains reports whether every member of want is one of host's. Both are
// lists with commas; blanks around members do not count.
func setContains(host, want string) (bool, error) {
	have := members(host)
	for _, m := range members(want) {
		if !slices.Contains(have, m) {
			return false, nil
		}
	}
	return true, nil
}

func members(list string) []string {
	all := strings.Split(list, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

// versionMeets compares by go-version's rules, which know "~>", and by which a
// pre-release meets only constraints that name one of the same version.
func versionMeets(host, want string) (bool, error) {
	v, err := hostVersion(host)
	if err != nil {
		return false, err
	}
	constraints, err := version.NewConstraint(want)
	if err != nil {
		return false, fmt.Errorf("%q compares no versions: write one as in \">= 1.2, < 2\"", clip(want))
	}
	return constraints.Check(v), nil
}

// versionHead is what every version begins with.
var versionHead = regexp.MustCompile(`^v?[0-9]+(\.[0-9]+)*`)

// preRelease is how the suffix of a version begins that comes before it.
var preRelease = regexp.MustCompile(`^(?i:alpha|beta|rc|pre|dev|snapshot|nightly|test|tp|[abm][0-9])`)

// hostVersion reads the version of something that is installed. What a
// distribution or a vendor adds to it, as in 20.10.24+dfsg1, 17.05.0-ce or
// 6.1.0-18-amd64, makes it no pre-release.
func hostVersion(s string) (*version.Version, error) {
	s = strings.TrimSpace(s)
	v, err := version.NewVersion(s)
	if err == nil && (v.Prerelease() == "" || preRelease.MatchString(v.Prerelease())) {
		return v, nil
	}
	v, err = version.NewVersion(versionHead.FindString(s))
	if err != nil {
		return nil, fmt.Errorf("%q is no version", clip(s))
	}
	return v, nil
}

// holds says whether an operator holds for the result of a comparison.
func holds(operator string, c int) bool {
	switch operator {
	case "!=":
		return c != 0
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	case ">=":
		return c >= 0
	}
	return c == 0
}
