package taskenv

import "strings"

// maxValue bounds, in bytes, what references may make of a text: no more than
// Linux takes as one variable or argument (MAX_ARG_STRLEN, 32 pages of 4 KiB).
// Without a bound forty variables of "${A}${A}" each would fill the memory.
const maxValue = 128 << 10

const (
	open    = "${"
	escaped = "$${"
)

// symbol is a value that a reference can name.
type symbol struct {
	text string // as written until done, then the value
	done bool

	index, low int // of the search for circles; see resolve
}

// expand returns s with its references replaced. One to a symbol that has no
// value yet stays as it is written: it is part of the circle being resolved.
func (e *Env) expand(s string) string {
	if !strings.Contains(s, open) {
		return s
	}
	var out strings.Builder
	for s != "" {
		plain, text, ref, rest := next(s)
		out.WriteString(plain)
		switch sym, ok := e.lookup(ref); {
		case text == escaped:
			out.WriteString(open)
		case ok && sym.done && out.Len()+len(sym.text) <= maxValue:
			out.WriteString(sym.text)
		default:
			out.WriteString(text)
		}
		s = rest
	}
	return out.String()
}

// next cuts the first reference or escape off s: the text before it, its own
// text, what it refers to, and what follows. At a ${ that begins no reference
// text is just that, so that a reference within is still found.
func next(s string) (plain, text string, ref reference, rest string) {
	i := strings.Index(s, open)
	if i < 0 {
		return s, "", reference{}, ""
	}
	if i > 0 && s[i-1] == '$' {
		return s[:i-1], escaped, reference{}, s[i+len(open):]
	}
	ref, n := parseReference(s[i+len(open):])
	end := i + len(open) + n
	return s[:i], s[i:end], ref, s[end:]
}
