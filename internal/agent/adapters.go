package agent

import (
	"reconciler/desired"
	"reconciler/internal/allocdir"
	"reconciler/internal/docker"
	"reconciler/internal/host"
	"reconciler/observed"
)

// runningJobs tells desired which jobs have containers of ours.
type runningJobs struct{ view containerView }

// containerView is what is known of the engine's containers.
type containerView interface {
	Containers() ([]observed.Container, bool)
}

// RunningJobs reads the labels of our containers.
func (r runningJobs) RunningJobs() (map[string]desired.RunningJob, bool) {
	all, ok := r.view.Containers()
	if !ok {
		return nil, false
	}
	out := map[string]desired.RunningJob{}
	for _, c := range all {
		if !c.Ours {
			continue
		}
		id, j := c.Identity, out[c.Identity.Job]
		switch {
		case j.Hashes == nil || id.Generation > j.Generation:
			j = desired.RunningJob{Generation: id.Generation, Hashes: map[string]string{id.Group: id.SpecHash}}
		case id.Generation == j.Generation:
			j.Hashes[id.Group] = id.SpecHash
		}
		out[id.Job] = j
	}
	return out, true
}

// publishedPorts tells host which ports running containers have.
type publishedPorts struct{ view containerView }

func (p publishedPorts) list() []host.PublishedPort {
	all, _ := p.view.Containers()
	var out []host.PublishedPort
	for _, c := range all {
		for _, port := range c.Ports {
			out = append(out, host.PublishedPort{HostIP: port.HostIP, Host: port.Host, AllocID: c.Identity.AllocID, Container: c.Name})
		}
	}
	return out
}

// dockerDirs shows the allocation directories to the docker room in its own
// types.
type dockerDirs struct{ dirs *allocdir.Dirs }

// Task returns the directories of a task.
func (d dockerDirs) Task(allocID, task string) docker.Paths {
	p := d.dirs.Task(allocID, task)
	return docker.Paths{Alloc: p.Alloc, Local: p.Local, Secrets: p.Secrets, Dir: p.Dir}
}

// Resolve returns the absolute path of a relative bind source.
func (d dockerDirs) Resolve(allocID, task, rel string) (string, error) {
	return d.dirs.Resolve(allocID, task, rel)
}
