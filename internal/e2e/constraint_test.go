package e2e

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// TestConstraint: a job runs where its constraints hold, and only there; status
// says which does not, and what this host has.
func TestConstraint(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	where := func(attribute, operator, value string) spec {
		return spec{Job: "web", Image: ref, Text: "up", Port: true, Head: fmt.Sprintf(
			"  constraint {\n    attribute = %q\n    operator  = %q\n    value     = %q\n  }\n", attribute, operator, value)}
	}
	w.drop("web.hcl", where("${attr.kernel.name}", "=", "plan9").String())
	w.awaitCondition("web", "Degraded", "ConstraintNotMet", "${attr.kernel.name}", "plan9", "linux")
	steadily(t, time.Second, "nothing is made", func() error {
		if got := w.all("web"); len(got) > 0 {
			return fmt.Errorf("%s", brief(got))
		}
		return nil
	})

	w.drop("web.hcl", where("${attr.kernel.name}", "=", "linux").String())
	first := w.awaitText("web", "up")
	w.awaitPhase("web", "running")

	// Another constraint that holds is no reason to touch what runs.
	w.drop("web.hcl", where("${driver.docker.version}", "version", ">= 1.12").String())
	w.awaitGeneration("web", 3)
	w.staysSame(time.Second, "web", []box{first})

	w.drop("web.hcl", where("${attr.cpu.numcores}", ">", "100000").String())
	w.awaitNone("web")
	w.awaitCondition("web", "Degraded", "ConstraintNotMet", "${attr.cpu.numcores}", "100000", strconv.Itoa(runtime.NumCPU()))
}
