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

// securityOpt passes the options on. The engine cannot read a file of a
// seccomp profile, so its content stands in its place.
func (b *builder) securityOpt() error {
	for _, opt := range b.replaceAll(b.conf.SecurityOpt) {
		name, value, ok := strings.Cut(opt, "=")
		if !ok {
			name, value, _ = strings.Cut(opt, ":")
		}
		if name == "seccomp" && value != "unconfined" && value != "builtin" {
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
