package job

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// SpecHashVersion is the prefix of the hashes that SpecHash makes. A change
// of the canonical form needs a new version, and the old form must stay
// computable for containers that carry it.
const SpecHashVersion = "v1"

// canonicalGroup is the form that SpecHash hashes: what a container of the
// group is made from, with every field at its default left out. A field may
// be added here only with omitempty (or omitzero), so that it changes no hash
// of a manifest that does not use it.
type canonicalGroup struct {
	Job       string            `json:"job"`
	Group     string            `json:"group"`
	JobMeta   map[string]string `json:"job_meta,omitempty"`
	GroupMeta map[string]string `json:"group_meta,omitempty"`
	Ports     []Port            `json:"ports,omitempty"`
	Tasks     []canonicalTask   `json:"tasks"`
}

type canonicalTask struct {
	Name       string            `json:"name"`
	User       string            `json:"user,omitempty"`
	Config     Config            `json:"config"`
	Env        map[string]string `json:"env,omitempty"`
	Meta       map[string]string `json:"meta,omitempty"`
	CPU        int               `json:"cpu,omitempty"`
	MemoryMB   int               `json:"memory,omitempty"`
	MemoryMax  int               `json:"memory_max,omitempty"`
	Logs       Logs              `json:"logs,omitzero"`
	Ports      []Port            `json:"ports,omitempty"`
	KillSignal string            `json:"kill_signal,omitempty"`
	Artifacts  []Artifact        `json:"artifact,omitempty"`
}

// canonical leaves out what needs no new container (what ChangedInPlace names)
// and every value at its default.
func canonical(j *Job, g *Group) canonicalGroup {
	c := canonicalGroup{
		Job: j.Name, Group: g.Name,
		JobMeta: j.Meta, GroupMeta: g.Meta,
		Ports: g.Ports,
	}
	for _, t := range g.Tasks {
		ct := canonicalTask{
			Name: t.Name, User: t.User, Config: t.Config, Env: t.Env, Meta: t.Meta,
			CPU: t.Resources.CPU, MemoryMB: t.Resources.MemoryMB, MemoryMax: t.Resources.MemoryMaxMB,
			Logs: t.Logs, Ports: t.Resources.Ports, KillSignal: t.KillSignal,
			Artifacts: t.Artifacts,
		}
		if ct.CPU == DefaultCPU {
			ct.CPU = 0
		}
		if ct.MemoryMB == DefaultMemoryMB {
			ct.MemoryMB = 0
		}
		if ct.Config.NetworkMode == DefaultNetworkMode {
			ct.Config.NetworkMode = ""
		}
		if ct.Config.CPUCFSPeriod == DefaultCFSPeriod {
			ct.Config.CPUCFSPeriod = 0
		}
		ct.Config.ForcePull = false
		ct.Config.Auth, ct.Config.AuthSoftFail, ct.Config.ImagePullTimeout = nil, false, 0
		ct.Config.AdvertiseIPv6Address = false
		c.Tasks = append(c.Tasks, ct)
	}
	return c
}

// SpecHash identifies what the containers of a group are made from:
// "v1:" and the hash of the canonical form of all its tasks. A container is
// up to date exactly if its label carries the group's hash.
func SpecHash(j *Job, g *Group) string {
	return SpecHashVersion + ":" + hashJSON(canonical(j, g))
}

// Hash identifies the meaning of a whole job: two manifests that differ in
// comments, quoting or the order of keys alone have the same hash.
func Hash(j *Job) string {
	return SpecHashVersion + ":" + hashJSON(j)
}

// hashJSON hashes v as encoding/json writes it: struct fields in order, map
// keys sorted, so that equal values give equal bytes.
func hashJSON(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		// The canonical types hold strings, numbers, maps and slices of them;
		// encoding/json has no error for those.
		panic("job: canonical form: " + err.Error())
	}
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:16])
}
