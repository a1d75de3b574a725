package hclx

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The limits of a file. A hand-written manifest stays far below each; a file
// at each of them still parses in milliseconds and a few dozen megabytes,
// measured with hcl 2.25.
const (
	// MaxBytes is the size of a file.
	MaxBytes = 256 << 10
	// MaxTokens is the number of its tokens.
	MaxTokens = 32 << 10
	// MaxLevels is how deep brackets of any kind, "${" and "%{" may nest.
	MaxLevels = 64
	// MaxOperators is how many operators, indexes and conditionals one
	// expression may chain.
	MaxOperators = 256
	// maxNumber bounds a number's text and its decimal exponent: 1e600000000 is
	// a short token and a string of 600 MB.
	maxNumber = 64
)

// guard reports why src must not reach the parser; nil means that it may. The
// tokens are returned so that they are made only once.
func guard(src []byte, filename string) (hclsyntax.Tokens, *hcl.Diagnostic) {
	if len(src) > MaxBytes {
		return nil, fileProblem(filename, "File too large",
			fmt.Sprintf("it has %d bytes, and a file may have %d. Split it into several files.", len(src), MaxBytes))
	}
	if d := checkText(src, filename); d != nil {
		return nil, d
	}
	// A file that is all brackets has a token per byte. Looking at its beginning
	// first refuses most of them for a fraction of the cost. Only a comment that
	// the cut has opened up can mislead there.
	for n := firstLook; n < len(src) && !bytes.Contains(src[:n], []byte("/*")); n *= 2 {
		tokens := scan(src[:n], filename)
		if d := checkTokens(tokens[:max(0, len(tokens)-tornTokens)]); d != nil {
			return nil, d
		}
	}
	tokens := scan(src, filename)
	return tokens, checkTokens(tokens)
}

const (
	// firstLook is how much of a file is looked at first, in bytes.
	firstLook = 16 << 10
	// tornTokens are the last of a text that was cut: one that the cut may have
	// changed, and the end of file.
	tornTokens = 3
)

// scan splits src into tokens. The scanner is a flat state machine: it neither
// recurses nor fails.
func scan(src []byte, filename string) hclsyntax.Tokens {
	tokens, _ := hclsyntax.LexConfig(src, filename, hcl.InitialPos)
	return tokens
}

func checkTokens(tokens hclsyntax.Tokens) *hcl.Diagnostic {
	g := guardState{frames: []guardFrame{{}}}
	for i, tok := range tokens {
		if i == MaxTokens {
			return tooMuch(tok, "File too large",
				fmt.Sprintf("it has more than %d tokens. Split it into several files.", MaxTokens))
		}
		if d := g.token(tok); d != nil {
			return d
		}
	}
	return nil
}

// checkText refuses what is no text: a NUL byte or a sequence that is no
// UTF-8.
func checkText(src []byte, filename string) *hcl.Diagnostic {
	bad := bytes.IndexByte(src, 0)
	detail := "this is a binary file; a NUL byte is here."
	if bad < 0 {
		if utf8.Valid(src) {
			return nil
		}
		for rest := src; ; {
			r, n := utf8.DecodeRune(rest)
			if r == utf8.RuneError && n == 1 {
				bad = len(src) - len(rest)
				break
			}
			rest = rest[n:]
		}
		detail = "this is not UTF-8 text; save the file as UTF-8."
	}
	line := 1 + bytes.Count(src[:bad], []byte("\n"))
	col := 1 + utf8.RuneCount(src[bytes.LastIndexByte(src[:bad], '\n')+1:bad])
	at := hcl.Pos{Line: line, Column: col, Byte: bad}
	end := hcl.Pos{Line: line, Column: col + 1, Byte: bad + 1}
	d := fileProblem(filename, "Not a text file", detail)
	d.Subject = &hcl.Range{Filename: filename, Start: at, End: end}
	return d
}

func fileProblem(filename, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary, Detail: detail,
		Subject: &hcl.Range{Filename: filename},
	}
}

func tooMuch(tok hclsyntax.Token, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: tok.Range.Ptr()}
}
