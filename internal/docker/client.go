package docker

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/docker/docker/client"
	"golang.org/x/sys/unix"
)

// ClientConfig says where the engine is: docker.endpoint and docker.tls.*.
type ClientConfig struct {
	// Endpoint is unix://, tcp://, http:// or https://. If it is empty,
	// DOCKER_HOST, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH are read, and then the
	// default socket is used; if it is set, the environment is not read.
	Endpoint string
	// Paths of PEM files; without an Endpoint, and on a socket, they are
	// ignored.
	TLSCert, TLSKey, TLSCA string
}

// NewClient returns a client that speaks the engine's API version. It makes
// no call, and it is no error if the engine is away. It is one, said in one
// line, if this process has no right on the engine's socket, or if a file of
// the TLS connection cannot be used.
//
// The client has no timeout of its own: a pull may take hours. Close it.
func NewClient(cfg ClientConfig) (*client.Client, error) {
	t, err := cfg.target()
	if err != nil {
		return nil, err
	}
	return t.client()
}

// target is an engine: where it is, and how to speak to it.
type target struct {
	host string    // unix://PATH or tcp://HOST:PORT
	tls  *tlsFiles // nil is without TLS
}

// target finds the engine from the options, else from the environment.
func (c ClientConfig) target() (target, error) {
	t, files := target{host: c.Endpoint}, c.files()
	if c.Endpoint == "" {
		var err error
		if t.host, files, err = fromEnvironment(); err != nil {
			return target{}, err
		}
	}
	scheme, rest, _ := strings.Cut(t.host, "://")
	switch scheme {
	case "unix":
		return t, checkSocket(rest)
	case "tcp":
		t.tls = files
	case "http":
		if files != nil {
			return target{}, fmt.Errorf("docker endpoint %s: http is without TLS, and TLS files are named; write tcp://%s", t.host, rest)
		}
		t.host = "tcp://" + rest
	case "https":
		if files == nil {
			files = &tlsFiles{}
		}
		t.host, t.tls = "tcp://"+rest, files
	default:
		return target{}, fmt.Errorf("docker endpoint %q: the scheme is none of unix, tcp, http, https", t.host)
	}
	return t, nil
}

func (c ClientConfig) files() *tlsFiles {
	if c.TLSCert == "" && c.TLSKey == "" && c.TLSCA == "" {
		return nil
	}
	return &tlsFiles{
		cert: pemFile{"docker.tls.cert", c.TLSCert}, key: pemFile{"docker.tls.key", c.TLSKey}, ca: pemFile{"docker.tls.ca", c.TLSCA},
	}
}

// fromEnvironment reads what Docker's own client reads. Without
// DOCKER_TLS_VERIFY that takes any certificate of the engine. With it, and
// without files, it would speak in the clear, which nobody means who sets it.
func fromEnvironment() (host string, files *tlsFiles, err error) {
	host = cmp.Or(os.Getenv(client.EnvOverrideHost), client.DefaultDockerHost)
	dir, verify := os.Getenv(client.EnvOverrideCertPath), os.Getenv(client.EnvTLSVerify) != ""
	if dir == "" {
		if verify && strings.HasPrefix(host, "tcp://") {
			return "", nil, fmt.Errorf("docker endpoint %s: DOCKER_TLS_VERIFY is set and DOCKER_CERT_PATH is not; "+
				"set it to the directory of ca.pem, cert.pem and key.pem", host)
		}
		return host, nil, nil
	}
	file := func(name string) pemFile { return pemFile{"DOCKER_CERT_PATH", filepath.Join(dir, name)} }
	return host, &tlsFiles{cert: file("cert.pem"), key: file("key.pem"), ca: file("ca.pem"), blind: !verify}, nil
}

// client returns a client of the target, with further options.
func (t target) client(more ...client.Opt) (*client.Client, error) {
	opts := []client.Opt{client.WithAPIVersionNegotiation(), client.WithHost(t.host)}
	if t.tls != nil {
		cfg, err := t.tls.config()
		if err != nil {
			return nil, fmt.Errorf("docker TLS: %w", err)
		}
		opts = append(opts, secured(cfg, t.tls.dialer(cfg)))
	}
	cli, err := client.NewClientWithOpts(append(opts, more...)...)
	if err != nil {
		return nil, fmt.Errorf("docker endpoint: %w", err)
	}
	return cli, nil
}

// secured sets TLS for calls, and, in the same place, for connections that
// the client takes over from HTTP, which it dials by itself.
func secured(cfg *tls.Config, dial func(ctx context.Context, network, addr string) (net.Conn, error)) client.Opt {
	return func(c *client.Client) error {
		transport, ok := c.HTTPClient().Transport.(*http.Transport)
		if !ok {
			return fmt.Errorf("no TLS on a transport of type %T", c.HTTPClient().Transport)
		}
		transport.TLSClientConfig, transport.DialTLSContext = cfg, dial
		return client.WithScheme("https")(c)
	}
}

// checkSocket finds out early, and for people, what the first call would get
// as a bare "permission denied".
func checkSocket(path string) error {
	err := unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK|unix.W_OK, unix.AT_EACCESS)
	if !errors.Is(err, unix.EACCES) {
		return nil // fine, or absent: the engine is away
	}
	who := "uid " + strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(strconv.Itoa(os.Geteuid())); err == nil {
		who = "user " + u.Username
	}
	return fmt.Errorf("docker socket %s: %s may not use it; run as root or %s", path, who, remedy(path))
}

// remedy names the group that the socket belongs to.
func remedy(path string) string {
	fi, err := os.Stat(path)
	if err != nil {
		return "give that user a right on the directory"
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || fi.Mode().Perm()&0o060 != 0o060 {
		return "give that user a right on it"
	}
	gid := strconv.Itoa(int(st.Gid))
	if g, err := user.LookupGroupId(gid); err == nil {
		return fmt.Sprintf("add that user to the group %s", g.Name)
	}
	return "add that user to the group with gid " + gid
}
