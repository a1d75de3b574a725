package taskenv

import (
	"strings"
	"testing"

	"reconciler/internal/job"
)

// Whatever an environment has, a loader must not warn about.
func TestEveryNameOfAnEnvironmentIsKnown(t *testing.T) {
	in := webInput()
	in.Task.Env = nil
	e := New(in)
	for _, kv := range e.List() {
		if name, _, _ := strings.Cut(kv, "="); !job.KnownRuntimeName(name, nil) {
			t.Errorf("%s is not known", name)
		}
	}
	for name := range e.names {
		if !job.KnownRuntimeName(name, nil) {
			t.Errorf("%s is not known", name)
		}
	}
}

// fullNode is webInput on a node that has every attribute that a loader knows.
func fullNode() Input {
	in := webInput()
	in.Node.Attributes = map[string]string{}
	for _, name := range job.RuntimeNames(nil) {
		if attr, ok := strings.CutPrefix(name, "attr."); ok || strings.HasPrefix(name, "driver.") {
			in.Node.Attributes[attr] = "value"
		}
	}
	return in
}

// What a loader suggests must mean something later.
func TestEveryListedNameIsReplaced(t *testing.T) {
	in := fullNode()
	e := New(in)
	for _, name := range job.RuntimeNames(in.Task.Env) {
		if text := "${" + name + "}"; e.Replace(text) == text {
			t.Errorf("%s stays in the text", text)
		}
	}
}

// Both readers of ${…} take the same forms for names.
func TestLoaderAndEnvironmentAgree(t *testing.T) {
	in := fullNode()
	in.Task.Env["two words"] = "x"
	e := New(in)
	for _, name := range []string{
		"NOMAD_PORT_http", "NOMAD_PORT_raw-tcp", "NOMAD_HOST_PORT_raw_tcp", "NOMAD_ADDR_db.main_sql", "NOMAD_META_color",
		"meta.color", `meta["color"]`, `env["LEVEL"]`, `env["two words"]`, `env["NOMAD_DC"]`, "LEVEL", "weird.key-1",
		"attr.kernel.name", `attr["os.name"]`, "attr.driver.docker.version", "driver.docker.version", "driver.docker",
		"", "FOO", "FOO:-x", "NOMAD_", "NOMAD_PORT_", "NOMAD_NOBODY", "NOMAD_PORT_http + 1", "meta.", `meta[""]`, "meta",
		"two words", "env", "env.LEVEL", `env["LEVEL`, `env["NOBODY"]`, "attr", "attr.nobody", `attr["nobody"]`, "kernel.name",
		"driver.docker.nobody", "driver.dockerx", "node.nobody", `node["class"]`, "LEVEL[0]",
	} {
		text := "${" + name + "}"
		known, replaced := job.KnownRuntimeName(name, in.Task.Env), e.Replace(text) != text
		if known != replaced {
			t.Errorf("%s: known to the loader: %t, replaced: %t", text, known, replaced)
		}
	}
}
