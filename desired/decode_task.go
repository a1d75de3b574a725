package desired

import (
	"strings"

	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/job"
)

// taskDraft is a task while it is decoded, with the places that validation
// speaks of.
type taskDraft struct {
	job.Task
	at        hcl.Range // of its name
	ports     []portDraft
	portMapAt []pair               // the entries of config.port_map
	portsAt   []entry              // the elements of config.ports
	configAt  map[string]hcl.Range // the values in config, by key

	memoryMaxAt hcl.Range // the value of resources.memory_max
	leaderAt    hcl.Range
	services    []serviceDraft
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
		"user":         l.user(&d.User),
		"logs":         l.logs(&d.Logs),

		"artifact":       l.artifacts(&d.Artifacts),
		"constraint":     l.constraints(&d.Constraints),
		"leader":         func(items []item) { d.leaderAt = items[0].at; l.truth(&d.Leader)(items) },
		"restart":        l.restart(&d.Restart),
		"service":        l.services(&d.services),
		"shutdown_delay": l.duration(&d.ShutdownDelay),
	})
	if config == nil {
		l.errorf(d.at, "Missing config", "task %q has no config. Write config { image = \"…\" } in it.", d.Name)
	} else {
		l.config(config, &d)
	}
	l.checkMemory(&d)
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
			d.memoryMaxAt = valuePlaces(s)["memory_max"]
			l.decode(s, "resources", fields{
				"cpu":        l.whole(&d.Resources.CPU, bounds{1, maxCPU, "cpu, in MHz,"}),
				"memory":     l.whole(&d.Resources.MemoryMB, bounds{minMemMB, maxMemMB, "memory, in MB,"}),
				"memory_max": l.whole(&d.Resources.MemoryMaxMB, bounds{minMemMB, maxMemMB, "memory_max, in MB,"}),
				"network":    l.taskNetwork(d),
			})
		}
	}
}

// checkMemory checks that the hard limits of memory are not below the soft
// one, which the engine would refuse.
func (l *loader) checkMemory(d *taskDraft) {
	for _, hard := range []struct {
		option string
		mb     int
		at     hcl.Range
	}{
		{"memory_max", d.Resources.MemoryMaxMB, d.memoryMaxAt},
		{"memory_hard_limit", d.Config.MemoryHardLimitMB, d.configAt["memory_hard_limit"]},
	} {
		if hard.mb != 0 && hard.mb < d.Resources.MemoryMB {
			l.errorf(hard.at, "Out of range", "%s is %d MB, below the %d MB of the task's memory. Raise it, or lower memory.", hard.option, hard.mb, d.Resources.MemoryMB)
		}
	}
}

// Bounds of the rotation of logs: far above what anybody keeps of one
// container.
const (
	maxLogFiles  = 10_000
	maxLogFileMB = 1 << 20
)

// logs decodes the logs block of a task.
func (l *loader) logs(dst *job.Logs) func([]item) {
	return func(items []item) {
		if s, ok := l.structure(items); ok {
			l.decode(s, "logs", fields{
				"max_files":     l.whole(&dst.MaxFiles, bounds{1, maxLogFiles, "max_files"}),
				"max_file_size": l.whole(&dst.MaxFileSizeMB, bounds{1, maxLogFileMB, "max_file_size, in MB,"}),
			})
		}
	}
}

// user decodes the user of the process. An empty one is the image's.
func (l *loader) user(dst *string) func([]item) {
	return func(items []item) {
		var at hcl.Range
		l.textAt(dst, &at)(items)
		if strings.TrimSpace(*dst) != *dst {
			l.errorf(at, "Blanks around a value", "\"user\" is %q, with blanks around it. Remove them.", *dst)
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
