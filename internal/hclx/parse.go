package hclx

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Parse parses src, which may hold HCL 2 or the HCL 1 forms that the
// normaliser knows. The file's body is a *hclsyntax.Body with the names and
// positions of src. Diagnostics may be warnings; with an error the file is nil
// and must not be used, since the parser's partial results would be missing
// what stands behind the error.
//
// filename appears in positions only.
func Parse(src []byte, filename string) (*hcl.File, hcl.Diagnostics) {
	tokens, bad := guard(src, filename)
	if bad != nil {
		return nil, hcl.Diagnostics{bad}
	}
	file, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
	if !diags.HasErrors() {
		return file, diags
	}
	norm := normalise(src, tokens)
	if !norm.changed() {
		return nil, diags
	}
	// The rewritten text has the same brackets, so it is within the limits too.
	again, moreDiags := hclsyntax.ParseConfig(norm.out, filename, hcl.InitialPos)
	if moreDiags.HasErrors() {
		return nil, norm.stillBad(moreDiags)
	}
	moreDiags = append(moreDiags, norm.restore(again.Body.(*hclsyntax.Body))...)
	if moreDiags.HasErrors() {
		return nil, moreDiags
	}
	again.Bytes = src
	return again, append(moreDiags, norm.warnings...)
}
