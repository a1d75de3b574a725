package desired

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/job"
)

// storageFields are the options of a container's file systems beside volumes.
func (l *loader) storageFields(c *job.Config, at *configPlaces) fields {
	return fields{
		"volume_driver": l.filled(&c.VolumeDriver, new(hcl.Range)),
		"mounts":        l.mounts(c, at),
		"mount":         l.mounts(c, at),
		"storage_opt":   l.textMap(&c.StorageOpt, nil),
	}
}

// mounts decodes mounts, and mount blocks, which say the same.
func (l *loader) mounts(c *job.Config, at *configPlaces) func([]item) {
	return func(items []item) {
		for _, s := range l.structures(items) {
			before := len(l.diags)
			m, targetAt := l.mount(s)
			if len(l.diags) == before {
				c.Mounts = append(c.Mounts, m)
				at.mounts = append(at.mounts, targetAt)
			}
		}
	}
}

// mountOptions are the blocks of a mount and the type that each belongs to.
var mountOptions = map[string]job.MountType{
	"bind_options":   job.MountBind,
	"tmpfs_options":  job.MountTmpfs,
	"volume_options": job.MountVolume,
}

// mount decodes one mount.
func (l *loader) mount(s section) (m job.Mount, targetAt hcl.Range) {
	typ := string(job.MountVolume)
	l.decode(s, "mount", fields{
		"type":           l.word(&typ, string(job.MountVolume), string(job.MountBind), string(job.MountTmpfs)),
		"source":         l.filled(&m.Source, new(hcl.Range)),
		"target":         l.filled(&m.Target, &targetAt),
		"readonly":       l.truth(&m.ReadOnly),
		"bind_options":   l.bindOptions(&m),
		"volume_options": l.volumeOptions(&m),
		"tmpfs_options":  l.tmpfsOptions(&m),
	})
	m.Type = job.MountType(typ)
	l.checkMount(m, s)
	return m, targetAt
}

// checkMount checks what the parts of a mount say together.
func (l *loader) checkMount(m job.Mount, s section) {
	at := valuePlaces(s)
	for _, block := range []string{"bind_options", "tmpfs_options", "volume_options"} {
		if where, there := at[block]; there && mountOptions[block] != m.Type {
			l.errorf(where, "Conflicting options", "%q belongs to mounts of the type %q, and this one is of the type %q.", block, mountOptions[block], m.Type)
		}
	}
	sourceAt, hasSource := at["source"]
	named := hasSource && m.Source != "" && !interpolated(m.Source)
	switch {
	case m.Type == job.MountTmpfs && hasSource:
		l.errorf(sourceAt, "Conflicting options", "a tmpfs is made empty, from no source. Remove \"source\".")
	case m.Type == job.MountBind && !hasSource:
		l.errorf(s.at, "Missing source", "a mount of the type \"bind\" needs a source, a path on the host or below the task's directory.")
	case m.Type == job.MountVolume && named && !volumeName(m.Source):
		l.errorf(sourceAt, "Bad volume", "%q is no name of a volume. For a path, write type = \"bind\".", m.Source)
	}
	if m.Type == job.MountBind && hasSource {
		l.checkHome(m.Source, sourceAt)
	}
	if targetAt, there := at["target"]; !there {
		l.errorf(s.at, "Missing target", "a mount needs a path in the container. Write target = \"/…\".")
	} else if why := badTarget(m.Target); m.Target != "" && !interpolated(m.Target) && why != "" {
		l.errorf(targetAt, "Bad mount", "%q: %s.", m.Target, why)
	}
}

// badTarget says why nothing can be mounted at a path in the container; "" is
// no reason.
func badTarget(target string) string {
	clean := path.Clean(target)
	switch {
	case !path.IsAbs(target):
		return "the container path must begin with \"/\""
	case clean == "/":
		return "the container path must not be \"/\""
	case slices.Contains(standardTargets, clean):
		return clean + " is mounted in every container; choose another path"
	}
	return ""
}

// volumeName reports whether Docker takes name for a volume
// (moby volume/local: the names of containers).
func volumeName(name string) bool { return job.CheckName(name) == nil && len(name) > 1 }

// propagations are how mounts below a bind are seen on its other side.
var propagations = []string{"private", "rprivate", "rshared", "rslave", "shared", "slave"}

func (l *loader) bindOptions(m *job.Mount) func([]item) {
	return func(items []item) {
		if s, ok := l.structure(items); ok {
			l.decode(s, "bind_options", fields{"propagation": l.word(&m.Propagation, propagations...)})
		}
	}
}

func (l *loader) volumeOptions(m *job.Mount) func([]item) {
	return func(items []item) {
		s, ok := l.structure(items)
		if !ok {
			return
		}
		l.decode(s, "volume_options", fields{
			"no_copy": l.truth(&m.NoCopy),
			"labels":  l.textMap(&m.Labels, checkLabelKey),
			"driver_config": func(items []item) {
				if s, ok := l.structure(items); ok {
					l.decode(s, "driver_config", fields{
						"name":    l.filled(&m.Driver, new(hcl.Range)),
						"options": l.textMap(&m.DriverOptions, nil),
					})
				}
			},
		})
	}
}

func (l *loader) tmpfsOptions(m *job.Mount) func([]item) {
	return func(items []item) {
		if s, ok := l.structure(items); ok {
			l.decode(s, "tmpfs_options", fields{
				"size": l.whole(&m.TmpfsSize, bounds{0, maxBytes, "the size of a tmpfs, in bytes,"}),
				"mode": l.fileMode(&m.TmpfsMode),
			})
		}
	}
}

// fileMode decodes permission bits as chmod writes them, in octal.
func (l *loader) fileMode(dst *int) func([]item) {
	return func(items []item) {
		var s string
		var at hcl.Range
		l.filled(&s, &at)(items)
		if s == "" {
			return
		}
		n, err := strconv.ParseUint(s, 8, 32)
		if err != nil || n > maxFileModes {
			l.errorf(at, "Bad value", "a mode is written in octal as for chmod, such as \"1777\", not %q.", s)
			return
		}
		*dst = int(n)
	}
}

// volumeSource says why the source of an entry of volumes is wrong; "" is no
// reason. With a volume driver what is no absolute path is a volume's name.
func volumeSource(source, driver string) string {
	switch {
	case strings.TrimSpace(source) == "":
		return "the host path is empty"
	case driver != "" && !path.IsAbs(source) && !volumeName(source):
		return fmt.Sprintf("with a volume_driver %q is the name of a volume, and Docker takes no such name", source)
	}
	return ""
}
