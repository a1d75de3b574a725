package taskenv

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestReplace(t *testing.T) {
	in := webInput()
	in.Task.Env["ESC"] = "$${x}"
	in.Task.Env["odd key"] = "odd"
	in.Task.Env[""] = "empty"
	e := New(in)
	tests := map[string]string{
		"":                                   "",
		"plain $ text } {":                   "plain $ text } {",
		"${NOMAD_PORT_http}":                 "8080",
		"${NOMAD_HOST_PORT_http}":            "22000",
		"${NOMAD_ADDR_raw-tcp}":              "[fd00::1]:9000",
		"${NOMAD_ADDR_raw_tcp}":              "[fd00::1]:9000",
		"${NOMAD_ADDR_db.main_sql}":          "[fd00::1]:23000",
		"${LISTEN}":                          "0.0.0.0:8080",
		"${weird.key-1}":                     "kept",
		`${env["LEVEL"]}`:                    "info",
		`${env["odd key"]}`:                  "odd",
		`${env["NOMAD_DC"]}`:                 "dc1",
		`${env["NOBODY"]}`:                   `${env["NOBODY"]}`,
		`${env["LEVEL"}`:                     `${env["LEVEL"}`,
		`${env[LEVEL]}`:                      `${env[LEVEL]}`,
		`${other["LEVEL"]}`:                  `${other["LEVEL"]}`,
		"${meta.rack}":                       "r1",
		"${meta.owner}":                      "node",
		"${meta.tier}":                       "group",
		"${meta.a-b}":                        "dash",
		`${meta["rack"]}`:                    "r1",
		"${meta.nobody}":                     "${meta.nobody}",
		"${attr.kernel.name}":                "linux",
		"${kernel.name}":                     "${kernel.name}",
		"${attr.driver.docker.version}":      "28.5.2",
		"${driver.docker.version}":           "28.5.2",
		"${driver.docker}":                   "1",
		"${attr.driver.docker}":              "1",
		"${attr.nobody}":                     "${attr.nobody}",
		"${node.unique.id}":                  "node-1",
		"${node.unique.name}":                "box",
		"${node.datacenter}":                 "dc1",
		"${nomad.datacenter}":                "dc1",
		"${node.region}":                     "global",
		"<${node.class}>":                    "<>",
		"${ node.region }":                   "global",
		"a${node.region}b${node.region}c":    "aglobalbglobalc",
		"${FOO}":                             "${FOO}",
		"${FOO:-x}":                          "${FOO:-x}",
		"${FOO:-${NOMAD_DC}}":                "${FOO:-dc1}",
		"${":                                 "${",
		"${}":                                "${}",
		"${NOMAD_DC":                         "${NOMAD_DC",
		"$${NOMAD_DC}":                       "${NOMAD_DC}",
		"$$${NOMAD_DC}":                      "$${NOMAD_DC}",
		"$$ $${a} ${NOMAD_DC} $${${LEVEL}}":  "$$ ${a} dc1 ${info}",
		"${ESC}":                             "${x}",
		"${NOMAD_DC}$${NOMAD_DC}${NOMAD_DC}": "dc1${NOMAD_DC}dc1",
	}
	for s, want := range tests {
		if got := e.Replace(s); got != want {
			t.Errorf("Replace(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestEnvRefersToEnv(t *testing.T) {
	tests := []struct {
		name string
		env  map[string]string
		want map[string]string
	}{
		{"chain", map[string]string{"A": "<${B}>", "B": "${C}${C}", "C": "c"}, map[string]string{"A": "<cc>", "B": "cc"}},
		{"itself", map[string]string{"PATH": "/x:${PATH}"}, map[string]string{"PATH": "/x:${PATH}"}},
		{
			"circle",
			map[string]string{"A": "a${B}", "B": "b${A}", "C": "c${A}"},
			map[string]string{"A": "a${B}", "B": "b${A}", "C": "ca${B}"},
		},
		{
			"circle with a way out",
			map[string]string{"A": "${B}${D}", "B": "${C}", "C": "${A}${D}", "D": "d"},
			map[string]string{"A": "${B}d", "B": "${C}", "C": "${A}d"},
		},
		{
			"escapes are undone once",
			map[string]string{"A": "$$${x}", "B": "${A}", "C": "${B}"},
			map[string]string{"A": "$${x}", "B": "$${x}", "C": "$${x}"},
		},
		{"a value is not read again", map[string]string{"A": "$${B}", "B": "b", "C": "${A}"}, map[string]string{"C": "${B}"}},
		{"through the meta", map[string]string{"color": "red", "A": "${NOMAD_META_x}"}, map[string]string{"A": "red"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := webInput()
			in.Task.Env = tt.env
			in.Task.Meta = map[string]string{"x": "${color}"}
			e := New(in)
			for k, want := range tt.want {
				if got := variable(t, e, k); got != want {
					t.Errorf("%s = %q, want %q", k, got, want)
				}
			}
		})
	}
}

func TestGrowthIsBounded(t *testing.T) {
	in := webInput()
	in.Task.Env = map[string]string{"V0": "0123456789"}
	for i := 1; i < 60; i++ {
		in.Task.Env[fmt.Sprintf("V%d", i)] = fmt.Sprintf("${V%d}${V%d}", i-1, i-1)
	}
	for _, kv := range New(in).List() {
		if len(kv) > maxValue+100 {
			t.Fatalf("%.10s… has %d bytes", kv, len(kv))
		}
	}
}

func TestReplaceIsLinear(t *testing.T) {
	e := New(webInput())
	for _, part := range []string{"${", "$${", `${env["`, "${a", "${ ", "}${"} {
		start := time.Now()
		e.Replace(strings.Repeat(part, 1<<20/len(part)))
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("1 MiB of %q took %v", part, took)
		}
	}
}

// genText makes texts from the pieces that matter.
func genText() *rapid.Generator[string] {
	piece := rapid.SampledFrom([]string{
		"${A}", "${B}", "${C}", "${NOMAD_DC}", "$${A}", "$", "{", "}", "${", "x", `${env["A"]}`, "${meta.k}", "${D:-1}",
	})
	return rapid.Map(rapid.SliceOfN(piece, 0, 6), func(p []string) string { return strings.Join(p, "") })
}

func TestReplaceKeepsTextWithoutNames(t *testing.T) {
	e := New(webInput())
	rapid.Check(t, func(t *rapid.T) {
		s := strings.ReplaceAll(rapid.String().Draw(t, "s"), "${", "")
		if strings.Contains(s, "${") {
			t.Skip("joined again")
		}
		if got := e.Replace(s); got != s {
			t.Fatalf("Replace(%q) = %q", s, got)
		}
	})
}

func TestEqualInputGivesEqualOutput(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := webInput()
		in.Task.Env = map[string]string{}
		for _, k := range []string{"A", "B", "C", "D", "NOMAD_DC"} {
			if rapid.Bool().Draw(t, k+" is there") {
				in.Task.Env[k] = genText().Draw(t, k)
			}
		}
		in.Task.Meta = map[string]string{"k": genText().Draw(t, "meta"), "K": "upper"}
		text := genText().Draw(t, "text")
		list, value := strings.Join(New(in).List(), "\n"), New(in).Replace(text)
		for range 8 { // map order differs from run to run
			e := New(in)
			if got := strings.Join(e.List(), "\n"); got != list {
				t.Fatalf("two lists:\n%s\n\n%s", list, got)
			}
			if got := e.Replace(text); got != value {
				t.Fatalf("%q gives %q and %q", text, value, got)
			}
		}
	})
}

// Without circles and escapes the values are what replacing until nothing
// changes would give.
func TestResolveAgreesWithRepeatedReplacement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := webInput()
		in.Task.Env = map[string]string{}
		names := []string{"A", "B", "C", "D", "E"}
		for i, k := range names {
			text := ""
			for range rapid.IntRange(0, 3).Draw(t, "parts") {
				if i == 0 || rapid.Bool().Draw(t, "plain") {
					text += "-" + k
				} else {
					text += "${" + names[rapid.IntRange(0, i-1).Draw(t, "earlier")] + "}"
				}
			}
			in.Task.Env[k] = text
		}
		e := New(in)
		for _, k := range names {
			want := in.Task.Env[k]
			for range names {
				for _, n := range names {
					want = strings.ReplaceAll(want, "${"+n+"}", in.Task.Env[n])
				}
			}
			if got := e.Replace("${" + k + "}"); got != want {
				t.Fatalf("%s of %v = %q, want %q", k, in.Task.Env, got, want)
			}
		}
	})
}

func FuzzReplace(f *testing.F) {
	for _, s := range []string{"${A}", "$${A}", `${env["A"]}`, "${", "${${A}}", "${NOMAD_DC", `${env["`} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, value, text string) {
		in := webInput()
		in.Task.Env = map[string]string{"A": value, "B": text}
		in.Task.Config.NetworkMode = text
		e := New(in)
		if a, b := e.Replace(text), New(in).Replace(text); a != b {
			t.Errorf("%q gives %q and %q", text, a, b)
		}
	})
}
