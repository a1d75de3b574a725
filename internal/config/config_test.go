package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// load writes text to a file and loads it.
func load(t *testing.T, text string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.hcl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path, true)
}

// TestDefaults proves the defaults through the whole path: what the file does
// not say is as if there were no file.
func TestDefaults(t *testing.T) {
	want := Config{
		Name: hostName(), Datacenter: "dc1", Region: "global",
		ManifestDir: "/etc/reconciler/manifests", DataDir: "/var/lib/reconciler",
		LogLevel: "info", LogFormat: "text", DeleteGrace: 5 * time.Second,
		Client: Client{
			Meta: map[string]string{}, MinDynamicPort: 20000, MaxDynamicPort: 32000,
			Docker: Docker{
				CleanupImage: true, CleanupImageDelay: 3 * time.Minute, VolumesEnabled: true,
				LogType: "json-file", LogConfig: map[string]string{"max-size": "10m", "max-file": "3"},
				PullActivityTimeout: 2 * time.Minute,
			},
		},
	}
	for name, text := range map[string]string{
		"empty file":                "",
		"comments":                  "# nothing\n",
		"empty client":              "client {}\n",
		"client on lines":           "client {\n}\n",
		"empty options":             "client {\n  options {}\n}\n",
		"options as an attribute":   "client {\n  options = {}\n}\n",
		"empty meta":                "client {\n  meta {}\n}\n",
		"the page's enabled":        "client {\n  enabled = true\n}\n",
		"no capabilities":           "client {\n  options {\n    \"docker.caps.allowlist\" = \"\"\n  }\n}\n",
		"privileged off":            "client {\n  options {\n    \"docker.privileged.enabled\" = \"false\"\n  }\n}\n",
		"http off":                  "http = \"off\"\n",
		"two empty clients":         "client {}\nclient {\n  options {}\n  options {}\n}\n",
		"a default written out":     "delete_grace = \"5s\"\n",
		"the default driver's name": "client {\n  options {\n    docker.logging.type = \"json-file\"\n  }\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := load(t, text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
		})
	}
	if diff := cmp.Diff(want, Default()); diff != "" {
		t.Errorf("Default (-want +got):\n%s", diff)
	}
	if err := want.Validate(); err != nil {
		t.Errorf("the default is not valid: %v", err)
	}
	if w := want.Warnings(""); len(w) != 0 {
		t.Errorf("the default has warnings: %q", w)
	}
}

// TestPart: one option leaves all others at their default, on every level.
func TestPart(t *testing.T) {
	option := func(line string) string { return "client {\n  options {\n    " + line + "\n  }\n}\n" }
	for _, tc := range []struct {
		text string
		want func(c *Config)
	}{
		{`name = "n1"`, func(c *Config) { c.Name = "n1" }},
		{`datacenter = "dc2"`, func(c *Config) { c.Datacenter = "dc2" }},
		{`region = "eu"`, func(c *Config) { c.Region = "eu" }},
		{`manifest_dir = "/srv//jobs/"`, func(c *Config) { c.ManifestDir = "/srv/jobs" }},
		{`data_dir = "/srv/data"`, func(c *Config) { c.DataDir = "/srv/data" }},
		{`log_level = "WARN"`, func(c *Config) { c.LogLevel = "warn" }},
		{`log_level = "warning"`, func(c *Config) { c.LogLevel = "warn" }},
		{`log_format = "json"`, func(c *Config) { c.LogFormat = "json" }},
		{`http = "127.0.0.1:4646"`, func(c *Config) { c.HTTP = "127.0.0.1:4646" }},
		{`http = ":4646"`, func(c *Config) { c.HTTP = ":4646" }},
		{`http = "[::1]:4646"`, func(c *Config) { c.HTTP = "[::1]:4646" }},
		{`delete_grace = "1m30s"`, func(c *Config) { c.DeleteGrace = 90 * time.Second }},
		{`delete_grace = "0"`, func(c *Config) { c.DeleteGrace = 0 }},
		{`mass_deletion = "allow"`, func(c *Config) { c.AllowMassDeletion = true }},
		{`mass_deletion = "hold"`, func(*Config) {}},
		{"client {\n  network_ip = \"10.0.0.1\"\n}", func(c *Config) { c.Client.NetworkIP = "10.0.0.1" }},
		{"client {\n  network_ip = \"fe80:0::1\"\n}", func(c *Config) { c.Client.NetworkIP = "fe80::1" }},
		{"client {\n  network_interface = \"eth0\"\n}", func(c *Config) { c.Client.NetworkInterface = "eth0" }},
		{"client {\n  min_dynamic_port = 25000\n}", func(c *Config) { c.Client.MinDynamicPort = 25000 }},
		{"client {\n  max_dynamic_port = \"25000\"\n}", func(c *Config) { c.Client.MaxDynamicPort = 25000 }},
		{"client {\n  meta {\n    rack = 7\n    \"a.b\" = true\n  }\n}", func(c *Config) { c.Client.Meta = map[string]string{"rack": "7", "a.b": "true"} }},
		{"client {\n  meta = { rack = \"r7\", \"a.b\" = 0.5 }\n}", func(c *Config) { c.Client.Meta = map[string]string{"rack": "r7", "a.b": "0.5"} }},
		{"client {\n  meta {\n    a = 1\n  }\n}\nclient {\n  meta {\n    b = 2\n  }\n}", func(c *Config) { c.Client.Meta = map[string]string{"a": "1", "b": "2"} }},

		{option(`"docker.endpoint" = "unix:///run/docker.sock"`), func(c *Config) { c.Client.Docker.Endpoint = "unix:///run/docker.sock" }},
		{option(`"docker.endpoint" = "tcp://10.0.0.1:2376"`), func(c *Config) { c.Client.Docker.Endpoint = "tcp://10.0.0.1:2376" }},
		{option(`"docker.tls.ca" = "/etc/ca.pem"`), func(c *Config) { c.Client.Docker.TLS.CA = "/etc/ca.pem" }},
		{option("\"docker.tls.cert\" = \"/c.pem\"\n    \"docker.tls.key\" = \"/k.pem\""), func(c *Config) { c.Client.Docker.TLS.Cert, c.Client.Docker.TLS.Key = "/c.pem", "/k.pem" }},
		{option(`"docker.auth.config" = "/root/.docker/config.json"`), func(c *Config) { c.Client.Docker.AuthConfig = "/root/.docker/config.json" }},
		{option(`"docker.auth.helper" = "ecr"`), func(c *Config) { c.Client.Docker.AuthHelper = "ecr" }},
		{option(`"docker.auth.helper" = "docker-credential-ecr-login"`), func(c *Config) { c.Client.Docker.AuthHelper = "ecr-login" }},
		{option(`"docker.auth.helper" = ""`), func(*Config) {}},
		{option(`"docker.cleanup.image" = "false"`), func(c *Config) { c.Client.Docker.CleanupImage = false }},
		{option(`"docker.cleanup.image" = false`), func(c *Config) { c.Client.Docker.CleanupImage = false }},
		{"client {\n  options = { docker.cleanup.image = false, (\"docker.volumes.enabled\") = \"0\" }\n}", func(c *Config) { c.Client.Docker.CleanupImage, c.Client.Docker.VolumesEnabled = false, false }},
		{"client {\n  meta = { a.b = 1, true = 2 }\n}", func(c *Config) { c.Client.Meta = map[string]string{"a.b": "1", "true": "2"} }},
		{option(`docker.cleanup.image = "0"`), func(c *Config) { c.Client.Docker.CleanupImage = false }},
		{option(`"docker.cleanup.image.delay" = "10s"`), func(c *Config) { c.Client.Docker.CleanupImageDelay = 10 * time.Second }},
		{option(`"docker.cleanup.image.delay" = "0s"`), func(c *Config) { c.Client.Docker.CleanupImageDelay = 0 }},
		{option(`"docker.volumes.enabled" = "false"`), func(c *Config) { c.Client.Docker.VolumesEnabled = false }},
		{option(`"docker.volumes.selinuxlabel" = "z"`), func(c *Config) { c.Client.Docker.SELinuxLabel = "z" }},
		{option(`"docker.pull.activity_timeout" = "5m"`), func(c *Config) { c.Client.Docker.PullActivityTimeout = 5 * time.Minute }},
		{option(`"docker.logging.config.max-size" = "50m"`), func(c *Config) { c.Client.Docker.LogConfig["max-size"] = "50m" }},
		{option(`"docker.logging.config.max-file" = 5`), func(c *Config) { c.Client.Docker.LogConfig["max-file"] = "5" }},
		{option(`"docker.logging.config.labels" = "a,b"`), func(c *Config) { c.Client.Docker.LogConfig["labels"] = "a,b" }},
		{option(`"docker.privileged.enabled" = "true"`), func(c *Config) { c.Client.Docker.PrivilegedEnabled = true }},
		{option(`"docker.caps.allowlist" = "net_admin, CAP_SYS_TIME"`), func(c *Config) { c.Client.Docker.CapsAllowlist = []string{"NET_ADMIN", "SYS_TIME"} }},
		{option(`"docker.caps.allowlist" = ["all"]`), func(c *Config) { c.Client.Docker.CapsAllowlist = []string{"ALL"} }},
		{option(`"docker.devices.allowlist" = "/dev/null,/dev/dri/*"`), func(c *Config) { c.Client.Docker.DevicesAllowlist = []string{"/dev/null", "/dev/dri/*"} }},
		{option(`"docker.logging.type" = "journald"`), func(c *Config) { c.Client.Docker.LogType, c.Client.Docker.LogConfig = "journald", map[string]string{} }},
		{option("\"docker.logging.config.max-size\" = \"1m\"\n    \"docker.logging.type\" = \"local\""), func(c *Config) {
			c.Client.Docker.LogType, c.Client.Docker.LogConfig = "local", map[string]string{"max-size": "1m"}
		}},
		{"client {\n  options = { \"docker.cleanup.image\" = \"false\" }\n}", func(c *Config) { c.Client.Docker.CleanupImage = false }},
	} {
		t.Run(strings.Join(strings.Fields(tc.text), " "), func(t *testing.T) {
			want := Default()
			tc.want(&want)
			got, err := load(t, tc.text+"\n")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("config (-want +got):\n%s", diff)
			}
			if err := got.Validate(); err != nil {
				t.Errorf("Validate refuses what Load took: %v", err)
			}
		})
	}
}

// TestPageExample is the example of the driver's page, word for word.
func TestPageExample(t *testing.T) {
	got, err := load(t, `client {
  options {
    "docker.cleanup.image" = "false"
  }
}
`)
	if err != nil || got.Client.Docker.CleanupImage {
		t.Errorf("got %+v, %v", got.Client.Docker, err)
	}
}

func TestMissingFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.hcl")
	got, err := Load(path, false)
	if err != nil {
		t.Fatalf("a file that nobody named is missing: %v", err)
	}
	if diff := cmp.Diff(Default(), got); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if _, err := Load(path, true); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("a named file is missing: got %v", err)
	}
}

// TestNoFile: what is no regular file is refused, found by name or not.
func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big.hcl")
	if err := os.WriteFile(big, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:         "is no regular file",
		"/dev/zero": "is no regular file",
		big:         "has 1048577 bytes",
	} {
		if _, err := Load(path, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

// TestEveryOptionHasATest keeps TestPart and the golden diagnostics complete.
func TestEveryOptionHasATest(t *testing.T) {
	var text strings.Builder
	for _, name := range []string{"config_test.go", "golden_test.go"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString(strings.Join(strings.Fields(string(b)), " "))
	}
	for name := range options {
		if !strings.Contains(text.String(), `"`+name+`" = `) {
			t.Errorf("option %s is in no test", name)
		}
	}
}
