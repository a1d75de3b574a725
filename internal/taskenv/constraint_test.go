package taskenv

import (
	"fmt"
	"strings"
	"testing"

	"reconciler/internal/job"
)

// host is a machine with a bit of everything.
func host() job.Node {
	return job.Node{
		ID: "id-1", Name: "box", Datacenter: "dc1", Region: "global",
		Meta: map[string]string{"rack": "a1", "ssd": "true", "tags": "web, db,cache", "empty": "", "bad": "("},
		Attributes: map[string]string{
			"cpu.arch": "amd64", "cpu.numcores": "8", "memory.totalbytes": "16316412928", "kernel.name": "linux",
			"kernel.version": "6.1.0-18-amd64", "os.version": "12", "driver.docker": "1",
			"driver.docker.version": "20.10.24+dfsg1",
		},
	}
}

// jobWithMeta has meta at both levels, and one that names another.
func jobWithMeta() (*job.Job, *job.Group) {
	g := &job.Group{Name: "g", Meta: map[string]string{"tier": "group", "arch": "${attr.cpu.arch}"}}
	return &job.Job{
		Name: "j", Groups: []job.Group{*g},
		Meta: map[string]string{"tier": "job", "only": "job", "rack": "job", "circle": "${meta.circle}"},
	}, g
}

func TestUnmet(t *testing.T) {
	const docker, kernel = "${driver.docker.version}", "${attr.kernel.version}"
	tests := []struct {
		attribute, operator, value string
		met                        bool
	}{
		{"${attr.cpu.arch}", "=", "amd64", true},
		{"${attr.cpu.arch}", "==", "amd64", true},
		{"${attr.cpu.arch}", "is", "amd64", true},
		{"${attr.cpu.arch}", "=", "arm64", false},
		{"${attr.cpu.arch}", "=", "AMD64", false},
		{"${attr.cpu.numcores}", "=", "8.0", false}, // equal is of text
		{`${attr["cpu.arch"]}`, "=", "amd64", true},
		{"${attr.cpu.arch}-${attr.os.version}", "=", "amd64-12", true},
		{"amd64", "=", "${attr.cpu.arch}", true},
		{"linux", "=", "linux", true},
		{"$${x}", "=", "$${x}", true},
		{"${meta.empty}", "=", "", true},
		{"${meta.none}", "=", "", false},
		{"${meta.none}", "=", "${meta.none}", false},

		{"${attr.cpu.arch}", "!=", "arm64", true},
		{"${attr.cpu.arch}", "not", "arm64", true},
		{"${attr.cpu.arch}", "!=", "amd64", false},
		{"${meta.none}", "!=", "x", true},
		{"${meta.none}", "!=", "", true},
		{"x", "!=", "${meta.none}", true},
		{"${meta.none}", "!=", "${meta.neither}", false},

		{"${attr.cpu.numcores}", ">=", "8", true},
		{"${attr.cpu.numcores}", ">", "8", false},
		{"${attr.cpu.numcores}", "<", "16", true}, // as text it would be greater
		{"${attr.cpu.numcores}", "<=", "7", false},
		{"${attr.cpu.numcores}", ">", "7.5", true},
		{"${attr.memory.totalbytes}", ">", "8000000000", true},
		{"9223372036854775808", ">", "9223372036854775807", false}, // beyond int64, and equal as floats
		{"-2", "<", "-1", true},
		{"abc", "<", "abd", true},
		{"10", "<", "9x", true}, // one is no number: text
		{"inf", ">", "10", true},
		{"nan", ">", "1e3", true},
		{"${meta.none}", "<", "1", false},
		{"1", "<", "${meta.none}", false},

		{docker, "version", ">= 20.10", true},
		{docker, "version", "> 1.2", true},
		{docker, "version", ">= 20.10.24", true},
		{docker, "version", "= 20.10.24", true},
		{docker, "version", "20.10.24", true},
		{docker, "version", ">= 20.10, < 20.11", true},
		{docker, "version", "< 20.10", false},
		{docker, "version", "~> 20.10", true},
		{docker, "version", "~> 19.3", false},
		{"${attr.driver.docker.version}", "version", "> 1.2", true},
		{kernel, "version", ">= 5.4", true},
		{kernel, "version", ">= 6.2", false},
		{"17.05.0-ce", "version", "> 1.2", true},
		{"v1.10.0", "version", "> 1.9", true},
		{"6.8.0_custom+x", "version", ">= 6.8", true},
		{"5.15.167.4-microsoft-standard-WSL2", "version", ">= 5.15", true},
		{"29.0.0-rc.1", "version", ">= 28", false}, // a pre-release asks to be named
		{"29.0.0-rc.1", "version", ">= 29.0.0-rc.0", true},
		{"29.0.0-beta2", "version", ">= 28", false},
		{"${meta.none}", "version", "> 0", false},
		{"words", "version", "> 0", false},
		{docker, "version", "newer", false},
		{docker, "version", "", false},

		{"1.2.3", "semver", ">= 1.2.3", true},
		{"1.2.3", "semver", "1.2.3", true},
		{"1.2.3", "semver", "== 1.2.3", true},
		{"1.2.3", "semver", "!= 1.2.3", false},
		{"1.2.3", "semver", "> 1.2.2, < 1.3.0", true},
		{"1.2.3", "semver", "> 1.2.2, < 1.2.3", false},
		{"1.2.3", "semver", "<= 1.2.2", false},
		{"1.3.0-beta", "semver", "> 1.2.3", true}, // in order, unlike version
		{"1.3.0-beta", "semver", "< 1.3.0", true},
		{"1.3.0+build", "semver", "= 1.3.0", true},
		{"1.2", "semver", "= 1.2.0", true}, // what is missing is 0
		{"1.2.3", "semver", ">= 1.2", true},
		{"1.2.3", "semver", ">= 1.2, < 2", true},
		{"1.2.3", "semver", "< 1.2", false},
		{"v1.2.3", "semver", ">= v1", true},
		{"1.2.3.4", "semver", ">= 1.0.0", false},
		{"1.2.3-01", "semver", ">= 1.0.0", false},
		{"01.2.3", "semver", ">= 1.0.0", false},
		{"1.2.3", "semver", "~> 1.2.0", false},
		{"1.2.3", "semver", "", false},
		{"99999999999999999999.0.0", "semver", "> 1.0.0", false},
		{docker, "semver", ">= 20.10.0", true},
		{"${meta.none}", "semver", ">= 0.0.0", false},

		{"${attr.cpu.arch}", "regexp", "^(amd|arm)64$", true},
		{"${attr.cpu.arch}", "regexp", "md6", true}, // not anchored
		{"${attr.cpu.arch}", "regexp", "^arm", false},
		{"${attr.cpu.arch}", "regexp", "${meta.bad}", false},
		{"${attr.cpu.arch}", "regexp", strings.Repeat("a?", maxPattern), false},
		{"${meta.none}", "regexp", ".*", false},

		{"${meta.tags}", "set_contains", "web", true},
		{"${meta.tags}", "set_contains", " cache ,web", true},
		{"${meta.tags}", "set_contains", "web,mail", false},
		{"${meta.tags}", "set_contains", "we", false},
		{"${meta.tags}", "set_contains", "", false},
		{"${meta.none}", "set_contains", "web", false},

		{"${meta.rack}", "is_set", "", true},
		{"${meta.empty}", "is_set", "", true},
		{"${meta.none}", "is_set", "", false},
		{"${meta.none}", "is_not_set", "", true},
		{"${meta.rack}", "is_not_set", "", false},
		{"a${meta.none}b", "is_set", "", false},
		{`${env["PATH"]}`, "is_set", "", false},
		{`${env["PATH"]}`, "is_not_set", "", true},
		{"${NOMAD_ALLOC_ID}", "is_set", "", false},
		{"${FOO:-x}", "is_set", "", false},
		{"", "is_set", "", true},

		{"", "distinct_hosts", "", true},
		{"", "distinct_hosts", "true", true},
		{"x", "distinct_property", "x", false},
		{"x", "", "x", false},

		{"${node.unique.id}", "=", "id-1", true},
		{"${node.unique.name}", "=", "box", true},
		{"${node.datacenter}", "=", "dc1", true},
		{"${nomad.datacenter}", "=", "dc1", true},
		{"${node.region}", "=", "global", true},
		{"${node.class}", "=", "", true},
		{"${driver.docker}", "=", "1", true},

		{"${meta.rack}", "=", "a1", true}, // the node's before the job's
		{"${meta.tier}", "=", "group", true},
		{"${meta.only}", "=", "job", true},
		{"${meta.arch}", "=", "amd64", true},
		{"${meta.circle}", "=", "x", false},
	}
	j, g := jobWithMeta()
	for _, tt := range tests {
		c := job.Constraint{Attribute: tt.attribute, Operator: tt.operator, Value: tt.value}
		why, ok := Unmet(host(), j, g, []job.Constraint{c})
		if ok != tt.met || (why == "") != tt.met {
			t.Errorf("%s: %v (%s), want %v", clip(c.String()), ok, why, tt.met)
		}
	}
}

func TestUnmetSaysWhy(t *testing.T) {
	tests := []struct {
		c    job.Constraint
		want string
	}{
		{
			job.Constraint{Attribute: "${attr.cpu.arch}", Operator: "=", Value: "arm64"},
			`${attr.cpu.arch} = arm64: this host has "amd64"`,
		},
		{
			job.Constraint{Attribute: "${meta.gpu}", Operator: "is", Value: "yes"},
			`${meta.gpu} is yes: this host has no such value`,
		},
		{
			job.Constraint{Attribute: "${meta.gpu}", Operator: "is_set"},
			`${meta.gpu} is_set: this host has no such value`,
		},
		{
			job.Constraint{Attribute: "${meta.rack}", Operator: "is_not_set"},
			`${meta.rack} is_not_set: this host has "a1"`,
		},
		{
			job.Constraint{Attribute: "${meta.rack}", Operator: "=", Value: "${meta.gpu}"},
			`${meta.rack} = ${meta.gpu}: this host has "a1", and nothing to compare it with`,
		},
		{
			job.Constraint{Attribute: "${meta.rack}", Operator: "=", Value: "${meta.ssd}"},
			`${meta.rack} = ${meta.ssd}: this host has "a1", and "true" is asked for`,
		},
		{
			job.Constraint{Attribute: "${meta.rack}", Operator: "regexp", Value: "${meta.bad}"},
			"${meta.rack} regexp ${meta.bad}: this host has \"a1\", and \"(\" is asked for; " +
				"the regexp is not valid: error parsing regexp: missing closing ): `(`",
		},
		{
			job.Constraint{Attribute: "${meta.rack}", Operator: "version", Value: "> 1"},
			`${meta.rack} version > 1: this host has "a1"; "a1" is no version`,
		},
		{
			job.Constraint{Attribute: "${attr.os.version}", Operator: "version", Value: "new"},
			`${attr.os.version} version new: this host has "12"; "new" compares no versions: write one as in ">= 1.2, < 2"`,
		},
		{
			job.Constraint{Attribute: "${attr.os.version}", Operator: "semver", Value: "12.04"},
			`${attr.os.version} semver 12.04: this host has "12"; "12.04" is no semantic version: it has the form 1.2.3`,
		},
		{
			job.Constraint{Attribute: "x", Operator: "like", Value: "x"},
			`x like x: this host has "x"; no operator is called "like"`,
		},
	}
	for _, tt := range tests {
		why, ok := Unmet(host(), nil, nil, []job.Constraint{tt.c})
		if ok || why != tt.want {
			t.Errorf("got  %s\nwant %s", why, tt.want)
		}
	}
}

func TestUnmetTellsTheFirst(t *testing.T) {
	c := func(arch string) job.Constraint {
		return job.Constraint{Attribute: "${attr.cpu.arch}", Operator: "=", Value: arch}
	}
	why, ok := Unmet(host(), nil, nil, []job.Constraint{c("amd64"), c("first"), c("second")})
	if ok || !strings.Contains(why, "first") {
		t.Errorf("%v %s", ok, why)
	}
	for _, met := range [][]job.Constraint{nil, {}, {c("amd64"), c("amd64")}} {
		if why, ok := Unmet(host(), nil, nil, met); !ok || why != "" {
			t.Errorf("%v: %s", met, why)
		}
	}
}

func TestUnmetIsShort(t *testing.T) {
	long := strings.Repeat("ü", 1<<16)
	node := host()
	node.Meta["long"] = long
	for operator := range comparisons {
		why, ok := Unmet(node, nil, nil, []job.Constraint{{Attribute: "${meta.long}", Operator: operator, Value: "${meta.long}" + "x("}})
		if !ok && len(why) > 6*maxShown {
			t.Errorf("%s: %d bytes", operator, len(why))
		}
	}
	if why, _ := Unmet(node, nil, nil, []job.Constraint{{Attribute: long, Operator: long, Value: long}}); len(why) > 6*maxShown {
		t.Errorf("%d bytes", len(why))
	}
}

// A manifest may name every operator of the language.
func TestEveryOperatorIsKnown(t *testing.T) {
	for _, op := range job.Operators {
		_, err := compare(op, target{"1.0.0", true}, target{"1.0.0", true})
		if err != nil && op != job.OpDistinctHosts {
			t.Errorf("%s: %v", op, err)
		}
	}
}

func BenchmarkUnmet(b *testing.B) {
	j, g := jobWithMeta()
	var cs []job.Constraint
	for i := range 4 {
		cs = append(cs, job.Constraint{Attribute: "${meta.rack}", Operator: "!=", Value: fmt.Sprint(i)},
			job.Constraint{Attribute: "${driver.docker.version}", Operator: "version", Value: "> 1.2"})
	}
	for b.Loop() {
		if why, ok := Unmet(host(), j, g, cs); !ok {
			b.Fatal(why)
		}
	}
}
