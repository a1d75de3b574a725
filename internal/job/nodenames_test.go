package job

import (
	"slices"
	"strings"
	"testing"
)

func TestKnownNodeName(t *testing.T) {
	for name, want := range map[string]bool{
		"attr.cpu.arch": true, `attr["cpu.arch"]`: true, "driver.docker.version": true, "attr.driver.docker": true,
		"node.unique.id": true, "node.class": true, "nomad.datacenter": true, "meta.rack": true, `meta["a b"]`: true,
		`env["SITE"]`: true, `env[""]`: false, `env["NOMAD_ALLOC_ID"]`: false, `env["NOMAD_DC"]`: false,
		"NOMAD_ALLOC_ID": false, "NOMAD_DC": false, "NOMAD_META_x": false, "NOMAD_PORT_http": false,
		"attr.kernal.name": false, "cpu.arch": false, "SITE": false, "env.SITE": false, "meta.": false, "node": false, "": false,
		"meta.a b": false, "FOO:-x": false,
	} {
		if got := KnownNodeName(name); got != want {
			t.Errorf("%q: %t, want %t", name, got, want)
		}
	}
}

func TestNodeNames(t *testing.T) {
	names := NodeNames()
	if !slices.IsSorted(names) || !slices.Contains(names, "attr.kernel.name") || !slices.Contains(names, "node.unique.name") {
		t.Errorf("%q", names)
	}
	for _, name := range names {
		if !KnownNodeName(name) {
			t.Errorf("%q is listed and not known", name)
		}
	}
}

func TestCheckServiceName(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "Web-1": true, "0": true, strings.Repeat("a", 63): true,
		"": false, "-a": false, "a-": false, "a_b": false, "a.b": false, "a b": false, "é": false, strings.Repeat("a", 64): false, "a\n": false,
	} {
		if got := CheckServiceName(name) == nil; got != want {
			t.Errorf("%q: %t, want %t", name, got, want)
		}
	}
}
