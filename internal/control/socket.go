package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// socketName is the control socket's name in the data directory.
const socketName = "reconciler.sock"

// maxSocketPath is the room for a path in sockaddr_un on Linux, less the
// terminating zero (unix(7)).
const maxSocketPath = 107

// socketPath returns a path of the socket that fits into a sockaddr_un; a
// long one is reached through the opened directory. done closes that.
func socketPath(dir string) (path string, done func(), err error) {
	path = filepath.Join(dir, socketName)
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, fmt.Errorf("control socket: %w", err)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), socketName), func() { _ = d.Close() }, nil
}

// listen makes the socket. The caller holds the lock of the data directory,
// so a socket that is there already is one that a crash left behind; anything
// else of that name is not touched.
func listen(ctx context.Context, dir string) (net.Listener, error) {
	path, done, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("control socket: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("control socket: %s is no socket; move it away", filepath.Join(dir, socketName))
	default:
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("control socket: %w", err)
		}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	// A path through the opened directory means nothing after this function;
	// the next start removes the socket.
	l.(*net.UnixListener).SetUnlinkOnClose(len(filepath.Join(dir, socketName)) <= maxSocketPath)
	return l, nil
}

func dial(ctx context.Context, dir string) (net.Conn, error) {
	path, done, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}
