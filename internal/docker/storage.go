package docker

import (
	"os"
	"path"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/mount"

	"reconciler/internal/job"
)

// rootFS sets what the container's own file system is like.
func (b *builder) rootFS() error {
	b.out.HostConfig.ReadonlyRootfs = b.conf.ReadonlyRootfs
	if len(b.conf.StorageOpt) > 0 {
		b.out.HostConfig.StorageOpt = b.replaceMap(b.conf.StorageOpt)
	}
	return nil
}

// mounts mounts volumes, paths of the host and file systems in memory.
func (b *builder) mounts() error {
	for _, m := range b.conf.Mounts {
		out, err := b.mount(m)
		if err != nil {
			return err
		}
		b.out.HostConfig.Mounts = append(b.out.HostConfig.Mounts, out)
	}
	return nil
}

// standardTargets are bound in every container.
var standardTargets = []string{"/alloc", "/local", "/secrets"}

func (b *builder) mount(m job.Mount) (mount.Mount, error) {
	out := mount.Mount{
		Type: mount.Type(m.Type), Source: b.env.Replace(m.Source), Target: b.env.Replace(m.Target), ReadOnly: m.ReadOnly,
	}
	if !path.IsAbs(out.Target) || slices.Contains(standardTargets, path.Clean(out.Target)) {
		return out, refused(ReasonInvalidConfig, "mounts: the target %q does not begin with \"/\", or is mounted in every container", out.Target)
	}
	var err error
	switch m.Type {
	case job.MountBind:
		if out.Source == "" {
			return out, refused(ReasonInvalidConfig, "mounts: the source of the bind at %s is empty", out.Target)
		}
		out.Source, err = b.hostSource("mounts", out.Source)
		if m.Propagation != "" {
			out.BindOptions = &mount.BindOptions{Propagation: mount.Propagation(m.Propagation)}
		}
	case job.MountTmpfs:
		if m.TmpfsSize != 0 || m.TmpfsMode != 0 {
			out.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: int64(m.TmpfsSize), Mode: os.FileMode(m.TmpfsMode)}
		}
	default:
		out.VolumeOptions, err = b.volumeOptions(m, out.Source)
	}
	return out, err
}

// volumeOptions are those of a volume. One with a name or a driver may hold
// any part of the host; one with neither is new and goes with the container.
func (b *builder) volumeOptions(m job.Mount, name string) (*mount.VolumeOptions, error) {
	driver := b.env.Replace(m.Driver)
	outside := name != "" || driver != "" || len(m.DriverOptions) > 0
	switch {
	case outside && !b.opts.VolumesEnabled:
		return nil, refused(ReasonVolumeRefused, "mounts: %q is a volume from outside the allocation, %s", name+driver, needsVolumes)
	case name != "" && !volumeName.MatchString(name):
		return nil, refused(ReasonInvalidConfig, "mounts: %q is no name of a volume", name)
	}
	labels := b.replaceMap(m.Labels)
	for k := range labels {
		if strings.HasPrefix(k, job.LabelPrefix) {
			return nil, refused(ReasonInvalidConfig, "mounts: labels under %q are the agent's own", job.LabelPrefix)
		}
	}
	out := &mount.VolumeOptions{NoCopy: m.NoCopy}
	if len(labels) > 0 {
		out.Labels = labels
	}
	if driver != "" || len(m.DriverOptions) > 0 {
		out.DriverConfig = &mount.Driver{Name: driver, Options: b.replaceMap(m.DriverOptions)}
	}
	if !out.NoCopy && out.Labels == nil && out.DriverConfig == nil {
		return nil, nil
	}
	return out, nil
}
