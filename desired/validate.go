package desired

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/sys/unix"

	"reconciler/internal/imageref"
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

// hostIP decodes the address on which a port is published.
func (l *loader) hostIP(dst *string) func([]item) {
	return func(items []item) {
		var at hcl.Range
		l.textAt(dst, &at)(items)
		if *dst == "" || interpolated(*dst) {
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

// checkConfig checks what the options of one config say together and in form.
func (l *loader) checkConfig(d *taskDraft, s section, at configPlaces) {
	c := &d.Config
	switch {
	case at.noImage:
		l.errorf(s.at, "Missing image", "a config needs an image, also with \"load\". Write image = \"name:tag\".")
	case c.Image == "" || interpolated(c.Image):
	default:
		if _, err := imageref.Parse(c.Image); err != nil {
			l.errorf(at.image, "Bad image", "%s.", err)
		}
	}
	if c.WorkDir != "" && !interpolated(c.WorkDir) && !path.IsAbs(c.WorkDir) {
		l.errorf(at.workDir, "Bad directory", "work_dir is a path in the container that begins with \"/\", not %q.", c.WorkDir)
	}
	if c.Hostname != "" && !interpolated(c.Hostname) && !hostnameRE.MatchString(c.Hostname) {
		l.errorf(at.hostname, "Bad host name", "%q is no host name: use up to 63 letters, digits, '-' and '.'.", c.Hostname)
	}
	l.checkNetworkMode(c, at)
	l.checkAuth(c, at.auth)
	l.checkVolumes(at.volumes)
}

// hostnameRE is what the kernel and common programs take: sethostname(2)
// allows 64 bytes.
var hostnameRE = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$`)

// containerMode begins a network_mode that joins another container.
const containerMode = "container:"

func (l *loader) checkNetworkMode(c *job.Config, at configPlaces) {
	name, joins := strings.CutPrefix(c.NetworkMode, containerMode)
	if !joins {
		return
	}
	if name == "" {
		l.errorf(at.networkMode, "Bad network mode", "%q needs the name of a container: \"container:name\".", c.NetworkMode)
	}
	if c.Hostname != "" {
		l.errorf(at.hostname, "Conflicting options", "a container that joins another one's network has that one's host name. Remove \"hostname\".")
	}
}

// volumeModes are the words of a bind's third part (Docker's parser).
var volumeModes = []string{
	"ro", "rw", "z", "Z", "nocopy", "consistent", "cached", "delegated",
	"private", "rprivate", "shared", "rshared", "slave", "rslave",
}

// standardTargets are bound in every container.
var standardTargets = []string{"/alloc", "/local", "/secrets"}

// checkVolumes checks the form host:container[:mode] of each volume. Whether
// a host path is allowed depends on the agent, which is not known here.
func (l *loader) checkVolumes(volumes []entry) {
	targets := map[string]hcl.Range{}
	for _, v := range volumes {
		if interpolated(v.text) {
			if !strings.Contains(v.text, ":") {
				l.badVolume(v, "write host:container")
			}
			continue
		}
		target := l.checkVolume(v)
		if first, ok := targets[target]; ok && target != "" {
			l.errorf(v.at, "Duplicate volume", "%s is already mounted at %s.", target, first)
		}
		targets[target] = v.at
	}
}

// checkVolume returns the cleaned container path, or "" if v is wrong.
func (l *loader) checkVolume(v entry) string {
	parts := strings.Split(v.text, ":")
	switch {
	case len(parts) < 2 || len(parts) > 3:
		l.badVolume(v, "write host:container or host:container:ro")
	case strings.TrimSpace(parts[0]) == "":
		l.badVolume(v, "the host path is empty")
	case !path.IsAbs(parts[1]):
		l.badVolume(v, "the container path must begin with \"/\"")
	case path.Clean(parts[1]) == "/":
		l.badVolume(v, "the container path must not be \"/\"")
	case slices.Contains(standardTargets, path.Clean(parts[1])):
		l.badVolume(v, path.Clean(parts[1])+" is mounted in every container; choose another path")
	case len(parts) == 3 && !volumeMode(parts[2]):
		l.badVolume(v, fmt.Sprintf("%q is no mode; write ro or rw", parts[2]))
	default:
		return path.Clean(parts[1])
	}
	return ""
}

func (l *loader) badVolume(v entry, why string) {
	l.errorf(v.at, "Bad volume", "%q: %s.", v.text, why)
}

func volumeMode(mode string) bool {
	for word := range strings.SplitSeq(mode, ",") {
		if !slices.Contains(volumeModes, word) {
			return false
		}
	}
	return true
}
