package desired

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"unicode/utf8"

	"reconciler/store"
)

// maxFileSize bounds a manifest in bytes. The parser's memory grows with a
// large multiple of it.
const maxFileSize = 256 << 10

// readAttempts is how often a file that changes while it is read is read
// again in one pass; the next pass goes on.
const readAttempts = 3

// errUnsettled says that a file changed each time while it was read.
var errUnsettled = errors.New("file changes while it is read")

// unfit is why a file cannot be a manifest, whatever it holds.
type unfit struct{ summary, detail string }

func (u *unfit) Error() string { return u.summary }

// readManifest returns the bytes of the file at path and the stamp that
// belongs to them. It never blocks on a pipe and never opens a device, since
// opening one can have effects of its own. Errors: *unfit, errUnsettled, or
// what the file system says.
func readManifest(path string) ([]byte, stamp, error) {
	for range readAttempts {
		src, before, after, err := readOnce(path)
		if err != nil {
			return nil, before, err
		}
		if before == after {
			return src, after, nil
		}
	}
	return nil, stamp{}, errUnsettled
}

func readOnce(path string) (src []byte, before, after stamp, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, before, after, err
	}
	before = stampOf(info)
	if err := checkKind(info); err != nil {
		return nil, before, after, err
	}
	// O_NONBLOCK: a pipe may have taken the file's place since the stat.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, before, after, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, before, after, err
	}
	before = stampOf(info)
	if err := checkKind(info); err != nil {
		return nil, before, after, err
	}
	if src, err = io.ReadAll(io.LimitReader(f, maxFileSize+1)); err != nil {
		return nil, before, after, err
	}
	if info, err = f.Stat(); err != nil {
		return nil, before, after, err
	}
	return src, before, stampOf(info), nil
}

// checkKind refuses what is no regular file, or too large to be read.
func checkKind(info fs.FileInfo) error {
	mode := info.Mode()
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return &unfit{"Not a regular file", "a manifest cannot be read from a named pipe"}
	case mode&fs.ModeSocket != 0:
		return &unfit{"Not a regular file", "a socket is no manifest"}
	case mode&fs.ModeDevice != 0:
		return &unfit{"Not a regular file", "a device is no manifest"}
	case !mode.IsRegular():
		return &unfit{"Not a regular file", "a manifest must be a regular file or a link to one"}
	case info.Size() > maxFileSize:
		return &unfit{"File too large", fmt.Sprintf("a manifest may have %d KiB, this file has %d bytes; split it into several files", maxFileSize>>10, info.Size())}
	}
	return nil
}

// checkText returns the problem of a file that is not UTF-8 text, with the
// place of the first bad byte, or nil.
func checkText(file string, src []byte) *store.Problem {
	line, col := 1, 1
	for len(src) > 0 {
		r, n := utf8.DecodeRune(src)
		switch {
		case r == utf8.RuneError && n == 1, r == 0:
			return &store.Problem{
				File: file, Line: line, Col: col, EndCol: col + 1,
				Summary: "Not a text file", Detail: "a manifest must be UTF-8 text without NUL bytes; is this file binary, or saved in another encoding?",
			}
		case r == '\n':
			line, col = line+1, 1
		default:
			col++
		}
		src = src[n:]
	}
	return nil
}

// accessProblem words an error of the file system for the file's record.
func accessProblem(file string, err error) store.Problem {
	p := store.Problem{File: file, Summary: "File cannot be read", Detail: reasonOf(err)}
	var u *unfit
	switch {
	case errors.As(err, &u):
		p.Summary, p.Detail = u.summary, u.detail
	case errors.Is(err, fs.ErrNotExist):
		p.Summary, p.Detail = "Dangling link", "the link leads to nothing"
	case errors.Is(err, syscall.ELOOP):
		p.Summary, p.Detail = "Link loop", "the link leads back to itself"
	}
	return p
}

// reasonOf is the bare reason of a file system error: the path is told by the
// one who prints it.
func reasonOf(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err.Error()
	}
	return err.Error()
}
