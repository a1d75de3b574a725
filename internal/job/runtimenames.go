package job

import (
	"maps"
	"slices"
	"strings"
)

// runtimeNames are the names that ${...} can hold without any part of their
// own choosing.
var runtimeNames = []string{
	"NOMAD_ALLOC_DIR", "NOMAD_TASK_DIR", "NOMAD_SECRETS_DIR",
	"NOMAD_ALLOC_ID", "NOMAD_SHORT_ALLOC_ID", "NOMAD_ALLOC_NAME", "NOMAD_ALLOC_INDEX",
	"NOMAD_TASK_NAME", "NOMAD_GROUP_NAME", "NOMAD_JOB_NAME", "NOMAD_JOB_ID",
	"NOMAD_DC", "NOMAD_REGION", "NOMAD_CPU_LIMIT", "NOMAD_MEMORY_LIMIT",
	"node.unique.id", "node.unique.name", "node.datacenter", "node.region", "node.class",
	"nomad.datacenter",
}

// runtimePrefixes begin the names that end in a port's label, a task and a
// label, or the key of a meta value.
var runtimePrefixes = []string{
	"NOMAD_META_", "NOMAD_IP_", "NOMAD_PORT_", "NOMAD_HOST_PORT_", "NOMAD_ADDR_", "meta.",
}

// driverAttributes are the attributes that may be named without "attr.".
var driverAttributes = []string{"driver.docker", "driver.docker.version", "driver.docker.bridge_ip"}

// hostAttributes are the attributes of a host that need their "attr.".
var hostAttributes = []string{
	"cpu.arch", AttrCPUFrequency, "cpu.numcores", "memory.totalbytes", "kernel.name", "kernel.version",
	"os.name", "os.version", "unique.hostname", AttrHostAddress,
}

// KnownRuntimeName reports whether ${name} can be a runtime name in a task
// whose environment is env, as far as a manifest alone can tell: a meta key
// may come from the agent's config, so any is known. An environment variable
// is known by its key and as env["KEY"], and so may meta and attr be written.
// What is neither one word nor of that form is the container's business.
func KnownRuntimeName(name string, env map[string]string) bool {
	if key, ok := indexed(name, "env"); ok {
		return knownEnv(key) || hasKey(env, key)
	}
	if key, ok := indexed(name, "meta"); ok {
		return key != ""
	}
	if key, ok := indexed(name, "attr"); ok {
		name = "attr." + key
	}
	if !oneWord(name) {
		return false
	}
	if attr, ok := strings.CutPrefix(name, "attr."); ok {
		return slices.Contains(hostAttributes, attr) || slices.Contains(driverAttributes, attr)
	}
	return slices.Contains(runtimeNames, name) || slices.Contains(driverAttributes, name) ||
		hasRuntimePrefix(name) || hasKey(env, name)
}

// indexed returns the key of a name of the form base["key"].
func indexed(name, base string) (key string, ok bool) {
	rest, opened := strings.CutPrefix(name, base+`["`)
	key, closed := strings.CutSuffix(rest, `"]`)
	return key, opened && closed && !strings.ContainsAny(key, "\"\n")
}

// oneWord reports whether all of name can stand in a name: what goes on behind
// one is read as text.
func oneWord(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		return !letter && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	})
}

// knownEnv reports whether key is set in every container by us.
func knownEnv(key string) bool {
	return strings.HasPrefix(key, "NOMAD_") && (slices.Contains(runtimeNames, key) || hasRuntimePrefix(key))
}

func hasRuntimePrefix(name string) bool {
	return slices.ContainsFunc(runtimePrefixes, func(p string) bool {
		return len(name) > len(p) && strings.HasPrefix(name, p)
	})
}

func hasKey(env map[string]string, key string) bool {
	_, ok := env[key]
	return ok
}

// RuntimeNames lists the names that KnownRuntimeName knows by heart and the
// keys of env, sorted, for "did you mean".
func RuntimeNames(env map[string]string) []string {
	names := slices.Concat(runtimeNames, driverAttributes, slices.Collect(maps.Keys(env)))
	for _, attr := range hostAttributes {
		names = append(names, "attr."+attr)
	}
	slices.Sort(names)
	return names
}
