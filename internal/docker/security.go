package docker

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxProfile bounds the file of a seccomp profile; the engine's own has 13 KB.
const maxProfile = 1 << 20

// securityOpt passes the options on, but for those that docker run itself
// carries out: the engine cannot read a file of a seccomp profile, so its content
// stands in its place, and it has fields of its own for systempaths.
func (b *builder) securityOpt() error {
	for _, opt := range b.replaceAll(b.conf.SecurityOpt) {
		name, value, ok := strings.Cut(opt, "=")
		if !ok {
			name, value, _ = strings.Cut(opt, ":")
		}
		switch {
		case name == "systempaths":
			if err := b.systemPaths(value); err != nil {
				return err
			}
			continue
		case name == "seccomp" && value != "unconfined" && value != "builtin":
			profile, err := b.seccompProfile(value)
			if err != nil {
				return err
			}
			opt = "seccomp=" + profile
		}
		b.out.HostConfig.SecurityOpt = append(b.out.HostConfig.SecurityOpt, opt)
	}
	return nil
}

// systemPaths shows and opens what a container sees hidden or read-only of the
// host's /proc and /sys. Whoever writes there is the host's root.
func (b *builder) systemPaths(value string) error {
	if value != "unconfined" {
		return refused(ReasonInvalidConfig, "security_opt: systempaths is \"unconfined\", not %q", value)
	}
	if !b.opts.PrivilegedEnabled {
		return refused(ReasonPrivilegeRefused, "security_opt: systempaths=unconfined opens the host's /proc and /sys, %s", needsPrivileged)
	}
	// Empty, as against nil, is none rather than the engine's own.
	b.out.HostConfig.MaskedPaths, b.out.HostConfig.ReadonlyPaths = []string{}, []string{}
	return nil
}

// seccompProfile is the content of a profile on one line: of a file of the
// host, or below the task's local directory, which it cannot leave by links
// either.
func (b *builder) seccompProfile(path string) (string, error) {
	const flags = os.O_RDONLY | syscall.O_NONBLOCK // a pipe must not block
	var f *os.File
	var err error
	if filepath.IsAbs(path) {
		f, err = os.OpenFile(path, flags, 0)
	} else {
		f, err = openInside(b.dirs.Task(b.req.Alloc.ID, b.task.Name).Local, path, flags)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", refused(ReasonProfileRefused, "security_opt: there is no file %q for seccomp", path)
	}
	if err != nil {
		return "", refused(ReasonProfileRefused, "security_opt: seccomp profile: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() || fi.Size() > maxProfile {
		return "", refused(ReasonProfileRefused, "security_opt: %q is no plain file of up to 1 MB", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxProfile))
	if err != nil {
		return "", refused(ReasonProfileRefused, "security_opt: seccomp profile: %w", err)
	}
	var line bytes.Buffer
	if err := json.Compact(&line, text); err != nil {
		return "", refused(ReasonProfileRefused, "security_opt: %q is no seccomp profile: %w", path, err)
	}
	return line.String(), nil
}
