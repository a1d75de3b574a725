package dockertest

import (
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/google/go-cmp/cmp"

	"reconciler/internal/testimage"
)

func init() {
	conformance["create: what inspect adds to the request"] = caseCreateInspect
	conformance["create: what the image adds to the request"] = caseCreateMerge
	conformance["create: refusals"] = caseCreateRefusals
	conformance["create: a missing network shows at the start"] = caseMissingNetwork
	conformance["list: filters"] = caseListFilters
	conformance["list: a running container"] = caseListRunning
	conformance["update: limits and restart policy"] = caseUpdate
	conformance["network: life"] = caseNetworks
	conformance["version: too new and too old"] = caseVersions
}

func caseCreateInspect(f *fixture) {
	id := f.create("a")
	c := f.inspect(id)
	h := c.HostConfig
	type shown struct {
		Ipc, Network, Runtime, Restart string
		Shm                            int64
		Masked, Readonly, Oom, Log     bool
	}
	got := shown{
		string(h.IpcMode), string(h.NetworkMode), h.Runtime, string(h.RestartPolicy.Name), h.ShmSize,
		len(h.MaskedPaths) > 5, len(h.ReadonlyPaths) > 3, h.OomKillDisable != nil && !*h.OomKillDisable, h.LogConfig.Type != "",
	}
	want := shown{"private", "default", "runc", "", 64 << 20, true, true, true, true}
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("HostConfig (-want +got):\n%s", diff)
	}
	if h.CgroupnsMode == "" {
		f.Error("no CgroupnsMode")
	}
	s := c.State
	if s.Status != "created" || s.StartedAt != "0001-01-01T00:00:00Z" || s.FinishedAt != "0001-01-01T00:00:00Z" || s.Pid != 0 || s.Health != nil {
		f.Errorf("state: %+v", s)
	}
	if c.Name != "/"+f.name("a") || c.Config.Hostname != id[:12] || c.Path != "/web" || c.Image != f.imageID(f.image) || c.Platform != "linux" {
		f.Errorf("name %s, host %s, path %s, image %s", c.Name, c.Config.Hostname, c.Path, c.Image)
	}
	ep := c.NetworkSettings.Networks["bridge"]
	if len(c.NetworkSettings.Networks) != 1 || ep == nil || ep.NetworkID != "" || ep.IPAddress != "" || len(c.NetworkSettings.Ports) != 0 {
		f.Errorf("networks: %+v, ports %v", ep, c.NetworkSettings.Ports)
	}
	if len(c.Mounts) != 1 || c.Mounts[0].Destination != "/data" || c.Mounts[0].Type != "volume" || !c.Mounts[0].RW {
		f.Errorf("mounts: %+v", c.Mounts)
	}
}

func caseCreateMerge(f *fixture) {
	plain := f.inspect(f.create("a")).Config
	if !slices.Equal(plain.Entrypoint, []string{"/web"}) || plain.Cmd != nil || plain.StopSignal != "SIGINT" {
		f.Errorf("plain: %+v", plain)
	}
	own := f.inspect(f.createWith("b", spec{config: container.Config{
		Cmd: []string{"-text=x"}, Env: []string{"A=own", "B=1"}, StopSignal: "SIGTERM", Hostname: "h",
		Labels: map[string]string{"from": "request", "x": "y"},
	}})).Config
	slices.Sort(own.Env)
	want := []any{
		[]string{"A=own", "B=1", "PATH=/bin"},
		[]string{"/web"},
		[]string{"-text=x"},
		"SIGTERM", "h",
		map[string]string{"from": "request", "x": "y", testimage.TestLabel: f.mark},
		1, 1,
	}
	got := []any{own.Env, []string(own.Entrypoint), []string(own.Cmd), own.StopSignal, own.Hostname, own.Labels, len(own.ExposedPorts), len(own.Volumes)}
	if diff := cmp.Diff(want, got); diff != "" {
		f.Errorf("merged (-want +got):\n%s", diff)
	}
}

func caseCreateRefusals(f *fixture) {
	f.create("a")
	try := func(name string, s spec) error {
		_, err := f.tryCreate(name, s)
		return err
	}
	f.is("a name that is taken", try("a", spec{}), errdefs.IsConflict)
	f.is("a name with a blank", try("a b", spec{}), errdefs.IsInvalidArgument)
	f.is("no such image", try("b", spec{config: container.Config{Image: f.mark + ":none"}}), errdefs.IsNotFound)
	f.is("no such image id", try("b", spec{config: container.Config{Image: "sha256:" + strings.Repeat("0", 64)}}), errdefs.IsNotFound)
	f.is("too little memory", try("b", spec{host: container.HostConfig{Resources: container.Resources{Memory: 1 << 20}}}), errdefs.IsInvalidArgument)
	f.is("unknown restart policy", try("b", spec{host: container.HostConfig{RestartPolicy: container.RestartPolicy{Name: "often"}}}), errdefs.IsInvalidArgument)
	id := f.imageID(f.image)
	byID := f.createWith("byid", spec{config: container.Config{Image: id}})
	if c := f.inspect(byID); c.Config.Image != id || c.Image != id {
		f.Errorf("made by id: %s, %s", c.Config.Image, c.Image)
	}
	f.is("inspect", second(f.cli.ContainerInspect(f.Context(), f.name("none"))), errdefs.IsNotFound)
	f.is("start", f.cli.ContainerStart(f.Context(), f.name("none"), container.StartOptions{}), errdefs.IsNotFound)
	f.is("stop", f.cli.ContainerStop(f.Context(), f.name("none"), container.StopOptions{}), errdefs.IsNotFound)
	f.is("kill", f.cli.ContainerKill(f.Context(), f.name("none"), "KILL"), errdefs.IsNotFound)
	f.is("rename", f.cli.ContainerRename(f.Context(), f.name("none"), f.name("x")), errdefs.IsNotFound)
	f.is("remove", f.cli.ContainerRemove(f.Context(), f.name("none"), container.RemoveOptions{}), errdefs.IsNotFound)
	f.is("pause", f.cli.ContainerPause(f.Context(), f.name("none")), errdefs.IsNotFound)
	f.is("unpause", f.cli.ContainerUnpause(f.Context(), f.name("none")), errdefs.IsNotFound)
}

func second[T any](_ T, err error) error { return err }

func caseMissingNetwork(f *fixture) {
	id := f.createWith("a", spec{host: container.HostConfig{NetworkMode: container.NetworkMode(f.name("none"))}})
	err := f.cli.ContainerStart(f.Context(), id, container.StartOptions{})
	f.is("start", err, errdefs.IsNotFound)
	s := f.state(id, "created", 128)
	if !strings.Contains(s.Error, "not found") {
		f.Errorf("state: %+v", s)
	}
}

func caseListFilters(f *fixture) {
	one, two := f.create("one"), f.run("two")
	gone := f.run("gone", "-port=none", "-exit=3")
	f.state(gone, "exited", 3)
	for _, tc := range []struct {
		what string
		args []filters.KeyValuePair
		want []string
	}{
		{"all", nil, []string{"gone", "one", "two"}},
		{"name", []filters.KeyValuePair{filters.Arg("name", "^/?"+f.name("one")+"$")}, []string{"one"}},
		{"part of a name", []filters.KeyValuePair{filters.Arg("name", f.mark+"-o")}, []string{"one"}},
		{"beginning of an id", []filters.KeyValuePair{filters.Arg("id", two[:12])}, []string{"two"}},
		{"status", []filters.KeyValuePair{filters.Arg("status", "created")}, []string{"one"}},
		{"two statuses", []filters.KeyValuePair{filters.Arg("status", "created"), filters.Arg("status", "running")}, []string{"one", "two"}},
		{"exit code", []filters.KeyValuePair{filters.Arg("exited", "3")}, []string{"gone"}},
		{"label without value", []filters.KeyValuePair{filters.Arg("label", "from")}, []string{"gone", "one", "two"}},
		{"label with another value", []filters.KeyValuePair{filters.Arg("label", "from=nowhere")}, nil},
		{"ancestor", []filters.KeyValuePair{filters.Arg("ancestor", f.image)}, []string{"gone", "one", "two"}},
		{"network", []filters.KeyValuePair{filters.Arg("network", "bridge")}, []string{"gone", "one", "two"}},
	} {
		if diff := cmp.Diff(tc.want, f.list(tc.args...)); diff != "" {
			f.Errorf("%s (-want +got):\n%s", tc.what, diff)
		}
	}
	mine := filters.NewArgs(filters.Arg("label", testimage.TestLabel+"="+f.mark))
	running, err := f.cli.ContainerList(f.Context(), container.ListOptions{Filters: mine})
	f.must(err)
	if len(running) != 1 || running[0].ID != two {
		f.Errorf("running: %+v", running)
	}
	_, err = f.cli.ContainerList(f.Context(), container.ListOptions{Filters: filters.NewArgs(filters.Arg("nonsense", "1"))})
	f.is("unknown filter", err, errdefs.IsInvalidArgument)
	_ = one
}

func caseListRunning(f *fixture) {
	id := f.run("a", "-text=x")
	list, err := f.cli.ContainerList(f.Context(), container.ListOptions{Filters: filters.NewArgs(filters.Arg("id", id))})
	f.must(err)
	if len(list) != 1 {
		f.Fatalf("list: %+v", list)
	}
	s := list[0]
	if s.State != "running" || !strings.HasPrefix(s.Status, "Up ") || s.Image != f.image || s.ImageID != f.imageID(f.image) ||
		s.Command != "/web -text=x" || s.HostConfig.NetworkMode != "default" || s.Labels["from"] != "image" {
		f.Errorf("summary: %+v", s)
	}
	if len(s.Ports) != 1 || s.Ports[0].PrivatePort != 8080 || s.Ports[0].PublicPort != 0 || s.Ports[0].Type != "tcp" {
		f.Errorf("ports: %+v", s.Ports)
	}
	in := f.inspect(id)
	ep := s.NetworkSettings.Networks["bridge"]
	if ep == nil || ep.IPAddress == "" || ep.NetworkID == "" || in.NetworkSettings.Networks["bridge"].IPAddress != ep.IPAddress {
		f.Errorf("endpoint: %+v", ep)
	}
	if b, ok := in.NetworkSettings.Ports["8080/tcp"]; !ok || len(b) != 0 {
		f.Errorf("ports of the inspect: %+v", in.NetworkSettings.Ports)
	}
	if in.State.Pid == 0 || in.State.StartedAt[:2] != "20" {
		f.Errorf("state: %+v", in.State)
	}
}

func caseUpdate(f *fixture) {
	id := f.createWith("a", spec{host: container.HostConfig{Resources: container.Resources{Memory: 64 << 20, MemorySwap: 64 << 20}}})
	update := func(r container.Resources, p container.RestartPolicyMode) error {
		_, err := f.cli.ContainerUpdate(f.Context(), id, container.UpdateConfig{Resources: r, RestartPolicy: container.RestartPolicy{Name: p}})
		return err
	}
	for _, live := range []bool{false, true} {
		if live {
			f.start(id)
		}
		told := f.record(id)
		f.is("memory alone", update(container.Resources{Memory: 128 << 20}, ""), errdefs.IsConflict)
		f.is("too little memory", update(container.Resources{Memory: 1000}, ""), errdefs.IsInvalidArgument)
		f.is("unknown policy", update(container.Resources{}, "often"), errdefs.IsInvalidArgument)
		f.must(update(container.Resources{Memory: 96 << 20, MemorySwap: 96 << 20}, ""))
		f.must(update(container.Resources{CPUShares: 512}, "always"))
		f.told(told("update"), "update")
		h := f.inspect(id).HostConfig
		if h.Memory != 96<<20 || h.MemorySwap != 96<<20 || h.CPUShares != 512 || h.RestartPolicy.Name != "always" {
			f.Errorf("after updates: %d %d %d %s", h.Memory, h.MemorySwap, h.CPUShares, h.RestartPolicy.Name)
		}
		f.must(update(container.Resources{Memory: 64 << 20, MemorySwap: 64 << 20, CPUShares: 100}, "no"))
		if p := f.inspect(id).HostConfig.RestartPolicy.Name; p != "no" {
			f.Errorf("policy %q", p)
		}
	}
	_, err := f.cli.ContainerUpdate(f.Context(), f.name("none"), container.UpdateConfig{})
	f.is("no such container", err, errdefs.IsNotFound)
}

func caseNetworks(f *fixture) {
	name := f.name("net")
	f.is("inspect", second(f.cli.NetworkInspect(f.Context(), name, network.InspectOptions{})), errdefs.IsNotFound)
	made, err := f.cli.NetworkCreate(f.Context(), name, network.CreateOptions{Driver: "bridge", Labels: map[string]string{testimage.TestLabel: f.mark}})
	f.must(err)
	f.is("a second", second(f.cli.NetworkCreate(f.Context(), name, network.CreateOptions{Driver: "bridge"})), errdefs.IsConflict)
	id := f.createWith("a", spec{
		host:    container.HostConfig{NetworkMode: container.NetworkMode(name)},
		network: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{name: {Aliases: []string{"alias"}}}},
	})
	f.start(id)
	ep := f.inspect(id).NetworkSettings.Networks[name]
	if ep == nil || ep.NetworkID != made.ID || ep.IPAddress == "" || !slices.Contains(ep.Aliases, "alias") || !slices.Contains(ep.Aliases, id[:12]) {
		f.Errorf("endpoint: %+v", ep)
	}
	f.is("remove while in use", f.cli.NetworkRemove(f.Context(), name), errdefs.IsPermissionDenied)
	f.is("remove bridge", f.cli.NetworkRemove(f.Context(), "bridge"), errdefs.IsPermissionDenied)
	f.remove(id)
	f.must(f.cli.NetworkRemove(f.Context(), name))
	f.is("remove again", f.cli.NetworkRemove(f.Context(), name), errdefs.IsNotFound)
	bridge, err := f.cli.NetworkInspect(f.Context(), "bridge", network.InspectOptions{})
	f.must(err)
	if bridge.Driver != "bridge" || bridge.Scope != "local" {
		f.Errorf("bridge: %+v", bridge)
	}
}

func caseVersions(f *fixture) {
	for _, v := range []string{"1.99", "1.10"} {
		cli, err := client.NewClientWithOpts(client.WithHTTPClient(f.cli.HTTPClient()), client.WithHost(f.cli.DaemonHost()), client.WithVersion(v))
		if err != nil {
			// A client over a wrapped transport cannot be given a host.
			cli, err = client.NewClientWithOpts(client.WithHTTPClient(f.cli.HTTPClient()), client.WithVersion(v))
		}
		f.must(err)
		_, err = cli.Info(f.Context())
		f.is("version "+v, err, errdefs.IsInvalidArgument)
	}
	p, err := f.cli.Ping(f.Context())
	f.must(err)
	_, err = f.cli.Info(f.Context()) // negotiates
	f.must(err)
	if p.APIVersion != "1.41" || p.OSType != "linux" || f.cli.ClientVersion() != "1.41" {
		f.Errorf("ping: %+v, client %s", p, f.cli.ClientVersion())
	}
}
