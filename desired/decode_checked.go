package desired

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/hclx"
)

// checked decodes a string that check accepts and puts into its one form. What
// holds a runtime name is checked when a container is made.
func (l *loader) checked(dst *string, check func(string) (string, error)) func([]item) {
	return func(items []item) {
		var s string
		var at hcl.Range
		l.filled(&s, &at)(items)
		if s == "" {
			return
		}
		if !interpolated(s) {
			var err error
			if s, err = check(s); err != nil {
				l.errorf(at, "Bad value", "%s.", err)
				return
			}
		}
		*dst = s
	}
}

// vocabulary is the words that an option has here, and those that it has in
// Nomad alone.
type vocabulary struct{ words, refused []string }

// word decodes one of the words that an option has.
func (l *loader) word(dst *string, words ...string) func([]item) {
	return l.wordOf(dst, vocabulary{words: words})
}

// wordOf decodes one of the words of v.
func (l *loader) wordOf(dst *string, v vocabulary) func([]item) {
	return func(items []item) {
		var s string
		var at hcl.Range
		l.filled(&s, &at)(items)
		switch {
		case s == "":
		case slices.Contains(v.words, s):
			*dst = s
		case slices.Contains(v.refused, s):
			l.errorf(at, "Not supported", "%q as %q is a part of Nomad that reconciler does not have. %s", s, items[0].key, v.list())
		default:
			advice := v.list()
			if near := hclx.Suggest(s, v.words); near != "" {
				advice = fmt.Sprintf("Did you mean %q?", near)
			}
			l.errorf(at, "Unknown value", "%q is nothing that %q can be. %s", s, items[0].key, advice)
		}
	}
}

// list is the advice to write one of the words.
func (v vocabulary) list() string {
	if len(v.words) > 1 {
		return "It is one of " + listOf(quotedAll(v.words)) + "."
	}
	return "Write " + listOf(quotedAll(v.words)) + "."
}

func quotedAll(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = fmt.Sprintf("%q", w)
	}
	return out
}

// checkedList decodes a list of strings, none of them empty, that check
// accepts; it is nil if any will do.
func (l *loader) checkedList(dst *[]string, check func(string) (string, error)) func([]item) {
	return func(items []item) {
		for _, e := range l.list(items) {
			s := e.text
			switch {
			case strings.TrimSpace(s) != s || s == "":
				l.errorf(e.at, "Bad value", "%q holds %q, which is empty or has blanks around it. Mend or remove it.", items[0].key, s)
				continue
			case check != nil && !interpolated(s):
				var err error
				if s, err = check(s); err != nil {
					l.errorf(e.at, "Bad value", "%s.", err)
					continue
				}
			}
			*dst = append(*dst, s)
		}
	}
}

// checkedMap decodes a map of strings whose entries check accepts.
func (l *loader) checkedMap(dst *map[string]string, check func(key, value string) error) func([]item) {
	return func(items []item) {
		l.eachText(items, nil, func(p pair, value string) {
			if !interpolated(p.key) && !interpolated(value) {
				if err := check(p.key, value); err != nil {
					l.errorf(p.vAt, "Bad value", "%s.", err)
					return
				}
			}
			put(dst, p.key, value)
		})
	}
}
