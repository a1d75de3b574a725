package desired

import (
	"fmt"
	"regexp"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functionTable holds the functions of the language: HCL's standard ones, under
// the names that Nomad and Terraform give them. None does I/O or looks at the
// clock, so that a file means the same wherever and whenever it is read.
var functionTable = map[string]function.Function{
	"abs": stdlib.AbsoluteFunc, "can": tryfunc.CanFunc, "ceil": stdlib.CeilFunc, "chomp": stdlib.ChompFunc,
	"chunklist": stdlib.ChunklistFunc, "coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc,
	"compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc,
	"csvdecode": stdlib.CSVDecodeFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc,
	"flatten": stdlib.FlattenFunc, "floor": stdlib.FloorFunc, "format": limited(stdlib.FormatFunc, padding),
	"formatdate": stdlib.FormatDateFunc, "formatlist": limited(stdlib.FormatListFunc, padding), "indent": limited(stdlib.IndentFunc, indentation),
	"index": stdlib.IndexFunc, "join": stdlib.JoinFunc, "jsondecode": limited(stdlib.JSONDecodeFunc, nesting),
	"jsonencode": stdlib.JSONEncodeFunc, "keys": stdlib.KeysFunc, "length": stdlib.LengthFunc,
	"log": stdlib.LogFunc, "lookup": stdlib.LookupFunc, "lower": stdlib.LowerFunc, "max": stdlib.MaxFunc,
	"merge": stdlib.MergeFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc,
	"range": stdlib.RangeFunc, "regex": stdlib.RegexFunc, "regex_replace": stdlib.RegexReplaceFunc,
	"regexall": stdlib.RegexAllFunc, "replace": stdlib.ReplaceFunc, "reverse": stdlib.ReverseListFunc,
	"setintersection": stdlib.SetIntersectionFunc, "setproduct": stdlib.SetProductFunc,
	"setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc, "signum": stdlib.SignumFunc,
	"slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "split": stdlib.SplitFunc, "strlen": stdlib.StrlenFunc,
	"strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc, "timeadd": stdlib.TimeAddFunc,
	"title": stdlib.TitleFunc, "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc,
	"trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "try": tryfunc.TryFunc,
	"upper": stdlib.UpperFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
}

// maxPad bounds the width of a padded value, which is written in a few bytes
// and can ask for any amount of memory.
const maxPad = 99

// limited returns f with a check of its arguments in front.
func limited(f function.Function, check func(args []cty.Value) error) function.Function {
	return function.New(&function.Spec{
		Params:   f.Params(),
		VarParam: f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := check(args); err != nil {
				return cty.DynamicPseudoType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}

// widePad matches a width, precision or argument index of three digits and more.
var widePad = regexp.MustCompile(`%[^a-zA-Z%]*[0-9]{3}`)

func padding(args []cty.Value) error {
	if len(args) > 0 && known(args[0], cty.String) && widePad.MatchString(args[0].AsString()) {
		return fmt.Errorf("a width may be %d at most", maxPad)
	}
	return nil
}

func indentation(args []cty.Value) error {
	if len(args) > 0 && known(args[0], cty.Number) {
		if n := args[0]; n.GreaterThan(cty.NumberIntVal(maxPad)).True() || n.LessThan(cty.Zero).True() {
			return fmt.Errorf("an indentation is a number from 0 to %d", maxPad)
		}
	}
	return nil
}

// maxJSONLevels keeps cty's decoder, which recurses, off the end of its stack.
const maxJSONLevels = 64

func nesting(args []cty.Value) error {
	if len(args) == 0 || !known(args[0], cty.String) {
		return nil
	}
	level, quoted, escaped := 0, false, false
	for _, r := range args[0].AsString() {
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = r == '\\', r != '"'
		case r == '"':
			quoted = true
		case r == '[' || r == '{':
			level++
		case r == ']' || r == '}':
			level--
		}
		if level > maxJSONLevels {
			return fmt.Errorf("JSON may nest %d levels", maxJSONLevels)
		}
	}
	return nil
}

func known(v cty.Value, t cty.Type) bool {
	return v.IsKnown() && !v.IsNull() && v.Type() == t
}
