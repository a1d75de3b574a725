package desired

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"reconciler/internal/hclx"
)

// loader decodes one file and collects what is wrong with it.
type loader struct {
	file      string
	src       []byte
	diags     hcl.Diagnostics
	evaluator *evaluator

	refs       []runtimeRef // runtime names met since they were last taken
	sharedRefs []runtimeRef // those that belong to no task
	compared   int          // see suggest
	hidden     []hcl.Range  // see hiddenPlaces
}

// section is the content of a block, or of an object in its place, in the
// order of the file. HCL's two kinds of content are one here, because the
// language takes most maps both as block and as attribute.
type section struct {
	name  string // of the block
	at    hcl.Range
	items []item
}

// item is one entry of a section: an attribute (expr) or a block (body).
type item struct {
	key    string
	at     hcl.Range // of the key
	expr   hclsyntax.Expression
	body   *hclsyntax.Body
	labels []labelAt
}

type labelAt struct {
	text string
	at   hcl.Range
}

// fields tells how to decode each key of a section. A decoder gets all items
// with its key, in the order of the file.
type fields map[string]func([]item)

// bodySection lists the attributes and blocks of body.
func (l *loader) bodySection(name string, body *hclsyntax.Body, at hcl.Range) section {
	s := section{name: name, at: at}
	for _, attr := range body.Attributes {
		s.items = append(s.items, item{key: attr.Name, at: attr.NameRange, expr: attr.Expr})
	}
	for _, b := range body.Blocks {
		it := item{key: b.Type, at: b.TypeRange, body: b.Body}
		for i, text := range b.Labels {
			it.labels = append(it.labels, labelAt{text, b.LabelRanges[i]})
		}
		s.items = append(s.items, it)
	}
	slices.SortFunc(s.items, func(a, b item) int { return cmp.Compare(a.at.Start.Byte, b.at.Start.Byte) })
	return s
}

// decode hands the items of s to their decoders, and reports those that have
// none. kind is the section's key in the table of notsupported.go.
func (l *loader) decode(s section, kind string, f fields) {
	byKey := map[string][]item{}
	var order []string
	for _, it := range s.items {
		if _, ok := f[it.key]; !ok {
			l.unexpected(kind, it, f)
			continue
		}
		if byKey[it.key] == nil {
			order = append(order, it.key)
		}
		byKey[it.key] = append(byKey[it.key], it)
	}
	for _, key := range order {
		f[key](byKey[key])
	}
}

// unexpected reports a key that a section does not have.
func (l *loader) unexpected(kind string, it item, f fields) {
	if slices.Contains(notSupported[kind], it.key) {
		l.errorf(it.at, "Not supported", "%q is a part of Nomad's %s that reconciler does not have. Remove it.", it.key, sectionTitle(kind))
		return
	}
	summary := "Unsupported argument"
	if it.body != nil {
		summary = "Unsupported block"
		if it.key == "dynamic" {
			l.errorf(it.at, "Not supported", "dynamic blocks are a part of Nomad's language that reconciler does not have. Write the blocks out; a list can be computed: mounts = [for x in local.all : { … }].")
			return
		}
	}
	known := slices.Sorted(maps.Keys(f))
	known = append(known, notSupported[kind]...)
	advice := fmt.Sprintf("The %s has: %s.", sectionTitle(kind), listOf(slices.Sorted(maps.Keys(f))))
	if home := homes[it.key]; home != "" && slices.Contains(roomy, kind) {
		advice = fmt.Sprintf("Write it in %s.", home)
	} else if near := hclx.Suggest(it.key, known); near != "" {
		advice = fmt.Sprintf("Did you mean %q?", near)
	}
	l.errorf(it.at, summary, "%q is not expected here. %s", it.key, advice)
}

func (l *loader) errorf(at hcl.Range, summary, format string, args ...any) {
	l.diags = append(l.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: at.Ptr(),
	})
}

func (l *loader) warnf(at hcl.Range, summary, format string, args ...any) {
	l.diags = append(l.diags, &hcl.Diagnostic{
		Severity: hcl.DiagWarning, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: at.Ptr(),
	})
}

// one returns the only item of items, and reports the second if there is one.
func (l *loader) one(items []item) item {
	if len(items) > 1 {
		l.diags = append(l.diags, hclx.Redefined(items[0].key, items[0].at, items[1].at))
	}
	return items[0]
}

// attribute returns the expression of the one item, which must be an
// attribute. want says what its value should be.
func (l *loader) attribute(items []item, want string) (hclsyntax.Expression, bool) {
	it := l.one(items)
	if it.expr == nil {
		l.errorf(it.at, "Wrong type", "%q is %s here, not a block. Write %s = ….", it.key, want, it.key)
		return nil, false
	}
	return it.expr, true
}

// block returns the content of the one item, which must be a block without
// labels.
func (l *loader) block(items []item) (section, bool) {
	it := l.one(items)
	return l.blockOf(it)
}

func (l *loader) blockOf(it item) (section, bool) {
	if it.body == nil {
		l.errorf(it.at, "Wrong type", "%q is a block here, not a value. Write %s { … }.", it.key, it.key)
		return section{}, false
	}
	if len(it.labels) > 0 {
		l.errorf(it.labels[0].at, "Unexpected name", "%q blocks have no name here. Remove %q.", it.key, it.labels[0].text)
		return section{}, false
	}
	return l.bodySection(it.key, it.body, it.at), true
}

// blocks merges the content of all items, which must be blocks without labels.
func (l *loader) blocks(items []item) (section, bool) {
	merged := section{name: items[0].key, at: items[0].at}
	for _, it := range items {
		s, ok := l.blockOf(it)
		if !ok {
			return merged, false
		}
		merged.items = append(merged.items, s.items...)
	}
	return merged, true
}

// labelled reports whether it is a block with exactly one label.
func (l *loader) labelled(it item) bool {
	switch {
	case it.body == nil:
		l.errorf(it.at, "Wrong type", "%q is a block here, not a value. Write %s \"name\" { … }.", it.key, it.key)
	case len(it.labels) == 0:
		l.errorf(it.at, "Missing name", "a %q block needs a name. Write %s \"name\" { … }.", it.key, it.key)
	case len(it.labels) > 1:
		l.errorf(it.labels[1].at, "Unexpected name", "a %q block has one name. Remove %q.", it.key, it.labels[1].text)
	default:
		return true
	}
	return false
}

// listOf is `a, b and c`.
func listOf(names []string) string {
	var out strings.Builder
	for i, name := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			out.WriteString(" and ")
		default:
			out.WriteString(", ")
		}
		out.WriteString(name)
	}
	return out.String()
}
