package hclx

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Format prints d as compilers do, with the source line that it is about:
//
//	web.hcl:12,5-9: Unsupported argument; "imge" is not expected here. Did you mean "image"?
//	  12:     imge = "redis"
//
// src is the text of the file that d is about. There is no newline at the end.
func Format(d *hcl.Diagnostic, src []byte) string {
	var b strings.Builder
	if d.Subject != nil {
		b.WriteString(d.Subject.Filename)
		if d.Subject.Start.Line > 0 {
			fmt.Fprintf(&b, ":%d,%d", d.Subject.Start.Line, d.Subject.Start.Column)
			if end := EndColumn(*d.Subject); end > 0 {
				fmt.Fprintf(&b, "-%d", end)
			}
		}
		b.WriteString(": ")
	}
	if d.Severity == hcl.DiagWarning {
		b.WriteString("Warning: ")
	}
	b.WriteString(d.Summary)
	if d.Detail != "" {
		b.WriteString("; " + d.Detail)
	}
	if d.Subject != nil {
		if line := Snippet(src, d.Subject.Start.Line); line != "" {
			b.WriteString("\n" + line)
		}
	}
	return b.String()
}

// EndColumn is the column after the last of rng if rng lies on one line and is
// not empty, else 0.
func EndColumn(rng hcl.Range) int {
	if rng.End.Line == rng.Start.Line && rng.End.Column > rng.Start.Column {
		return rng.End.Column
	}
	return 0
}

// maxSnippet bounds a printed source line, in runes.
const maxSnippet = 160

// Snippet returns line (from 1) of src as it stands under a diagnostic:
// "  12:     imge = \"redis\"". Control characters are shown as dots, since
// they end on somebody's terminal. A line that is blank or not there gives "".
func Snippet(src []byte, line int) string {
	if line < 1 {
		return ""
	}
	rest := src
	for range line - 1 {
		_, after, ok := bytes.Cut(rest, []byte("\n"))
		if !ok {
			return ""
		}
		rest = after
	}
	text, _, _ := bytes.Cut(rest, []byte("\n"))
	shown := []rune(strings.ToValidUTF8(strings.TrimRight(string(text), " \t\r"), "."))
	if len(shown) == 0 {
		return ""
	}
	if len(shown) > maxSnippet {
		shown = append(shown[:maxSnippet], '…')
	}
	for i, r := range shown {
		if r != '\t' && (r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0)) {
			shown[i] = '.'
		}
	}
	return fmt.Sprintf("  %d: %s", line, string(shown))
}
