package e2e

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// TestRestartBlock: a task that has used up its restarts is given up until
// somebody says retry, and neither the count nor the verdict is forgotten when
// the agent is.
func TestRestartBlock(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.drop("dies.hcl", spec{Job: "dies", Image: ref, Env: "WEB_EXIT = \"7\"\n", Group: `
    restart {
      attempts = 1
      interval = "10m"
      delay    = "3s"
      mode     = "fail"
    }
`}.String())
	// Between the first end and the second container.
	eventually(t, "the first container has ended", func() error { return w.attempts("dies", 1) })
	w.awaitCondition("dies", "Degraded", "CrashBackoff", "exited with code 7")
	w.stop()
	w.up()
	failed := func() error {
		if err := w.attempts("dies", 2); err != nil {
			return err
		}
		return w.condition("dies", "Degraded", "RestartsExhausted", "exited with code 7", "reconciler retry dies")
	}
	eventually(t, "it is given up after the second end", failed)

	w.settle()
	w.crash()
	w.up()
	eventually(t, "it is given up still", failed)
	steadily(t, 2*time.Second, "nothing is started", failed)

	w.ask("retry", "dies")
	eventually(t, "it is given up after two more", func() error {
		if err := w.attempts("dies", 4); err != nil {
			return err
		}
		return w.condition("dies", "Degraded", "RestartsExhausted")
	})
}

// attempts demands that the containers of a job's one task have all ended, and
// that the last one is the nth.
func (w *world) attempts(name string, n int) error {
	w.t.Helper()
	got := w.all(name)
	if len(got) == 0 || got[len(got)-1].Who.Attempt != n {
		return errors.New(brief(got))
	}
	for _, b := range got {
		if b.State != "exited" {
			return errors.New(brief(got))
		}
	}
	return nil
}

// TestCheckRestart: a task whose check stays critical gets a new container,
// whether the check looks from here or from within.
func TestCheckRestart(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	more := `
          interval = "1s"
          timeout  = "1s"
          check_restart {
            limit = 2
            grace = "1s"
          }
`
	checks := map[string]string{
		"http":   "type = \"http\"\npath = \"/health\"\n",
		"script": "type = \"script\"\ncommand = \"/web\"\nargs = [\"-look\", \"http://127.0.0.1:8080/health\"]\n",
	}
	before := map[string]box{}
	for name, check := range checks {
		w.drop(name+".hcl", spec{Job: name, Image: ref, Text: name, Port: true, Check: check + more}.String())
	}
	for name := range checks {
		before[name] = w.awaitText(name, name)
		w.awaitPhase(name, "running")
		if j := w.awaitPhase(name, "running"); j.Healthy != 1 {
			t.Errorf("%d of job %s are healthy", j.Healthy, name)
		}
		url, err := before[name].url()
		must(t, err)
		_, err = get(url + "/health?set=bad")
		must(t, err)
	}
	for name := range checks {
		after := w.oneOf(name, "has a new container", func(b box) error { return anotherAttempt(before[name], b) })
		w.answers(after.address("http"), "/health", "")
		w.awaitPhase(name, "running")
		// It was stopped for its check, and did not die by itself.
		eventually(t, "status tells why", func() error {
			r := w.run("status", name, "--data-dir", w.data, "--json")
			if !containsAll(r.out, `"stopped": "Unhealthy"`) {
				return fmt.Errorf("no word of Unhealthy: %s", r.out)
			}
			return nil
		})
	}
	for name := range checks {
		if after := w.running(name); len(after) != 1 || after[0].Who.Attempt != 2 {
			t.Errorf("job %s has %s", name, brief(w.all(name)))
		}
	}
}
