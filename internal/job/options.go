package job

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Healthchecks is what becomes of the HEALTHCHECK of an image.
type Healthchecks struct {
	Disable bool `json:"disable,omitempty"`
}

// Device is a device of the host in a container.
type Device struct {
	HostPath      string `json:"host_path"`
	ContainerPath string `json:"container_path,omitempty"` // empty is HostPath
	Permissions   string `json:"cgroup_permissions,omitempty"`
}

// DefaultDevicePermissions are read, write and mknod.
const DefaultDevicePermissions = "rwm"

// GPUs asks a device driver of the engine for devices.
type GPUs struct {
	Count        int               `json:"count,omitempty"` // AllGPUs is all of them
	DeviceIDs    []string          `json:"device_ids,omitempty"`
	Driver       string            `json:"driver,omitempty"`       // empty lets the engine choose by the capabilities
	Capabilities []string          `json:"capabilities,omitempty"` // empty is "gpu"
	Options      map[string]string `json:"options,omitempty"`
}

// AllGPUs is the Count of every device that there is.
const AllGPUs = -1

// MountType says what is mounted.
type MountType string

// The types of mounts.
const (
	MountVolume MountType = "volume"
	MountBind   MountType = "bind"
	MountTmpfs  MountType = "tmpfs"
)

// Mount is one mount of a container. The option fields belong to one type
// each; those of the others are zero.
type Mount struct {
	Type     MountType `json:"type"`
	Source   string    `json:"source,omitempty"` // name of a volume, or path; empty for tmpfs and an anonymous volume
	Target   string    `json:"target"`
	ReadOnly bool      `json:"readonly,omitempty"`

	Propagation string `json:"propagation,omitempty"` // bind

	NoCopy        bool              `json:"no_copy,omitempty"` // volume, and all below
	Labels        map[string]string `json:"labels,omitempty"`
	Driver        string            `json:"driver,omitempty"`
	DriverOptions map[string]string `json:"driver_options,omitempty"`

	TmpfsSize int `json:"tmpfs_size,omitempty"` // bytes
	TmpfsMode int `json:"tmpfs_mode,omitempty"` // permission bits
}

// ContainerMode begins a mode that joins a namespace of another container.
const ContainerMode = "container:"

// HostMode is the mode that joins a namespace of the host.
const HostMode = "host"

// JoinedContainer returns the container whose namespace a mode joins.
func JoinedContainer(mode string) (name string, ok bool) {
	return strings.CutPrefix(mode, ContainerMode)
}

// OwnNetwork reports whether a container in this network mode is in a network
// of the engine, in which it has an address and can publish ports.
func OwnNetwork(mode string) bool {
	_, joins := JoinedContainer(mode)
	return mode != HostMode && mode != "none" && !joins
}

// UserNetwork reports whether a network mode names a network that a person
// made, the only kind that takes fixed addresses and aliases.
func UserNetwork(mode string) bool {
	return OwnNetwork(mode) && mode != DefaultNetworkMode && mode != "default" && mode != ""
}

// SharesIPC reports whether a task with this ipc_mode can be joined by other
// tasks of its group. One that says nothing is made shareable for them.
func SharesIPC(mode string) bool { return mode != "none" && mode != "private" }

// RotatesLogs reports whether a log driver keeps files that it rotates.
func RotatesLogs(driver string) bool { return driver == "json-file" || driver == "local" }

// Namespaces are the words of each namespace option. ipc_mode and pid_mode
// take the name of a container as well.
var Namespaces = map[string][]string{
	"ipc_mode":    {"none", "private", "shareable", HostMode},
	"pid_mode":    {HostMode},
	"uts_mode":    {HostMode},
	"userns_mode": {HostMode},
	"cgroupns":    {HostMode, "private"},
}

// ParseNamespace returns the engine's form of the mode of a namespace option.
// For ipc_mode and pid_mode what is no word is the name or id of a container,
// with or without "container:" before it.
func ParseNamespace(option, mode string) (string, error) {
	words := Namespaces[option]
	if mode == "" || slices.Contains(words, mode) {
		return mode, nil
	}
	if option != "ipc_mode" && option != "pid_mode" {
		return "", fmt.Errorf("%s is %s, not %q", option, orList(words), mode)
	}
	name := strings.TrimPrefix(mode, ContainerMode)
	if !nameRE.MatchString(name) {
		return "", fmt.Errorf("%s is %s, not %q", option, orList(append(slices.Clone(words), ContainerMode+"name")), mode)
	}
	return ContainerMode + name, nil
}

// ParseUlimit returns the soft and the hard limit of "soft[:hard]"; one number
// is both, -1 and "unlimited" are none.
func ParseUlimit(name, value string) (soft, hard int64, err error) {
	if !slices.Contains(Ulimits, name) {
		return 0, 0, fmt.Errorf("ulimit %q is none of the kernel's: %s", name, orList(Ulimits))
	}
	left, right, two := strings.Cut(value, ":")
	if soft, err = ulimit(left); err != nil {
		return 0, 0, fmt.Errorf("ulimit %s: %q: the soft limit %q is %w", name, value, left, err)
	}
	if hard = soft; two {
		if hard, err = ulimit(right); err != nil {
			return 0, 0, fmt.Errorf("ulimit %s: %q: the hard limit %q is %w", name, value, right, err)
		}
	}
	if hard != -1 && (soft > hard || soft == -1) {
		return 0, 0, fmt.Errorf("ulimit %s: %q: the soft limit is above the hard one", name, value)
	}
	return soft, hard, nil
}

func ulimit(s string) (int64, error) {
	if s == "unlimited" {
		return -1, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < -1 {
		return 0, fmt.Errorf("no whole number from 0, and not \"unlimited\"")
	}
	return n, nil
}

// Ulimits are the limits that the engine knows by name (go-units: ulimit.go).
var Ulimits = []string{
	"core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile",
	"nproc", "rss", "rtprio", "rttime", "sigpending", "stack",
}

// hostGateway stands for the host's address in extra_hosts.
const hostGateway = "host-gateway"

// ParseExtraHost returns the name and the address of "host:IP". An IPv6
// address may stand in brackets; "host-gateway" is the host.
func ParseExtraHost(entry string) (host, ip string, err error) {
	host, ip, ok := strings.Cut(entry, ":")
	bare := strings.TrimSuffix(strings.TrimPrefix(ip, "["), "]")
	if !ok || host == "" || strings.ContainsAny(host, " \t\n") {
		return "", "", fmt.Errorf("extra_hosts: %q is not host:IP", entry)
	}
	if _, err := netip.ParseAddr(bare); err != nil && ip != hostGateway {
		return "", "", fmt.Errorf("extra_hosts: %q: %q is no IP address and not %q", entry, ip, hostGateway)
	}
	return host, bare, nil
}

// CheckSysctl reports why a container cannot have a kernel parameter of its
// own: it is none of the namespaced ones (docker/cli: opts.ValidateSysctl).
func CheckSysctl(name string) error {
	if slices.Contains(sysctls, name) || strings.HasPrefix(name, "net.") || strings.HasPrefix(name, "fs.mqueue.") {
		return nil
	}
	return fmt.Errorf("sysctl %q is not a container's own: it would change the host; those that are begin with \"net.\" or \"fs.mqueue.\", or are %s",
		name, orList(sysctls))
}

var sysctls = []string{
	"kernel.domainname", "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
	"kernel.shm_rmid_forced", "kernel.shmall", "kernel.shmmax", "kernel.shmmni",
}

// orList is `"a", "b" or "c"`.
func orList(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	if n := len(quoted); n > 1 {
		return strings.Join(quoted[:n-1], ", ") + " or " + quoted[n-1]
	}
	return strings.Join(quoted, "")
}
