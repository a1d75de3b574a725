package agent

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reconciler/internal/control"
)

// TestOutside: the parts that a bubble cannot have, in real time. systemd
// hears READY once, after the engine was looked at, and then that we live; the
// control socket answers; and at the end systemd is told.
func TestOutside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "200000")
	t.Setenv("WATCHDOG_PID", "")

	r := newRig(t)
	r.mute = false
	a, stop := r.start()
	if got := hear(t, sock); !strings.HasPrefix(got, "READY=1\nSTATUS=") {
		t.Errorf("first word %q, want READY", got)
	}
	hearUntil(t, sock, "WATCHDOG=1")
	s, err := control.NewClient(r.cfg.DataDir).Status(t.Context())
	if err != nil || s.Version != a.version {
		t.Errorf("control socket: %+v, %v", s, err)
	}
	r.Stop()
	hearUntil(t, sock, "STATUS=waiting for Docker")
	stop()
	hearUntil(t, sock, "STOPPING=1")
}

// hear returns the next message to systemd.
func hear(t *testing.T, sock *net.UnixConn) string {
	t.Helper()
	if err := sock.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := sock.Read(buf)
	if err != nil {
		t.Fatalf("systemd heard nothing: %v", err)
	}
	return string(buf[:n])
}

func hearUntil(t *testing.T, sock *net.UnixConn, word string) {
	t.Helper()
	for range 1000 {
		if strings.HasPrefix(hear(t, sock), word) {
			return
		}
	}
	t.Fatalf("%s was not said", word)
}
