package allocdir

import (
	"context"
	"io"

	"github.com/hashicorp/go-getter/v2"
)

// budget is what is left of the limits of an artifact.
type budget struct {
	limits limits
	bytes  int64
	files  int
}

func (l limits) budget() *budget { return &budget{limits: l, bytes: l.bytes, files: l.files} }

// take counts bytes that are written.
func (b *budget) take(n int64) error {
	if b.bytes -= n; b.bytes < 0 {
		return tooLarge("it has more than %d bytes, which is all that an artifact may have", b.limits.bytes)
	}
	return nil
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
