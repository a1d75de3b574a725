package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"reconciler/internal/dockertest"
)

// TestTLS: an agent that reaches its engine by TLS alone pulls, runs, sees
// what happens, and goes on with a certificate that was renewed meanwhile.
func TestTLS(t *testing.T) {
	w := newWorld(t)
	socket, err := socketOf(w.cli)
	if err != nil {
		t.Skip("no TLS port: " + err.Error())
	}
	authority := dockertest.NewAuthority("ca")
	front, err := dockertest.NewFront(authority.Server(), func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	})
	must(t, err)
	t.Cleanup(front.Close)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	must(t, os.WriteFile(file("ca.pem"), authority.PEM(), 0o600))
	renew := func(until time.Time) {
		cert, key := authority.Issue("agent", until)
		must(t, os.WriteFile(file("cert.pem"), cert, 0o600))
		must(t, os.WriteFile(file("key.pem"), key, 0o600))
	}
	renew(time.Now().Add(time.Hour))
	must(t, os.WriteFile(file("agent.hcl"), []byte(fmt.Sprintf(`client {
  options {
    docker.endpoint = "tcp://%s"
    docker.tls.ca   = %q
    docker.tls.cert = %q
    docker.tls.key  = %q
  }
}
`, front.Addr(), file("ca.pem"), file("cert.pem"), file("key.pem"))), 0o600))
	w.options = append(w.options, "--config", file("agent.hcl"))
	// Nothing but the options may lead to the engine.
	w.env = append(w.env, "DOCKER_HOST=unix:///none.sock")

	ref, _ := w.images.push("web:1", "1")
	w.drop("web.hcl", spec{Job: "web", Image: ref, Text: "one", Port: true}.String())
	w.up()
	was := w.awaitText("web", "one")
	if front.Accepted() == 0 {
		t.Error("the container came by another way than the TLS port")
	}

	// Its end is an event: it comes long before the next list.
	ctx, cancel := w.ctx()
	must(t, w.cli.ContainerKill(ctx, was.ID, "KILL"))
	cancel()
	eventuallyIn(t, 20*time.Second, "the killed container runs again", func() error {
		if got := w.running("web"); len(got) != 1 || got[0].ID == was.ID {
			return errors.New(brief(w.all("web")))
		}
		return nil
	})

	renew(time.Now().Add(-time.Minute))
	front.Cut()
	eventually(t, "the status says what is wrong with the certificate", func() error {
		if out := w.run("status", "--data-dir", w.data).out; !strings.Contains(out, "cert.pem expired on") {
			return fmt.Errorf("status:\n%s", out)
		}
		return nil
	})
	renew(time.Now().Add(time.Hour))
	w.drop("web.hcl", spec{Job: "web", Image: ref, Text: "two", Port: true}.String())
	w.awaitText("web", "two")
}
