package desired

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"reconciler/internal/hclx"
)

// evaluator holds what var. and local. mean in one file.
type evaluator struct {
	vars    map[string]cty.Value
	locals  map[string]cty.Value
	pending map[string]item // locals that have no value yet
	chain   []string        // locals that are being computed, outermost first
	failed  map[string]bool // declared, but without a value: told already
	ctx     *hcl.EvalContext
	spent   int // see budget

	// escaped holds the literals that are in their final form, so that
	// preparing an expression twice does no harm.
	escaped map[*hclsyntax.LiteralValueExpr]bool
}

func newEvaluator() *evaluator {
	return &evaluator{
		vars: map[string]cty.Value{}, locals: map[string]cty.Value{},
		pending: map[string]item{}, failed: map[string]bool{},
		escaped: map[*hclsyntax.LiteralValueExpr]bool{},
	}
}

// declare reads the variable and locals blocks of the manifest s and computes
// them, whatever their order.
func (e *evaluator) declare(l *loader, s section) {
	e.ctx = &hcl.EvalContext{Functions: functionTable}
	at := map[string]hcl.Range{}
	for _, it := range s.items {
		switch it.key {
		case "variable":
			if l.labelled(it) {
				e.variable(l, it, at)
			}
		case "locals":
			if body, ok := l.blockOf(it); ok {
				e.pend(l, body, at)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.pending)) {
		e.local(l, name)
	}
	e.ctx.Variables = map[string]cty.Value{"var": cty.ObjectVal(e.vars), "local": cty.ObjectVal(e.locals)}
	l.sharedRefs = append(l.sharedRefs, l.takeRefs()...)
}

func (e *evaluator) pend(l *loader, body section, at map[string]hcl.Range) {
	for _, it := range body.items {
		if it.expr == nil {
			l.errorf(it.at, "Wrong type", "%q is a value here, not a block. Write %s = ….", it.key, it.key)
			continue
		}
		if first, ok := at["local."+it.key]; ok {
			l.diags = append(l.diags, hclx.Redefined(it.key, first, it.at))
			continue
		}
		at["local."+it.key] = it.at
		e.pending[it.key] = it
	}
}

// variable reads one variable block. Its value is its default: there is
// nobody who could set another.
func (e *evaluator) variable(l *loader, it item, at map[string]hcl.Range) {
	name := it.labels[0].text
	if first, ok := at["var."+name]; ok {
		l.diags = append(l.diags, hclx.Redefined(name, first, it.labels[0].at))
		return
	}
	at["var."+name] = it.labels[0].at
	e.failed["var."+name] = true
	var def, typ hclsyntax.Expression
	var description string
	l.decode(l.bodySection(it.key, it.body, it.at), "variable", fields{
		"default":     func(items []item) { def, _ = l.attribute(items, "a value") },
		"type":        func(items []item) { typ, _ = l.attribute(items, "a type, such as string") },
		"description": l.text(&description),
	})
	if def == nil {
		l.errorf(it.labels[0].at, "Missing default", "variable %q needs a default, since nothing else gives it a value. Write default = ….", name)
		return
	}
	if v, ok := l.value(def); ok {
		if v, ok = l.typed(v, typ, def); ok {
			e.vars[name] = v
			delete(e.failed, "var."+name)
		}
	}
}

// typed converts v to the type that the expression typ names, if there is one.
func (l *loader) typed(v cty.Value, typ, def hclsyntax.Expression) (cty.Value, bool) {
	if typ == nil {
		return v, true
	}
	if kw := hcl.ExprAsKeyword(typ); kw == "list" || kw == "map" || kw == "set" {
		l.errorf(typ.Range(), "Incomplete type", "say what is in it: %s(string), or %s(any).", kw, kw)
		return v, false
	}
	want, diags := typeexpr.TypeConstraint(typ)
	if diags.HasErrors() {
		l.take(diags)
		return v, false
	}
	if !l.charge(def, unifyCost(extentOf(v).elems)) {
		return v, false
	}
	out, err := convert.Convert(v, want)
	if err != nil {
		l.errorf(def.Range(), "Wrong type", "the variable's type is %s; %s.", want.FriendlyName(), err)
		return v, false
	}
	return out, true
}

// local computes the local called name and what it refers to first.
func (e *evaluator) local(l *loader, name string) {
	it, ok := e.pending[name]
	if !ok {
		return
	}
	delete(e.pending, name)
	e.failed["local."+name] = true
	e.chain = append(e.chain, name)
	v, ok := l.value(it.expr)
	e.chain = e.chain[:len(e.chain)-1]
	if ok {
		e.locals[name] = v
		delete(e.failed, "local."+name)
	}
}

// declared reports whether root.name has a value, and if not says why.
func (e *evaluator) declared(l *loader, root, name string, at hcl.Range) bool {
	values := e.vars
	if root == "local" {
		values = e.locals
		e.local(l, name)
	}
	if _, ok := values[name]; ok {
		return true
	}
	switch {
	case root == "local" && slices.Contains(e.chain, name):
		l.errorf(at, "Circular locals", "local.%s is computed from itself.", name)
	case e.failed[root+"."+name]:
		// The reason was told where it is declared.
	default:
		advice := "Declare it in a locals block."
		if root == "var" {
			advice = "Declare it: variable \"" + name + "\" { default = … }."
		}
		if near := l.suggest(name, func() []string { return slices.Sorted(maps.Keys(values)) }); near != "" {
			advice = "Did you mean \"" + root + "." + near + "\"?"
		}
		l.errorf(at, "Unknown name", "%s.%s is not declared in this file. %s", root, name, advice)
	}
	return false
}

// value evaluates expr. If it returns false, why has been told.
func (l *loader) value(expr hclsyntax.Expression) (cty.Value, bool) {
	if !l.keepLiterals(expr) || !l.afford(expr) {
		return cty.DynamicVal, false
	}
	v, diags := expr.Value(l.evaluator.scope(expr))
	l.take(diags)
	if diags.HasErrors() {
		return cty.DynamicVal, false
	}
	if !v.IsWhollyKnown() {
		l.errorf(expr.Range(), "Unknown value", "this cannot be computed when the file is loaded.")
		return cty.DynamicVal, false
	}
	return v, true
}

// scope is what expr is evaluated in. While the locals are being computed it
// holds what expr names and no more: to make an object of all of them for each
// would cost the square of their number.
func (e *evaluator) scope(expr hclsyntax.Expression) *hcl.EvalContext {
	if e.ctx.Variables != nil {
		return e.ctx
	}
	vars, locals := map[string]cty.Value{}, map[string]cty.Value{}
	for _, ref := range expr.Variables() {
		if len(ref) < 2 {
			continue
		}
		attr, _ := ref[1].(hcl.TraverseAttr)
		if v, ok := e.vars[attr.Name]; ok && ref.RootName() == "var" {
			vars[attr.Name] = v
		}
		if v, ok := e.locals[attr.Name]; ok && ref.RootName() == "local" {
			locals[attr.Name] = v
		}
	}
	return &hcl.EvalContext{
		Functions: functionTable,
		Variables: map[string]cty.Value{"var": cty.ObjectVal(vars), "local": cty.ObjectVal(locals)},
	}
}

// take adds diagnostics of hcl without the expressions that they carry along,
// which nobody prints.
func (l *loader) take(diags hcl.Diagnostics) {
	for _, d := range diags {
		c := *d
		c.Expression, c.EvalContext, c.Extra = nil, nil, nil
		l.diags = append(l.diags, &c)
	}
}
