package job

import (
	"regexp"
	"slices"
)

// Operators of a Constraint. "=", "==" and "is" mean the same, as do "!=" and
// "not"; a manifest's spelling of those is kept, since people read it back.
const (
	OpVersion       = "version" // Value is a list of comparisons, as in ">= 1.2, < 2"
	OpSemver        = "semver"  // the same, by Semantic Versioning 2.0; see Semver
	OpRegexp        = "regexp"
	OpSetContains   = "set_contains"
	OpIsSet         = "is_set"
	OpIsNotSet      = "is_not_set"
	OpDistinctHosts = "distinct_hosts"
)

// Operators lists every operator that a Constraint may have.
var Operators = []string{
	"=", "==", "is", "!=", "not", "<", "<=", ">", ">=",
	OpRegexp, OpVersion, OpSemver, OpSetContains, OpIsSet, OpIsNotSet, OpDistinctHosts,
}

// Semver matches what OpSemver compares: the form of Semantic Versioning 2.0 (its
// own suggested pattern), in which, as in Nomad, the minor and the patch number
// may be missing, which is 0, and a "v" may come first.
var Semver = regexp.MustCompile(`^v?(0|[1-9]\d*)(\.(0|[1-9]\d*)){0,2}` +
	`(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?` +
	`(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$`)

// Constraint is what must hold of this host for a job, group or task to be
// placed on it. Attribute and Value may hold runtime names of the node.
//
// The sugar of the language is gone: version = "…" is OpVersion, regexp = "…"
// is OpRegexp, and operator = ">" beside version = "1.2" is OpVersion with the
// value "> 1.2".
type Constraint struct {
	Attribute string `json:"attribute,omitempty"`
	Operator  string `json:"operator"`
	Value     string `json:"value,omitempty"`
}

// String writes a constraint as people read it: `${attr.cpu.arch} = amd64`.
func (c Constraint) String() string {
	switch c.Operator {
	case OpDistinctHosts:
		return c.Operator
	case OpIsSet, OpIsNotSet:
		return c.Attribute + " " + c.Operator
	}
	return c.Attribute + " " + c.Operator + " " + c.Value
}

// Constraints lists the constraints that a group's allocations must meet:
// those of the job, the group and each of its tasks, in this order.
func Constraints(j *Job, g *Group) []Constraint {
	out := slices.Concat(j.Constraints, g.Constraints)
	for i := range g.Tasks {
		out = append(out, g.Tasks[i].Constraints...)
	}
	return out
}
