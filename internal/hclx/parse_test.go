package hclx_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"reconciler/internal/hclx"
)

// names lists every attribute, block and object key below body with its
// place, as "2,3-9 name".
func names(file *hcl.File) []string {
	found := map[string]hcl.Range{}
	add := func(name string, at hcl.Range) {
		found[strings.TrimPrefix(at.String(), "a.hcl:")+" "+name] = at
	}
	_ = hclsyntax.VisitAll(file.Body.(*hclsyntax.Body), func(n hclsyntax.Node) hcl.Diagnostics {
		switch n := n.(type) {
		case *hclsyntax.Body:
			for key, attr := range n.Attributes {
				if key != attr.Name {
					panic("a body has " + key + " for " + attr.Name)
				}
			}
		case *hclsyntax.Attribute:
			add(n.Name, n.NameRange)
		case *hclsyntax.Block:
			add(n.Type, n.TypeRange)
		case *hclsyntax.ObjectConsKeyExpr:
			if v, _ := n.Value(nil); v.IsKnown() && v.Type() == cty.String {
				add(v.AsString(), n.Range())
			}
		}
		return nil
	})
	return slices.SortedFunc(maps.Keys(found), func(a, b string) int {
		return found[a].Start.Byte - found[b].Start.Byte
	})
}

func TestNormaliserKeepsNamesAndPlaces(t *testing.T) {
	for _, tc := range []struct {
		name, src string
		want      []string
	}{
		{
			"dotted keys",
			"sysctl {\n  net.core.somaxconn = \"16384\"\n  net.ipv4.x=1 # why\n}\n",
			[]string{"1,1-7 sysctl", "2,3-21 net.core.somaxconn", "3,3-13 net.ipv4.x"},
		},
		{
			"dotted key on one line",
			"sysctl { net.core.somaxconn = \"16384\" }\n",
			[]string{"1,1-7 sysctl", "1,10-28 net.core.somaxconn"},
		},
		{
			"quoted keys",
			"options {\n  \"docker.cleanup.image\" = \"false\"\n  \"a\" = 1\n  \"b\\\"c\"=2\n}\n",
			[]string{"1,1-8 options", "2,3-25 docker.cleanup.image", "3,3-6 a", "4,3-9 b\"c"},
		},
		{
			"quoted block names",
			"\"options\" {\n \"a\" \"label\" {\n }\n}\n",
			[]string{"1,1-10 options", "2,2-5 a"},
		},
		{
			"blocks inside an object of a list",
			"mounts = [\n {\n  target = \"/x\"\n  volume_options {\n   labels{\n    a = \"b\"\n   }\n  }\n },\n]\n",
			[]string{"1,1-7 mounts", "3,3-9 target", "4,3-17 volume_options", "5,4-10 labels", "6,5-6 a"},
		},
		{
			"two blocks in an object on one line",
			"mounts = [{ labels { a = 1 } driver_config { b = 2 } }]\n",
			[]string{"1,1-7 mounts", "1,13-19 labels", "1,22-23 a", "1,30-43 driver_config", "1,46-47 b"},
		},
		{
			"quoted block in an object",
			"mounts = [{ \"labels\" { a = 1 } }]\n",
			[]string{"1,1-7 mounts", "1,13-21 labels", "1,24-25 a"},
		},
		{
			"dotted keys with numbers in objects",
			"labels = { a.1.2 = 1, b.c = 2,\n  net.4x.y : 3 }\nmounts = [{\n labels {\n  z.1.2 = 1\n }\n}]\n",
			[]string{"1,1-7 labels", "1,12-17 a.1.2", "2,3-11 net.4x.y", "3,1-7 mounts", "4,2-8 labels", "5,3-8 z.1.2"},
		},
		{
			"windows line ends and a BOM",
			"\ufeffsysctl {\r\n  net.core = 1\r\n  \"x y\" = 2\r\n}\r\n",
			[]string{"1,1-7 sysctl", "2,3-11 net.core", "3,3-8 x y"},
		},
		{
			"an identifier that a made-up name could be",
			"k0 = 1\nk00 = 1\n\"a\" = 2\na.b = 3\n",
			[]string{"1,1-3 k0", "2,1-4 k00", "3,1-4 a", "4,1-4 a.b"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			file, diags := hclx.Parse([]byte(tc.src), "a.hcl")
			if len(diags) > 0 {
				t.Fatal(diags)
			}
			if diff := cmp.Diff(tc.want, names(file)); diff != "" {
				t.Error(diff)
			}
			if string(file.Bytes) != tc.src {
				t.Error("the file does not carry its own text")
			}
		})
	}
}

func TestNormaliserReportsDuplicatesOfTrueNames(t *testing.T) {
	for _, src := range []string{
		"net.core = 1\nx = 2\nnet.core = 3\n",
		"\"net.core\" = 1\nx = 2\nnet.core = 3\n",
		"net.core = 1\nx = 2\n\"net.core\" = 3\n",
	} {
		_, diags := hclx.Parse([]byte(src), "a.hcl")
		if len(diags) != 1 || !strings.Contains(diags[0].Detail, `"net.core" was already set at a.hcl:1,1-`) || diags[0].Subject.Start.Line != 3 {
			t.Errorf("%q: %v", src, diags)
		}
	}
}

func TestWhatIsNoExpressionStaysText(t *testing.T) {
	for _, tc := range []struct{ src, want string }{
		{`a = "${FOO:-x}"`, "${FOO:-x}"},
		{`a = "é${FOO:-"y"}z"`, `é${FOO:-"y"}z`},
		{`a = "%{http_code} ${FOO:+1}"`, "%{http_code} ${FOO:+1}"},
		{"a = <<E\n${FOO:-x}\nE\n", "${FOO:-x}\n"},
	} {
		file, diags := hclx.Parse([]byte(tc.src), "a.hcl")
		if diags.HasErrors() || len(diags) == 0 {
			t.Errorf("%s: %v", tc.src, diags)
			continue
		}
		v, _ := file.Body.(*hclsyntax.Body).Attributes["a"].Expr.Value(nil)
		if v.AsString() != tc.want {
			t.Errorf("%s: got %q, want %q", tc.src, v.AsString(), tc.want)
		}
		for _, d := range diags {
			text := string(d.Subject.SliceBytes([]byte(tc.src)))
			if d.Severity != hcl.DiagWarning || !strings.HasSuffix(text, "}") {
				t.Errorf("%s: %v at %q", tc.src, d, text)
			}
		}
	}
}

func TestErrorsOfOldFilesNameTheTrueCause(t *testing.T) {
	for _, tc := range []struct{ src, want string }{
		{"s {\n a.b = 1\n c d\n}\n", "a.hcl:3,5: Invalid block definition"},
		{"s {\n a.b = 1\n", "a.hcl:1,3-4: Unclosed configuration block"},
		{"s {\n a.b = \n}\n", "a.hcl:2,8: Invalid expression"},
		{"x = 1\nx = 2\n", "a.hcl:2,1-2: Attribute redefined"},
	} {
		file, diags := hclx.Parse([]byte(tc.src), "a.hcl")
		if file != nil || len(diags) == 0 {
			t.Fatalf("%q was accepted", tc.src)
		}
		if got := hclx.Format(diags[0], []byte(tc.src)); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%q:\n got %s\nwant %s", tc.src, got, tc.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, src := range fatalRows() {
		f.Add([]byte(src[:min(len(src), 4<<10)]))
	}
	f.Add([]byte("a {\n b.c = 1\n \"d\" = \"${FOO:-\"x\"}\"\n m = [{ o { l{ a = 1 } } }]\n}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		file, diags := hclx.Parse(src, "a.hcl")
		if (file == nil) != diags.HasErrors() {
			t.Fatalf("file %v with %v", file, diags)
		}
		for _, d := range diags {
			hclx.Format(d, src)
		}
		if file != nil {
			names(file)
		}
	})
}

// Names that the normaliser made are put back in one go: one may stand in
// another, or in a true name, and the order of a map must not decide.
func TestMessagesAreAlwaysTheSame(t *testing.T) {
	src := "a {\n" + strings.Repeat("  k0.x = 1\n  x.k1 = 1\n", 20) + "  b { c = 1\n}\n  d.e { f = 1\n}\n"
	var first string
	for range 50 {
		_, diags := hclx.Parse([]byte(src), "a.hcl")
		if first == "" {
			first = diags.Error()
		}
		if diags.Error() != first {
			t.Fatalf("%s\nand\n%s", first, diags.Error())
		}
	}
}
