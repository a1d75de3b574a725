package dockertest

import (
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/pkg/stdcopy"
)

// exec runs a command to its end.
func (r *rig) exec(id string, cmd ...string) container.ExecInspect {
	r.t.Helper()
	x, err := r.cli.ContainerExecCreate(r.t.Context(), id, container.ExecOptions{AttachStdout: true, AttachStderr: true, Cmd: cmd})
	if err != nil {
		r.t.Fatal(err)
	}
	conn, err := r.cli.ContainerExecAttach(r.t.Context(), x.ID, container.ExecAttachOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := stdcopy.StdCopy(io.Discard, io.Discard, conn.Reader); err != nil {
		r.t.Fatal(err)
	}
	out, err := r.cli.ContainerExecInspect(r.t.Context(), x.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func TestExecIsScripted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen Command
		r := newRig(t, Options{Exec: func(c Command) Outcome {
			seen = c
			return Outcome{Stdout: "told", After: time.Minute, Code: 9}
		}})
		id := r.run("web")
		began := time.Now()
		if x := r.exec(id, "sh", "-c", "x"); x.ExitCode != 9 || time.Since(began) != time.Minute {
			t.Errorf("after %s: %+v", time.Since(began), x)
		}
		if seen.ID != id || seen.Name != "web" || !slices.Equal(seen.Args, []string{"sh", "-c", "x"}) || !slices.Contains(seen.Env, "A=image") || seen.Labels["from"] != "image" {
			t.Errorf("the script was asked for %+v", seen)
		}
		writes := r.Writes()
		if last := writes[len(writes)-1]; last.Path != "/containers/"+id+"/start" {
			t.Errorf("an exec counts as a write: %v", writes)
		}
	})
}

func TestExecDetached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		id := r.run("web")
		x, err := r.cli.ContainerExecCreate(t.Context(), id, container.ExecOptions{Cmd: []string{"/web", "-sleep=1m", "-exit=4"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.cli.ContainerExecStart(t.Context(), x.ID, container.ExecStartOptions{Detach: true}); err != nil {
			t.Fatal(err)
		}
		for _, running := range []bool{true, false} {
			got, err := r.cli.ContainerExecInspect(t.Context(), x.ID)
			if err != nil || got.Running != running || !running && got.ExitCode != 4 {
				t.Errorf("%+v, %v; want running %t", got, err, running)
			}
			time.Sleep(2 * time.Minute)
		}
	})
}

// TestExecEndsWithTheEngine: the connection is cut, and nothing is left.
func TestExecEndsWithTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{LiveRestore: true})
		id := r.run("web")
		x, err := r.cli.ContainerExecCreate(t.Context(), id, container.ExecOptions{AttachStdout: true, Cmd: []string{"/web"}})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := r.cli.ContainerExecAttach(t.Context(), x.ID, container.ExecAttachOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		time.AfterFunc(time.Minute, r.Stop)
		began := time.Now()
		_, _ = io.Copy(io.Discard, conn.Reader)
		if d := time.Since(began); d != time.Minute {
			t.Errorf("the stream ends after %s", d)
		}
	})
}

// TestExecEventsAreFiltered: a subscriber who asks for the die of a container
// does not get that of a command.
func TestExecEventsAreFiltered(t *testing.T) {
	f := filters.NewArgs(filters.Arg("event", "start"), filters.Arg("event", "die"))
	for action, want := range map[events.Action]bool{
		"start": true, "die": true, "exec_start: /web": false, "exec_create: /web": false, "exec_die": false,
	} {
		if got := wanted(f, events.Message{Type: events.ContainerEventType, Action: action}); got != want {
			t.Errorf("%s is wanted: %t, want %t", action, got, want)
		}
	}
}
