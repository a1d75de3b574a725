package docker

import (
	"maps"

	"github.com/docker/docker/api/types/container"

	"reconciler/internal/job"
)

// Bounds of CPU shares (Linux: kernel/sched/sched.h, MIN_SHARES and MAX_SHARES);
// the engine refuses what lies outside.
const (
	minShares = 2
	maxShares = 262144
)

// The default of docker.logging.*: what a container writes is kept, within
// bounds, where docker logs finds it.
var defaultLogging = job.Logging{
	Type:   "json-file",
	Config: map[string]string{"max-size": "10m", "max-file": "3"},
}

// resources sets shares and memory, and that the engine restarts nothing.
func (b *builder) resources() error {
	r := b.task.Resources
	b.out.HostConfig.Resources = limits(r)
	b.out.HostConfig.RestartPolicy = noRestart
	return nil
}

var noRestart = container.RestartPolicy{Name: container.RestartPolicyDisabled}

// limits is the engine's form of r, for create and update alike. Memory and
// memory + swap are equal, so there is no swap.
func limits(r job.Resources) container.Resources {
	memory := int64(r.MemoryMB) << 20
	return container.Resources{
		CPUShares:  int64(min(max(r.CPU, minShares), maxShares)),
		Memory:     memory,
		MemorySwap: memory,
	}
}

// logging chooses the log driver. A task that names a driver gets it with
// exactly the options that it gives; one that gives only options gets the
// default driver with its options over the default's.
func (b *builder) logging() error {
	def := defaultLogging
	if b.opts.Logging != nil && b.opts.Logging.Type != "" {
		def = *b.opts.Logging
	} else if b.opts.Logging != nil {
		def.Config = overlay(def.Config, b.opts.Logging.Config)
	}
	out := def
	if own := b.conf.Logging; own != nil {
		config := b.replaceMap(own.Config)
		if typ := b.env.Replace(own.Type); typ != "" {
			out = job.Logging{Type: typ, Config: config}
		} else {
			out.Config = overlay(def.Config, config)
		}
	}
	b.out.HostConfig.LogConfig = container.LogConfig{Type: out.Type, Config: maps.Clone(out.Config)}
	return nil
}

func overlay(under, over map[string]string) map[string]string {
	out := maps.Clone(under)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, over)
	return out
}
