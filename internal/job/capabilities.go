package job

import (
	"slices"
	"strings"
)

// AllCapabilities stands for every capability there is.
const AllCapabilities = "ALL"

// NormalCapability is the one form of a capability's name: upper case and
// without CAP_. It is false for a name that the kernel does not know.
func NormalCapability(name string) (string, bool) {
	name = strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(name)), "CAP_")
	return name, name == AllCapabilities || slices.Contains(Capabilities, name)
}

// DefaultCapability reports whether a container has a capability without
// asking (moby oci/caps: DefaultCapabilities).
func DefaultCapability(name string) bool { return slices.Contains(defaultCapabilities, name) }

var defaultCapabilities = []string{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
	"NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

// Capabilities are those of Linux (capabilities(7)), sorted.
var Capabilities = []string{
	"AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE",
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER",
	"KILL", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN",
	"NET_BIND_SERVICE", "NET_BROADCAST", "NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP",
	"SETUID", "SYSLOG", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE",
	"SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG",
	"WAKE_ALARM",
}
