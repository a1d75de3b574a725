package docker

import (
	"maps"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
	"reconciler/internal/taskenv"
)

// CreateRequest is what the engine is asked for to make one container.
type CreateRequest struct {
	Name             string
	Config           *container.Config
	HostConfig       *container.HostConfig
	NetworkingConfig *network.NetworkingConfig // nil until an option needs it
}

// Dirs knows the allocation directories of this host.
type Dirs interface {
	// Task returns the directories of a task. It does not touch the disk.
	Task(allocID, task string) Paths
	// Resolve returns the absolute path of rel, a bind source relative to the
	// task's directory, and makes it if it is missing. It is an error if the
	// path leaves the allocation's directory.
	Resolve(allocID, task, rel string) (string, error)
}

// Paths are the absolute directories of one task on this host.
type Paths struct {
	Alloc   string // shared by the tasks of the allocation; /alloc in the container
	Local   string // /local
	Secrets string // /secrets
	Dir     string // the task's own, which holds Local and Secrets
}

// builder carries one Build through its rows.
type builder struct {
	req  job.ContainerRequest
	task *job.Task
	conf *job.Config
	opts Options
	dirs Dirs
	env  *taskenv.Env
	out  CreateRequest
}

// rows is the mapping, one function for each concern. Their order is the
// order in which problems are found; no row reads what another wrote, but for
// addresses and ports, which ask the network mode.
var rows = []func(*builder) error{
	(*builder).engineVersion,
	(*builder).identity,
	(*builder).image,
	(*builder).command,
	(*builder).process,
	(*builder).groups,
	(*builder).stop,
	(*builder).healthcheck,
	(*builder).network,
	(*builder).addresses,
	(*builder).names,
	(*builder).ports,
	(*builder).resources,
	(*builder).memoryFiles,
	(*builder).ulimits,
	(*builder).sysctls,
	(*builder).gpus,
	(*builder).logging,
	(*builder).standardBinds,
	(*builder).volumes,
	(*builder).mounts,
	(*builder).rootFS,
	(*builder).privileged,
	(*builder).capabilities,
	(*builder).devices,
	(*builder).securityOpt,
	(*builder).ipc,
	(*builder).pid,
	(*builder).otherNamespaces,
	(*builder).runtime,
}

// Build maps a request to what the engine is asked for. It changes nothing but
// what dirs.Resolve does, and reads nothing but the files of security_opt. Its errors are job.Errors.
func Build(req job.ContainerRequest, opts Options, dirs Dirs) (CreateRequest, error) {
	b := &builder{
		req: req, task: req.Task, conf: &req.Task.Config, opts: opts, dirs: dirs,
		env: taskenv.New(taskenv.Input{
			Node: req.Node, Job: req.Job, Group: req.Group, Task: req.Task, Alloc: req.Alloc,
		}),
		out: CreateRequest{Config: &container.Config{}, HostConfig: &container.HostConfig{}},
	}
	for _, row := range rows {
		if err := row(b); err != nil {
			return CreateRequest{}, err
		}
	}
	return b.out, nil
}

// identity sets the name and the labels: the user's, and ours over them.
func (b *builder) identity() error {
	b.out.Name = job.ContainerName(b.task.Name, b.req.Alloc.ID)
	labels := b.replaceMap(b.conf.Labels)
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		if strings.HasPrefix(k, job.LabelPrefix) {
			return refused(ReasonInvalidConfig, "label %q: labels under %q are the agent's own", k, job.LabelPrefix)
		}
	}
	maps.Copy(labels, b.req.Identity().Labels())
	b.out.Config.Labels = labels
	return nil
}

// image names the image as people write it, which is how docker ps shows it.
func (b *builder) image() error {
	ref := b.req.Alloc.Images[b.task.Name]
	if ref == "" {
		var err error
		if ref, err = imageref.Parse(b.env.Replace(b.conf.Image)); err != nil {
			return job.NewError(job.WaitsForUser, ReasonInvalidConfig, err)
		}
	}
	b.out.Config.Image = imageref.Familiar(apiRef(ref))
	return nil
}

// command sets Cmd to command and args, without any splitting as a shell does.
func (b *builder) command() error {
	args := b.replaceAll(b.conf.Args)
	if b.conf.Command != "" {
		command := b.env.Replace(b.conf.Command)
		if strings.TrimSpace(command) != command || command == "" {
			return refused(ReasonInvalidConfig, "command %q: it is empty or has blanks around it", command)
		}
		args = append([]string{command}, args...)
	}
	b.out.Config.Cmd = args
	b.out.Config.Entrypoint = b.replaceAll(b.conf.Entrypoint)
	return nil
}

// process sets what the process finds around itself.
func (b *builder) process() error {
	c := b.out.Config
	c.Env = b.env.List()
	c.User = b.env.Replace(b.task.User)
	c.WorkingDir = b.env.Replace(b.conf.WorkDir)
	c.Hostname = b.env.Replace(b.conf.Hostname)
	c.Tty = b.conf.TTY
	c.OpenStdin = b.conf.Interactive
	if b.conf.Init {
		b.out.HostConfig.Init = &b.conf.Init
	}
	return nil
}

// groups adds groups to those of the user.
func (b *builder) groups() error {
	b.out.HostConfig.GroupAdd = b.replaceAll(b.conf.GroupAdd)
	return nil
}

// healthcheck turns the HEALTHCHECK of the image off.
func (b *builder) healthcheck() error {
	if b.conf.Healthchecks.Disable {
		b.out.Config.Healthcheck = &container.HealthConfig{Test: []string{"NONE"}}
	}
	return nil
}

// stop tells the engine how docker stop is to behave. The image's own signal
// stays unless the task names one.
func (b *builder) stop() error {
	b.out.Config.StopSignal = b.env.Replace(b.task.KillSignal)
	// The engine knows whole seconds; rounded down, 1.5s would be cut short.
	seconds := int((b.task.KillTimeout.Std() + 1e9 - 1) / 1e9)
	b.out.Config.StopTimeout = &seconds
	return nil
}

// invalid is an option that cannot be as it is written.
func invalid(err error) error { return job.NewError(job.WaitsForUser, ReasonInvalidConfig, err) }

func (b *builder) replaceAll(in []string) []string {
	if in == nil {
		return nil
	}
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = b.env.Replace(s)
	}
	return out
}

// replaceMap interpolates keys and values. The result is never nil. Where two
// keys become one, the later in order of their spelling wins, always the same.
func (b *builder) replaceMap(in map[string]string) map[string]string {
	out := make(map[string]string, len(in))
	for _, k := range slices.Sorted(maps.Keys(in)) {
		out[b.env.Replace(k)] = b.env.Replace(in[k])
	}
	return out
}
