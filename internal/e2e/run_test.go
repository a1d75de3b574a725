package e2e

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestEnvAndPort: a container answers through its dynamic port and has the
// environment that the language promises.
func TestEnvAndPort(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.drop("web.hcl", spec{
		Job: "web", Image: ref, Text: "hello", Port: true,
		Env: "        ADDRESS = \"${NOMAD_ADDR_http}\"\n        LITERAL = \"$${HOME}\"\n",
	}.String())
	b := w.awaitText("web", "hello")
	a, err := b.ask()
	must(t, err)
	p := b.Who.Ports[0]
	if p.Host < 20000 || p.Host > 32000 || p.To != 8080 {
		t.Errorf("port %+v", p)
	}
	for key, want := range map[string]string{
		"VERSION": "1", "WEB_TEXT": "hello", "LITERAL": "${HOME}",
		"ADDRESS":            net.JoinHostPort(p.HostIP, strconv.Itoa(p.Host)),
		"NOMAD_JOB_NAME":     "web",
		"NOMAD_GROUP_NAME":   "web",
		"NOMAD_TASK_NAME":    "web",
		"NOMAD_ALLOC_ID":     b.Who.AllocID,
		"NOMAD_ALLOC_NAME":   "web.web[0]",
		"NOMAD_ALLOC_INDEX":  "0",
		"NOMAD_ALLOC_DIR":    "/alloc",
		"NOMAD_TASK_DIR":     "/local",
		"NOMAD_SECRETS_DIR":  "/secrets",
		"NOMAD_MEMORY_LIMIT": "32",
		"NOMAD_CPU_LIMIT":    "50",
		"NOMAD_IP_http":      p.HostIP,
		"NOMAD_PORT_http":    "8080",
		"NOMAD_ADDR_http":    net.JoinHostPort(p.HostIP, strconv.Itoa(p.Host)),

		"NOMAD_HOST_PORT_http": strconv.Itoa(p.Host),
	} {
		if got := a.Env[key]; got != want {
			t.Errorf("%s=%q, want %q", key, got, want)
		}
	}
}

// TestStaticPort: a static port is published as asked for; while a stranger
// holds it, the job waits and says so.
func TestStaticPort(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	l, err := net.Listen("tcp", ":0")
	must(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	s := spec{Job: "web", Image: ref, Text: "static", Port: true}
	w.drop("web.hcl", strings.Replace(s.String(), `port "http" {}`, fmt.Sprintf("port \"http\" { static = %d }", port), 1))
	eventually(t, "status says that the port is busy", func() error {
		r := w.run("status", "web", "--data-dir", w.data, "--json")
		if !containsAll(r.out, strconv.Itoa(port), "PortBusy") {
			return errors.New(r.out)
		}
		return nil
	})
	if got := w.running("web"); len(got) != 0 {
		t.Errorf("runs without its port: %s", brief(got))
	}
	must(t, l.Close())
	if b := w.awaitText("web", "static"); b.Who.Ports[0].Host != port {
		t.Errorf("port %+v, want %d", b.Who.Ports[0], port)
	}
	// Edited, it takes the port over from itself.
	s.Text = "again"
	w.drop("web.hcl", strings.Replace(s.String(), `port "http" {}`, fmt.Sprintf("port \"http\" { static = %d }", port), 1))
	w.awaitText("web", "again")
}

// TestStop: a program that ignores SIGTERM is killed after kill_timeout and
// not before; one that obeys is gone at once; neither waits for the other.
func TestStop(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.drop("stubborn.hcl", spec{
		Job: "stubborn", Image: ref, Text: "stubborn", Port: true,
		Env: "        WEB_IGNORE_TERM = \"true\"\n", Task: "      kill_timeout = \"6s\"\n",
	}.String())
	w.drop("polite.hcl", spec{Job: "polite", Image: ref, Text: "polite", Port: true, Task: "      kill_timeout = \"1m\"\n"}.String())
	w.awaitText("stubborn", "stubborn") // it has set up its signals
	w.awaitText("polite", "polite")

	begin := time.Now()
	w.take("stubborn.hcl")
	w.take("polite.hcl")
	w.awaitNone("polite")
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("the polite one took %s", took)
	}
	w.awaitNone("stubborn")
	if took := time.Since(begin); took < 6*time.Second {
		t.Errorf("the stubborn one was killed after %s, before its kill_timeout", took)
	}
}

// TestStopOutlivesAgent: a stop that the agent began is finished by the next
// one, and its time goes on meanwhile.
func TestStopOutlivesAgent(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.drop("web.hcl", spec{
		Job: "web", Image: ref, Text: "up", Port: true,
		Env: "        WEB_IGNORE_TERM = \"true\"\n", Task: "      kill_timeout = \"5s\"\n",
	}.String())
	w.awaitText("web", "up")
	w.take("web.hcl")
	eventually(t, "the container is being stopped", func() error {
		s, err := w.status()
		if err != nil {
			return err
		}
		j, _ := s.job("web")
		for _, a := range j.Allocs {
			if a.Status.Tasks["web"].Phase == "stopping" {
				return nil
			}
		}
		return fmt.Errorf("%+v", j)
	})
	time.Sleep(time.Second) // for the recorder
	w.crash()
	w.up()
	w.awaitNone("web")
}

// TestStopsCleanly: SIGTERM ends the agent with exit code 0 and leaves the
// containers running; status then tells from the file, and says so.
func TestStopsCleanly(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.drop("web.hcl", spec{Job: "web", Image: ref}.String())
	before := w.awaitRunning("web", 1)
	a := w.agent
	w.settle()
	w.stop()
	if code := a.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	w.staysSame(time.Second, "web", before)
	s, err := w.status()
	must(t, err)
	if s.live() {
		t.Error("status claims that a daemon answered")
	}
	if j, ok := s.job("web"); !ok || len(j.Allocs) != 1 {
		t.Errorf("status of web from the file: %+v", j)
	}
}
