package taskenv

import "strings"

// fixed are the names that are always there.
var fixed = map[string]bool{
	"NOMAD_ALLOC_DIR": true, "NOMAD_TASK_DIR": true, "NOMAD_SECRETS_DIR": true,
	"NOMAD_ALLOC_ID": true, "NOMAD_SHORT_ALLOC_ID": true, "NOMAD_ALLOC_NAME": true, "NOMAD_ALLOC_INDEX": true,
	"NOMAD_TASK_NAME": true, "NOMAD_GROUP_NAME": true, "NOMAD_JOB_NAME": true, "NOMAD_JOB_ID": true,
	"NOMAD_DC": true, "NOMAD_REGION": true, "NOMAD_CPU_LIMIT": true, "NOMAD_MEMORY_LIMIT": true,
	"node.unique.id": true, "node.unique.name": true, "node.datacenter": true, "nomad.datacenter": true,
	"node.region": true, "node.class": true,
}

// attributes are the names that a node can have behind "attr.".
var attributes = map[string]bool{
	"driver.docker": true, "driver.docker.version": true, "driver.docker.bridge_ip": true,
	"cpu.arch": true, "cpu.numcores": true, "memory.totalbytes": true,
	"kernel.name": true, "kernel.version": true, "os.name": true, "os.version": true,
	"unique.hostname": true, "unique.network.ip-address": true,
}

// Known reports whether ${name} can be a runtime name, for a warning when a
// manifest is loaded. It knows neither the task's own env, which the caller
// has to ask first, nor which keys, labels and variables there are: every
// meta.k, env["X"] and NOMAD_PORT_x is known.
func Known(name string) bool {
	r, n := parseReference(name + "}")
	if n != len(name)+1 {
		return false
	}
	if r.indexed && r.base == baseEnv {
		return true
	}
	name = r.name()
	attr, isAttr := strings.CutPrefix(name, "attr.")
	switch {
	case fixed[name]:
		return true
	case isAttr:
		return attributes[attr]
	case strings.HasPrefix(name, "driver.docker"):
		return attributes[name]
	}
	for _, prefix := range []string{"meta.", prefixMeta, prefixIP, prefixPort, prefixHostPort, prefixAddr} {
		if len(name) > len(prefix) && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
