package desired

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dirID tells one directory from another one of the same path. Born is there
// because a directory that is removed and made again often gets the inode
// number of the old one; it is zero where the file system does not know it.
type dirID struct {
	dev, ino uint64
	born     int64 // nanoseconds
}

// identify returns the identity of the directory at path, links followed.
func identify(path string) (dirID, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_TYPE|unix.STATX_INO|unix.STATX_BTIME, &st)
	if err != nil {
		return dirID{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return dirID{}, fmt.Errorf("%s: %w", path, syscall.ENOTDIR)
	}
	id := dirID{dev: unix.Mkdev(st.Dev_major, st.Dev_minor), ino: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		id.born = st.Btime.Sec*int64(time.Second) + int64(st.Btime.Nsec)
	}
	return id, nil
}

// stamp is what stat says of a file. Two equal stamps mean equal content,
// unless the file was read so soon after a change that a second one could
// carry the same times.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime int64 // nanoseconds since 1970
	mode         fs.FileMode
}

// timestampGrain is the coarsest step of file times among the file systems
// that people put manifests on (FAT: 2 s).
const timestampGrain = 2 * time.Second

func stampOf(info fs.FileInfo) stamp {
	s := stamp{size: info.Size(), mtime: info.ModTime().UnixNano(), mode: info.Mode()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.dev, s.ino = st.Dev, st.Ino
		s.ctime = st.Ctim.Nano()
	}
	return s
}

// statStamp returns the stamp of the file at path, links followed.
func statStamp(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, err
	}
	return stampOf(info), nil
}

// changed is when the file was last written, renamed or chmodded, and never
// later than now.
func (s stamp) changed(now time.Time) time.Time {
	if t := time.Unix(0, s.ctime); s.ctime != 0 && t.Before(now) {
		return t
	}
	return now
}

// racy reports whether a file that was read at readAt may have changed since
// without a trace in its times.
func (s stamp) racy(readAt time.Time) bool {
	return readAt.Sub(time.Unix(0, max(s.ctime, s.mtime))) < timestampGrain
}
