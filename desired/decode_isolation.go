package desired

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/hclx"
	"reconciler/internal/job"
)

// isolationFields are the options that say how far a container is kept apart
// from the host and from other containers.
func (l *loader) isolationFields(c *job.Config) fields {
	return fields{
		"privileged":      l.truth(&c.Privileged),
		"cap_add":         l.capabilities(&c.CapAdd),
		"cap_drop":        l.capabilities(&c.CapDrop),
		"security_opt":    l.checkedList(&c.SecurityOpt, checkSecurityOpt),
		"readonly_rootfs": l.truth(&c.ReadonlyRootfs),
		"ipc_mode":        l.namespace("ipc_mode", &c.IPCMode),
		"pid_mode":        l.namespace("pid_mode", &c.PIDMode),
		"uts_mode":        l.namespace("uts_mode", &c.UTSMode),
		"userns_mode":     l.namespace("userns_mode", &c.UsernsMode),
		"cgroupns":        l.namespace("cgroupns", &c.Cgroupns),
		"runtime":         l.filled(&c.Runtime, new(hcl.Range)),
		"devices":         l.devices(c),
	}
}

func (l *loader) namespace(option string, dst *string) func([]item) {
	return l.checked(dst, func(s string) (string, error) { return job.ParseNamespace(option, s) })
}

// capabilities decodes a list of capabilities. They stay in the order of the
// file, in one form and once each.
func (l *loader) capabilities(dst *[]string) func([]item) {
	return func(items []item) {
		for _, e := range l.list(items) {
			name, ok := job.NormalCapability(e.text)
			switch {
			case !ok:
				advice := "They are named as in capabilities(7), for example \"NET_ADMIN\"; \"all\" is all of them."
				if near := hclx.Suggest(name, job.Capabilities); near != "" {
					advice = fmt.Sprintf("Did you mean %q?", near)
				}
				l.errorf(e.at, "Unknown capability", "%q is no capability of Linux. %s", e.text, advice)
			case !slices.Contains(*dst, name):
				*dst = append(*dst, name)
			}
		}
	}
}

// checkSecurityOpt checks the form alone: what the options mean is the
// engine's.
func checkSecurityOpt(s string) (string, error) {
	name, value, ok := strings.Cut(s, "=")
	if !ok {
		name, value, ok = strings.Cut(s, ":")
	}
	if name == "systempaths" && value != "unconfined" {
		return "", fmt.Errorf("security_opt: systempaths is \"unconfined\" or not there, not %q", value)
	}
	if s != "no-new-privileges" && (!ok || name == "" || value == "") {
		return "", fmt.Errorf("security_opt: %q is not name=value, such as \"seccomp=/etc/docker/profile.json\"", s)
	}
	return s, nil
}

// devices decodes the devices of the host in a container.
func (l *loader) devices(c *job.Config) func([]item) {
	return func(items []item) {
		for _, s := range l.structures(items) {
			before := len(l.diags)
			if d := l.device(s); len(l.diags) == before {
				c.Devices = append(c.Devices, d)
			}
		}
	}
}

// device decodes one device. What is at its default is left out, so that it is
// the same as not written.
func (l *loader) device(s section) job.Device {
	var d job.Device
	l.decode(s, "device", fields{
		"host_path":          l.checked(&d.HostPath, l.devicePath("host_path")),
		"container_path":     l.checked(&d.ContainerPath, l.devicePath("container_path")),
		"cgroup_permissions": l.checked(&d.Permissions, checkDevicePermissions),
	})
	if _, there := valuePlaces(s)["host_path"]; !there {
		l.errorf(s.at, "Missing device", "a device needs its path on the host. Write host_path = \"/dev/…\".")
	}
	if d.ContainerPath == d.HostPath {
		d.ContainerPath = ""
	}
	if d.Permissions == job.DefaultDevicePermissions {
		d.Permissions = ""
	}
	return d
}

func (l *loader) devicePath(key string) func(string) (string, error) {
	return func(s string) (string, error) {
		if !path.IsAbs(s) {
			return "", fmt.Errorf("%s is a path that begins with \"/\", not %q", key, s)
		}
		return path.Clean(s), nil
	}
}

// checkDevicePermissions takes any of r, w and m, each once, and puts them
// into the order of the kernel.
func checkDevicePermissions(s string) (string, error) {
	out := strings.Map(func(p rune) rune {
		if strings.ContainsRune(s, p) {
			return p
		}
		return -1
	}, job.DefaultDevicePermissions)
	if len(out) != len(s) {
		return "", fmt.Errorf("cgroup_permissions is made of r (read), w (write) and m (mknod), each once, not %q", s)
	}
	return out, nil
}
