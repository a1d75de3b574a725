package allocdir

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/hashicorp/go-getter/v2"
	"golang.org/x/sys/unix"

	"reconciler/internal/job"
)

// budget is what is left of the limits of an artifact.
type budget struct {
	limits limits
	bytes  int64
	files  int
	room   func() (int64, error)
	unseen int64 // bytes that may be written before the next look at the disk
}

// roomEvery is how many bytes are written between two looks at the disk: small
// enough to stop in time, so large that a small file is taken by a full disk.
const roomEvery = 16 << 20

func (f *fetcher) budget() *budget {
	return &budget{limits: f.limits, bytes: f.limits.bytes, files: f.limits.files, room: f.room, unseen: roomEvery}
}

// reservedShare of a disk, but no more than reservedMost, stays free: what the
// agent fetches should not be what stops the engine and everybody else.
const (
	reservedShare = 20
	reservedMost  = 10 << 30
)

// room returns a function that tells how many bytes may still be written to
// the file system of path.
func room(path string) func() (int64, error) {
	return func() (int64, error) {
		var fs unix.Statfs_t
		if err := unix.Statfs(path, &fs); err != nil {
			return 0, &os.PathError{Op: "statfs", Path: path, Err: err}
		}
		reserved := min(int64(fs.Blocks)/reservedShare*fs.Bsize, reservedMost)
		return int64(fs.Bavail)*fs.Bsize - reserved, nil
	}
}

// look is an error if the disk has no room.
func (b *budget) look() error {
	left, err := b.room()
	if err == nil && left <= 0 {
		return errNoRoom
	}
	return err
}

// errNoRoom may be gone when somebody has made room.
var errNoRoom = job.NewError(job.Retried, ReasonArtifactNoRoom, errors.New("the disk of the data directory is almost full"))

// take counts bytes that are written.
func (b *budget) take(n int64) error {
	if b.bytes -= n; b.bytes < 0 {
		return tooLarge("it has more than %d bytes, which is all that an artifact may have", b.limits.bytes)
	}
	if b.unseen -= n; b.unseen > 0 {
		return nil
	}
	b.unseen = roomEvery
	return b.look()
}

// entry counts a file, directory or link.
func (b *budget) entry() error { return b.entries(1) }

func (b *budget) entries(n int) error {
	if b.files -= n; b.files < 0 {
		return tooLarge("it has more than %d files, which is all that an artifact may have", b.limits.files)
	}
	return nil
}

// copy is io.Copy within the budget, until ctx ends.
func (b *budget) copy(ctx context.Context, dst io.Writer, src io.Reader) error {
	_, err := getter.Copy(ctx, dst, reader(func(p []byte) (int, error) {
		n, err := src.Read(p)
		if over := b.take(int64(n)); over != nil {
			return 0, over
		}
		return n, err
	}))
	return err
}

type reader func([]byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }
