package config

import (
	"cmp"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"reconciler/internal/hclx"
)

// entry is one name = value of a file.
type entry struct {
	path string // with the names of the blocks around it: "client.network_ip"
	name string
	rng  hcl.Range // of the name
	expr hclsyntax.Expression
}

// decoder fills a Config and collects what is wrong.
type decoder struct {
	cfg   Config
	src   []byte
	diags hcl.Diagnostics
	at    map[string]hcl.Range // where each path was set
}

func (d *decoder) fail(rng hcl.Range, summary, detail string) {
	d.diags = append(d.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &rng})
}

// unknown says that a name is not expected, and which was perhaps meant.
func (d *decoder) unknown(rng hcl.Range, kind, name string, known []string) {
	detail := `"` + name + `" is not expected here.`
	if s := hclx.Suggest(name, known); s != "" {
		detail += ` Did you mean "` + s + `"?`
	}
	d.fail(rng, "Unsupported "+kind, detail)
}

// attributes lists what is set in a body, in the order of the file.
func attributes(body *hclsyntax.Body, prefix string) []entry {
	var out []entry
	for name, a := range body.Attributes {
		out = append(out, entry{prefix + name, name, a.NameRange, a.Expr})
	}
	slices.SortFunc(out, func(a, b entry) int { return cmp.Compare(a.rng.Start.Byte, b.rng.Start.Byte) })
	return out
}

// members lists what is set in a map that was written as an attribute.
func (d *decoder) members(e entry) []entry {
	obj, ok := e.expr.(*hclsyntax.ObjectConsExpr)
	if !ok {
		d.fail(e.expr.Range(), "Wrong type", e.path+" is a map: write "+e.name+" { … }.")
		return nil
	}
	var out []entry
	for _, item := range obj.Items {
		name, ok := d.member(item.KeyExpr)
		if !ok {
			d.fail(item.KeyExpr.Range(), "Wrong type", "The names in "+e.path+" are plain texts. Write this one in quotes.")
			continue
		}
		out = append(out, entry{e.path + "." + name, name, item.KeyExpr.Range(), item.ValueExpr})
	}
	return out
}

// member is the name of a member of a map, with quotes or without.
func (d *decoder) member(expr hclsyntax.Expression) (string, bool) {
	if name, ok := hclx.BareKey(expr, d.src); ok {
		return name, true
	}
	key, diags := expr.Value(nil)
	if diags.HasErrors() || key.IsNull() || key.Type() != cty.String {
		return "", false
	}
	return key.AsString(), true
}

// first reports whether e is the first to set its path; the second is an
// error that shows both places.
func (d *decoder) first(e entry) bool {
	if other, set := d.at[e.path]; set {
		d.diags = append(d.diags, hclx.Redefined(e.name, other, e.rng))
		return false
	}
	d.at[e.path] = e.rng
	return true
}

// noBlocks refuses the blocks in a body that holds values only.
func (d *decoder) noBlocks(body *hclsyntax.Body) {
	for _, b := range body.Blocks {
		d.unknown(b.TypeRange, "block", b.Type, nil)
	}
}

// noLabels refuses labels of a block that has none.
func (d *decoder) noLabels(b *hclsyntax.Block) {
	if len(b.LabelRanges) > 0 {
		d.fail(b.LabelRanges[0], "Unexpected label", "The block "+b.Type+" has no label.")
	}
}
