package taskenv

import (
	"maps"
	"slices"

	"reconciler/internal/job"
)

// Where the standard directories are mounted in a container.
const (
	AllocDir   = "/alloc"   // shared by the tasks of an allocation
	LocalDir   = "/local"   // the task's own
	SecretsDir = "/secrets" // the task's own, readable by its user alone
)

// hostMode is the network mode in which the engine maps no ports.
const hostMode = "host"

// Input is what an environment is made from. Task is a task of Group, and
// Group one of Job; Alloc is an allocation of the group with its ports.
type Input struct {
	Node  job.Node
	Job   *job.Job
	Group *job.Group
	Task  *job.Task
	Alloc job.AllocSpec
}

// Env is the environment of one task of one allocation. It does not change
// and is safe for concurrent use.
type Env struct {
	env   map[string]*symbol // variables of the container
	names map[string]*symbol // what ${…} knows besides
}

// New makes the environment of a task.
func New(in Input) *Env {
	e := build(in, false)
	// The network mode may itself be a ${…}, and decides what a port is.
	if e.Replace(in.Task.Config.NetworkMode) == hostMode {
		e = build(in, true)
	}
	return e
}

// build fills e from the weakest to the strongest: what is set later wins.
func build(in Input, hostNetwork bool) *Env {
	e := &Env{env: map[string]*symbol{}, names: map[string]*symbol{}}
	e.addNode(in.Node)
	e.addIdentity(in)
	e.addPorts(in, hostNetwork)
	e.addMeta(in)
	for k, v := range in.Task.Env {
		e.env[k] = &symbol{text: v}
	}
	e.resolve()
	return e
}

// List returns the environment as KEY=VALUE, sorted by key.
func (e *Env) List() []string {
	out := make([]string, 0, len(e.env))
	for _, k := range slices.Sorted(maps.Keys(e.env)) {
		out = append(out, k+"="+e.env[k].text)
	}
	return out
}

// Replace returns s with its runtime names replaced by their values and $${
// by ${. A name that nobody knows stays as it is written.
func (e *Env) Replace(s string) string { return e.expand(s) }

// lookup finds what a reference means: a variable first, then a name of the
// node. The zero reference means nothing.
func (e *Env) lookup(r reference) (*symbol, bool) {
	if r.base == "" {
		return nil, false
	}
	if r.base == baseEnv && r.indexed {
		s, ok := e.env[r.key]
		return s, ok
	}
	name := r.name()
	if s, ok := e.env[name]; ok && !r.indexed {
		return s, true
	}
	s, ok := e.names[name]
	return s, ok
}
