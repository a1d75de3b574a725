package taskenv

import "strings"

// Bases of references of the form base["key"].
const (
	baseEnv  = "env"
	baseMeta = "meta"
	baseAttr = "attr"
)

// reference is what stands within ${…}: a name, or base["key"].
type reference struct {
	base    string
	key     string
	indexed bool
}

// name is the dotted form of r.
func (r reference) name() string {
	if r.indexed {
		return r.base + "." + r.key
	}
	return r.base
}

// parseReference reads a reference and its closing brace at the start of s and
// returns how many bytes they take: 0 if s begins with something else. It
// looks at no byte behind the reference, so that a text full of ${ costs no
// more than its length.
func parseReference(s string) (reference, int) {
	p := scanner{s: s}
	p.blanks()
	r := reference{base: p.word()}
	if p.take(`["`) {
		r.indexed = true
		r.key = p.until('"')
		if !p.take(`"]`) {
			return reference{}, 0
		}
	}
	p.blanks()
	if r.base == "" || (r.indexed && !indexable(r.base)) || !p.take("}") {
		return reference{}, 0
	}
	return r, p.pos
}

func indexable(base string) bool {
	return base == baseEnv || base == baseMeta || base == baseAttr
}

type scanner struct {
	s   string
	pos int
}

func (p *scanner) take(token string) bool {
	ok := strings.HasPrefix(p.s[p.pos:], token)
	if ok {
		p.pos += len(token)
	}
	return ok
}

func (p *scanner) while(f func(byte) bool) string {
	start := p.pos
	for p.pos < len(p.s) && f(p.s[p.pos]) {
		p.pos++
	}
	return p.s[start:p.pos]
}

func (p *scanner) blanks() { p.while(func(c byte) bool { return c == ' ' || c == '\t' }) }

func (p *scanner) word() string { return p.while(nameByte) }

func (p *scanner) until(end byte) string {
	return p.while(func(c byte) bool { return c != end && c != '\n' })
}

// nameByte reports whether c can stand in a runtime name.
func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '_' || c == '-' || c == '.'
}
