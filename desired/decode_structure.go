package desired

import (
	"maps"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// merged puts maps together, such as the decoders of a section, in which each
// key is in one of them.
func merged[M ~map[string]V, V any](parts ...M) M {
	out := M{}
	for _, f := range parts {
		maps.Copy(out, f)
	}
	return out
}

// structure returns the content of the one item, which may be a block or an
// object: drivers of later Nomad versions are configured either way.
func (l *loader) structure(items []item) (section, bool) {
	it := l.one(items)
	if it.expr == nil {
		return l.blockOf(it)
	}
	if object, ok := it.expr.(*hclsyntax.ObjectConsExpr); ok {
		return l.objectSection(it, object), true
	}
	v, ok := l.value(it.expr)
	switch {
	case !ok:
		return section{}, false
	case v.IsNull():
		return section{name: it.key, at: it.at}, false
	case isMap(v):
		return l.valueSection(it, it.expr.Range(), v), true
	}
	return l.blockOf(it) // says what it is
}

// structures returns the content of each of items: blocks, objects, and lists
// of objects.
func (l *loader) structures(items []item) []section {
	var out []section
	for _, it := range items {
		if it.expr == nil {
			if s, ok := l.blockOf(it); ok {
				out = append(out, s)
			}
			continue
		}
		out = append(out, l.listed(it)...)
	}
	return out
}

// listed returns the content of an attribute that is an object or a list of
// objects. What is written out is taken entry by entry, so that each value has
// its place.
func (l *loader) listed(it item) []section {
	switch expr := it.expr.(type) {
	case *hclsyntax.ObjectConsExpr:
		return []section{l.objectSection(it, expr)}
	case *hclsyntax.TupleConsExpr:
		var out []section
		for _, e := range expr.Exprs {
			element := item{key: it.key, at: e.Range(), expr: e}
			if object, ok := e.(*hclsyntax.ObjectConsExpr); ok {
				out = append(out, l.objectSection(element, object))
			} else if v, ok := l.value(e); ok {
				out = append(out, l.maps(element, v)...)
			}
		}
		return out
	}
	v, ok := l.value(it.expr)
	switch {
	case !ok || v.IsNull():
		return nil
	case v.Type().IsTupleType() || v.Type().IsListType() || v.Type().IsSetType():
		return l.maps(it, v.AsValueSlice()...)
	}
	return l.maps(it, v)
}

// maps returns the content of values that must be maps.
func (l *loader) maps(it item, values ...cty.Value) []section {
	var out []section
	for _, v := range values {
		if v.IsNull() || !isMap(v) {
			l.wrongType(it.expr.Range(), "a list of maps, [{ key = \"value\" }],", v)
			continue
		}
		out = append(out, l.valueSection(it, it.expr.Range(), v))
	}
	return out
}

func isMap(v cty.Value) bool { return v.Type().IsObjectType() || v.Type().IsMapType() }

// objectSection is the content of an object that is written out.
func (l *loader) objectSection(it item, object *hclsyntax.ObjectConsExpr) section {
	s := section{name: it.key, at: it.at}
	for _, entry := range object.Items {
		if key, ok := l.objectKey(entry.KeyExpr); ok {
			s.items = append(s.items, item{key: key, at: entry.KeyExpr.Range(), expr: entry.ValueExpr})
		}
	}
	return s
}

// valueSection is the content of an object that was computed. All of it stands
// where the expression does.
func (l *loader) valueSection(it item, at hcl.Range, v cty.Value) section {
	s := section{name: it.key, at: it.at}
	for walk := v.ElementIterator(); walk.Next(); {
		k, e := walk.Element()
		lit := &hclsyntax.LiteralValueExpr{Val: e, SrcRange: at}
		l.evaluator.escaped[lit] = true
		s.items = append(s.items, item{key: k.AsString(), at: at, expr: lit})
	}
	return s
}
