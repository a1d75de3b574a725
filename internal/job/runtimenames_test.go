package job_test

import (
	"slices"
	"testing"

	"reconciler/internal/job"
)

func TestKnownRuntimeName(t *testing.T) {
	env := map[string]string{"LEVEL": "debug", "a.b": "1", "two words": "no name"}
	for name, want := range map[string]bool{
		"NOMAD_ALLOC_ID":                 true,
		"NOMAD_ALOC_ID":                  false,
		"NOMAD_PORT_http":                true,
		"NOMAD_PORT_":                    false,
		"NOMAD_ADDR_db_http":             true,
		"NOMAD_META_owner":               true,
		"node.unique.id":                 true,
		"node.unique":                    false,
		"nomad.datacenter":               true,
		"meta.owner":                     true,
		"meta.":                          false,
		"meta":                           false,
		"attr.kernel.name":               true,
		"attr.kernel.nme":                false,
		"kernel.name":                    false,
		"driver.docker":                  true,
		"driver.docker.version":          true,
		"attr.driver.docker.version":     true,
		"attr.unique.hostname":           true,
		"LEVEL":                          true,
		"a.b":                            true,
		"level":                          false,
		`env["LEVEL"]`:                   true,
		`env["NOMAD_DC"]`:                true,
		`env["NOMAD_PORT_http"]`:         true,
		`env["HOME"]`:                    false,
		`env["meta.owner"]`:              false,
		`env["LEVEL"`:                    false,
		`env["a"]["b"]`:                  false,
		`meta["owner"]`:                  true,
		`meta["two words"]`:              true,
		`meta[""]`:                       false,
		`attr["kernel.name"]`:            true,
		`attr["kernel.nme"]`:             false,
		`node["class"]`:                  false,
		"NOMAD_PORT_http + 1":            false,
		"meta.a ":                        false,
		"two words":                      false,
		"":                               false,
		"FOO:-x":                         false,
		"attr.unique.network.ip-address": true,
	} {
		if got := job.KnownRuntimeName(name, env); got != want {
			t.Errorf("KnownRuntimeName(%q) = %v, want %v", name, got, want)
		}
	}
	if job.KnownRuntimeName("LEVEL", nil) {
		t.Error("a variable of no environment is known")
	}
}

func TestRuntimeNamesAreKnown(t *testing.T) {
	names := job.RuntimeNames(map[string]string{"LEVEL": ""})
	if !slices.IsSorted(names) || !slices.Contains(names, "LEVEL") {
		t.Errorf("names: %v", names)
	}
	for _, name := range names {
		if !job.KnownRuntimeName(name, map[string]string{"LEVEL": ""}) {
			t.Errorf("%q is listed and not known", name)
		}
	}
}
