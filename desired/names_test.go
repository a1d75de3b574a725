package desired

import (
	"strconv"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestIsManifestName(t *testing.T) {
	for name, want := range map[string]bool{
		"web.hcl": true, "web.nomad": true, "a.b.hcl": true, "sed.hcl": true, "ünï.hcl": true,
		".web.hcl": false, "web.hcl~": false, "#web.hcl#": false, "#web.hcl": false, ".#web.hcl": false,
		"4913": false, ".web.hcl.swp": false, "web.hcl.bak": false, "web.hcl.orig": false, "sedAbC123": false,
		"web.hcl.tmp": false, ".hcl": false, "hcl": false, "web.HCL": false, "README.md": false, "": false,
	} {
		if got := isManifestName(name); got != want {
			t.Errorf("%q: %t, want %t", name, got, want)
		}
	}
}

func TestRecordKeyIsPrintable(t *testing.T) {
	if got := recordKey("sub/a b.hcl"); got != "sub/a b.hcl" {
		t.Errorf("%q", got)
	}
	if got := recordKey("a\nb\xff.hcl"); got != `a\nb\xff.hcl` {
		t.Errorf("%q", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		key := recordKey(string(rapid.SliceOf(rapid.Byte()).Draw(t, "name")))
		if !utf8.ValidString(key) {
			t.Fatalf("%q is not UTF-8", key)
		}
		for _, r := range key {
			if !strconv.IsPrint(r) {
				t.Fatalf("%q is not printable", key)
			}
		}
	})
}

func TestInFolder(t *testing.T) {
	for _, tt := range []struct {
		key, folder string
		want        bool
	}{
		{"sub/a.hcl", "sub", true},
		{"sub/x/a.hcl", "sub", true},
		{"subway/a.hcl", "sub", false},
		{"sub", "sub", false},
		{"a.hcl", "sub", false},
	} {
		if got := inFolder(tt.key, tt.folder); got != tt.want {
			t.Errorf("%q in %q: %t", tt.key, tt.folder, got)
		}
	}
}
