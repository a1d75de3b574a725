package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestRefusedOption: what works is not stopped for a successor that the agent
// would not let start; the refusal names the option and where to set it.
func TestRefusedOption(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	s := spec{Job: "web", Image: ref, Text: "one", Port: true}
	w.drop("web.hcl", s.String())
	before := w.awaitRunning("web", 1)
	for _, refused := range []struct{ config, says string }{
		{"privileged = true\n", `"docker.privileged.enabled" = "true" under client`},
		{"cap_add = [\"NET_ADMIN\"]\n", `"docker.caps.allowlist" under client`},
		{"network_mode = \"no-such-network\"\n", `"no-such-network" does not exist`},
	} {
		s.Config, s.Text = refused.config, refused.config
		w.drop("web.hcl", s.String())
		w.awaitError("web", refused.says)
		w.staysSame(500*time.Millisecond, "web", before)
	}
	s.Config, s.Text = "cap_drop = [\"all\"]\n", "two"
	w.drop("web.hcl", s.String())
	w.awaitText("web", "two")
}

// TestAllowedOptions: the agent's config opens the gates.
func TestAllowedOptions(t *testing.T) {
	config := filepath.Join(t.TempDir(), "agent.hcl")
	must(t, os.WriteFile(config, []byte(`client {
  options {
    "docker.privileged.enabled" = "true"
    "docker.caps.allowlist"     = "sys_time"
    "docker.devices.allowlist"  = "/dev/nul?"
  }
}
`), 0o644))
	w := start(t, "--config", config)
	ref, _ := w.images.push("web:1", "1")
	w.drop("web.hcl", spec{Job: "web", Image: ref, Text: "free", Port: true, Config: `
        cap_add  = ["sys_time"]
        pid_mode = "host"
        devices  = [{ host_path = "/dev/null", container_path = "/dev/nothing" }]
        sysctl {
          net.core.somaxconn = "1234"
        }
`}.String())
	w.awaitText("web", "free")
	w.drop("zero.hcl", spec{Job: "zero", Image: ref, Config: "devices = [{ host_path = \"/dev/zero\" }]\n"}.String())
	w.awaitError("zero", `/dev/zero is not in "docker.devices.allowlist"`)
}

// TestJoinedTasks: a task in the network of another one of its group.
func TestJoinedTasks(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.drop("pair.hcl", `job "pair" {
  group "pair" {
    task "front" {
      config {
        image    = "`+ref+`"
        ipc_mode = "shareable"
      }
      resources {
        memory = 32
      }
    }
    task "back" {
      config {
        image        = "`+ref+`"
        args         = ["-port", "8081"]
        network_mode = "container:front"
        ipc_mode     = "container:front"
      }
      resources {
        memory = 32
      }
    }
  }
}
`)
	eventually(t, "both tasks run", func() error {
		if got := w.running("pair"); len(got) != 2 {
			return errors.New(brief(got))
		}
		return nil
	})
}
