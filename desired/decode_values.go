package desired

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"reconciler/internal/hclx"
)

// present evaluates the one attribute of items. It returns false if there is
// no value to use: it is null, which means that it is not set, or wrong, which
// has been told.
func (l *loader) present(items []item, want string) (cty.Value, hcl.Range, bool) {
	expr, ok := l.attribute(items, want)
	if !ok {
		return cty.DynamicVal, hcl.Range{}, false
	}
	v, ok := l.value(expr)
	return v, expr.Range(), ok && !v.IsNull()
}

func (l *loader) wrongType(at hcl.Range, want string, got cty.Value) {
	l.errorf(at, "Wrong type", "%s was expected here, not %s.", want, typeName(got))
}

// typeName says what kind of value v is, in people's words.
func typeName(v cty.Value) string {
	t := v.Type()
	switch {
	case v.IsNull():
		return "null"
	case t == cty.String:
		text := []rune(v.AsString())
		if len(text) > 40 {
			text = append(text[:40], '…')
		}
		return fmt.Sprintf("the string %q", string(text))
	case t == cty.Number:
		return "the number " + v.AsBigFloat().Text('g', 10)
	case t == cty.Bool:
		return fmt.Sprintf("the bool %v", v.True())
	case t.IsTupleType(), t.IsListType(), t.IsSetType():
		return "a list"
	case t.IsObjectType(), t.IsMapType():
		return "a map"
	}
	return "a " + t.FriendlyName()
}

// asText converts a string, number or bool to a string.
func (l *loader) asText(v cty.Value, at hcl.Range, want string) (string, bool) {
	if !v.IsNull() && v.Type().IsPrimitiveType() {
		if s, err := convert.Convert(v, cty.String); err == nil && s.IsKnown() {
			if strings.ContainsRune(s.AsString(), 0) {
				l.errorf(at, "Bad text", "a NUL character can stand in no name, argument or variable of a program. Remove it.")
				return "", false
			}
			return s.AsString(), true
		}
	}
	l.wrongType(at, want, v)
	return "", false
}

// text decodes a string. Numbers and bools are written out.
func (l *loader) text(dst *string) func([]item) {
	return func(items []item) {
		if v, at, ok := l.present(items, "a string"); ok {
			if s, ok := l.asText(v, at, "a string"); ok {
				*dst = s
			}
		}
	}
}

// textAt decodes a string and remembers where its value stands.
func (l *loader) textAt(dst *string, at *hcl.Range) func([]item) {
	return func(items []item) {
		if items[0].expr != nil {
			*at = items[0].expr.Range()
		}
		l.text(dst)(items)
	}
}

// truth decodes a bool, which may be quoted.
func (l *loader) truth(dst *bool) func([]item) {
	return func(items []item) {
		var b *bool
		l.maybe(&b)(items)
		if b != nil {
			*dst = *b
		}
	}
}

// maybe decodes a bool of which it matters whether it is there at all.
func (l *loader) maybe(dst **bool) func([]item) {
	return func(items []item) {
		v, at, ok := l.present(items, "true or false")
		if !ok {
			return
		}
		b, err := convert.Convert(v, cty.Bool)
		if err != nil || !b.IsKnown() || b.IsNull() {
			l.wrongType(at, "true or false", v)
			return
		}
		*dst = new(b.True())
	}
}

// bounds is the range of a whole number and what it counts.
type bounds struct {
	min, max int
	what     string
}

// whole decodes a whole number within b, which may be quoted.
func (l *loader) whole(dst *int, b bounds) func([]item) {
	return func(items []item) {
		if v, at, ok := l.present(items, "a whole number"); ok {
			if n, ok := l.asWhole(v, at, b); ok {
				*dst = n
			}
		}
	}
}

func (l *loader) asWhole(v cty.Value, at hcl.Range, b bounds) (int, bool) {
	f, ok := wholeOf(v)
	if !ok {
		l.wrongType(at, "a whole number", v)
		return 0, false
	}
	if f.Cmp(big.NewFloat(float64(b.min))) < 0 || f.Cmp(big.NewFloat(float64(b.max))) > 0 {
		l.errorf(at, "Out of range", "%s is a number from %d to %d, not %s.", b.what, b.min, b.max, f.Text('g', 10))
		return 0, false
	}
	i, _ := f.Int64()
	return int(i), true
}

// wholeOf is the whole number that v is or holds in quotes.
func wholeOf(v cty.Value) (*big.Float, bool) {
	n, err := convert.Convert(v, cty.Number)
	if err != nil || n.IsNull() || !n.IsKnown() || !n.AsBigFloat().IsInt() {
		return nil, false
	}
	return n.AsBigFloat(), true
}

// number checks a number that has no effect.
func (l *loader) number() func([]item) {
	return func(items []item) {
		var ignored int
		l.whole(&ignored, bounds{min: 0, max: maxHarmless, what: items[0].key})(items)
	}
}

// maxHarmless bounds numbers that are read and not used.
const maxHarmless = 1 << 30

// entry is one element of a list and where it stands.
type entry struct {
	text string
	at   hcl.Range
}

// texts decodes a list of strings.
func (l *loader) texts(dst *[]string) func([]item) {
	return func(items []item) {
		for _, e := range l.list(items) {
			*dst = append(*dst, e.text)
		}
	}
}

// textsAt decodes a list of strings and remembers where each stands.
func (l *loader) textsAt(dst *[]string, at *[]entry) func([]item) {
	return func(items []item) {
		*at = l.list(items)
		for _, e := range *at {
			*dst = append(*dst, e.text)
		}
	}
}

const wantList = `a list of strings, ["a", "b"],`

func (l *loader) list(items []item) []entry {
	expr, ok := l.attribute(items, wantList)
	if !ok {
		return nil
	}
	if tuple, ok := expr.(*hclsyntax.TupleConsExpr); ok {
		var out []entry
		for _, e := range tuple.Exprs {
			if v, ok := l.value(e); ok {
				if s, ok := l.asText(v, e.Range(), "a string in a list"); ok {
					out = append(out, entry{s, e.Range()})
				}
			}
		}
		return out
	}
	v, ok := l.value(expr)
	if !ok || v.IsNull() {
		return nil
	}
	if t := v.Type(); !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		l.wrongType(expr.Range(), wantList, v)
		return nil
	}
	var out []entry
	for _, e := range v.AsValueSlice() {
		if s, ok := l.asText(e, expr.Range(), "a string in a list"); ok {
			out = append(out, entry{s, expr.Range()})
		}
	}
	return out
}

// pair is one key and value of a map and where they stand.
type pair struct {
	key string
	at  hcl.Range // of the key
	v   cty.Value
	vAt hcl.Range
}

// pairs decodes a map that is written as blocks, as attributes or as both:
// all are merged in order, and no key may stand twice.
func (l *loader) pairs(items []item) []pair {
	var all []pair
	for _, it := range items {
		if it.body != nil {
			if s, ok := l.blockOf(it); ok {
				all = append(all, l.sectionPairs(s)...)
			}
			continue
		}
		all = append(all, l.exprPairs(it)...)
	}
	return l.distinct(all)
}

// sectionPairs evaluates the attributes of a block that is a map.
func (l *loader) sectionPairs(s section) []pair {
	var out []pair
	for _, it := range s.items {
		if it.expr == nil {
			l.errorf(it.at, "Wrong type", "%q is a map of values; it holds no block. Write %s = \"…\".", s.name, it.key)
			continue
		}
		if v, ok := l.value(it.expr); ok {
			out = append(out, pair{it.key, it.at, v, it.expr.Range()})
		}
	}
	return out
}

// exprPairs evaluates an attribute that is a map. One that is written out is
// taken entry by entry, so that each has its place and no duplicate is lost.
func (l *loader) exprPairs(it item) []pair {
	object, ok := it.expr.(*hclsyntax.ObjectConsExpr)
	if ok {
		var out []pair
		for _, entry := range object.Items {
			key, ok := l.objectKey(entry.KeyExpr)
			if !ok {
				continue
			}
			if v, ok := l.value(entry.ValueExpr); ok {
				out = append(out, pair{key, entry.KeyExpr.Range(), v, entry.ValueExpr.Range()})
			}
		}
		return out
	}
	v, ok := l.value(it.expr)
	if !ok || v.IsNull() {
		return nil
	}
	if t := v.Type(); !t.IsObjectType() && !t.IsMapType() {
		l.wrongType(it.expr.Range(), fmt.Sprintf("a map, %s = { key = \"value\" },", it.key), v)
		return nil
	}
	var out []pair
	for walk := v.ElementIterator(); walk.Next(); {
		k, e := walk.Element()
		out = append(out, pair{k.AsString(), it.at, e, it.expr.Range()})
	}
	return out
}

// objectKey is the text of a key in { … }: a bare word, a quoted string, or a
// dotted name as HCL 1 has it.
func (l *loader) objectKey(expr hclsyntax.Expression) (string, bool) {
	if key, ok := hclx.BareKey(expr, l.src); ok {
		return key, true
	}
	v, ok := l.value(expr)
	if !ok {
		return "", false
	}
	return l.asText(v, expr.Range(), "a string as key")
}

// distinct drops the pairs whose key was there before, and reports them.
func (l *loader) distinct(all []pair) []pair {
	seen := map[string]hcl.Range{}
	var out []pair
	for _, p := range all {
		if first, ok := seen[p.key]; ok {
			l.diags = append(l.diags, hclx.Redefined(p.key, first, p.at))
			continue
		}
		seen[p.key] = p.at
		out = append(out, p)
	}
	return out
}

// textMap decodes a map of strings. check may refuse a key; it is nil if any
// will do. An empty map stays nil, as if it were not there.
func (l *loader) textMap(dst *map[string]string, check func(key string) error) func([]item) {
	return func(items []item) {
		l.eachText(items, check, func(p pair, value string) { put(dst, p.key, value) })
	}
}

func put(dst *map[string]string, key, value string) {
	if *dst == nil {
		*dst = map[string]string{}
	}
	(*dst)[key] = value
}

// eachText hands the entries of a map of strings to use.
func (l *loader) eachText(items []item, check func(key string) error, use func(p pair, value string)) {
	for _, p := range l.pairs(items) {
		if p.key == "" {
			l.errorf(p.at, "Bad key", "a key must not be empty.")
			continue
		}
		if check != nil {
			if err := check(p.key); err != nil {
				l.errorf(p.at, "Bad key", "%s.", err)
				continue
			}
		}
		if s, ok := l.asText(p.v, p.vAt, fmt.Sprintf("a string for %q", p.key)); ok {
			use(p, s)
		}
	}
}
