package hclx

import (
	"bytes"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The characters behind which an interpolation that holds no expression is
// hidden from the parser. They may stand in a string and, unlike what they
// stand for, mean nothing there. One byte and one column each, as the originals.
const (
	hiddenDollar  = '\x01'
	hiddenPercent = '\x02'
	hiddenQuote   = '\x03'
)

// NotAnExpression is the summary of the warning that a "${" or "%{" holds
// nothing that can be read, and is text. It stands at the whole of it.
const NotAnExpression = "Not an expression"

// template handles the "${" or "%{" at token i: if what it holds is nothing
// that hcl/v2 can read, all of it becomes text. It returns the token behind
// its end.
func (n *normaliser) template(i int) int {
	end := n.templateEnd(i)
	if end < 0 {
		return i + 1
	}
	open, shut := n.tokens[i], n.tokens[end]
	whole := n.src[open.Range.Start.Byte:shut.Range.End.Byte]
	content := n.src[open.Range.End.Byte:shut.Range.Start.Byte]
	if readable(open.Type, content) || !hideable(whole) || n.taken {
		return end + 1
	}
	out := n.out[open.Range.Start.Byte:shut.Range.End.Byte]
	for k, c := range out {
		switch c {
		case '$':
			out[k] = hiddenDollar
		case '%':
			out[k] = hiddenPercent
		case '"':
			out[k] = hiddenQuote
		}
	}
	n.hidden = true
	n.warnings = append(n.warnings, &hcl.Diagnostic{
		Severity: hcl.DiagWarning,
		Summary:  NotAnExpression,
		// Without the text, which may be a part of a password.
		Detail:  fmt.Sprintf("this \"%s…}\" holds nothing that the language can resolve; it stays in the text as it is. Write it with a double %q to say that this is meant.", whole[:2], whole[:1]),
		Subject: hcl.RangeBetween(open.Range, shut.Range).Ptr(),
	})
	return end + 1
}

// templateEnd is the token that closes the "${" or "%{" at token i, or -1.
func (n *normaliser) templateEnd(i int) int {
	depth := 0
	for k := i; k < len(n.tokens); k++ {
		switch n.tokens[k].Type {
		case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenTemplateSeqEnd:
			if depth--; depth == 0 {
				return k
			}
		}
	}
	return -1
}

// readable reports whether the content of a "${" or "%{" is an expression or
// one of the template directives.
func readable(open hclsyntax.TokenType, content []byte) bool {
	content = bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimPrefix(bytes.TrimSpace(content), []byte("~")), []byte("~")))
	if open == hclsyntax.TokenTemplateControl {
		word, _, _ := bytes.Cut(content, []byte(" "))
		switch string(word) {
		case "if", "else", "endif", "for", "endfor":
			return true
		}
		return false
	}
	_, diags := hclsyntax.ParseExpression(content, "", hcl.InitialPos)
	return !diags.HasErrors()
}

// hideable: an escape or a line end inside would change its meaning as text.
func hideable(whole []byte) bool { return !bytes.ContainsAny(whole, "\\\n") }
