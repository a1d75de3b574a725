package desired

import (
	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/job"
)

// taskDraft is a task while it is decoded, with the places that validation
// speaks of.
type taskDraft struct {
	job.Task
	at        hcl.Range // of its name
	ports     []portDraft
	portMapAt []pair  // the entries of config.port_map
	portsAt   []entry // the elements of config.ports
}

// Bounds of resources. Below 6 MB Docker refuses to make a container
// (moby daemon: linuxMinMemory); the upper ones are beyond any host and keep
// products of them within 64 bits.
const (
	maxCPU   = 10_000_000 // MHz
	minMemMB = 6
	maxMemMB = 16 << 20
)

// task decodes a task block.
func (l *loader) task(it item) taskDraft {
	d := taskDraft{at: it.labels[0].at, Task: job.Task{
		Name: it.labels[0].text, Driver: job.DriverDocker,
		Resources:   job.Resources{CPU: job.DefaultCPU, MemoryMB: job.DefaultMemoryMB},
		KillTimeout: job.Duration(job.DefaultKillTimeout),
	}}
	l.checkName(it.labels[0])
	d.Config.NetworkMode = job.DefaultNetworkMode
	var config []item
	l.decode(l.bodySection(it.key, it.body, it.at), "task", fields{
		"driver":       l.driver(),
		"config":       func(items []item) { config = items },
		"env":          l.textMap(&d.Env, checkEnvKey),
		"meta":         l.textMap(&d.Meta, checkMetaKey),
		"resources":    l.resources(&d),
		"kill_timeout": l.duration(&d.KillTimeout),
		"kill_signal":  l.killSignal(&d.KillSignal),
		"user":         l.text(&d.User),
	})
	if config == nil {
		l.errorf(d.at, "Missing config", "task %q has no config. Write config { image = \"…\" } in it.", d.Name)
	} else {
		l.config(config, &d)
	}
	d.Resources.Ports = sortedPorts(d.ports)
	l.checkRuntimeNames(l.takeRefs(), d.Env)
	return d
}

func (l *loader) driver() func([]item) {
	var name string
	var at hcl.Range
	return func(items []item) {
		l.textAt(&name, &at)(items)
		if name != "" && name != job.DriverDocker {
			l.errorf(at, "Unsupported driver", "the only driver is \"docker\", not %q.", name)
		}
	}
}

// resources decodes the resources block of a task.
func (l *loader) resources(d *taskDraft) func([]item) {
	return func(items []item) {
		if s, ok := l.block(items); ok {
			l.decode(s, "resources", fields{
				"cpu":     l.whole(&d.Resources.CPU, bounds{1, maxCPU, "cpu, in MHz,"}),
				"memory":  l.whole(&d.Resources.MemoryMB, bounds{minMemMB, maxMemMB, "memory, in MB,"}),
				"network": l.taskNetwork(d),
			})
		}
	}
}

// killSignal decodes the name or number of a signal.
func (l *loader) killSignal(dst *string) func([]item) {
	return func(items []item) {
		var at hcl.Range
		l.textAt(dst, &at)(items)
		if *dst != "" && !knownSignal(*dst) {
			l.errorf(at, "Unknown signal", "%q is no signal. Write a name such as \"SIGTERM\".", *dst)
		}
	}
}
