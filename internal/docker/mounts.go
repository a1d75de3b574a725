package docker

import (
	"errors"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"reconciler/internal/job"
	"reconciler/internal/taskenv"
)

// standardBinds mounts the directories that every task has.
func (b *builder) standardBinds() error {
	p := b.dirs.Task(b.req.Alloc.ID, b.task.Name)
	for _, m := range []struct{ source, target string }{
		{p.Alloc, taskenv.AllocDir},
		{p.Local, taskenv.LocalDir},
		{p.Secrets, taskenv.SecretsDir},
	} {
		if err := b.bind(m.source, m.target, ""); err != nil {
			return err
		}
	}
	return nil
}

// volumes mounts what the task asks for: host_path:container_path[:mode]. With
// a volume driver a source that is no path is the name of a volume.
func (b *builder) volumes() error {
	driver := b.env.Replace(b.conf.VolumeDriver)
	if driver != "" && !b.opts.VolumesEnabled {
		return refused(ReasonVolumeRefused, "volume_driver: %q is a volume driver, %s", driver, needsVolumes)
	}
	b.out.HostConfig.VolumeDriver = driver
	for _, v := range b.conf.Volumes {
		source, target, mode, err := splitVolume(b.env.Replace(v))
		if err != nil {
			return err
		}
		if driver == "" || filepath.IsAbs(source) {
			if source, err = b.hostSource("volumes", source); err != nil {
				return err
			}
		} else if !volumeName.MatchString(source) {
			return refused(ReasonInvalidConfig, "volumes: with a volume_driver %q is the name of a volume, and Docker takes no such name", source)
		}
		if err := b.bind(source, target, mode); err != nil {
			return err
		}
	}
	return nil
}

func splitVolume(v string) (source, target, mode string, err error) {
	parts := strings.Split(v, ":")
	if len(parts) == 2 {
		parts = append(parts, "")
	}
	if len(parts) != 3 || parts[0] == "" || !path.IsAbs(parts[1]) {
		return "", "", "", refused(ReasonInvalidConfig,
			"volumes: %q is not host_path:container_path[:mode] with an absolute container_path", v)
	}
	return parts[0], parts[1], parts[2], nil
}

// volumeName is what the engine takes for a volume (moby volume/local).
var volumeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

// hostSource is the absolute path on the host of what option mounts.
func (b *builder) hostSource(option, source string) (string, error) {
	if filepath.IsAbs(source) {
		if !b.opts.VolumesEnabled {
			return "", refused(ReasonVolumeRefused, "%s: the host path %q is absolute, %s", option, source, needsVolumes)
		}
		return filepath.Clean(source), nil
	}
	abs, err := b.dirs.Resolve(b.req.Alloc.ID, b.task.Name, source)
	if err == nil {
		return abs, nil
	}
	if known := (*job.Error)(nil); errors.As(err, &known) {
		return "", err
	}
	return "", refused(ReasonVolumeRefused, "%s: %q: %w", option, source, err)
}

// needsVolumes ends the messages of what docker.volumes.enabled forbids.
const needsVolumes = `which needs "docker.volumes.enabled" = "true" ` + inAgentConfig

// inAgentConfig says where an option stands.
const inAgentConfig = `under client { options { } } in the agent's config`

// bind adds one mount. The SELinux label is one more mode, unless the task
// chose one itself.
func (b *builder) bind(source, target, mode string) error {
	if strings.Contains(source, ":") {
		return refused(ReasonVolumeRefused, "mount of %q at %s: the engine takes no path with a colon", source, target)
	}
	var modes []string
	if mode != "" {
		modes = strings.Split(mode, ",")
	}
	if l := b.opts.SELinuxLabel; l != "" && !labelled(modes) {
		modes = append(modes, l)
	}
	s := source + ":" + target
	if len(modes) > 0 {
		s += ":" + strings.Join(modes, ",")
	}
	b.out.HostConfig.Binds = append(b.out.HostConfig.Binds, s)
	return nil
}

// labelled reports whether modes has an SELinux label: shared or private.
func labelled(modes []string) bool {
	for _, m := range modes {
		if m == "z" || m == "Z" {
			return true
		}
	}
	return false
}
