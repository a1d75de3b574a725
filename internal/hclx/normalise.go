package hclx

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// normaliser rewrites the HCL 1 forms of a file that hcl/v2 does not parse:
//
//   - dotted and quoted keys and block names in a body:
//     net.core.somaxconn = 1, "docker.cleanup.image" = "false";
//   - dotted keys with numbers in an object: { com.example.1.2 = "x" };
//   - blocks inside an object: mounts = [{ volume_options { … } }];
//   - "${…}" and "%{…}" that hold no expression: "${FOO:-x}".
//
// Each rewrite keeps the number of bytes, so every position of the result is
// a position of the file. A key becomes an identifier that occurs nowhere else
// in the file; restore puts the true name into the syntax tree.
type normaliser struct {
	src, out []byte
	tokens   hclsyntax.Tokens
	frames   []normFrame
	used     map[string]bool    // identifiers of the file, and those made up
	names    map[int]restoredID // by the byte at which a made-up name begins
	truth    map[string]string  // made-up name -> true name, for messages
	counter  int
	warnings hcl.Diagnostics

	hidden bool // an interpolation was hidden behind control characters
	taken  bool // the file holds such characters, so nothing can be hidden
}

// restoredID is the true name and extent of a key.
type restoredID struct {
	name string
	end  hcl.Pos
}

// normKind is what a bracket holds.
type normKind int

const (
	inBody     normKind = iota // name = value lines and blocks
	inObject                   // { key = value, … }
	inOther                    // a list, parentheses, a call
	inTemplate                 // the text of a string or heredoc
)

// normFrame is one open bracket. In a body or an object, start is the token
// at which the current statement or item begins, and value says that its "="
// was passed.
type normFrame struct {
	kind  normKind
	start int
	value bool
	// block says that the "=" in front of this object was put there by us.
	block bool
}

func normalise(src []byte, tokens hclsyntax.Tokens) *normaliser {
	n := &normaliser{
		taken: bytes.ContainsAny(src, "\x01\x02\x03"),
		src:   src, out: bytes.Clone(src), tokens: tokens,
		frames: []normFrame{{kind: inBody}},
		used:   map[string]bool{}, names: map[int]restoredID{}, truth: map[string]string{},
	}
	for _, tok := range tokens {
		if tok.Type == hclsyntax.TokenIdent {
			n.used[string(tok.Bytes)] = true
		}
	}
	for i := 0; i < len(tokens); {
		i = n.step(i)
	}
	return n
}

func (n *normaliser) changed() bool { return !bytes.Equal(n.src, n.out) }

func (n *normaliser) top() *normFrame { return &n.frames[len(n.frames)-1] }

func (n *normaliser) push(f normFrame) { n.frames = append(n.frames, f) }

// pop closes the top frame; the file's own frame stays.
func (n *normaliser) pop() (f normFrame) {
	f = *n.top()
	if len(n.frames) > 1 {
		n.frames = n.frames[:len(n.frames)-1]
	}
	return f
}

// step handles the token at i and returns the next one to handle.
func (n *normaliser) step(i int) int {
	f := n.top()
	switch {
	case f.start != i:
	case f.kind == inBody:
		n.bodyKey(i)
	case f.kind == inObject && !f.value:
		n.objectKey(i)
	}
	switch n.tokens[i].Type {
	case hclsyntax.TokenNewline, hclsyntax.TokenComma, hclsyntax.TokenComment:
		// A comment token of the form # or // holds its newline.
		if n.tokens[i].Type != hclsyntax.TokenComment || bytes.HasSuffix(n.tokens[i].Bytes, []byte("\n")) || f.start == i {
			f.start, f.value = i+1, false
		}
	case hclsyntax.TokenEqual, hclsyntax.TokenColon:
		f.value = true
	case hclsyntax.TokenOBrace:
		n.openBrace(i)
	case hclsyntax.TokenOBrack, hclsyntax.TokenOParen:
		n.push(normFrame{kind: inOther})
	case hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
		n.push(normFrame{kind: inTemplate})
	case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
		return n.template(i)
	case hclsyntax.TokenCBrace:
		if closed := n.pop(); closed.block {
			n.separate(i)
		}
	case hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc:
		n.pop()
	}
	return i + 1
}

// openBrace decides what the brace at i opens: a block's body, an object, or
// the HCL 1 form of a block in an object, which gets its "=".
func (n *normaliser) openBrace(i int) {
	f := n.top()
	switch {
	case f.kind == inBody && !f.value:
		n.push(normFrame{kind: inBody, start: i + 1})
	case f.kind == inObject && !f.value && f.start < i:
		n.push(normFrame{kind: inObject, start: i + 1, block: n.objectBlock(f.start, i)})
	default:
		n.push(normFrame{kind: inObject, start: i + 1})
	}
}

// objectBlock turns `name {` into `name={` if the tokens from start to brace
// are one name. Without a blank between them the name gives up its last byte.
func (n *normaliser) objectBlock(start, brace int) bool {
	first, last := n.tokens[start], n.tokens[brace-1]
	single := brace-start == 1 && first.Type == hclsyntax.TokenIdent
	quoted := brace-start == 3 && first.Type == hclsyntax.TokenOQuote && last.Type == hclsyntax.TokenCQuote
	end := last.Range.End.Byte
	switch {
	case !single && !quoted:
		return false
	case end < n.tokens[brace].Range.Start.Byte:
		n.out[end] = '='
	case single && len(first.Bytes) > 1:
		n.out[end-1] = '='
		n.names[first.Range.Start.Byte] = restoredID{name: string(first.Bytes), end: first.Range.End}
	default:
		return false
	}
	return true
}

// separate puts a comma behind a rewritten block that is followed by another
// item on its line.
func (n *normaliser) separate(i int) {
	if i+1 >= len(n.tokens) {
		return
	}
	end, next := n.tokens[i].Range.End.Byte, n.tokens[i+1]
	if (next.Type == hclsyntax.TokenIdent || next.Type == hclsyntax.TokenOQuote) && end < next.Range.Start.Byte {
		n.out[end] = ','
		f := n.top()
		f.start, f.value = i+1, false
	}
}

// bodyKey rewrites the key that begins at token i, if it is dotted or quoted
// and is followed by "=" or, as a block's name, by "{" or a label.
func (n *normaliser) bodyKey(i int) {
	end := i
	name := ""
	switch n.tokens[i].Type {
	case hclsyntax.TokenOQuote:
		if i+2 >= len(n.tokens) || n.tokens[i+1].Type != hclsyntax.TokenQuotedLit || n.tokens[i+2].Type != hclsyntax.TokenCQuote {
			return
		}
		end = i + 2
		text, ok := unquote(n.src[n.tokens[i].Range.Start.Byte:n.tokens[end].Range.End.Byte])
		if !ok {
			return
		}
		name = text
	case hclsyntax.TokenIdent:
		end = n.dottedEnd(i)
		name = string(n.src[n.tokens[i].Range.Start.Byte:n.tokens[end].Range.End.Byte])
	}
	if end == i || end+1 >= len(n.tokens) {
		return
	}
	switch n.tokens[end+1].Type {
	case hclsyntax.TokenEqual, hclsyntax.TokenOBrace, hclsyntax.TokenOQuote:
		n.rename(n.tokens[i].Range.Start.Byte, n.tokens[end].Range.End, name)
	}
}

// objectKey rewrites the key that begins at token i if it has parts that are
// numbers, as in com.example.1.2 = "x": of other dotted keys in an object the
// parser makes a name, whose text is there.
func (n *normaliser) objectKey(i int) {
	end := n.dottedEnd(i)
	numbered := slices.ContainsFunc(n.tokens[i:end+1], func(t hclsyntax.Token) bool { return t.Type == hclsyntax.TokenNumberLit })
	if n.tokens[i].Type != hclsyntax.TokenIdent || !numbered || end+1 >= len(n.tokens) {
		return
	}
	if next := n.tokens[end+1].Type; next == hclsyntax.TokenEqual || next == hclsyntax.TokenColon {
		start := n.tokens[i].Range.Start.Byte
		n.rename(start, n.tokens[end].Range.End, string(n.src[start:n.tokens[end].Range.End.Byte]))
	}
}

// dottedEnd is the last token of the dotted name that begins at token i.
func (n *normaliser) dottedEnd(i int) int {
	for i+1 < len(n.tokens) && keyPart(n.tokens[i+1].Type) && n.tokens[i].Range.End.Byte == n.tokens[i+1].Range.Start.Byte {
		i++
	}
	return i
}

func keyPart(t hclsyntax.TokenType) bool {
	return t == hclsyntax.TokenIdent || t == hclsyntax.TokenDot || t == hclsyntax.TokenNumberLit
}

// unquote returns the text of a quoted string without interpolation.
func unquote(quoted []byte) (string, bool) {
	expr, diags := hclsyntax.ParseExpression(quoted, "", hcl.InitialPos)
	if diags.HasErrors() {
		return "", false
	}
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		return "", false
	}
	return v.AsString(), true
}

// rename overwrites the key from start to end with an identifier of its own.
func (n *normaliser) rename(start int, end hcl.Pos, name string) {
	width := end.Byte - start
	for {
		digits := strconv.FormatInt(int64(n.counter), 36)
		n.counter++
		if len(digits) >= width {
			return // more short keys than there are short names: the parser's error stands
		}
		made := fmt.Sprintf("k%0*s", width-1, digits)
		if !n.used[made] {
			n.used[made] = true
			n.truth[made] = name
			copy(n.out[start:end.Byte], made)
			n.names[start] = restoredID{name: name, end: end}
			return
		}
	}
}
