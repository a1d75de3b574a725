package desired

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/sys/unix"

	"reconciler/internal/job"
)

// checkName checks the name of a job, group or task.
func (l *loader) checkName(name labelAt) {
	if err := job.CheckName(name.text); err != nil {
		l.errorf(name.at, "Bad name", "%s.", err)
	}
}

func checkMetaKey(key string) error {
	if strings.ContainsAny(key, "=\x00") {
		return fmt.Errorf("%q cannot be part of an environment variable: remove the '='", key)
	}
	return nil
}

func checkEnvKey(key string) error {
	if strings.ContainsAny(key, "=\x00") {
		return fmt.Errorf("%q cannot name an environment variable: remove the '='", key)
	}
	return nil
}

func checkLabelKey(key string) error {
	if strings.HasPrefix(key, job.LabelPrefix) {
		return fmt.Errorf("%q is refused: labels that begin with %q say whose a container is; choose another name", key, job.LabelPrefix)
	}
	return nil
}

// interpolated reports whether s holds a runtime name, so that its form shows
// only when a container is made.
func interpolated(s string) bool { return strings.Contains(s, "${") }

// rtSignal matches the real-time signals as Docker writes them.
var rtSignal = regexp.MustCompile(`^RT(MIN(\+([0-9]|1[0-5]))?|MAX(-([0-9]|1[0-4]))?)$`)

// maxSignal is the highest signal number on Linux.
const maxSignal = 64

// knownSignal reports whether Docker takes name as a signal: a number, or a
// name with or without SIG.
func knownSignal(name string) bool {
	if n, err := strconv.Atoi(name); err == nil {
		return n >= 1 && n <= maxSignal
	}
	bare := strings.TrimPrefix(strings.ToUpper(name), "SIG")
	return unix.SignalNum("SIG"+bare) != 0 || rtSignal.MatchString(bare)
}

// hostIP decodes the address on which a port is published. It is reserved
// before there is an allocation whose runtime names could be asked.
func (l *loader) hostIP(dst *string) func([]item) {
	return func(items []item) {
		var at hcl.Range
		l.textAt(dst, &at)(items)
		switch {
		case *dst == "":
			return
		case interpolated(*dst):
			l.errorf(at, "Bad address", "%q holds a runtime name, and a port is reserved before there are any. Write an address, or remove host_ip: the agent's network_ip is meant then.", *dst)
			return
		}
		addr, err := netip.ParseAddr(*dst)
		if err != nil || addr.Zone() != "" {
			l.errorf(at, "Bad address", "%q is no IP address. Write one of this host, such as \"127.0.0.1\".", *dst)
			return
		}
		*dst = addr.String()
	}
}

// hostnameRE is what the kernel and common programs take: sethostname(2)
// allows 64 bytes.
var hostnameRE = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$`)
