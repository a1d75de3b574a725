package desired

import (
	"slices"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// evalBudget bounds what all expressions of one file may come to together, in
// bytes of text plus nodeWeight for each value. Without it, thirty locals that
// each name the one before twice would fill the memory of the machine. A
// manifest is at most 256 KiB, and what it means is hardly ever longer.
const evalBudget = 4 << 20

// nodeWeight is what a value costs beside its text: with it the budget is
// spent in about 100 ms, measured with hcl 2.25.
const nodeWeight = 16

// extent bounds a value: size is its text and elements in all, elems the
// number of its elements, elem the size of the largest of them.
type extent struct{ size, elems, elem int }

func scalar(text int) extent {
	size := cap4(nodeWeight + text)
	return extent{size: size, elems: 1, elem: size}
}

// afford charges expr to the budget of the file before it is evaluated, and
// reports the expression that no longer fits.
func (l *loader) afford(expr hclsyntax.Expression) bool {
	if l.evaluator.spent > evalBudget {
		return false // told already
	}
	m := meter{e: l.evaluator}
	m.of(expr)
	return l.charge(expr, m.work)
}

// charge takes work from the budget, and reports expr if there is none left.
func (l *loader) charge(expr hclsyntax.Expression, work int) bool {
	e := l.evaluator
	e.spent = cap4(e.spent + work)
	if e.spent <= evalBudget {
		return true
	}
	l.errorf(expr.Range(), "Value too large", "what this file computes may come to more than %d bytes. Make its locals, functions and for expressions smaller.", evalBudget)
	return false
}

// cap4 keeps sums and products of extents from overflowing.
func cap4(n int) int { return min(n, evalBudget+1) }

func times(a, b int) int {
	if a != 0 && b > (evalBudget+1)/a {
		return evalBudget + 1
	}
	return cap4(a * b)
}

// meter computes extents. work is the sum of what is computed on the way.
type meter struct {
	e     *evaluator
	bound []map[string]extent
	work  int
}

// of returns a bound of what expr evaluates to.
func (m *meter) of(expr hclsyntax.Expression) extent {
	x := m.node(expr)
	m.work = cap4(m.work + x.size)
	return x
}

func (m *meter) node(expr hclsyntax.Expression) extent {
	switch n := expr.(type) {
	case *hclsyntax.LiteralValueExpr:
		return extentOf(n.Val)
	case *hclsyntax.ScopeTraversalExpr:
		return m.name(n)
	case *hclsyntax.TupleConsExpr:
		return m.gather(n.Exprs)
	case *hclsyntax.ObjectConsExpr:
		var parts []hclsyntax.Expression
		for _, it := range n.Items {
			parts = append(parts, it.KeyExpr, it.ValueExpr)
		}
		return m.gather(parts)
	case *hclsyntax.ForExpr:
		return m.loop(n)
	case *hclsyntax.SplatExpr:
		src := m.of(n.Source)
		return extent{size: cap4(src.size + times(src.elems, m.of(n.Each).size)), elems: max(src.elems, 1), elem: src.elem}
	case *hclsyntax.FunctionCallExpr:
		return m.call(n)
	}
	x := m.sum(operands(expr))
	if _, ok := expr.(*hclsyntax.ConditionalExpr); ok {
		m.unify(x.elems)
	}
	return x
}

// operands lists the parts of an expression whose value is no larger than
// those of its parts together.
func operands(expr hclsyntax.Expression) []hclsyntax.Expression {
	switch n := expr.(type) {
	case *hclsyntax.TemplateExpr:
		return n.Parts
	case *hclsyntax.TemplateWrapExpr:
		return []hclsyntax.Expression{n.Wrapped}
	case *hclsyntax.TemplateJoinExpr:
		return []hclsyntax.Expression{n.Tuple}
	case *hclsyntax.ObjectConsKeyExpr:
		return []hclsyntax.Expression{n.Wrapped}
	case *hclsyntax.ParenthesesExpr:
		return []hclsyntax.Expression{n.Expression}
	case *hclsyntax.ConditionalExpr:
		return []hclsyntax.Expression{n.Condition, n.TrueResult, n.FalseResult}
	case *hclsyntax.BinaryOpExpr:
		return []hclsyntax.Expression{n.LHS, n.RHS}
	case *hclsyntax.UnaryOpExpr:
		return []hclsyntax.Expression{n.Val}
	case *hclsyntax.IndexExpr:
		return []hclsyntax.Expression{n.Collection, n.Key}
	case *hclsyntax.RelativeTraversalExpr:
		return []hclsyntax.Expression{n.Source}
	}
	return nil // AnonSymbolExpr and the like: counted where they come from
}

func (m *meter) sum(exprs []hclsyntax.Expression) extent {
	total, elems, elem := nodeWeight, 0, 0
	for _, e := range exprs {
		x := m.of(e)
		total, elems, elem = cap4(total+x.size), cap4(elems+x.elems), max(elem, x.elem)
	}
	return extent{size: total, elems: max(elems, 1), elem: elem}
}

func (m *meter) gather(exprs []hclsyntax.Expression) extent {
	x := extent{size: nodeWeight, elems: len(exprs)}
	for _, e := range exprs {
		part := m.of(e)
		x.size, x.elem = cap4(x.size+part.size), max(x.elem, part.size)
	}
	return x
}

// loop bounds a for expression: its body once per element.
func (m *meter) loop(n *hclsyntax.ForExpr) extent {
	coll := m.of(n.CollExpr)
	m.bound = append(m.bound, map[string]extent{n.KeyVar: element(coll), n.ValVar: element(coll)})
	before := m.work
	body := nodeWeight
	for _, e := range []hclsyntax.Expression{n.KeyExpr, n.ValExpr, n.CondExpr} {
		if e != nil {
			body = cap4(body + m.of(e).size)
		}
	}
	m.bound = m.bound[:len(m.bound)-1]
	m.work = cap4(before + times(m.work-before, coll.elems))
	return extent{size: cap4(nodeWeight + times(coll.elems, body)), elems: coll.elems, elem: body}
}

// name bounds what a name stands for.
func (m *meter) name(n *hclsyntax.ScopeTraversalExpr) extent {
	root := n.Traversal.RootName()
	for _, names := range slices.Backward(m.bound) {
		if x, ok := names[root]; ok {
			return x
		}
	}
	v, diags := n.Value(m.e.scope(n))
	if diags.HasErrors() {
		return scalar(1) // evaluating it will tell
	}
	return extentOf(v)
}

// element bounds one element of x, of which nothing but its size is known.
func element(x extent) extent {
	return extent{size: x.elem, elems: x.elem/nodeWeight + 1, elem: x.elem}
}

// call bounds the result of a function. Most give back no more than they got.
func (m *meter) call(n *hclsyntax.FunctionCallExpr) extent {
	var args []extent
	largest, total, elems := 0, nodeWeight, 0
	for _, a := range n.Args {
		x := m.of(a)
		args = append(args, x)
		largest, total, elems = max(largest, x.size), cap4(total+x.size), cap4(elems+x.elems)
	}
	m.unify(elems)
	size := total
	switch n.Name {
	case "format":
		size = times(args0(args).size, maxPad/4+largest) // a padded verb has 4 bytes
	case "formatlist":
		size = times(times(args0(args).size, maxPad/4+largest), total/nodeWeight)
	case "indent":
		size = times(total, maxPad)
	case "join":
		size = cap4(total + times(args0(args).size, total/nodeWeight))
	case "replace", "regex_replace", "regexall", "setproduct":
		size = 1
		for _, x := range args {
			size = times(size, x.size)
		}
	case "jsonencode":
		size = times(total, 6) // one byte may become \u0000
	case "split", "csvdecode", "jsondecode", "regex", "chunklist":
		size = times(total, nodeWeight) // each byte may become an element
	case "range":
		return extent{size: rangeLimit * 2 * nodeWeight, elems: rangeLimit, elem: 2 * nodeWeight}
	}
	return extent{size: size, elems: size/nodeWeight + 1, elem: size}
}

// unify counts what it costs to find one type for n elements, and to compare
// each of them with all others: cty 1.20 takes the square of n for the one,
// and some functions do for the other.
func (m *meter) unify(n int) { m.work = cap4(m.work + unifyCost(n)) }

// unifyCost is in units of the budget: a pair takes about half of one.
func unifyCost(n int) int { return cap4(n * n / 2) }

func args0(args []extent) extent {
	if len(args) == 0 {
		return extent{}
	}
	return args[0]
}

// rangeLimit is how many numbers cty's range() gives at most.
const rangeLimit = 1024

// extentOf measures a value.
func extentOf(v cty.Value) extent {
	if v.IsNull() || !v.IsKnown() {
		return scalar(1)
	}
	switch {
	case v.Type() == cty.String:
		return scalar(len(v.AsString()))
	case v.Type() == cty.Number:
		return scalar(numberSize(v))
	case v.CanIterateElements():
		x := extent{size: nodeWeight}
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			part := extentOf(e)
			x.size, x.elems, x.elem = cap4(x.size+part.size), x.elems+1, max(x.elem, part.size)
		}
		return x
	}
	return scalar(1)
}

// numberSize is more than how many digits a number has in full: to write them
// out costs more than to copy them.
func numberSize(v cty.Value) int {
	exp := v.AsBigFloat().MantExp(nil)
	if exp < 0 {
		exp = -exp
	}
	return times(exp, 4)
}
