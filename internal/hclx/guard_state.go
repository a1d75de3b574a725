package hclx

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// guardState follows the brackets of a file. Its two sums bound how deep the
// parser, and whoever walks the syntax tree afterwards, can recurse.
type guardState struct {
	frames []guardFrame // the open brackets, quotes and heredocs; [0] is the file
	levels int          // brackets and template directives that are open
	ops    int          // sum of ops over frames
}

// guardFrame is one open bracket.
type guardFrame struct {
	open       hclsyntax.TokenType // zero for the file
	ops        int                 // operators of the expression that is being read
	peak       int                 // most operators of an expression that ended in here
	directives int                 // %{ if and %{ for without their end
}

// closers maps a closing token to those that it may close.
var closers = map[hclsyntax.TokenType][]hclsyntax.TokenType{
	hclsyntax.TokenCBrace:         {hclsyntax.TokenOBrace},
	hclsyntax.TokenCBrack:         {hclsyntax.TokenOBrack},
	hclsyntax.TokenCParen:         {hclsyntax.TokenOParen},
	hclsyntax.TokenTemplateSeqEnd: {hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl},
	hclsyntax.TokenCQuote:         {hclsyntax.TokenOQuote},
	hclsyntax.TokenCHeredoc:       {hclsyntax.TokenOHeredoc},
}

func (g *guardState) token(tok hclsyntax.Token) *hcl.Diagnostic {
	switch tok.Type {
	case hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc:
		g.push(tok.Type)
	case hclsyntax.TokenOBrack:
		g.operator() // an index, or a tuple: there it counts for nothing that chains
		g.open(tok.Type)
	case hclsyntax.TokenOBrace, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
		g.open(tok.Type)
	case hclsyntax.TokenIdent:
		g.directive(tok)
	case hclsyntax.TokenComma:
		g.next()
	case hclsyntax.TokenNewline:
		if open := g.top().open; open == 0 || open == hclsyntax.TokenOBrace {
			g.next()
		}
	case hclsyntax.TokenNumberLit:
		if d := checkNumber(tok); d != nil {
			return d
		}
	default:
		if _, ok := closers[tok.Type]; ok {
			g.close(tok.Type)
		} else if operators[tok.Type] {
			g.operator()
		}
	}
	return g.check(tok)
}

func (g *guardState) check(tok hclsyntax.Token) *hcl.Diagnostic {
	if g.levels > MaxLevels {
		return tooMuch(tok, "Nested too deeply",
			fmt.Sprintf("brackets, blocks and \"${\" may nest %d levels. Move the inner parts into locals.", MaxLevels))
	}
	if g.ops > MaxOperators {
		return tooMuch(tok, "Expression too long",
			fmt.Sprintf("one expression may chain %d operators, indexes and conditionals. Split it with locals.", MaxOperators))
	}
	return nil
}

// operators chain: each of them may deepen the syntax tree by one.
var operators = map[hclsyntax.TokenType]bool{
	hclsyntax.TokenPlus: true, hclsyntax.TokenMinus: true, hclsyntax.TokenStar: true,
	hclsyntax.TokenSlash: true, hclsyntax.TokenPercent: true, hclsyntax.TokenBang: true,
	hclsyntax.TokenEqualOp: true, hclsyntax.TokenNotEqual: true,
	hclsyntax.TokenLessThan: true, hclsyntax.TokenGreaterThan: true,
	hclsyntax.TokenLessThanEq: true, hclsyntax.TokenGreaterThanEq: true,
	hclsyntax.TokenAnd: true, hclsyntax.TokenOr: true,
	hclsyntax.TokenQuestion: true, hclsyntax.TokenDot: true,
	hclsyntax.TokenDoubleColon: true, hclsyntax.TokenFatArrow: true, hclsyntax.TokenEllipsis: true,
}

func (g *guardState) top() *guardFrame { return &g.frames[len(g.frames)-1] }

func (g *guardState) push(open hclsyntax.TokenType) {
	g.frames = append(g.frames, guardFrame{open: open})
}

func (g *guardState) open(open hclsyntax.TokenType) {
	g.levels++
	g.push(open)
}

func (g *guardState) operator() {
	g.top().ops++
	g.ops++
}

// next ends the expression that is being read in the top frame.
func (g *guardState) next() {
	f := g.top()
	f.peak = max(f.peak, f.ops)
	g.ops -= f.ops
	f.ops = 0
}

// close ends the top frame if tok closes it. A bracket that does not match
// closes nothing: the parser will refuse the file, and until it does the guard
// counts too much rather than too little.
func (g *guardState) close(tok hclsyntax.TokenType) {
	if len(g.frames) == 1 || !slices.Contains(closers[tok], g.top().open) {
		return
	}
	g.next()
	f := *g.top()
	g.frames = g.frames[:len(g.frames)-1]
	g.levels -= f.directives
	if f.open != hclsyntax.TokenOQuote && f.open != hclsyntax.TokenOHeredoc {
		g.levels--
	}
	parent := g.top()
	if parent.open == hclsyntax.TokenOQuote || parent.open == hclsyntax.TokenOHeredoc {
		// The parts of a template lie beside each other.
		parent.peak = max(parent.peak, f.peak)
		return
	}
	parent.ops += f.peak
	g.ops += f.peak
}

// directive counts %{ if and %{ for as open until their %{ endif and %{ endfor.
func (g *guardState) directive(tok hclsyntax.Token) {
	if g.top().open != hclsyntax.TokenTemplateControl || len(g.frames) < 2 {
		return
	}
	f := &g.frames[len(g.frames)-2]
	switch string(tok.Bytes) {
	case "if", "for":
		f.directives++
		g.levels++
	case "endif", "endfor":
		if f.directives > 0 {
			f.directives--
			g.levels--
		}
	}
}

// checkNumber refuses numbers whose text would not fit into memory.
func checkNumber(tok hclsyntax.Token) *hcl.Diagnostic {
	text, exp, hasExp := bytes.Cut(bytes.ToLower(tok.Bytes), []byte("e"))
	if hasExp {
		if n, err := strconv.Atoi(string(bytes.TrimLeft(exp, "+-"))); err == nil && n <= maxNumber && len(text) <= maxNumber {
			return nil
		}
	} else if len(text) <= maxNumber {
		return nil
	}
	return tooMuch(tok, "Number too large", fmt.Sprintf("a number may have %d digits.", maxNumber))
}
