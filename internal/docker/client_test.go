package docker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNewClientEndpoint(t *testing.T) {
	for _, tc := range []struct {
		name  string
		cfg   ClientConfig
		env   string // DOCKER_HOST
		host  string
		fails string
	}{
		{"nothing", ClientConfig{}, "", "unix:///var/run/docker.sock", ""},
		{"environment", ClientConfig{}, "unix:///tmp/none.sock", "unix:///tmp/none.sock", ""},
		{"endpoint, environment not read", ClientConfig{Endpoint: "unix:///tmp/mine.sock"}, "tcp://nowhere:1", "unix:///tmp/mine.sock", ""},
		{"remote", ClientConfig{Endpoint: "tcp://10.0.0.9:2375"}, "", "tcp://10.0.0.9:2375", ""},
		{"tls without endpoint", ClientConfig{TLSCA: "/none.pem"}, "", "unix:///var/run/docker.sock", ""},
		{"tls files missing", ClientConfig{Endpoint: "tcp://10.0.0.9:2376", TLSCA: "/none.pem"}, "", "", "none.pem"},
		{"no scheme", ClientConfig{Endpoint: "/var/run/docker.sock"}, "", "", "docker endpoint"},
		{"unknown scheme", ClientConfig{Endpoint: "ssh://host"}, "", "", `"ssh://host"`},
		{"bad environment", ClientConfig{}, "nonsense", "", "docker endpoint"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, k := range []string{"DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"} {
				t.Setenv(k, "")
			}
			t.Setenv("DOCKER_HOST", tc.env)
			cli, err := NewClient(tc.cfg)
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%v, want %q in one line", err, tc.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer cli.Close()
			if cli.DaemonHost() != tc.host {
				t.Errorf("host %s, want %s", cli.DaemonHost(), tc.host)
			}
			if cli.HTTPClient().Timeout != 0 {
				t.Errorf("an overall timeout of %s ends long pulls", cli.HTTPClient().Timeout)
			}
		})
	}
}

func TestCertPathFromEnvironment(t *testing.T) {
	t.Setenv("DOCKER_HOST", "tcp://10.0.0.9:2376")
	t.Setenv("DOCKER_CERT_PATH", "/does/not/exist")
	if _, err := NewClient(ClientConfig{}); err == nil {
		t.Error("DOCKER_CERT_PATH was not read")
	}
	cli, err := NewClient(ClientConfig{Endpoint: "tcp://10.0.0.9:2375"})
	if err != nil {
		t.Fatalf("with an endpoint DOCKER_CERT_PATH was read: %v", err)
	}
	_ = cli.Close()
}

// A socket that one may not use. root may use every socket, so the message is
// tested by itself.
func TestSocketRights(t *testing.T) {
	sock := filepath.Join(t.TempDir(), "sock")
	if err := os.WriteFile(sock, nil, 0o660); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(sock, 0o660); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	if got := remedy(sock); !strings.Contains(got, "group") {
		t.Errorf("group can use it: %q", got)
	}
	if err := os.Chmod(sock, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := remedy(sock); strings.Contains(got, "group") {
		t.Errorf("group cannot use it: %q", got)
	}
	if err := checkSocket(filepath.Join(t.TempDir(), "absent")); err != nil {
		t.Errorf("an absent socket is an engine that is away: %v", err)
	}
	if os.Geteuid() == 0 {
		return
	}
	if err := os.Chmod(sock, 0); err != nil {
		t.Fatal(err)
	}
	if err := checkSocket(sock); err == nil || !strings.Contains(err.Error(), "may not use it") {
		t.Errorf("%v", err)
	}
}
