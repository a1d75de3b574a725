package docker

import (
	"errors"
	"fmt"
	"os"
	"os/user"
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
	// Paths of PEM files; without an Endpoint they are ignored.
	TLSCert, TLSKey, TLSCA string
}

func (c ClientConfig) tls() bool { return c.TLSCert != "" || c.TLSKey != "" || c.TLSCA != "" }

// secure reports whether a client made from c speaks TLS.
func (c ClientConfig) secure() bool {
	if c.Endpoint == "" {
		return os.Getenv(client.EnvOverrideCertPath) != ""
	}
	return c.tls()
}

// NewClient returns a client that speaks the engine's API version. It makes
// no call, and it is no error if the engine is away. It is one if this process
// has no right on the engine's socket, said in one line.
//
// The client has no timeout of its own: a pull may take hours. Close it.
func NewClient(cfg ClientConfig) (*client.Client, error) {
	opts := []client.Opt{client.WithAPIVersionNegotiation()}
	if cfg.Endpoint == "" {
		opts = append(opts, client.WithTLSClientConfigFromEnv(), client.WithHostFromEnv())
	} else {
		if cfg.tls() {
			opts = append(opts, client.WithTLSClientConfig(cfg.TLSCA, cfg.TLSCert, cfg.TLSKey))
		}
		opts = append(opts, client.WithHost(cfg.Endpoint))
	}
	cli, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("docker endpoint: %w", err)
	}
	if err := checkHost(cli.DaemonHost()); err != nil {
		_ = cli.Close()
		return nil, err
	}
	return cli, nil
}

func checkHost(host string) error {
	scheme, path, _ := strings.Cut(host, "://")
	switch scheme {
	case "unix":
		return checkSocket(path)
	case "tcp", "http", "https":
		return nil
	}
	return fmt.Errorf("docker endpoint %q: the scheme is none of unix, tcp, http, https", host)
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
