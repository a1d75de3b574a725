package hclx

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// restore puts the true names and texts into the syntax tree that came of the
// rewritten source. Two keys that are one name by now are an error.
func (n *normaliser) restore(body *hclsyntax.Body) hcl.Diagnostics {
	return hclsyntax.VisitAll(body, func(node hclsyntax.Node) hcl.Diagnostics {
		switch node := node.(type) {
		case *hclsyntax.Body:
			return n.restoreBody(node)
		case *hclsyntax.ObjectConsKeyExpr:
			n.restoreKey(node)
		case *hclsyntax.LiteralValueExpr:
			n.restoreText(node)
		}
		return nil
	})
}

func (n *normaliser) restoreBody(body *hclsyntax.Body) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, block := range body.Blocks {
		if id, ok := n.names[block.TypeRange.Start.Byte]; ok {
			block.Type = id.name
		}
	}
	var made []*hclsyntax.Attribute
	for key, attr := range body.Attributes {
		if id, ok := n.names[attr.NameRange.Start.Byte]; ok {
			delete(body.Attributes, key)
			attr.Name = id.name
			made = append(made, attr)
		}
	}
	slices.SortFunc(made, func(a, b *hclsyntax.Attribute) int {
		return cmp.Compare(a.NameRange.Start.Byte, b.NameRange.Start.Byte)
	})
	for _, attr := range made {
		if other, ok := body.Attributes[attr.Name]; ok {
			diags = append(diags, Redefined(attr.Name, attr.NameRange, other.NameRange))
			continue
		}
		body.Attributes[attr.Name] = attr
	}
	return diags
}

// Redefined is the error for a name that stands in two places, whichever of
// them comes first.
func Redefined(name string, a, b hcl.Range) *hcl.Diagnostic {
	if a.Start.Byte < b.Start.Byte {
		a, b = b, a
	}
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Duplicate argument",
		Detail:   fmt.Sprintf("%q was already set at %s. Remove one of the two.", name, b),
		Subject:  a.Ptr(),
	}
}

// restoreKey gives a rewritten object key its name back.
func (n *normaliser) restoreKey(key *hclsyntax.ObjectConsKeyExpr) {
	ref, ok := key.Wrapped.(*hclsyntax.ScopeTraversalExpr)
	if !ok || len(ref.Traversal) != 1 {
		return
	}
	id, ok := n.names[ref.SrcRange.Start.Byte]
	if !ok {
		return
	}
	ref.SrcRange.End = id.end
	ref.Traversal[0] = hcl.TraverseRoot{Name: id.name, SrcRange: ref.SrcRange}
}

var unhide = strings.NewReplacer(string(hiddenDollar), "$", string(hiddenPercent), "%", string(hiddenQuote), `"`)

func (n *normaliser) restoreText(lit *hclsyntax.LiteralValueExpr) {
	if n.hidden && !lit.Val.IsNull() && lit.Val.Type() == cty.String {
		lit.Val = cty.StringVal(unhide.Replace(lit.Val.AsString()))
	}
}

// stillBad gives the diagnostics of a file that fails in its rewritten form
// too the names that stand in the file.
func (n *normaliser) stillBad(diags hcl.Diagnostics) hcl.Diagnostics {
	// The longest first, and all in one go: one made-up name may be the begin
	// of another, or of a true one.
	made := slices.SortedFunc(maps.Keys(n.truth), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	var pairs []string
	for _, m := range made {
		pairs = append(pairs, m, n.truth[m])
	}
	restore := strings.NewReplacer(pairs...)
	for _, d := range diags {
		d.Detail = restore.Replace(d.Detail)
		d.Detail = unhide.Replace(d.Detail)
	}
	return diags
}
