package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// withSidecar is a group whose leader is at a port of the host, and whose
// sidecar is in the leader's network.
func withSidecar(name, typ, ref, leaderEnv string) string {
	return fmt.Sprintf(`job %[1]q {
  type = %[2]q
  group "pair" {
    update { min_healthy_time = "500ms" }
    task "main" {
      leader = true
      config {
        image = %[3]q
        port_map { http = 8080 }
      }
      env {
        WEB_TEXT = "main"
%[4]s      }
      resources {
        memory = 32
        network {
          port "http" {}
        }
      }
    }
    task "aside" {
      config {
        image        = %[3]q
        args         = ["-port", "8081", "-text", "aside"]
        network_mode = "container:main"
      }
      resources { memory = 32 }
    }
  }
}
`, name, typ, ref, leaderEnv)
}

// TestLeader: a sidecar starts after the container whose network it shares and
// is made anew with it; when a leader has done its work the sidecar ends, too.
func TestLeader(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.drop("pair.hcl", withSidecar("pair", "service", ref, ""))
	w.drop("work.hcl", withSidecar("work", "batch", ref, env("WEB_EXIT=0", "WEB_AFTER=2s")))

	main, aside := w.pair("pair")
	w.startedAfter(aside, main)
	w.answers(main.address("http"), "/look?url=http://127.0.0.1:8081/text", "aside")

	ctx, cancel := w.ctx()
	defer cancel()
	must(t, w.cli.ContainerKill(ctx, main.ID, "KILL"))
	var newMain, newAside box
	eventually(t, "both are new", func() error {
		got := w.running("pair")
		if len(got) != 2 || got[0].ID == main.ID || got[0].ID == aside.ID || got[1].ID == main.ID || got[1].ID == aside.ID {
			return errors.New(brief(w.all("pair")))
		}
		return nil
	})
	newMain, newAside = w.pair("pair")
	w.startedAfter(newAside, newMain)
	w.answers(newMain.address("http"), "/look?url=http://127.0.0.1:8081/text", "aside")
	if newMain.Who.AllocID != main.Who.AllocID || newMain.address("http") != main.address("http") {
		t.Errorf("the new one is %s at %s, the old one was %s at %s", newMain.Name, newMain.address("http"), main.Name, main.address("http"))
	}

	w.awaitPhase("work", "complete")
	if got := w.running("work"); len(got) > 0 {
		t.Errorf("work is complete, and %s runs", brief(got))
	}
	steadily(t, time.Second, "it stays complete", func() error {
		if got := w.running("work"); len(got) > 0 {
			return errors.New(brief(got))
		}
		return nil
	})
}

// pair waits until both tasks of a job of withSidecar run.
func (w *world) pair(name string) (main, aside box) {
	w.t.Helper()
	eventually(w.t, "both tasks of "+name+" run", func() error {
		got := w.running(name)
		if len(got) != 2 {
			return errors.New(brief(w.all(name)))
		}
		main, aside = got[0], got[1]
		if main.Who.Task != "main" {
			main, aside = aside, main
		}
		return nil
	})
	return main, aside
}

// startedAfter demands that a container is in the network of another one, and
// was made when that one ran.
func (w *world) startedAfter(b, other box) {
	w.t.Helper()
	in := w.inspect(b.ID)
	if want := "container:" + other.ID; string(in.HostConfig.NetworkMode) != want {
		w.t.Errorf("%s is in network %q, want %q", b.Name, in.HostConfig.NetworkMode, want)
	}
	made, err := time.Parse(time.RFC3339Nano, in.Created)
	must(w.t, err)
	began, err := time.Parse(time.RFC3339Nano, other.Started)
	must(w.t, err)
	if made.Before(began) {
		w.t.Errorf("%s was made at %s, before %s started at %s", b.Name, made, other.Name, began)
	}
}
