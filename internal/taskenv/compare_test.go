package taskenv

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hashicorp/go-version"
	"pgregory.net/rapid"

	"reconciler/internal/job"
)

var (
	anyOperator = rapid.OneOf(rapid.SampledFrom(job.Operators), rapid.String())
	// texts are near to what the operators read.
	texts = rapid.OneOf(rapid.String(),
		rapid.StringMatching(`\$?\$?\{? ?(meta|attr|env|node)?(\.|\[")[a-c"\]]{0,3} ?\}?.?`),
		rapid.StringMatching(`(>|<|=|~>|!=|>=)? ?v?[0-9]{1,20}(\.[0-9]{1,3}){0,4}(-[a-z0-9.~-]{1,4})?(\+[a-z0-9.]{1,3})?(, ?< 9)?`),
		rapid.StringMatching(`[(\[*+?a^$|\\{},0-9)\]]{0,8}`))
	metas = rapid.MapOfN(rapid.StringMatching(`[a-c]`), texts, 0, 3)
)

// Whatever the strings, there is an answer, and a reason exactly if it is no.
func TestUnmetNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		node := job.Node{Name: "n", Meta: metas.Draw(t, "node"), Attributes: metas.Draw(t, "attributes")}
		j := &job.Job{Meta: metas.Draw(t, "job")}
		c := job.Constraint{
			Attribute: texts.Draw(t, "attribute"), Operator: anyOperator.Draw(t, "operator"), Value: texts.Draw(t, "value"),
		}
		why, ok := Unmet(node, j, &job.Group{Meta: metas.Draw(t, "group")}, []job.Constraint{c})
		if ok != (why == "") || !utf8.ValidString(why) {
			t.Fatalf("%v: %v %q", c, ok, why)
		}
		again, _ := Unmet(node, j, nil, []job.Constraint{c})
		if len(j.Meta) == 0 && why != again && !strings.Contains(c.Attribute+c.Value, "{") {
			t.Fatalf("%v: %q, then %q", c, why, again)
		}
	})
}

func TestNotIsTheOppositeOfIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		node := job.Node{Meta: map[string]string{"a": texts.Draw(t, "a")}}
		value := rapid.OneOf(texts, rapid.SampledFrom([]string{node.Meta["a"], "${meta.a}"})).Draw(t, "value")
		met := func(op string) bool {
			_, ok := Unmet(node, nil, nil, []job.Constraint{{Attribute: "${meta.a}", Operator: op, Value: value}})
			return ok
		}
		if met("=") == met("!=") || met("=") != met("is") || met("==") != met("is") || met("not") != met("!=") {
			t.Fatalf("%q against %q: = %v, != %v", node.Meta["a"], value, met("="), met("!="))
		}
	})
}

// Of two texts one is less, or they are equal: never two of the three.
func TestOrderIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := texts.Draw(t, "a"), texts.Draw(t, "b")
		if x, y := order(a, b), order(b, a); x != -y {
			t.Fatalf("%q and %q: %d and %d", a, b, x, y)
		}
		n, m := rapid.Int64().Draw(t, "n"), rapid.Int64().Draw(t, "m")
		if got := order(fmt.Sprint(n), fmt.Sprint(m)) < 0; got != (n < m) {
			t.Fatalf("%d < %d: %v", n, m, got)
		}
	})
}

// What go-version says of two plain versions, the operators say too.
func TestVersionsAgreeWithTheirModule(t *testing.T) {
	plain := rapid.StringMatching(`(0|[1-9][0-9]{0,3})(\.(0|[1-9][0-9]{0,3})){2}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := plain.Draw(t, "a"), plain.Draw(t, "b")
		c := version.Must(version.NewVersion(a)).Compare(version.Must(version.NewVersion(b)))
		for _, op := range []string{"=", "!=", "<", "<=", ">", ">="} {
			for name, meets := range map[string]comparison{"version": versionMeets, "semver": semverMeets} {
				got, err := meets(a, op+" "+b)
				if err != nil || got != holds(op, c) {
					t.Fatalf("%s: %s %s %s: %v, %v", name, a, op, b, got, err)
				}
			}
		}
		if got, err := versionMeets(a+"+dfsg1", "= "+a); err != nil || !got {
			t.Fatalf("%s with a distribution's suffix: %v, %v", a, got, err)
		}
	})
}

// The example of precedence in Semantic Versioning 2.0, §11.
func TestSemverPrecedence(t *testing.T) {
	rising := []string{
		"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
		"1.0.0-rc.1", "1.0.0", "2.0.0", "2.1.0", "2.1.1",
	}
	for i := range rising {
		for k := range rising {
			got, err := semverMeets(rising[i], "< "+rising[k])
			if err != nil || got != (i < k) {
				t.Errorf("%s < %s: %v, %v", rising[i], rising[k], got, err)
			}
		}
	}
}
