package e2e

import (
	"errors"
	"testing"
	"time"
)

// TestShutdownDelay: a job that goes is withdrawn from the services first and
// answers on for its delay; then it gets the signal that it asked for.
func TestShutdownDelay(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	const delay = 4 * time.Second
	w.drop("web.hcl", spec{
		Job: "web", Image: ref, Text: "up", Port: true,
		Check: "type = \"tcp\"\ninterval = \"1s\"\n",
		Task:  "      kill_signal = \"SIGINT\"\n      shutdown_delay = \"4s\"\n",
	}.String())
	b := w.awaitText("web", "up")
	w.awaitServices("web", 1)
	prints := w.follow(b)

	w.take("web.hcl")
	w.awaitServices("web", 0)
	withdrawn := time.Now()
	eventually(t, "the container has ended", func() error {
		if got := w.running("web"); len(got) > 0 {
			// Not all of the delay: it had begun when the services were read, and
			// the stop may come between the two looks.
			if _, err := b.ask(); err != nil && time.Since(withdrawn) < delay/2 {
				t.Fatalf("it does not answer %s after it was withdrawn: %v", time.Since(withdrawn), err)
			}
			return errors.New(brief(got))
		}
		return nil
	})
	if ran := time.Since(withdrawn); ran < delay/2 {
		t.Errorf("it ended %s after it was withdrawn, want about %s", ran, delay)
	}
	w.awaitNone("web")
	if got := prints(); !containsAll(got, "signal: interrupt") {
		t.Errorf("the program has printed %q", got)
	}
}
