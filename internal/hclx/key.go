package hclx

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// BareKey is the text of a key in { … } that stands without quotes: a word, or
// a dotted name as HCL 1 has it, which hcl/v2 takes for a reference. It is false
// for a key that has to be evaluated. src is the text of the file.
func BareKey(expr hclsyntax.Expression, src []byte) (string, bool) {
	if word := hcl.ExprAsKeyword(expr); word != "" {
		return word, true
	}
	key, ok := expr.(*hclsyntax.ObjectConsKeyExpr)
	if !ok || key.ForceNonLiteral {
		return "", false
	}
	ref, ok := key.Wrapped.(*hclsyntax.ScopeTraversalExpr)
	if !ok {
		return "", false
	}
	return string(ref.SrcRange.SliceBytes(src)), true
}
