package e2e

import (
	"fmt"
	"testing"
	"time"
)

// TestBatch: work that ends well is done once, and again only when it is
// edited; what it printed can be read; work that ends badly is tried again as
// its restart block says.
func TestBatch(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	work := spec{Job: "work", Head: "  type = \"batch\"\n", Image: ref, Env: env("WEB_EXIT=0", "WEB_PRINT=first")}
	w.drop("work.hcl", work.String())
	w.drop("fails.hcl", spec{Job: "fails", Head: "  type = \"batch\"\n", Image: ref, Env: env("WEB_EXIT=3"), Group: `
    restart {
      attempts = 1
      interval = "10m"
      delay    = "1s"
      mode     = "fail"
    }
`}.String())
	first := w.awaitComplete("work")
	w.printed(first, "first\n")
	eventually(t, "the one that fails is given up after its second try", func() error {
		if err := w.attempts("fails", 2); err != nil {
			return err
		}
		return w.condition("fails", "Degraded", "RestartsExhausted", "exited with code 3")
	})

	w.settle()
	w.crash()
	w.up()
	w.awaitComplete("work")
	// Neither a new agent nor an edit in place is a reason to run again.
	work.Task = "      kill_timeout = \"7s\"\n"
	w.drop("work.hcl", work.String())
	w.awaitGeneration("work", 2)
	steadily(t, time.Second, "what is complete stays", func() error { return w.only("work", first) })

	work.Env = env("WEB_EXIT=0", "WEB_PRINT=second")
	w.drop("work.hcl", work.String())
	eventually(t, "the edited job has run", func() error {
		got := w.all("work")
		if len(got) != 1 || got[0].ID == first.ID || got[0].State != "exited" {
			return fmt.Errorf("it has %s", brief(got))
		}
		return nil
	})
	w.printed(w.awaitComplete("work"), "second\n")
}
