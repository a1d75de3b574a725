package taskenv

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"reconciler/internal/job"
)

// shortID is how many characters of an allocation's id people see.
const shortID = 8

// Prefixes of the variables that are made from keys and labels.
const (
	prefixMeta     = "NOMAD_META_"
	prefixIP       = "NOMAD_IP_"
	prefixPort     = "NOMAD_PORT_"
	prefixHostPort = "NOMAD_HOST_PORT_"
	prefixAddr     = "NOMAD_ADDR_"
)

// set adds a variable whose value is final. The name as it is written stays a
// name within ${…} where the environment needs another.
func (e *Env) set(name, value string) {
	e.setSymbol(name, &symbol{text: value, done: true})
}

func (e *Env) setSymbol(name string, s *symbol) {
	e.env[clean(name)] = s
	if clean(name) != name {
		e.names[name] = s
	}
}

// clean makes a name that can be exported: Nomad does the same with the names
// that it makes itself.
func clean(name string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && nameByte(byte(r)) && r != '-' {
			return r
		}
		return '_'
	}, name)
}

func (e *Env) addNode(n job.Node) {
	for k, v := range n.Attributes {
		s := &symbol{text: v, done: true}
		e.names["attr."+k] = s
		if k == "driver.docker" || strings.HasPrefix(k, "driver.docker.") {
			e.names[k] = s // the page writes these without "attr."
		}
	}
	for k, v := range map[string]string{
		"node.unique.id":   n.ID,
		"node.unique.name": n.Name,
		"node.datacenter":  n.Datacenter,
		"nomad.datacenter": n.Datacenter,
		"node.region":      n.Region,
		"node.class":       n.Class,
	} {
		e.names[k] = &symbol{text: v, done: true}
	}
}

func (e *Env) addIdentity(in Input) {
	a := in.Alloc
	e.set("NOMAD_ALLOC_DIR", AllocDir)
	e.set("NOMAD_TASK_DIR", LocalDir)
	e.set("NOMAD_SECRETS_DIR", SecretsDir)
	e.set("NOMAD_ALLOC_ID", a.ID)
	e.set("NOMAD_SHORT_ALLOC_ID", a.ID[:min(len(a.ID), shortID)])
	e.set("NOMAD_ALLOC_NAME", fmt.Sprintf("%s.%s[%d]", in.Job.Name, in.Group.Name, a.Index))
	e.set("NOMAD_ALLOC_INDEX", strconv.Itoa(a.Index))
	e.set("NOMAD_TASK_NAME", in.Task.Name)
	e.set("NOMAD_GROUP_NAME", in.Group.Name)
	e.set("NOMAD_JOB_NAME", in.Job.Name)
	e.set("NOMAD_JOB_ID", in.Job.Name)
	e.set("NOMAD_DC", in.Node.Datacenter)
	e.set("NOMAD_REGION", in.Node.Region)
	e.set("NOMAD_CPU_LIMIT", strconv.Itoa(in.Task.Resources.CPU))
	e.set("NOMAD_MEMORY_LIMIT", strconv.Itoa(in.Task.Resources.MemoryMB))
}

// addPorts adds the ports of the group, then of the task, then of the other
// tasks: those under the host's numbers always, since that is where they can
// be reached.
func (e *Env) addPorts(in Input, hostNetwork bool) {
	for _, owner := range []string{"", in.Task.Name} {
		for _, p := range in.Alloc.Ports {
			if p.Task == owner {
				e.addOwnPort(p, hostNetwork)
			}
		}
	}
	for _, p := range in.Alloc.Ports {
		if p.Task == "" || p.Task == in.Task.Name {
			continue
		}
		l := p.Task + "_" + p.Label
		e.set(prefixIP+l, p.HostIP)
		e.set(prefixPort+l, strconv.Itoa(p.Host))
		e.set(prefixAddr+l, hostAddr(p))
	}
}

func (e *Env) addOwnPort(p job.AllocPort, hostNetwork bool) {
	inside := p.To
	if inside == 0 || hostNetwork {
		inside = p.Host
	}
	e.set(prefixIP+p.Label, p.HostIP)
	e.set(prefixPort+p.Label, strconv.Itoa(inside))
	e.set(prefixHostPort+p.Label, strconv.Itoa(p.Host))
	e.set(prefixAddr+p.Label, hostAddr(p))
}

func hostAddr(p job.AllocPort) string {
	return net.JoinHostPort(p.HostIP, strconv.Itoa(p.Host))
}

// addMeta adds the meta of job, group and task, of which the narrower wins.
// The upper-cased names come first: a key that is written in upper case wins
// over one that only becomes so.
func (e *Env) addMeta(in Input) {
	merged := map[string]*symbol{}
	for _, m := range []map[string]string{in.Job.Meta, in.Group.Meta, in.Task.Meta} {
		for k, v := range m {
			merged[k] = &symbol{text: v}
		}
	}
	keys := slices.Sorted(maps.Keys(merged))
	for _, k := range keys {
		e.setSymbol(prefixMeta+strings.ToUpper(k), merged[k])
		e.names["meta."+k] = merged[k]
	}
	for _, k := range keys {
		e.setSymbol(prefixMeta+k, merged[k])
	}
	for k, v := range in.Node.Meta {
		e.names["meta."+k] = &symbol{text: v, done: true}
	}
}
