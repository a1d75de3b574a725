package docker

import (
	"context"
	"net"
	"strings"
	"testing"

	"reconciler/internal/dockertest"
)

// TestDockerdUpgradeOverTLS: dockerd itself hands a connection over that came
// by TLS, with the agent's client on the other end.
func TestDockerdUpgradeOverTLS(t *testing.T) {
	d := realDockerd(t)
	socket, ok := strings.CutPrefix(d.cli.DaemonHost(), "unix://")
	if !ok {
		t.Skipf("dockerd is not on a socket but at %s", d.cli.DaemonHost())
	}
	f := newFront(t)
	real, err := dockertest.NewFront(f.authority.Server(), func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer real.Close()
	cfg := f.config()
	cfg.Endpoint = "tcp://" + real.Addr()
	cli, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	c, err := cli.DialHijack(t.Context(), "/grpc", "h2c", nil) // needs no container
	if err != nil {
		t.Fatalf("no upgrade: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if n := real.Accepted(); n == 0 {
		t.Error("the connection did not come through TLS")
	}
}
