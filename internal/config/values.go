package config

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// value evaluates an entry, in which nothing but literals, lists and
// operators can stand.
func (d *decoder) value(e entry) (cty.Value, bool) {
	v, diags := e.expr.Value(nil)
	if diags.HasErrors() {
		d.diags = append(d.diags, diags...)
		return v, false
	}
	return v, true
}

func (d *decoder) wrongType(e entry, want string, v cty.Value) {
	d.fail(e.expr.Range(), "Wrong type", fmt.Sprintf("%s is %s; this is %s.", e.path, want, kind(v)))
}

func (d *decoder) invalid(e entry, err error) {
	d.fail(e.expr.Range(), "Invalid value", e.path+": "+err.Error()+".")
}

func kind(v cty.Value) string {
	switch {
	case v.IsNull():
		return "null"
	case v.Type() == cty.String:
		return "a text"
	case v.Type() == cty.Number:
		return "a number"
	case v.Type() == cty.Bool:
		return "a bool"
	case v.Type().IsObjectType():
		return "a map"
	}
	return "a list"
}

// text sets a text that passes check, which may put it into its one form.
func (d *decoder) text(e entry, into *string, check func(string) (string, error)) {
	v, ok := d.value(e)
	if !ok {
		return
	}
	if v.IsNull() || v.Type() != cty.String {
		d.wrongType(e, "a text", v)
		return
	}
	s, err := check(v.AsString())
	if err != nil {
		d.invalid(e, err)
		return
	}
	*into = s
}

// scalar sets a text, number or bool as a text.
func (d *decoder) scalar(e entry, into *string) bool {
	v, ok := d.value(e)
	if !ok {
		return false
	}
	switch {
	case v.IsNull():
	case v.Type() == cty.String:
		*into = v.AsString()
		return true
	case v.Type() == cty.Bool:
		*into = strconv.FormatBool(v.True())
		return true
	case v.Type() == cty.Number:
		*into = number(v.AsBigFloat())
		return true
	}
	d.wrongType(e, "a text, a number or a bool", v)
	return false
}

func number(f *big.Float) string { return f.Text('f', -1) }

// boolean sets a bool, bare or quoted. A typo is an error.
func (d *decoder) boolean(e entry, into *bool) bool {
	var s string
	if !d.scalar(e, &s) {
		return false
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		d.invalid(e, fmt.Errorf("%q is neither true nor false", s))
		return false
	}
	*into = b
	return true
}

// duration sets a duration that is not negative.
func (d *decoder) duration(e entry, into *time.Duration) {
	v, ok := d.value(e)
	if !ok {
		return
	}
	if v.IsNull() || v.Type() != cty.String {
		d.wrongType(e, `a duration such as "3m" or "1h30m"`, v)
		return
	}
	got, err := time.ParseDuration(v.AsString())
	switch {
	case err != nil:
		d.invalid(e, fmt.Errorf(`%q is no duration; write one such as "30s", "3m" or "1h30m"`, v.AsString()))
	case got < 0:
		d.invalid(e, fmt.Errorf("%q is negative", v.AsString()))
	default:
		*into = got
	}
}

// words sets the parts of a text that commas separate, or of a list. No part
// is no word.
func (d *decoder) words(e entry, into *[]string, check func(string) (string, error)) {
	v, ok := d.value(e)
	if !ok {
		return
	}
	var parts []cty.Value
	switch {
	case !v.IsNull() && v.Type() == cty.String:
		for part := range strings.SplitSeq(v.AsString(), ",") {
			if part = strings.TrimSpace(part); part != "" {
				parts = append(parts, cty.StringVal(part))
			}
		}
	case !v.IsNull() && v.Type().IsTupleType():
		parts = v.AsValueSlice()
	default:
		d.wrongType(e, "a text with commas, or a list of texts", v)
		return
	}
	var out []string
	for _, part := range parts {
		if part.IsNull() || part.Type() != cty.String {
			d.wrongType(e, "a list of texts", part)
			return
		}
		word, err := check(part.AsString())
		if err != nil {
			d.invalid(e, err)
			return
		}
		out = append(out, word)
	}
	*into = out
}

// port sets a port number, bare or quoted.
func (d *decoder) port(e entry, into *int) {
	var s string
	if !d.scalar(e, &s) {
		return
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxPort {
		d.invalid(e, fmt.Errorf("%q is no port; write a number from 1 to %d", s, maxPort))
		return
	}
	*into = n
}
