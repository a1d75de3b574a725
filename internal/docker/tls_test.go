package docker

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/filters"

	"reconciler/internal/dockertest"
)

// front is an engine in memory behind a TLS port, and the files to reach it.
type front struct {
	*dockertest.Front
	engine    *dockertest.Engine
	authority *dockertest.Authority
	dir       string
}

func newFront(t *testing.T) *front {
	t.Helper()
	for _, k := range []string{"DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"} {
		t.Setenv(k, "")
	}
	f := &front{engine: dockertest.New(dockertest.Options{}), authority: dockertest.NewAuthority("ca"), dir: t.TempDir()}
	t.Cleanup(f.engine.Close)
	var err error
	f.Front, err = dockertest.NewFront(f.authority.Server(), f.dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	f.write(t, "ca.pem", f.authority.PEM())
	f.issue(t, f.authority, "", time.Now().Add(time.Hour))
	return f
}

func (f *front) dial(ctx context.Context) (net.Conn, error) { return f.engine.Dial(ctx, "", "") }

func (f *front) write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// issue writes cert.pem and key.pem under a prefix.
func (f *front) issue(t *testing.T, a *dockertest.Authority, prefix string, until time.Time) {
	t.Helper()
	cert, key := a.Issue("agent", until)
	f.write(t, prefix+"cert.pem", cert)
	f.write(t, prefix+"key.pem", key)
}

func (f *front) file(name string) string { return filepath.Join(f.dir, name) }

// config names the good files.
func (f *front) config() ClientConfig {
	return ClientConfig{
		Endpoint: "tcp://" + f.Addr(), TLSCert: f.file("cert.pem"), TLSKey: f.file("key.pem"), TLSCA: f.file("ca.pem"),
	}
}

// said fails unless err names all of what, in one line.
func said(t *testing.T, err error, what ...string) {
	t.Helper()
	for _, w := range what {
		if err == nil || !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), "\n") {
			t.Errorf("error %v, want %q in one line", err, w)
		}
	}
}

// TestTLSStart: what can be seen without the engine ends the start.
func TestTLSStart(t *testing.T) {
	f := newFront(t)
	f.issue(t, f.authority, "other-", time.Now().Add(time.Hour))
	f.write(t, "text.pem", []byte("no certificate\n"))
	f.issue(t, f.authority, "old-", time.Now().Add(-time.Minute))
	for _, tc := range []struct {
		name string
		set  func(*ClientConfig)
		says []string // none is a start
	}{
		{"all", func(*ClientConfig) {}, nil},
		{"by https", func(c *ClientConfig) { c.Endpoint = "https://" + f.Addr() }, nil},
		{"no certificate of a client", func(c *ClientConfig) { c.TLSCert, c.TLSKey = "", "" }, nil},
		{"an old certificate may be renewed", func(c *ClientConfig) { c.TLSCert, c.TLSKey = f.file("old-cert.pem"), f.file("old-key.pem") }, nil},
		{"no CA", func(c *ClientConfig) { c.TLSCA = "" }, nil},
		{"missing CA", func(c *ClientConfig) { c.TLSCA = "/none/ca.pem" }, []string{"docker.tls.ca /none/ca.pem: no such file"}},
		{"missing certificate", func(c *ClientConfig) { c.TLSCert = "/none/c.pem" }, []string{"docker.tls.cert /none/c.pem: no such file"}},
		{"missing key", func(c *ClientConfig) { c.TLSKey = "/none/k.pem" }, []string{"docker.tls.key /none/k.pem: no such file"}},
		{"a directory", func(c *ClientConfig) { c.TLSKey = f.dir }, []string{"docker.tls.key " + f.dir + ": is a directory"}},
		{"CA without PEM", func(c *ClientConfig) { c.TLSCA = f.file("text.pem") }, []string{"docker.tls.ca", "text.pem: there is no certificate in it"}},
		{"certificate without PEM", func(c *ClientConfig) { c.TLSCert = f.file("text.pem") }, []string{"docker.tls.cert", "text.pem: there is no certificate in it"}},
		{"a key for a certificate", func(c *ClientConfig) { c.TLSCert = f.file("key.pem") }, []string{"docker.tls.cert", "key.pem: there is no certificate in it"}},
		{"another's key", func(c *ClientConfig) { c.TLSKey = f.file("other-key.pem") }, []string{"other-key.pem is not the key of docker.tls.cert " + f.file("cert.pem")}},
		{"a key without PEM", func(c *ClientConfig) { c.TLSKey = f.file("text.pem") }, []string{"docker.tls.key", "text.pem is not the key of docker.tls.cert"}},
		{"certificate without a key", func(c *ClientConfig) { c.TLSKey = "" }, []string{"docker.tls.cert and docker.tls.key belong together"}},
		{"key without a certificate", func(c *ClientConfig) { c.TLSCert = "" }, []string{"docker.tls.cert and docker.tls.key belong together"}},
		{"http", func(c *ClientConfig) { c.Endpoint = "http://" + f.Addr() }, []string{"http is without TLS", "tcp://" + f.Addr()}},
		{"files on a socket are not read", func(c *ClientConfig) { c.Endpoint, c.TLSCA = "unix:///none.sock", "/none" }, nil},
		{"files without an endpoint are not read", func(c *ClientConfig) { c.Endpoint, c.TLSCA = "", "/none" }, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := f.config()
			tc.set(&cfg)
			cli, err := NewClient(cfg)
			if err == nil {
				_ = cli.Close()
			}
			if len(tc.says) == 0 && err != nil {
				t.Error(err)
			}
			said(t, err, tc.says...)
			if n := f.Accepted(); n > 0 {
				t.Errorf("%d connections at the start", n)
			}
		})
	}
}

// TestTLSConnection: what only the engine can tell.
func TestTLSConnection(t *testing.T) {
	f := newFront(t)
	other := dockertest.NewAuthority("other")
	f.write(t, "other-ca.pem", other.PEM())
	f.issue(t, other, "other-", time.Now().Add(time.Hour))
	f.issue(t, f.authority, "old-", time.Now().Add(-time.Minute))
	for _, tc := range []struct {
		name string
		set  func(*ClientConfig)
		says []string
	}{
		{"all", func(*ClientConfig) {}, nil},
		{"by https", func(c *ClientConfig) { c.Endpoint = "https://" + f.Addr() }, nil},
		{"no client certificate", func(c *ClientConfig) { c.TLSCert, c.TLSKey = "", "" }, []string{"wants a client certificate; set docker.tls.cert and docker.tls.key"}},
		{"a client of another CA", func(c *ClientConfig) {
			c.TLSCert, c.TLSKey = f.file("other-cert.pem"), f.file("other-key.pem")
		}, []string{"the engine refuses docker.tls.cert " + f.file("other-cert.pem"), "--tlscacert"}},
		{"expired", func(c *ClientConfig) {
			c.TLSCert, c.TLSKey = f.file("old-cert.pem"), f.file("old-key.pem")
		}, []string{"docker.tls.cert " + f.file("old-cert.pem") + " expired on", "renew it"}},
		{"the wrong CA", func(c *ClientConfig) { c.TLSCA = f.file("other-ca.pem") }, []string{"docker.tls.ca " + f.file("other-ca.pem") + " did not sign"}},
		{"the system's CAs", func(c *ClientConfig) { c.TLSCA = "" }, []string{"name the one that did with docker.tls.ca"}},
		{"another name", func(c *ClientConfig) { c.Endpoint = strings.Replace(c.Endpoint, "127.0.0.1", "localhost", 1) }, []string{"for another name than that of the endpoint"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg := f.config()
			tc.set(&cfg)
			cli, err := NewClient(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer cli.Close()
			_, err = cli.Info(t.Context())
			if len(tc.says) == 0 && err != nil {
				t.Error(err)
			}
			said(t, err, tc.says...)
		})
	}
}

// TestTLSToAPlainPort: the other way round as well.
func TestTLSToAPlainPort(t *testing.T) {
	f := newFront(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = c.Close()
		}
	}()
	cfg := f.config()
	cfg.Endpoint = "tcp://" + l.Addr().String()
	cli, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	_, err = cli.Info(t.Context())
	said(t, err, "does not speak TLS on this port")
}

// TestTLSRenewed: a new connection takes the files as they are then, and one
// that is broken by files that do not fit says so until they do.
func TestTLSRenewed(t *testing.T) {
	f := newFront(t)
	f.issue(t, f.authority, "", time.Now().Add(-time.Minute))
	cli, err := NewClient(f.config())
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	_, err = cli.Info(t.Context())
	said(t, err, "expired")
	f.issue(t, f.authority, "", time.Now().Add(time.Hour))
	if _, err := cli.Info(t.Context()); err != nil {
		t.Errorf("after it was renewed: %v", err)
	}
	f.write(t, "key.pem", []byte("half a key"))
	if _, err := cli.Info(t.Context()); err != nil {
		t.Errorf("a connection that stands does not need the file: %v", err)
	}
	f.Cut()
	_, err = cli.Info(t.Context())
	said(t, err, "is not the key of docker.tls.cert")
	f.issue(t, f.authority, "", time.Now().Add(time.Hour))
	if _, err := cli.Info(t.Context()); err != nil {
		t.Errorf("after the key was whole: %v", err)
	}
}

// TestTLSFromEnvironment: as Docker's own client, with two differences: a
// wish for TLS without files is refused, and a socket is never spoken to by
// TLS.
func TestTLSFromEnvironment(t *testing.T) {
	f := newFront(t)
	other := dockertest.NewAuthority("other")
	wrong := t.TempDir()
	for name, text := range map[string][]byte{"ca.pem": other.PEM()} {
		if err := os.WriteFile(filepath.Join(wrong, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"cert.pem", "key.pem"} {
		if err := os.Symlink(f.file(name), filepath.Join(wrong, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name, host, verify, path string
		start, call              string // errors
	}{
		{"verified", "tcp://" + f.Addr(), "1", f.dir, "", ""},
		{"not verified", "tcp://" + f.Addr(), "", wrong, "", ""},
		{"another CA", "tcp://" + f.Addr(), "1", wrong, "", "did not sign the engine's certificate"},
		{"no directory", "tcp://" + f.Addr(), "1", "", "DOCKER_TLS_VERIFY is set and DOCKER_CERT_PATH is not", ""},
		{"empty directory", "tcp://" + f.Addr(), "1", "/none", "DOCKER_CERT_PATH /none/ca.pem: no such file", ""},
		{"http", "http://" + f.Addr(), "", f.dir, "http is without TLS", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("DOCKER_HOST", tc.host)
			t.Setenv("DOCKER_TLS_VERIFY", tc.verify)
			t.Setenv("DOCKER_CERT_PATH", tc.path)
			cli, err := NewClient(ClientConfig{})
			if tc.start != "" {
				said(t, err, tc.start)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer cli.Close()
			_, err = cli.Info(t.Context())
			if tc.call == "" && err != nil {
				t.Error(err)
			}
			if tc.call != "" {
				said(t, err, tc.call)
			}
		})
	}
	t.Run("a socket", func(t *testing.T) {
		t.Setenv("DOCKER_HOST", "unix:///none.sock")
		t.Setenv("DOCKER_TLS_VERIFY", "1")
		t.Setenv("DOCKER_CERT_PATH", "/none")
		cli, err := NewClient(ClientConfig{})
		if err != nil {
			t.Fatal(err)
		}
		_ = cli.Close()
	})
	t.Run("an endpoint", func(t *testing.T) {
		t.Setenv("DOCKER_HOST", "tcp://nowhere.invalid:1")
		t.Setenv("DOCKER_TLS_VERIFY", "1")
		t.Setenv("DOCKER_CERT_PATH", "/none")
		cli, err := NewClient(f.config())
		if err != nil {
			t.Fatal(err)
		}
		defer cli.Close()
		if _, err := cli.Info(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestReadOnlyOverTLS: a dry run speaks as the agent does.
func TestReadOnlyOverTLS(t *testing.T) {
	f := newFront(t)
	cli, err := NewReadOnlyClient(f.config())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Cut()
	if _, err := cli.Info(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := cli.ContainersPrune(t.Context(), filters.Args{}); err == nil || !strings.Contains(err.Error(), "no write call") {
		t.Errorf("a write: %v", err)
	}
}

// TestUpgradeOverTLS: connections that the client takes over from HTTP go
// through TLS too.
func TestUpgradeOverTLS(t *testing.T) {
	f := newFront(t)
	cli, err := NewClient(f.config())
	if err != nil {
		t.Fatal(err)
	}
	defer cli.Close()
	c, err := cli.Dialer()(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, ok := c.(*tls.Conn); !ok {
		t.Fatalf("a connection of type %T", c)
	}
	if _, err := c.Write([]byte("GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 12)
	if _, err := c.Read(buf); err != nil || string(buf) != "HTTP/1.1 200" {
		t.Errorf("%q, %v", buf, err)
	}
}
