package docker

import (
	"maps"
	"slices"
	"strconv"

	"github.com/docker/docker/api/types/container"

	"reconciler/internal/job"
)

// The default of docker.logging.*: what a container writes is kept, within
// bounds, where docker logs finds it.
var defaultLogging = job.Logging{
	Type:   "json-file",
	Config: map[string]string{"max-size": "10m", "max-file": "3"},
}

// resources sets what the container may use, and that the engine restarts
// nothing.
func (b *builder) resources() error {
	hc := b.out.HostConfig
	setLimits(&hc.Resources, b.task.Limits(b.req.Node.CoreMHz()))
	hc.RestartPolicy = noRestart
	hc.OomScoreAdj = b.conf.OOMScoreAdj
	return nil
}

var noRestart = container.RestartPolicy{Name: container.RestartPolicyDisabled}

// setLimits sets the engine's form of l, for create and update alike. Memory
// and memory + swap are equal, so there is no swap.
func setLimits(r *container.Resources, l job.Limits) {
	r.CPUShares, r.CPUPeriod, r.CPUQuota = l.CPUShares, l.CPUPeriod, l.CPUQuota
	r.Memory, r.MemorySwap, r.MemoryReservation = l.MemoryBytes, l.MemoryBytes, l.ReservationBytes
	if l.PidsLimit != 0 {
		r.PidsLimit = &l.PidsLimit
	}
}

// memoryFiles sets the size of /dev/shm.
func (b *builder) memoryFiles() error {
	b.out.HostConfig.ShmSize = int64(b.conf.ShmSize)
	return nil
}

// ulimits sets the limits of the process, in the order of their names.
func (b *builder) ulimits() error {
	all := b.replaceMap(b.conf.Ulimit)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		soft, hard, err := job.ParseUlimit(name, all[name])
		if err != nil {
			return invalid(err)
		}
		b.out.HostConfig.Ulimits = append(b.out.HostConfig.Ulimits, &container.Ulimit{Name: name, Soft: soft, Hard: hard})
	}
	return nil
}

// sysctls sets kernel parameters of the container's namespaces.
func (b *builder) sysctls() error {
	all := b.replaceMap(b.conf.Sysctl)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := job.CheckSysctl(name); err != nil {
			return invalid(err)
		}
	}
	if len(all) > 0 {
		b.out.HostConfig.Sysctls = all
	}
	return nil
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
	b.out.HostConfig.LogConfig = container.LogConfig{Type: out.Type, Config: b.rotation(out)}
	return nil
}

// rotation is the driver's options with those of the task's logs block, where
// the driver has them and config does not say otherwise.
func (b *builder) rotation(l job.Logging) map[string]string {
	config := maps.Clone(l.Config)
	logs := b.task.Logs
	if !job.RotatesLogs(l.Type) || logs == (job.Logs{}) {
		return config
	}
	var own map[string]string
	if b.conf.Logging != nil {
		own = b.conf.Logging.Config
	}
	set := map[string]string{}
	if _, said := own["max-file"]; !said && logs.MaxFiles > 0 {
		set["max-file"] = strconv.Itoa(logs.MaxFiles)
	}
	if _, said := own["max-size"]; !said && logs.MaxFileSizeMB > 0 {
		set["max-size"] = strconv.Itoa(logs.MaxFileSizeMB) + "m"
	}
	return overlay(config, set)
}

func overlay(under, over map[string]string) map[string]string {
	out := maps.Clone(under)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, over)
	return out
}
