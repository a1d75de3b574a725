package taskenv

import (
	"fmt"
	"strings"

	"reconciler/internal/job"
)

// maxShown bounds, in bytes, what a message quotes of one text: it has to fit
// into a line that people read.
const maxShown = 120

// target is one side of a comparison. It is not set if it names something that
// the node does not have.
type target struct {
	text string
	set  bool
}

// Unmet returns why node does not meet the first of the constraints that it
// does not meet, in a sentence for people; ok is true if it meets all. j and g
// are those that the constraints belong to: ${meta.k} is the node's meta, else
// the group's, else the job's.
//
// A side that names something which the node does not have is not set, and so
// is one with ${env["X"]}: no task has an environment yet. As in Nomad, what is
// not set meets is_not_set, and != (or not) unless neither side is set, and
// nothing else.
//
// distinct_hosts is always met here: how allocations lie on hosts is the
// caller's to decide.
func Unmet(node job.Node, j *job.Job, g *job.Group, constraints []job.Constraint) (why string, ok bool) {
	if len(constraints) == 0 {
		return "", true
	}
	e := nodeEnv(node, j, g)
	for _, c := range constraints {
		if why := e.unmet(c); why != "" {
			return why, false
		}
	}
	return "", true
}

// nodeEnv knows what a constraint may name.
func nodeEnv(node job.Node, j *job.Job, g *job.Group) *Env {
	e := &Env{env: map[string]*symbol{}, names: map[string]*symbol{}}
	e.addNode(node)
	var metas []map[string]string
	if j != nil {
		metas = append(metas, j.Meta)
	}
	if g != nil {
		metas = append(metas, g.Meta)
	}
	for _, m := range metas {
		for k, v := range m {
			e.names["meta."+k] = &symbol{text: v}
		}
	}
	for k, v := range node.Meta {
		e.names["meta."+k] = &symbol{text: v, done: true}
	}
	e.resolve()
	return e
}

// target resolves one side of a constraint.
func (e *Env) target(s string) target {
	for rest := s; rest != ""; {
		_, text, ref, after := next(rest)
		if _, known := e.lookup(ref); text != "" && text != escaped && !known {
			return target{}
		}
		rest = after
	}
	return target{text: e.expand(s), set: true}
}

// unmet returns nothing if c is met.
func (e *Env) unmet(c job.Constraint) string {
	if c.Operator == job.OpDistinctHosts {
		return ""
	}
	host, want := e.target(c.Attribute), e.target(c.Value)
	met, err := compare(c.Operator, host, want)
	if met {
		return ""
	}
	return explain(c, host, want, err)
}

// compare says whether an operator holds. The error is why it cannot hold for
// whatever the host has, or whatever is asked for.
func compare(operator string, host, want target) (bool, error) {
	switch operator {
	case job.OpIsSet:
		return host.set, nil
	case job.OpIsNotSet:
		return !host.set, nil
	case "!=", "not":
		return host != want, nil
	}
	holds, known := comparisons[operator]
	if !known {
		return false, fmt.Errorf("no operator is called %q", clip(operator))
	}
	if !host.set || !want.set {
		return false, nil
	}
	return holds(host.text, want.text)
}

// explain writes the constraint as it stands in the manifest, and what this
// host has instead.
func explain(c job.Constraint, host, want target, err error) string {
	b := new(strings.Builder)
	b.WriteString(clip(c.String()) + ": this host has ")
	if host.set {
		fmt.Fprintf(b, "%q", clip(host.text))
	} else {
		b.WriteString("no such value")
	}
	switch {
	case c.Operator == job.OpIsSet || c.Operator == job.OpIsNotSet:
	case !want.set:
		b.WriteString(", and nothing to compare it with")
	case want.text != c.Value:
		fmt.Fprintf(b, ", and %q is asked for", clip(want.text))
	}
	if err != nil {
		b.WriteString("; " + clip(err.Error()))
	}
	return b.String()
}

// clip bounds a text for a message and makes it one that can be printed.
func clip(s string) string {
	if len(s) > maxShown {
		s = s[:maxShown] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
