package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestValidate: what a flag may have put in is checked like what stands in a
// file.
func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		set  func(c *Config)
		want string
	}{
		{func(c *Config) { c.Name = " " }, "name: it must not be empty"},
		{func(c *Config) { c.Name = "a\nb" }, `name: "a\nb" has characters that cannot be printed`},
		{func(c *Config) { c.Datacenter = "" }, "datacenter: it must not be empty"},
		{func(c *Config) { c.Region = "" }, "region: it must not be empty"},
		{func(c *Config) { c.ManifestDir = "jobs" }, `manifest_dir: "jobs" is no absolute path`},
		{func(c *Config) { c.DataDir = "" }, `data_dir: "" is no absolute path`},
		{func(c *Config) { c.LogLevel = "loud" }, `log_level: "loud" is none of trace, debug, info, warn, error`},
		{func(c *Config) { c.LogFormat = "xml" }, `log_format: "xml" is neither text nor json`},
		{func(c *Config) { c.HTTP = "4646" }, `http: "4646" is no address`},
		{func(c *Config) { c.HTTP = "example.com:80" }, `http: "example.com:80" is no address`},
		{func(c *Config) { c.HTTP = ":70000" }, `http: ":70000" is no address`},
		{func(c *Config) { c.DeleteGrace = -1 }, "delete_grace: -1ns is negative"},
		{func(c *Config) { c.Client.NetworkIP = "x" }, `client.network_ip: "x" is no IP address`},
		{func(c *Config) { c.Client.NetworkInterface = "a/b" }, `client.network_interface: "a/b" cannot be`},
		{func(c *Config) { c.Client.MinDynamicPort = 0 }, "client: min_dynamic_port: 0 is no port"},
		{func(c *Config) { c.Client.MaxDynamicPort = 19999 }, "client: min_dynamic_port is 20000, above max_dynamic_port, which is 19999"},
		{func(c *Config) { c.Client.Docker.Endpoint = "ssh://host" }, `docker.endpoint: "ssh://host" is no endpoint`},
		{func(c *Config) { c.Client.Docker.Endpoint = "unix://docker.sock" }, `docker.endpoint: "unix://docker.sock" is no endpoint`},
		{func(c *Config) { c.Client.Docker.Endpoint = "tcp://%zz" }, `docker.endpoint: "tcp://%zz" is no endpoint`},
		{func(c *Config) { c.Client.Docker.CleanupImageDelay = -1 }, "docker.cleanup.image.delay: -1ns is negative"},
		{func(c *Config) { c.Client.Docker.PullActivityTimeout = 0 }, "docker.pull.activity_timeout: 0s is not above 0"},
		{func(c *Config) { c.Client.Docker.AuthConfig = "x" }, `docker.auth.config: "x" is no absolute path`},
		{func(c *Config) { c.Client.Docker.AuthHelper = "a b" }, `docker.auth.helper: "a b" is no name of a helper`},
		{func(c *Config) { c.Client.Docker.AuthHelper = "docker-credential-" }, `docker.auth.helper: "docker-credential-" is no name`},
		{func(c *Config) { c.Client.Docker.SELinuxLabel = "x" }, `docker.volumes.selinuxlabel: "x" is neither`},
		{func(c *Config) { c.Client.Docker.LogType = "" }, "docker.logging.type: it must not be empty"},
		{func(c *Config) { c.Client.Docker.TLS.Cert = "/c.pem" }, "docker.tls.cert and docker.tls.key belong together"},
		{func(c *Config) { c.Client.Docker.TLS.Key = "/k.pem" }, "docker.tls.cert and docker.tls.key belong together"},
		{func(c *Config) { c.Client.Docker.TLS.CA = "ca.pem" }, `docker.tls.ca: "ca.pem" is no absolute path`},
		{func(c *Config) {
			c.Client.Docker.Endpoint, c.Client.Docker.TLS.CA = "http://h:2375", "/ca.pem"
		}, "docker.endpoint http://h:2375 is without TLS, and docker.tls.* is set: write tcp://h:2375"},
	} {
		t.Run(tc.want, func(t *testing.T) {
			c := Default()
			tc.set(&c)
			err := c.Validate()
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q in one line", err, tc.want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	remote := "the Docker engine at tcp://10.0.0.1:2375 is on another host: binds, allocation directories and port tests mean this one"
	for _, tc := range []struct {
		name   string
		set    Docker
		engine string // that the client speaks to
		want   []string
	}{
		{"TLS without an endpoint", Docker{TLS: TLS{CA: "/ca.pem"}}, "", []string{"docker.tls.* is ignored: set docker.endpoint too"}},
		{"TLS with one", Docker{Endpoint: "tcp://127.0.0.1:2376", TLS: TLS{CA: "/ca.pem"}}, "", nil},
		{"another host", Docker{Endpoint: "tcp://10.0.0.1:2375"}, "", []string{remote}},
		{"this host", Docker{Endpoint: "http://localhost:2375"}, "", nil},
		{"this host by IPv6", Docker{Endpoint: "tcp://[::1]:2375"}, "", nil},
		{"a socket", Docker{Endpoint: "unix:///run/docker.sock"}, "", nil},
		{"TLS on a socket", Docker{Endpoint: "unix:///run/docker.sock", TLS: TLS{CA: "/ca.pem"}}, "", []string{"docker.tls.* is ignored: docker.endpoint is a socket of this host"}},
		{"another host by the environment", Docker{}, "tcp://10.0.0.1:2375", []string{remote}},
		{"this host by the environment", Docker{}, "tcp://127.0.0.1:2375", nil},
		{"the default socket", Docker{}, "unix:///var/run/docker.sock", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := Default()
			c.Client.Docker = tc.set
			if diff := cmp.Diff(tc.want, c.Warnings(tc.engine)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}
