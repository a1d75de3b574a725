package desired

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"reconciler/internal/hclx"
	"reconciler/internal/job"
)

// runtimeRef is a name in ${...} that is left for the time when a container is
// made.
type runtimeRef struct {
	name string
	at   hcl.Range
}

// literalWalker goes through an expression and turns every ${...} that is not
// resolved at load time into plain text of itself. HCL has no such notion: it
// fails on a variable that it does not know. It changes the syntax tree in
// place.
type literalWalker struct {
	l      *loader
	bound  []map[string]struct{} // names that the enclosing for expressions bind
	failed bool
}

// keepLiterals prepares expr for evaluation and reports whether all that it
// names is known.
func (l *loader) keepLiterals(expr hclsyntax.Expression) bool {
	w := &literalWalker{l: l}
	_ = hclsyntax.Walk(expr, w) // what Enter and Exit find goes to the loader
	return !w.failed
}

// Enter implements hclsyntax.Walker.
func (w *literalWalker) Enter(node hclsyntax.Node) hcl.Diagnostics {
	switch n := node.(type) {
	case hclsyntax.ChildScope:
		w.bound = append(w.bound, n.LocalNames)
	case *hclsyntax.TemplateExpr:
		for i, part := range n.Parts {
			n.Parts[i] = w.part(part)
		}
	case *hclsyntax.TemplateWrapExpr:
		n.Wrapped = w.part(n.Wrapped)
	case *hclsyntax.LiteralValueExpr:
		w.escape(n)
	case *hclsyntax.ScopeTraversalExpr:
		w.checkName(n)
	}
	return nil
}

// Exit implements hclsyntax.Walker.
func (w *literalWalker) Exit(node hclsyntax.Node) hcl.Diagnostics {
	if _, ok := node.(hclsyntax.ChildScope); ok {
		w.bound = w.bound[:len(w.bound)-1]
	}
	return nil
}

// part returns what stands for a part of a template: itself if it can be
// evaluated now or must be refused, else its own text.
func (w *literalWalker) part(part hclsyntax.Expression) hclsyntax.Expression {
	if !w.interpolated(part.Range()) {
		return part
	}
	unknown, ours := false, false
	for _, ref := range part.Variables() {
		if w.loadTime(ref.RootName()) {
			ours = true
		} else {
			unknown = true
		}
	}
	if _, simple := part.(*hclsyntax.ScopeTraversalExpr); !unknown || !simple && (ours || callsFunction(part)) {
		return part
	}
	rng := part.Range()
	name := string(bytes.TrimSpace(rng.SliceBytes(w.l.src)))
	w.l.refs = append(w.l.refs, runtimeRef{name: name, at: rng})
	kept := &hclsyntax.LiteralValueExpr{Val: cty.StringVal("${" + name + "}"), SrcRange: rng}
	w.l.evaluator.escaped[kept] = true
	return kept
}

// interpolated reports whether the text at rng is the inside of a ${...}, and
// not of a %{...} or text itself.
func (w *literalWalker) interpolated(rng hcl.Range) bool {
	before := w.l.src[:min(rng.Start.Byte, len(w.l.src))]
	before = bytes.TrimRight(before, " \t\r\n")
	before = bytes.TrimSuffix(before, []byte("~"))
	return bytes.HasSuffix(before, []byte("${"))
}

// escape keeps the $${ of the source: what remains of it here is a plain ${,
// which would be taken for a runtime name later.
func (w *literalWalker) escape(lit *hclsyntax.LiteralValueExpr) {
	if lit.Val.IsNull() || lit.Val.Type() != cty.String || w.l.evaluator.escaped[lit] {
		return
	}
	w.l.evaluator.escaped[lit] = true
	lit.Val = cty.StringVal(strings.ReplaceAll(lit.Val.AsString(), "${", "$${"))
}

// loadTime reports whether names below root are resolved now.
func (w *literalWalker) loadTime(root string) bool {
	if root == "var" || root == "local" {
		return true
	}
	for _, names := range w.bound {
		if _, ok := names[root]; ok {
			return true
		}
	}
	return false
}

// checkName reports a name outside of ${...}, or one below var. or local.,
// that nothing declares.
func (w *literalWalker) checkName(ref *hclsyntax.ScopeTraversalExpr) {
	root := ref.Traversal.RootName()
	if root != "var" && root != "local" {
		if !w.loadTime(root) {
			w.failed = true
			text := string(ref.SrcRange.SliceBytes(w.l.src))
			w.l.errorf(ref.SrcRange, "Unknown name", "%s is known when a container is made, if at all, and cannot be computed with when the file is loaded. Text stands in quotes: %q; a runtime name stands in a string: \"${%s}\".", text, text, text)
		}
		return
	}
	if len(ref.Traversal) > 1 {
		if attr, ok := ref.Traversal[1].(hcl.TraverseAttr); ok {
			w.failed = !w.l.evaluator.declared(w.l, root, attr.Name, ref.SrcRange) || w.failed
			return
		}
	}
	w.failed = true
	w.l.errorf(ref.SrcRange, "Unknown name", "%q needs the name of what is meant: %s.name.", root, root)
}

func callsFunction(expr hclsyntax.Expression) bool {
	found := false
	_ = hclsyntax.VisitAll(expr, func(n hclsyntax.Node) hcl.Diagnostics {
		if _, ok := n.(*hclsyntax.FunctionCallExpr); ok {
			found = true
		}
		return nil
	})
	return found
}

// takeRefs returns the runtime names that were met since it was last called.
func (l *loader) takeRefs() []runtimeRef {
	refs := l.refs
	l.refs = nil
	return refs
}

// checkRuntimeNames warns of each name among refs that nothing will resolve in
// a task with this environment, once per name.
func (l *loader) checkRuntimeNames(refs []runtimeRef, env map[string]string) {
	told := map[string]bool{}
	for _, ref := range refs {
		if told[ref.name] || job.KnownRuntimeName(ref.name, env) {
			continue
		}
		told[ref.name] = true
		advice := "Set it in env, or write $${ if the text is meant."
		if near := l.suggest(ref.name, func() []string { return job.RuntimeNames(env) }); near != "" {
			advice = "Did you mean \"${" + near + "}\"?"
		}
		l.warnf(ref.at, "Unknown runtime name", "nothing resolves \"${%s}\"; it stays in the text as it is. %s", ref.name, advice)
	}
}

// hiddenPlaces are the places, in the order of the file, of what looks like
// ${...} and is none, of which the parser has warned.
func hiddenPlaces(diags hcl.Diagnostics) []hcl.Range {
	var out []hcl.Range
	for _, d := range diags {
		if d.Summary == hclx.NotAnExpression {
			out = append(out, *d.Subject)
		}
	}
	slices.SortFunc(out, func(a, b hcl.Range) int { return cmp.Compare(a.Start.Byte, b.Start.Byte) })
	return out
}

// hiddenIn are those of them that lie within at.
func (l *loader) hiddenIn(at hcl.Range) []hcl.Range {
	find := func(offset int) int {
		i, _ := slices.BinarySearchFunc(l.hidden, offset, func(r hcl.Range, offset int) int { return cmp.Compare(r.Start.Byte, offset) })
		return i
	}
	return l.hidden[find(at.Start.Byte):find(at.End.Byte)]
}
