package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"reconciler/store"
)

// TestAutoRevert: an update that dies, or never gets healthy, is given up; the
// old allocation answers all the while, status says why and what was put back,
// and retry tries the same again.
func TestAutoRevert(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	// Not shorter: on a busy machine the engine needs half a second to say that
	// a program has ended.
	update := `
      min_healthy_time = "2s"
      healthy_deadline = "4s"
      auto_revert      = true
`
	good := map[string]spec{
		"dies": {Job: "dies", Image: ref, Text: "one", Port: true, Update: update},
		"sick": {
			Job: "sick", Image: ref, Text: "one", Port: true, Update: update,
			Check: "type = \"http\"\npath = \"/text\"\ninterval = \"1s\"\n",
		},
	}
	bad := map[string]spec{"dies": good["dies"], "sick": good["sick"]}
	bad["dies"] = with(bad["dies"], func(s *spec) { s.Text, s.Env = "two", "WEB_EXIT = \"7\"\n" })
	// Nothing listens where the check looks: the port is mapped to another one.
	bad["sick"] = with(bad["sick"], func(s *spec) { s.Text, s.Env = "two", "WEB_PORT = \"9999\"\n" })
	says := map[string]string{"dies": "exited with code 7", "sick": "refused"}

	before := map[string]box{}
	for name, s := range good {
		w.drop(name+".hcl", s.String())
	}
	for name := range good {
		before[name] = w.awaitText(name, "one")
		w.awaitStable(name)
	}
	for name, s := range bad {
		w.drop(name+".hcl", s.String())
	}
	answers := func(name string) error {
		a, err := before[name].ask()
		if err == nil && a.Text != "one" {
			err = fmt.Errorf("answers %q", a.Text)
		}
		return err
	}
	for name := range bad {
		eventually(t, name+" is given up", func() error {
			if err := answers(name); err != nil {
				t.Fatalf("the old allocation of %s: %v", name, err)
			}
			return w.condition(name, "Degraded", "HealthyDeadlineExceeded", says[name], "generation 1 was put back", "reconciler retry "+name)
		})
	}
	for name := range bad {
		w.awaitOnly(name, before[name])
	}
	// It is not tried again by itself.
	steadily(t, 2*time.Second, "what was put back is left alone", func() error {
		return errors.Join(w.only("dies", before["dies"]), w.only("sick", before["sick"]))
	})

	w.ask("retry", "dies")
	eventually(t, "a second try of the update", func() error {
		if got := w.all("dies"); len(got) < 2 {
			return errors.New(brief(got))
		}
		return answers("dies")
	})
	w.awaitCondition("dies", "Degraded", "HealthyDeadlineExceeded", "put back")
	w.awaitOnly("dies", before["dies"])

	w.drop("dies.hcl", with(good["dies"], func(s *spec) { s.Text = "three" }).String())
	w.awaitText("dies", "three")
	w.awaitPhase("dies", "running")
}

// with returns a spec that is changed in one point.
func with(s spec, change func(*spec)) spec {
	change(&s)
	return s
}

// awaitStable waits until a job is as wanted, and healthy.
func (w *world) awaitStable(name string) {
	w.t.Helper()
	w.awaitPhase(name, "running")
}

// only demands that one container is all that a job has, in any state.
func (w *world) only(name string, want box) error {
	w.t.Helper()
	got := w.all(name)
	if len(got) != 1 || got[0].ID != want.ID || got[0].Started != want.Started {
		return fmt.Errorf("job %s has %s, want %s alone", name, brief(got), want.Name)
	}
	return nil
}

func (w *world) awaitOnly(name string, want box) {
	w.t.Helper()
	eventually(w.t, "job "+name+" is back at what it had", func() error { return w.only(name, want) })
}

// TestNoDowntime: over many edits, a client that asks for the address before
// each request and never tries again sees no request fail.
func TestNoDowntime(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	s := spec{
		Job: "web", Count: 1, Image: ref, Text: "0", Port: true, Update: "      min_healthy_time = \"1s\"\n",
		Check: "type = \"http\"\npath = \"/health\"\ninterval = \"1s\"\n",
	}
	w.drop("web.hcl", s.String())
	w.awaitServices("web", 1)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := &caller{w: w, answers: map[string]int{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			c.request()
			time.Sleep(50 * time.Millisecond) // leaves the machine to the others
		}
	}()
	const updates = 20
	for i := range updates {
		text := strconv.Itoa(i + 1)
		w.drop("web.hcl", with(s, func(s *spec) { s.Text = text }).String())
		eventually(t, "the client is answered by edit "+text, func() error {
			if c.count(text) == 0 {
				return errors.New(brief(w.running("web")))
			}
			return nil
		})
	}
	cancel()
	<-done
	asked := 0
	for i := range updates + 1 {
		asked += c.count(strconv.Itoa(i))
	}
	t.Logf("%d requests over %d updates, %d failed, %d with an address that came late", asked, updates, len(c.failed), c.late)
	for _, err := range c.failed {
		t.Errorf("a request failed: %v", err)
	}
}

// caller asks for the address of service web before each request.
type caller struct {
	w       *world
	mu      sync.Mutex
	answers map[string]int // by text
	failed  []error
	late    int // failed with an address that the machine gave to the client too late
}

// drain is how long an address is good after somebody has read it: an old
// allocation without a shutdown_delay answers on for so long.
const drain = time.Second

func (c *caller) request() {
	begin := time.Now()
	address, err := c.address()
	known := time.Since(begin)
	text := ""
	if err == nil {
		text, err = get("http://" + address + "/text")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.answers[text]++
	case known > drain:
		c.late++
	default:
		c.failed = append(c.failed, err)
	}
}

// address is that of the first healthy instance that the agent names.
func (c *caller) address() (string, error) {
	all, err := c.w.services("web")
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(all, func(s store.ServiceRecord) bool { return s.Health == "passing" })
	if i < 0 {
		return "", fmt.Errorf("no healthy instance in %+v", all)
	}
	return addressOf(all[i]), nil
}

func (c *caller) count(text string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answers[text]
}
