package dockertest

import (
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/go-connections/nat"
)

func init() {
	conformance["start: twice, and what cannot start"] = caseStart
	conformance["start: ports"] = casePorts
	conformance["kill: by force, by signal, and what does not run"] = caseKill
	conformance["stop: politely, by force, and what does not run"] = caseStop
	conformance["exit: by itself"] = caseExit
	conformance["exit: for memory"] = caseOOM
	conformance["pause: and everything else meanwhile"] = casePause
	conformance["restart: by a call"] = caseRestart
	conformance["restart: by the policy"] = caseRestartPolicy
	conformance["health: becomes healthy"] = caseHealth
	conformance["events: replay and filters"] = caseReplay
}

func caseStart(f *fixture) {
	id := f.create("a")
	told := f.record(id)
	f.start(id)
	f.start(id) // 304 is no error
	f.told(told("start"), "start")
	f.state(id, "running", 0)

	bad := f.createWith("bad", spec{config: container.Config{Entrypoint: []string{"/nothere"}}})
	told = f.record(bad)
	f.is("start of a missing program", f.cli.ContainerStart(f.Context(), bad, container.StartOptions{}), errdefs.IsInvalidArgument)
	s := f.state(bad, "created", 127)
	if !strings.Contains(s.Error, "/nothere") || s.StartedAt != "0001-01-01T00:00:00Z" {
		f.Errorf("state: %+v", s)
	}
	f.must(f.cli.ContainerRemove(f.Context(), bad, container.RemoveOptions{RemoveVolumes: true}))
	f.told(told("destroy"), "destroy")
}

func casePorts(f *fixture) {
	publish := func(name, ip, port string) string {
		return f.createWith(name, spec{host: container.HostConfig{PortBindings: nat.PortMap{"8080/tcp": {{HostIP: ip, HostPort: port}}}}})
	}
	a := publish("a", "127.0.0.1", "0")
	if p := f.inspect(a).NetworkSettings.Ports; len(p) != 0 {
		f.Errorf("ports before the start: %v", p)
	}
	f.start(a)
	got := f.inspect(a).NetworkSettings.Ports["8080/tcp"]
	if len(got) != 1 || got[0].HostIP != "127.0.0.1" || got[0].HostPort == "0" || got[0].HostPort == "" {
		f.Fatalf("ports: %+v", got)
	}
	port := got[0].HostPort
	list, err := f.cli.ContainerList(f.Context(), container.ListOptions{Filters: filters.NewArgs(filters.Arg("id", a))})
	f.must(err)
	if len(list) != 1 || len(list[0].Ports) != 1 || list[0].Ports[0].IP != "127.0.0.1" || list[0].Ports[0].PrivatePort != 8080 || list[0].Ports[0].PublicPort == 0 {
		f.Errorf("ports of the list: %+v", list)
	}
	for name, tc := range map[string]struct{ ip, text string }{
		"same": {"127.0.0.1", "port is already allocated"},
		"all":  {"", "address already in use"},
	} {
		id := publish(name, tc.ip, port)
		err := f.cli.ContainerStart(f.Context(), id, container.StartOptions{})
		f.is("start on a taken port", err, isInternal)
		s := f.state(id, "created", 128)
		if !strings.Contains(err.Error(), tc.text) || !strings.Contains(s.Error, tc.text) {
			f.Errorf("%s: %v; state %q; want %q in both", name, err, s.Error, tc.text)
		}
		f.remove(id)
	}
	f.remove(a)
	f.start(publish("later", "127.0.0.1", port))
}

func caseKill(f *fixture) {
	id := f.run("a")
	told := f.record(id)
	f.is("unknown signal", f.cli.ContainerKill(f.Context(), id, "SIGFOO"), errdefs.IsInvalidArgument)
	f.must(f.cli.ContainerKill(f.Context(), id, "SIGKILL"))
	if s := f.inspect(id).State; s.Status != "exited" || s.ExitCode != 137 || s.OOMKilled {
		f.Errorf("after a kill: %+v", s)
	}
	f.told(told("die 137"), "kill 9", "die 137")
	f.is("kill of what does not run", f.cli.ContainerKill(f.Context(), id, "SIGKILL"), errdefs.IsConflict)
	f.is("signal to what does not run", f.cli.ContainerKill(f.Context(), id, "TERM"), errdefs.IsConflict)
	f.is("kill of what never ran", f.cli.ContainerKill(f.Context(), f.create("b"), "TERM"), errdefs.IsConflict)

	f.start(id)
	f.settle()
	told = f.record(id)
	f.must(f.cli.ContainerKill(f.Context(), id, "TERM"))
	f.told(told("die 0"), "kill 15", "die 0")
	s := f.state(id, "exited", 0)
	if s.Error != "" || s.Pid != 0 || s.FinishedAt[:2] != "20" {
		f.Errorf("after SIGTERM: %+v", s)
	}

	deaf := f.run("deaf", "-ignore-term")
	f.must(f.cli.ContainerKill(f.Context(), deaf, "15"))
	f.settle()
	f.state(deaf, "running", 0)
}

func caseStop(f *fixture) {
	id := f.run("a")
	told := f.record(id)
	f.must(f.cli.ContainerStop(f.Context(), id, container.StopOptions{}))
	f.told(told("stop"), "kill 2", "die 0", "stop")
	f.state(id, "exited", 0)
	f.must(f.cli.ContainerStop(f.Context(), id, container.StopOptions{})) // 304 is no error
	f.must(f.cli.ContainerStop(f.Context(), f.create("b"), container.StopOptions{}))

	deaf := f.run("deaf", "-ignore-term")
	told = f.record(deaf)
	one := 1
	began := time.Now()
	f.must(f.cli.ContainerStop(f.Context(), deaf, container.StopOptions{Timeout: &one}))
	if d := time.Since(began); d < time.Second || d > 10*time.Second {
		f.Errorf("a stop with a timeout of 1 s took %s", d)
	}
	f.told(told("stop"), "kill 2", "kill 9", "die 137", "stop")
	f.state(deaf, "exited", 137)
}

func caseExit(f *fixture) {
	id := f.create("a", "-port=none", "-exit=3", "-after=300ms")
	told := f.record(id)
	f.start(id)
	done, errs := f.cli.ContainerWait(f.Context(), id, container.WaitConditionNotRunning)
	select {
	case r := <-done:
		if r.StatusCode != 3 || r.Error != nil {
			f.Errorf("wait: %+v", r)
		}
	case err := <-errs:
		f.Fatal(err)
	}
	f.told(told("die 3"), "start", "die 3")
	s := f.state(id, "exited", 3)
	began, err := time.Parse(time.RFC3339Nano, s.StartedAt)
	f.must(err)
	end, err := time.Parse(time.RFC3339Nano, s.FinishedAt)
	f.must(err)
	if d := end.Sub(began); d < 200*time.Millisecond || d > 10*time.Second || s.Running {
		f.Errorf("ran for %s: %+v", d, s)
	}
	list, err := f.cli.ContainerList(f.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("id", id))})
	f.must(err)
	if len(list) != 1 || list[0].State != "exited" || !strings.HasPrefix(list[0].Status, "Exited (3) ") || len(list[0].Ports) != 0 {
		f.Errorf("list: %+v", list)
	}
	if ep := f.inspect(id).NetworkSettings.Networks["bridge"]; ep == nil || ep.IPAddress != "" || ep.NetworkID == "" {
		f.Errorf("endpoint after the end: %+v", ep)
	}
}

func caseOOM(f *fixture) {
	id := f.createWith("a", spec{
		config: container.Config{Cmd: []string{"-alloc-mb=100"}},
		host:   container.HostConfig{Resources: container.Resources{Memory: 16 << 20, MemorySwap: 16 << 20}},
	})
	told := f.record(id)
	f.start(id)
	got := told("die 137")
	got = slices.Compact(got) // the kernel may tell more than once
	f.told(got, "start", "oom", "die 137")
	if s := f.state(id, "exited", 137); !s.OOMKilled {
		f.Errorf("state: %+v", s)
	}
}

func casePause(f *fixture) {
	id := f.run("a")
	told := f.record(id)
	f.must(f.cli.ContainerPause(f.Context(), id))
	s := f.state(id, "paused", 0)
	if !s.Running || !s.Paused {
		f.Errorf("state: %+v", s)
	}
	f.is("pause again", f.cli.ContainerPause(f.Context(), id), errdefs.IsConflict)
	f.is("remove", f.cli.ContainerRemove(f.Context(), id, container.RemoveOptions{}), errdefs.IsConflict)
	f.is("start", f.cli.ContainerStart(f.Context(), id, container.StartOptions{}), errdefs.IsConflict)
	f.must(f.cli.ContainerKill(f.Context(), id, "TERM")) // not its stop signal: waits until it goes on
	f.settle()
	f.state(id, "paused", 0)
	f.must(f.cli.ContainerUnpause(f.Context(), id))
	f.told(told("die 0"), "pause", "kill 15", "unpause", "die 0")
	f.is("unpause of what does not run", f.cli.ContainerUnpause(f.Context(), id), isInternal)
	f.is("pause of what does not run", f.cli.ContainerPause(f.Context(), id), errdefs.IsConflict)

	f.start(id)
	f.settle()
	f.is("unpause of what runs", f.cli.ContainerUnpause(f.Context(), id), isInternal)
	f.must(f.cli.ContainerPause(f.Context(), id))
	told = f.record(id)
	f.must(f.cli.ContainerStop(f.Context(), id, container.StopOptions{}))
	f.told(told("stop"), "kill 2", "unpause", "die 0", "stop")
	f.state(id, "exited", 0)
}

func caseRestart(f *fixture) {
	id := f.run("a")
	told := f.record(id)
	f.must(f.cli.ContainerRestart(f.Context(), id, container.StopOptions{}))
	f.told(told("restart"), "kill 2", "die 0", "stop", "start", "restart")
	f.state(id, "running", 0)
	if n := f.inspect(id).RestartCount; n != 0 {
		f.Errorf("restart count %d after a restart by hand", n)
	}
	stopped := f.create("b")
	told = f.record(stopped)
	f.must(f.cli.ContainerRestart(f.Context(), stopped, container.StopOptions{}))
	f.told(told("restart"), "start", "restart")
}

func caseRestartPolicy(f *fixture) {
	id := f.createWith("a", spec{
		config: container.Config{Cmd: []string{"-port=none", "-exit=3", "-after=100ms"}},
		host:   container.HostConfig{RestartPolicy: container.RestartPolicy{Name: "always"}},
	})
	told := f.record(id)
	f.start(id)
	s := f.state(id, "restarting", 3)
	if !s.Running || !s.Restarting || s.Pid != 0 {
		f.Errorf("state: %+v", s)
	}
	list := f.list(filters.Arg("id", id), filters.Arg("status", "restarting"), filters.Arg("status", "running"))
	if len(list) != 1 {
		f.Errorf("list: %v", list)
	}
	end := time.Now().Add(20 * time.Second)
	for f.inspect(id).RestartCount < 4 && time.Now().Before(end) {
		time.Sleep(50 * time.Millisecond)
	}
	f.state(id, "restarting", 3)
	f.must(f.cli.ContainerStop(f.Context(), id, container.StopOptions{}))
	f.state(id, "exited", 3)
	got := told("stop")
	if len(got) < 9 || !slices.Equal(got[:6], []string{"start", "die 3", "start", "die 3", "start", "die 3"}) {
		f.Errorf("events: %q", got)
	}
	time.Sleep(2 * time.Second)
	f.state(id, "exited", 3)
}

func caseHealth(f *fixture) {
	id := f.createWith("a", spec{config: container.Config{Healthcheck: &container.HealthConfig{
		Test: []string{"CMD", "/web", "-port=none", "-exit=0"}, Interval: time.Second, Timeout: 5 * time.Second, Retries: 1,
	}}})
	told := f.record(id)
	f.start(id)
	if h := f.inspect(id).State.Health; h == nil || h.Status != container.Starting {
		f.Errorf("health: %+v", h)
	}
	got := slices.DeleteFunc(told("health_status: healthy"), func(s string) bool { return strings.HasPrefix(s, "exec_") })
	f.told(got, "start", "health_status: healthy")
	if h := f.inspect(id).State.Health; h == nil || h.Status != container.Healthy {
		f.Errorf("health: %+v", h)
	}
	list, err := f.cli.ContainerList(f.Context(), container.ListOptions{Filters: filters.NewArgs(filters.Arg("id", id))})
	f.must(err)
	if len(list) != 1 || !strings.HasSuffix(list[0].Status, "(healthy)") {
		f.Errorf("list: %+v", list)
	}
}

func caseReplay(f *fixture) {
	f.create("earlier")
	time.Sleep(20 * time.Millisecond)
	since := time.Now()
	time.Sleep(20 * time.Millisecond)
	id := f.run("a")
	f.remove(id)
	time.Sleep(20 * time.Millisecond)
	until := time.Now()
	time.Sleep(20 * time.Millisecond)
	f.create("later")
	replay := func(args ...filters.KeyValuePair) []string {
		f.Helper()
		msgs, errs := f.cli.Events(f.Context(), events.ListOptions{
			Since: since.Format(time.RFC3339Nano), Until: until.Format(time.RFC3339Nano), Filters: filters.NewArgs(args...),
		})
		var out []string
		for {
			select {
			case m := <-msgs:
				out = append(out, string(m.Type)+" "+string(m.Action))
				if m.TimeNano < since.UnixNano() || m.TimeNano > until.UnixNano() || m.Scope != "local" {
					f.Errorf("event %+v", m)
				}
			case err := <-errs:
				if !errors.Is(err, io.EOF) {
					f.Errorf("end of the replay: %v", err)
				}
				return out
			}
		}
	}
	us := filters.Arg("label", "reconciler.test="+f.mark)
	f.told(replay(filters.Arg("container", id), filters.Arg("type", "container")),
		"container create", "container start", "container kill", "container die", "container destroy")
	f.told(replay(us, filters.Arg("type", "container"), filters.Arg("event", "create")), "container create")
	f.told(replay(us, filters.Arg("event", "die"), filters.Arg("event", "start")), "container start", "container die")
	f.told(replay(us, filters.Arg("container", f.name("a")), filters.Arg("event", "destroy")), "container destroy")
	f.told(replay(us, filters.Arg("event", "health_status")))
	if got := replay(filters.Arg("type", "network"), filters.Arg("event", "connect")); len(got) == 0 {
		f.Error("no event of the network")
	}
}
