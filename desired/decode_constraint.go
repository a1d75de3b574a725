package desired

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/job"
)

// comparing are the options of a constraint that are an operator and its value
// in one.
var comparing = []string{job.OpVersion, job.OpSemver, job.OpRegexp, job.OpSetContains}

// operators are what a constraint may have.
var operators = vocabulary{words: job.Operators, refused: []string{"distinct_property", "set_contains_all", "set_contains_any"}}

// constraintDraft is a constraint as it is written.
type constraintDraft struct {
	section
	attribute, operator, value string
	distinctHosts              *bool
	sugar                      map[string]*string // of comparing
	places                     map[string]hcl.Range
}

// constraints decodes constraint blocks, each of which is one more.
func (l *loader) constraints(dst *[]job.Constraint) func([]item) {
	return func(items []item) {
		for _, it := range items {
			s, ok := l.blockOf(it)
			if !ok {
				continue
			}
			refs := len(l.refs)
			d, ok := l.constraintDraft(s)
			l.refs = l.refs[:refs] // constraints have rules of their own for names
			if !ok {
				continue
			}
			if c, ok := l.constraint(d); ok {
				*dst = append(*dst, c)
			}
		}
	}
}

func (l *loader) constraintDraft(s section) (constraintDraft, bool) {
	before := len(l.diags)
	d := constraintDraft{section: s, sugar: map[string]*string{}, places: valuePlaces(s)}
	f := fields{
		"attribute":      l.filled(&d.attribute, new(hcl.Range)),
		"operator":       l.wordOf(&d.operator, operators),
		"value":          l.filled(&d.value, new(hcl.Range)),
		"distinct_hosts": l.maybe(&d.distinctHosts),
	}
	for _, op := range comparing {
		d.sugar[op] = new(string)
		f[op] = l.filled(d.sugar[op], new(hcl.Range))
	}
	l.decode(s, "constraint", f)
	return d, len(l.diags) == before
}

// constraint resolves the sugar of d and checks what is left. It returns false
// if that is wrong, which has been told, or no constraint at all.
func (l *loader) constraint(d constraintDraft) (job.Constraint, bool) {
	before := len(l.diags)
	if d.distinctHosts != nil || d.operator == job.OpDistinctHosts {
		wanted := l.distinctHosts(d)
		return job.Constraint{Operator: job.OpDistinctHosts}, wanted && len(l.diags) == before
	}
	l.desugar(&d)
	if len(l.diags) == before {
		l.checkOperands(d)
	}
	if len(l.diags) == before {
		l.checkConstraintNames(d)
	}
	return job.Constraint{Attribute: d.attribute, Operator: d.operator, Value: d.value}, len(l.diags) == before
}

// distinctHosts reports whether d asks for distinct hosts. It may ask for
// nothing else.
func (l *loader) distinctHosts(d constraintDraft) bool {
	wanted := d.distinctHosts == nil || *d.distinctHosts
	for _, it := range d.items {
		switch it.key {
		case job.OpDistinctHosts:
		case "operator":
			if d.operator != "" && d.operator != job.OpDistinctHosts {
				l.alone(d, it.key)
			}
		case "value":
			if d.distinctHosts == nil && (d.value == "true" || d.value == "false") {
				wanted = d.value == "true"
			} else {
				l.alone(d, it.key)
			}
		default:
			l.alone(d, it.key)
		}
	}
	return wanted
}

func (l *loader) alone(d constraintDraft, key string) {
	l.errorf(d.places[key], "Conflicting options", "\"distinct_hosts\" looks at nothing and compares nothing. Remove %q, or write a second constraint block.", key)
}

// desugar turns version = "1.2" and the like into operator and value.
func (l *loader) desugar(d *constraintDraft) {
	var op string
	for _, candidate := range comparing {
		switch {
		case *d.sugar[candidate] == "":
		case op != "":
			l.errorf(d.places[candidate], "Conflicting options", "a constraint makes one comparison, and %q and %q are two. Write a constraint block for each.", op, candidate)
			return
		default:
			op = candidate
		}
	}
	if op == "" {
		if d.operator == "" {
			d.operator = "="
		}
		return
	}
	text := *d.sugar[op]
	switch {
	case d.value != "":
		l.errorf(d.places["value"], "Conflicting options", "%q is what the attribute is compared with. Remove \"value\".", op)
	case d.operator == "" || d.operator == op:
		d.operator, d.value = op, text
	case op != job.OpVersion && op != job.OpSemver || versionOperator(d.operator) == "":
		l.errorf(d.places["operator"], "Conflicting options", "%q is an operator of its own, and \"operator\" is %q. Remove one of the two.", op, d.operator)
	case comparesAlready(text):
		l.errorf(d.places[op], "Conflicting options", "%q holds an operator, and \"operator\" is %q. Remove one of the two.", op, d.operator)
	default:
		d.operator, d.value = op, versionOperator(d.operator)+" "+text
	}
}

// versionOperator is an operator as it stands in a comparison of versions; ""
// if it stands in none.
func versionOperator(op string) string {
	switch op {
	case "=", "==", "is":
		return "="
	case "!=", "not":
		return "!="
	case "<", "<=", ">", ">=":
		return op
	}
	return ""
}

// comparesAlready reports whether a text is more than one bare version.
func comparesAlready(text string) bool { return strings.ContainsAny(text, "<>=!~,") }

// checkOperands checks that there is what the operator needs, and no more.
func (l *loader) checkOperands(d constraintDraft) {
	unary := d.operator == job.OpIsSet || d.operator == job.OpIsNotSet
	switch {
	case d.attribute == "":
		l.errorf(d.at, "Missing attribute", "a constraint needs something to look at. Write attribute = \"${attr.kernel.name}\", or another name of the host.")
		return
	case job.KnownNodeName(d.attribute):
		l.errorf(d.places["attribute"], "Bad value", "%q is plain text, and compared as such. Did you mean \"${%s}\"?", d.attribute, d.attribute)
		return
	case unary && d.value != "":
		l.errorf(d.places["value"], "Conflicting options", "%q looks whether the attribute is there, whatever it is. Remove \"value\".", d.operator)
		return
	case !unary && d.value == "":
		l.errorf(d.at, "Missing value", "a constraint with the operator %q needs something to compare with. Write value = \"…\".", d.operator)
		return
	}
	if interpolated(d.value) || !l.affordOperand(d) {
		return
	}
	if err := checkOperand(d.operator, d.value); err != nil {
		l.errorf(firstOf(d.places, d.at, d.operator, "value"), "Bad value", "%s.", err)
	}
}

// operandCost is what it costs to look at one byte of an operand, in units of
// the budget: a regular expression takes about 150 bytes of memory for each of
// its own, and each version in a list a match of another.
var operandCost = map[string]int{job.OpRegexp: 128, job.OpVersion: 512, job.OpSemver: 512}

// affordOperand charges what is compared with to the budget of the file.
func (l *loader) affordOperand(d constraintDraft) bool {
	for _, it := range d.items {
		if it.expr != nil && (it.key == "value" || it.key == d.operator) {
			return l.charge(it.expr, times(len(d.value), operandCost[d.operator]))
		}
	}
	return true
}

// checkConstraintNames reports names in ${...} that are nothing of the host.
// Anywhere else they would stay in the text; here the constraint could never
// be met, or always.
func (l *loader) checkConstraintNames(d constraintDraft) {
	for _, text := range []struct {
		key, text string
	}{{"attribute", d.attribute}, {"value", d.value}} {
		at := firstOf(d.places, d.at, text.key, d.operator)
		for _, name := range namesIn(text.text) {
			if !job.KnownNodeName(name) {
				l.errorf(at, "Unknown name", "%s", l.whyNoNodeName(name))
			}
		}
		for _, where := range l.hiddenIn(at) {
			l.errorf(where, "Unknown name", "this is no name, and a constraint that holds it says nothing about the host. Write ${…} with a name, such as \"${meta.rack}\".")
		}
	}
}
