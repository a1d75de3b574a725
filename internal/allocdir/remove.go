package allocdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"reconciler/internal/job"
)

// mountFile is where the kernel shows the mounts that this process sees.
const mountFile = "/proc/self/mountinfo"

// Remove deletes the directory of an allocation. Links are deleted and never
// followed; one that has something mounted in it is left alone, since that is
// somebody else's data. A directory that is not there is no error.
func (d *Dirs) Remove(allocID string) error {
	if err := checkNames(allocID); err != nil {
		return err
	}
	if err := d.remove(allocID); err != nil {
		return job.NewError(job.Retried, ReasonIO, fmt.Errorf("removal of allocation %s: %w", allocID, err))
	}
	return nil
}

func (d *Dirs) remove(allocID string) error {
	root, err := os.OpenRoot(d.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // RemoveAll has told its error
	mounts, err := os.ReadFile(mountFile)
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(d.root)
	if err != nil {
		return err
	}
	if at := mountedUnder(string(mounts), filepath.Join(real, allocID)); at != "" {
		return fmt.Errorf("%s is a mount point: unmount it first", at)
	}
	return root.RemoveAll(allocID)
}

// mountedUnder returns a mount point at or under dir, or nothing. The fifth
// field of a line of mountinfo is the mount point (proc(5)).
func mountedUnder(mountinfo, dir string) string {
	for line := range strings.Lines(mountinfo) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		if at := unescapeMount(f[4]); at == dir || strings.HasPrefix(at, dir+"/") {
			return at
		}
	}
	return ""
}

// unescapeMount undoes \040 and the like: blanks and backslashes are octal in
// mountinfo.
func unescapeMount(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+4 <= len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}
