package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// bad are files that are refused. What is said about them is in
// testdata/NAME.txt.
var bad = map[string]string{
	"top_level": `name = ""
datacentre = "dc1"
manifest_dir = "manifests"
log_level = "loud"
log_format = "xml"
http = "localhost"
delete_grace = "5"
mass_deletion = "yes"
region = ["eu"]
data_dir = null
server {
  enabled = true
}
`,
	"shapes": `client = { enabled = true }
log_level {
}
client "a" {
  network_ip {
  }
  option {
  }
  meta "b" {
    c {
    }
  }
  options = "none"
  enabled = false
}
`,
	"client": `client {
  network_ip = "10.0.0.300"
  network_interface = "a name that is too long"
  min_dynamic_port = 70000
  max_dynamic_port = "many"
  network_if = "eth0"
  enabled = "yess"
  meta {
    a = ["b"]
    c = d
  }
}
`,
	"ports": `client {
  max_dynamic_port = 10000
}
`,
	"options": `client {
  options {
    "docker.cleanup.image"         = "flase"
    "docker.cleanup.image.delay"   = "1d"
    "docker.cleanup.images"        = "true"
    "docker.volumes.enabled"       = ["true"]
    "docker.volumes.selinuxlabel"  = "system_u"
    "docker.pull.activity_timeout" = "0s"
    "docker.endpoint"              = "/var/run/docker.sock"
    "docker.tls.cert"              = "cert.pem"
    "docker.logging.type"          = ""
    "docker.logging.config."       = "a"
    "docker.logging.config.tag"    = null
    "driver.raw_exec.enable"       = "1"
  }
}
`,
	"redefined": `client {
  options {
    "docker.cleanup.image.delay" = "1s"
    "docker.cleanup.image.delay" = "2s"
  }
}
`,
	"auth": `client {
  options {
    "docker.auth.config" = "config.json"
    "docker.auth.helper" = "/usr/bin/docker-credential-ecr"
    "docker.auth.helpers" = "ecr"
  }
}
`,
	"negative": `delete_grace = "-5s"
client {
  options {
    "docker.cleanup.image.delay" = -3
  }
}
`,
	"gates": `client {
  options {
    "docker.privileged.enabled" = "yes"
    "docker.caps.allowlist"     = "NET_ADMIN,NET_ADMN"
    "docker.devices.allowlist"  = ["/dev/null", "dev/sda", 3]
  }
}
client {
  options {
    docker.caps.allowlist    = 7
    docker.devices.allowlist = "/dev/[ab"
  }
}
`,
	"gate_patterns": `client {
  options {
    "docker.caps.allowlist"    = { a = "b" }
    "docker.devices.allowlist" = "/dev/[ab"
  }
}
`,
	"tls": `client {
  options {
    "docker.endpoint" = "tcp://10.0.0.1:2376"
    "docker.tls.key"  = "/etc/key.pem"
  }
}
`,
	"twice": `client {
  network_ip = "10.0.0.1"
  options {
    "docker.cleanup.image" = "true"
  }
}
client {
  network_ip = "10.0.0.2"
  options = {
    "docker.cleanup.image" = "false"
    "docker.cleanup.image" = "false"
  }
}
`,
	"variables": `name = "${HOSTNAME}"
data_dir = "/srv/${1 + nope}"
`,
	"broken":   "client {\n  options {\n",
	"not_utf8": "name = \"\xff\"\n",
}

// TestGolden fixes every word that a person sees about a bad file.
func TestGolden(t *testing.T) {
	for name, text := range bad {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, text)
			var bad *Error
			if !errors.As(err, &bad) {
				t.Fatalf("got %v, want an Error", err)
			}
			got := err.Error() + "\n"
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("diagnostics (-want +got):\n%s", diff)
			}
			for _, p := range bad.Problems {
				if !strings.HasPrefix(p, "agent.hcl:") {
					t.Errorf("no place in %q", p)
				}
			}
		})
	}
}
