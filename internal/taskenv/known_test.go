package taskenv

import (
	"strings"
	"testing"
)

func TestKnown(t *testing.T) {
	yes := []string{
		"NOMAD_ALLOC_ID", "NOMAD_PORT_http", "NOMAD_ADDR_db_sql", "NOMAD_HOST_PORT_a-b", "NOMAD_META_k",
		"meta.k", `meta["k"]`, `env["X"]`, "attr.kernel.name", `attr["os.name"]`, "attr.driver.docker.version", "driver.docker.version",
		"driver.docker", "node.unique.id", "nomad.datacenter", "node.class", " node.class ",
	}
	no := []string{
		"", "FOO", "FOO:-x", "NOMAD_", "NOMAD_PORT_", "NOMAD_NOBODY", "meta.", "env", "env.X", "attr.nobody", "attr", "kernel.name",
		"driver.docker.nobody", "driver.dockerx", "node.nobody", `env["X`, "a}b", "node.class}",
	}
	for _, name := range yes {
		if !Known(name) {
			t.Errorf("Known(%q) = false", name)
		}
	}
	for _, name := range no {
		if Known(name) {
			t.Errorf("Known(%q) = true", name)
		}
	}
}

// Whatever an environment has, a loader must not warn about.
func TestEveryNameOfAnEnvironmentIsKnown(t *testing.T) {
	in := webInput()
	in.Task.Env = nil
	e := New(in)
	for _, kv := range e.List() {
		if name, _, _ := strings.Cut(kv, "="); !Known(name) {
			t.Errorf("Known(%q) = false", name)
		}
	}
	for name := range e.names {
		if !Known(name) {
			t.Errorf("Known(%q) = false", name)
		}
	}
}
