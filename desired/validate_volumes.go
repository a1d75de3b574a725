package desired

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/job"
)

// volumeModes are the words of a bind's third part. Of each row the engine takes
// one (moby volume/mounts: linux_parser).
var volumeModes = [][]string{
	{"ro", "rw"},
	{"z", "Z"},
	{"nocopy"},
	{"consistent", "cached", "delegated"},
	{"private", "rprivate", "shared", "rshared", "slave", "rslave"},
}

// standardTargets are bound in every container.
var standardTargets = []string{"/alloc", "/local", "/secrets"}

// checkTargets checks the form host:container[:mode] of each volume, and that
// nothing is mounted twice at one path. Whether a host path is allowed depends
// on the agent, which is not known here.
func (l *loader) checkTargets(c *job.Config, at configPlaces) {
	targets := map[string]hcl.Range{}
	claim := func(target string, where hcl.Range) {
		if first, ok := targets[target]; ok {
			l.errorf(where, "Duplicate volume", "%s is already mounted at %s.", target, first)
			return
		}
		targets[target] = where
	}
	for _, v := range at.volumes {
		if interpolated(v.text) {
			if !strings.Contains(v.text, ":") {
				l.badVolume(v, "write host:container")
			}
		} else if target := l.checkVolume(v, c.VolumeDriver); target != "" {
			claim(target, v.at)
		}
		l.checkHome(v.text, v.at)
	}
	for i, m := range c.Mounts {
		if !interpolated(m.Target) {
			claim(path.Clean(m.Target), at.mounts[i])
		}
	}
}

// checkVolume returns the cleaned container path, or "" if v is wrong.
func (l *loader) checkVolume(v entry, driver string) string {
	parts := strings.Split(v.text, ":")
	if len(parts) < 2 || len(parts) > 3 {
		l.badVolume(v, "write host:container or host:container:ro")
		return ""
	}
	why := volumeSource(parts[0], driver)
	if why == "" {
		why = badTarget(parts[1])
	}
	if why == "" && len(parts) == 3 {
		why = badMode(parts[2])
	}
	if why != "" {
		l.badVolume(v, why)
		return ""
	}
	return path.Clean(parts[1])
}

// checkHome warns of a source that a shell would read as a home directory.
func (l *loader) checkHome(source string, at hcl.Range) {
	if strings.HasPrefix(source, "~") {
		l.warnf(at, "Relative path", "a \"~\" is no home directory here: this is a directory of that name below the task's own. Write the path out.")
	}
}

func (l *loader) badVolume(v entry, why string) {
	l.errorf(v.at, "Bad volume", "%q: %s.", v.text, why)
}

// badMode says why a mode is wrong; "" is no reason.
func badMode(mode string) string {
	said := map[int]string{} // row -> word
	for word := range strings.SplitSeq(mode, ",") {
		row := slices.IndexFunc(volumeModes, func(row []string) bool { return slices.Contains(row, word) })
		if row < 0 {
			return fmt.Sprintf("%q is no mode; write ro or rw", mode)
		}
		if other, ok := said[row]; ok {
			return fmt.Sprintf("of the modes %q and %q there can be one", other, word)
		}
		said[row] = word
	}
	return ""
}
