package hclx_test

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/hclx"
)

func TestFormat(t *testing.T) {
	src := []byte("job \"a\" {\r\n    imge = \"redis\"\r\n}\n")
	at := func(l1, c1, l2, c2 int) *hcl.Range {
		return &hcl.Range{Filename: "web.hcl", Start: hcl.Pos{Line: l1, Column: c1}, End: hcl.Pos{Line: l2, Column: c2}}
	}
	for _, tc := range []struct {
		d    hcl.Diagnostic
		want string
	}{
		{
			hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Unsupported argument", Detail: `"imge" is not expected here. Did you mean "image"?`, Subject: at(2, 5, 2, 9)},
			"web.hcl:2,5-9: Unsupported argument; \"imge\" is not expected here. Did you mean \"image\"?\n  2:     imge = \"redis\"",
		},
		{
			hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "Odd", Subject: at(1, 1, 3, 2)},
			"web.hcl:1,1: Warning: Odd\n  1: job \"a\" {",
		},
		{hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Too large", Subject: &hcl.Range{Filename: "web.hcl"}}, "web.hcl: Too large"},
		{hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Nowhere"}, "Nowhere"},
		{hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Beyond", Subject: at(9, 1, 9, 2)}, "web.hcl:9,1-2: Beyond"},
	} {
		if got := hclx.Format(&tc.d, src); got != tc.want {
			t.Errorf("got  %q\nwant %q", got, tc.want)
		}
	}
}

func TestSnippetIsSafeToPrint(t *testing.T) {
	if got := hclx.Snippet([]byte("a\x1b[31m\xff\tb\u0085"), 1); got != "  1: a.[31m.\tb." {
		t.Errorf("got %q", got)
	}
	if got := hclx.Snippet([]byte(strings.Repeat("x", 1000)), 1); len(got) > 200 {
		t.Errorf("a snippet of %d bytes", len(got))
	}
	for _, line := range []int{-1, 0, 3} {
		if got := hclx.Snippet([]byte("a\n \nb")[:3], line); got != "" {
			t.Errorf("line %d: %q", line, got)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"args", "command", "image", "load", "network_mode", "ports", "ssl"}
	for given, want := range map[string]string{
		"imge": "image", "Image": "image", "comand": "command", "port": "ports",
		"network-mode": "network_mode", "networkmode": "network_mode", "SSL": "ssl",
		"rgas": "args", "sslx": "ssl", "zzz": "", "": "", "privileged": "",
	} {
		if got := hclx.Suggest(given, known); got != want {
			t.Errorf("Suggest(%q) = %q, want %q", given, got, want)
		}
	}
}
