package e2e

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

// stranger is a container that the test made by hand, and what it was like.
type stranger struct {
	id   string
	want string
}

// stranger makes a container that is not the agent's; running says whether it
// is started.
func (w *world) stranger(name, ref string, labels map[string]string, running bool) stranger {
	w.t.Helper()
	ctx, cancel := w.ctx()
	defer cancel()
	c, err := w.cli.ContainerCreate(ctx, &container.Config{Image: ref, Labels: labels}, nil, nil, nil, name)
	must(w.t, err)
	w.t.Cleanup(func() {
		ctx, cancel := w.ctx()
		defer cancel()
		_ = w.cli.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true})
	})
	if running {
		must(w.t, w.cli.ContainerStart(ctx, c.ID, container.StartOptions{}))
	}
	s := stranger{id: c.ID}
	s.want, err = w.look(c.ID)
	must(w.t, err)
	return s
}

// look is all of a container that somebody could have changed.
func (w *world) look(id string) (string, error) {
	ctx, cancel := w.ctx()
	defer cancel()
	in, err := w.cli.ContainerInspect(ctx, id)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %s paused=%t since %s, until %s, policy %s, memory %d",
		in.Name, in.State.Status, in.State.Paused, in.State.StartedAt, in.State.FinishedAt, in.HostConfig.RestartPolicy.Name, in.HostConfig.Memory), nil
}

func (w *world) untouched(s stranger) {
	w.t.Helper()
	got, err := w.look(s.id)
	must(w.t, err)
	if diff := cmp.Diff(s.want, got); diff != "" {
		w.t.Errorf("a stranger was touched (-was +is):\n%s", diff)
	}
}

// pull brings an image as a person would, without the agent.
func (w *world) pull(ref string) {
	w.t.Helper()
	ctx, cancel := w.ctx()
	defer cancel()
	r, err := w.cli.ImagePull(ctx, ref, image.PullOptions{})
	must(w.t, err)
	defer r.Close()
	buf := make([]byte, 4096)
	for err == nil {
		_, err = r.Read(buf)
	}
}

// TestStrangers: containers that are not the agent's are left alone, however
// much they look like its own, and so are images that were there before.
func TestStrangers(t *testing.T) {
	w := start(t, "--image-delay", "1s")
	ref, _ := w.images.push("web:1", "1")
	theirs, _ := w.images.push("theirs:1", "theirs")
	w.pull(theirs)
	unused, _ := w.images.push("unused:1", "unused")
	w.pull(unused)

	name := fmt.Sprintf("stranger-%d", time.Now().UnixNano())
	like := job.Identity{
		NodeID: "another-node", Node: "e2e", Job: "web", Group: "web", Task: "web",
		AllocID: "00000000-0000-0000-0000-000000000000", Attempt: 1, Generation: 1, SpecHash: "v1:0",
	}
	noNode := like.Labels()
	delete(noNode, job.LabelNodeID)
	strangers := []stranger{
		w.stranger(name+"-plain", theirs, nil, true),
		w.stranger(name+"-never-started", theirs, nil, false),
		w.stranger(name+"-other-node", theirs, like.Labels(), true),
		w.stranger(name+"-no-node", theirs, noNode, true),
	}

	w.drop("web.hcl", spec{Job: "web", Image: ref}.String())
	w.drop("same.hcl", spec{Job: "same", Image: theirs}.String())
	w.awaitRunning("web", 1)
	w.awaitRunning("same", 1)
	w.crash()
	must(t, os.Remove(w.state()))
	w.up()
	w.take("web.hcl")
	w.awaitNone("web")
	w.drop("same.hcl", spec{Job: "same", Image: theirs, Text: "edited"}.String())
	w.images.awaitGone(ref)
	time.Sleep(2 * time.Second) // for what the agent might do late

	for _, s := range strangers {
		w.untouched(s)
	}
	if !w.images.has(theirs) || !w.images.has(unused) {
		t.Error("an image that was there before is gone")
	}
}

// TestStrangerOnOurImage: an image that the agent brought stays while a
// stranger's container has it, and goes after.
func TestStrangerOnOurImage(t *testing.T) {
	w := start(t, "--image-delay", "1s")
	ref, _ := w.images.push("web:1", "1")
	w.drop("web.hcl", spec{Job: "web", Image: ref}.String())
	w.awaitRunning("web", 1)
	s := w.stranger(fmt.Sprintf("stranger-%d", time.Now().UnixNano()), ref, nil, false)
	w.take("web.hcl")
	w.awaitNone("web")
	steadily(t, 4*time.Second, "the image stays", func() error {
		if !w.images.has(ref) {
			return errors.New("it is gone")
		}
		return nil
	})
	w.untouched(s)
	ctx, cancel := w.ctx()
	defer cancel()
	must(t, w.cli.ContainerRemove(ctx, s.id, container.RemoveOptions{}))
	w.images.awaitGone(ref)
}

// TestTwoAgents: two agents with two data directories on one engine are
// strangers to each other, even with one job name.
func TestTwoAgents(t *testing.T) {
	a := start(t, "--image-delay", "1s")
	b := beside(a)
	ref, _ := a.images.push("web:1", "1")
	manifest := spec{Job: "web", Count: 2, Image: ref, Port: true}.String()
	a.drop("web.hcl", manifest)
	b.drop("web.hcl", manifest)
	a.awaitRunning("web", 2)
	before := b.awaitRunning("web", 2)
	if a.nodeID() == b.nodeID() {
		t.Fatalf("both have node id %s", a.nodeID())
	}

	a.take("web.hcl")
	a.awaitNone("web")
	b.staysSame(4*time.Second, "web", before)
	if !b.images.has(ref) {
		t.Error("the image went although the other agent's containers have it")
	}
	a.crash()
	must(t, os.Remove(a.state()))
	a.up()
	b.staysSame(2*time.Second, "web", before)
}

// TestSecondAgentRefused: one data directory has one agent.
func TestSecondAgentRefused(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.drop("web.hcl", spec{Job: "web", Image: ref}.String())
	before := w.awaitRunning("web", 1)

	second := w.spawn()
	select {
	case <-second.done:
	case <-time.After(20 * time.Second):
		t.Fatal("the second agent runs on")
	}
	if code := second.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("the second agent exits with %d, want 1", code)
	}
	pid := fmt.Sprint(w.agent.cmd.Process.Pid)
	if last := second.log.tail(1); !containsAll(last, pid, w.data) {
		t.Errorf("the second agent says %q, want process %s and %s in it", last, pid, w.data)
	}
	w.staysSame(time.Second, "web", before)
	if s, err := w.status(); err != nil || !s.live() {
		t.Errorf("the first agent answers no more: %v", err)
	}
}
