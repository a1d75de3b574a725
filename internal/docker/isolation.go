package docker

import (
	"cmp"
	"path"
	"slices"

	"github.com/docker/docker/api/types/container"

	"reconciler/internal/job"
)

// needsPrivileged ends the messages of what docker.privileged.enabled forbids.
const needsPrivileged = `which needs "docker.privileged.enabled" = "true" ` + inAgentConfig

// privileged gives the container all that the host has.
func (b *builder) privileged() error {
	if b.conf.Privileged && !b.opts.PrivilegedEnabled {
		return refused(ReasonPrivilegeRefused, "privileged: the container would have the host's privileges, %s", needsPrivileged)
	}
	b.out.HostConfig.Privileged = b.conf.Privileged
	return nil
}

// capabilities adds and drops. What every container has by default is free.
func (b *builder) capabilities() error {
	for _, name := range b.conf.CapAdd {
		name, known := job.NormalCapability(name)
		switch {
		case !known:
			return refused(ReasonInvalidConfig, "cap_add: %q is no capability", name)
		case job.DefaultCapability(name) || b.opts.PrivilegedEnabled || slices.Contains(b.opts.CapsAllowlist, name) ||
			slices.Contains(b.opts.CapsAllowlist, job.AllCapabilities):
		default:
			return refused(ReasonPrivilegeRefused, `cap_add: %s is more than containers have by default; it needs to be in "docker.caps.allowlist" %s`,
				name, inAgentConfig)
		}
	}
	b.out.HostConfig.CapAdd, b.out.HostConfig.CapDrop = b.conf.CapAdd, b.conf.CapDrop
	return nil
}

// devices passes devices of the host on.
func (b *builder) devices() error {
	for _, d := range b.conf.Devices {
		host := path.Clean(b.env.Replace(d.HostPath))
		if !path.IsAbs(host) {
			return refused(ReasonInvalidConfig, "devices: host_path %q does not begin with \"/\"", host)
		}
		if !b.deviceAllowed(host) {
			return refused(ReasonPrivilegeRefused, `devices: %s is not in "docker.devices.allowlist" %s`, host, inAgentConfig)
		}
		b.out.HostConfig.Devices = append(b.out.HostConfig.Devices, container.DeviceMapping{
			PathOnHost:        host,
			PathInContainer:   cmp.Or(b.env.Replace(d.ContainerPath), host),
			CgroupPermissions: cmp.Or(b.env.Replace(d.Permissions), job.DefaultDevicePermissions),
		})
	}
	return nil
}

func (b *builder) deviceAllowed(host string) bool {
	return len(b.opts.DevicesAllowlist) == 0 || slices.ContainsFunc(b.opts.DevicesAllowlist, func(pattern string) bool {
		ok, err := path.Match(pattern, host)
		return err == nil && ok
	})
}

// defaultGPUs is what a device driver must be able to do (docker/cli:
// opts.GpuOpts).
var defaultGPUs = []string{"gpu"}

// gpus asks a device driver of the engine for devices.
func (b *builder) gpus() error {
	g := b.conf.GPUs
	if g == nil {
		return nil
	}
	req := container.DeviceRequest{
		Driver: b.env.Replace(g.Driver), Count: g.Count, DeviceIDs: b.replaceAll(g.DeviceIDs),
		Capabilities: [][]string{defaultGPUs},
	}
	if len(g.Capabilities) > 0 {
		req.Capabilities = [][]string{b.replaceAll(g.Capabilities)}
	}
	if len(g.Options) > 0 {
		req.Options = b.replaceMap(g.Options)
	}
	b.out.HostConfig.DeviceRequests = []container.DeviceRequest{req}
	return nil
}

// ipc sets the namespace of shared memory, semaphores and message queues. A
// task that others of its group join is made to share it.
func (b *builder) ipc() error {
	mode, err := b.namespace("ipc_mode", b.conf.IPCMode)
	if err != nil {
		return err
	}
	if mode == "" && b.joinedForIPC() {
		mode = string(container.IPCModeShareable)
	}
	b.out.HostConfig.IpcMode = container.IpcMode(mode)
	return nil
}

func (b *builder) joinedForIPC() bool {
	return slices.ContainsFunc(b.req.Group.Tasks, func(t job.Task) bool {
		name, ok := job.JoinedContainer(t.Config.IPCMode)
		return ok && name == b.task.Name
	})
}

// pid sets the namespace of processes.
func (b *builder) pid() error {
	mode, err := b.namespace("pid_mode", b.conf.PIDMode)
	b.out.HostConfig.PidMode = container.PidMode(mode)
	return err
}

// otherNamespaces sets those that no other container can be joined in.
func (b *builder) otherNamespaces() error {
	uts, err := b.namespace("uts_mode", b.conf.UTSMode)
	if err != nil {
		return err
	}
	userns, err := job.ParseNamespace("userns_mode", b.env.Replace(b.conf.UsernsMode))
	if err != nil {
		return invalid(err)
	}
	cgroup, err := job.ParseNamespace("cgroupns", b.env.Replace(b.conf.Cgroupns))
	if err != nil {
		return invalid(err)
	}
	hc := b.out.HostConfig
	hc.UTSMode, hc.UsernsMode, hc.CgroupnsMode = container.UTSMode(uts), container.UsernsMode(userns), container.CgroupnsMode(cgroup)
	return nil
}

// namespace is the engine's form of a mode. The host's namespaces, and those
// of containers that are not of the group, need the agent's leave.
func (b *builder) namespace(option, mode string) (string, error) {
	mode, err := job.ParseNamespace(option, b.env.Replace(mode))
	if err != nil {
		return "", invalid(err)
	}
	joined, ofGroup := b.joined(mode)
	_, joins := job.JoinedContainer(mode)
	if !b.opts.PrivilegedEnabled && (mode == job.HostMode || joins && !ofGroup) {
		return "", refused(ReasonPrivilegeRefused, "%s: %q is a namespace outside the task's group, %s", option, mode, needsPrivileged)
	}
	return joined, nil
}

// runtime chooses the OCI runtime.
func (b *builder) runtime() error {
	b.out.HostConfig.Runtime = b.env.Replace(b.conf.Runtime)
	return nil
}
