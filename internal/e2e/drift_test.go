package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// TestDrift: whatever is done to a container from outside, the job runs again
// as written.
func TestDrift(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	cases := []struct {
		name string
		do   func(ctx context.Context, b box) error
		// again checks the container that runs afterwards.
		again func(was, is box) error
	}{
		{"killed", func(ctx context.Context, b box) error { return w.cli.ContainerKill(ctx, b.ID, "KILL") }, anotherAttempt},
		{"stopped", func(ctx context.Context, b box) error { return w.cli.ContainerStop(ctx, b.ID, container.StopOptions{}) }, anotherAttempt},
		{"removed", func(ctx context.Context, b box) error {
			return w.cli.ContainerRemove(ctx, b.ID, container.RemoveOptions{Force: true})
		}, anotherContainer},
		{"paused", func(ctx context.Context, b box) error { return w.cli.ContainerPause(ctx, b.ID) }, sameContainer},
		{"renamed", func(ctx context.Context, b box) error {
			return w.cli.ContainerRename(ctx, b.ID, "elsewhere-"+b.Who.AllocID)
		}, sameContainer},
	}
	before := map[string]box{}
	for _, tc := range cases {
		w.drop(tc.name+".hcl", spec{Job: tc.name, Image: ref, Text: tc.name, Port: true}.String())
	}
	for _, tc := range cases {
		before[tc.name] = w.awaitText(tc.name, tc.name)
	}
	for _, tc := range cases {
		was := before[tc.name]
		ctx, cancel := w.ctx()
		must(t, tc.do(ctx, was))
		cancel()
		eventually(t, "the "+tc.name+" container is mended", func() error {
			got := w.running(tc.name)
			if len(got) != 1 {
				return errors.New(brief(w.all(tc.name)))
			}
			if got[0].Name != was.Name {
				return fmt.Errorf("it is called %s, not %s", got[0].Name, was.Name)
			}
			return tc.again(was, got[0])
		})
		w.awaitText(tc.name, tc.name)
	}
	// The dead one of a crash is kept for `docker logs`, under its own name.
	for _, name := range []string{"killed", "stopped"} {
		all := w.all(name)
		want := before[name].Name + "-1"
		if len(all) != 2 || all[0].Name != want || all[0].ID != before[name].ID {
			t.Errorf("containers of %s: %s, want the dead one as %s", name, brief(all), want)
		}
	}
	if all := w.all("removed"); len(all) != 1 {
		t.Errorf("containers of removed: %s, want one", brief(all))
	}
}

func sameContainer(was, is box) error {
	if is.ID != was.ID || is.Started != was.Started {
		return errors.New("another container, or restarted")
	}
	return nil
}

// anotherContainer also demands the allocation and its ports: they outlive a
// container.
func anotherContainer(was, is box) error {
	switch {
	case is.ID == was.ID:
		return errors.New("still the same container")
	case is.Who.AllocID != was.Who.AllocID:
		return errors.New("another allocation")
	case is.Who.Ports[0] != was.Who.Ports[0]:
		return fmt.Errorf("port %+v, was %+v", is.Who.Ports[0], was.Who.Ports[0])
	}
	return nil
}

func anotherAttempt(was, is box) error {
	if err := anotherContainer(was, is); err != nil {
		return err
	}
	if is.Who.Attempt != was.Who.Attempt+1 {
		return fmt.Errorf("attempt %d after %d", is.Who.Attempt, was.Who.Attempt)
	}
	return nil
}

// TestCrash: a program that ends by itself is started again, and status says
// how it ended.
func TestCrash(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.drop("web.hcl", spec{Job: "web", Image: ref, Text: "up", Port: true}.String())
	b := w.awaitText("web", "up")
	url, err := b.url()
	must(t, err)
	if resp, err := browser.Get(url + "/exit?code=3"); err == nil {
		resp.Body.Close()
	}
	eventually(t, "another attempt runs", func() error {
		got := w.running("web")
		if len(got) != 1 {
			return errors.New(brief(w.all("web")))
		}
		return anotherAttempt(b, got[0])
	})
	r := w.run("status", "web", "--data-dir", w.data, "--json")
	if !containsAll(r.out, `"code"`, "3") {
		t.Errorf("status web does not tell exit code 3: %s", r.out)
	}
}

// TestDriftWhileAway: what changed while no agent ran is mended when one runs
// again.
func TestDriftWhileAway(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.drop("web.hcl", spec{Job: "web", Count: 2, Image: ref}.String())
	before := w.awaitRunning("web", 2)
	w.crash()
	ctx, cancel := w.ctx()
	defer cancel()
	must(t, w.cli.ContainerRemove(ctx, before[1].ID, container.RemoveOptions{Force: true}))
	w.drop("late.hcl", spec{Job: "late", Image: ref}.String())
	w.up()
	after := w.awaitRunning("web", 2)
	if err := sameContainer(before[0], after[0]); err != nil {
		t.Errorf("the one that nobody touched: %v", err)
	}
	w.awaitRunning("late", 1)
}
