package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"reconciler/internal/job"
	"reconciler/internal/testimage"
)

// stage is a real engine with an image, an agent that allows all, a network
// and a volume.
type stage struct {
	*dockerd
	ref     string
	image   job.ImageResult
	network string
	volume  string
	profile string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	d := realDockerd(t)
	d.Engine = New(d.cli, Options{VolumesEnabled: true, PrivilegedEnabled: true, SELinuxLabel: "z"}, d, d.prov, quietLog())
	addr, _, _ := d.registry()
	s := &stage{dockerd: d, ref: addr + "/options:1", network: d.mark, volume: d.mark, profile: filepath.Join(d.root, "seccomp.json")}
	d.push(s.ref, d.image("options", testimage.Options{}))
	var err error
	if s.image, err = d.Bring(t.Context(), job.ImageRequest{Ref: s.ref}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.profile, []byte("{\n \"defaultAction\": \"SCMP_ACT_ALLOW\"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.makeNetwork()
	labels := map[string]string{testimage.TestLabel: d.mark}
	if _, err := d.cli.VolumeCreate(t.Context(), volume.CreateOptions{Name: s.volume, Labels: labels}); err != nil {
		t.Fatal(err)
	}
	return s
}

// makeNetwork makes a network of both families, in a range of its own.
func (s *stage) makeNetwork() {
	s.t.Helper()
	six := true
	n := time.Now().UnixNano()/1000%200 + 20
	_, err := s.cli.NetworkCreate(s.t.Context(), s.network, network.CreateOptions{
		EnableIPv6: &six, Labels: map[string]string{testimage.TestLabel: s.mark},
		IPAM: &network.IPAM{Config: []network.IPAMConfig{
			{Subnet: fmt.Sprintf("10.213.%d.0/24", n)}, {Subnet: fmt.Sprintf("fd5c:%x::/64", n)},
		}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// fixed is an address of the network, of the first or the second family.
func (s *stage) fixed(family int) string {
	n, err := s.cli.NetworkInspect(s.t.Context(), s.network, network.InspectOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	ip, _, err := net.ParseCIDR(n.IPAM.Config[family].Subnet)
	if err != nil {
		s.t.Fatal(err)
	}
	ip[len(ip)-1] = 77
	return ip.String()
}

func (s *stage) request(change func(r *job.ContainerRequest)) job.ContainerRequest {
	return s.dockerd.request(s.ref, s.image, change)
}

// run makes a container and returns what the engine says about it.
func (s *stage) run(t *testing.T, change func(r *job.ContainerRequest)) (job.ContainerRequest, container.InspectResponse) {
	t.Helper()
	r := s.request(change)
	id, err := s.Run(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.drop(id) })
	return r, s.inspect(id)
}

func (s *stage) drop(id string) {
	_ = s.cli.ContainerRemove(s.t.Context(), id, container.RemoveOptions{Force: true, RemoveVolumes: true})
}

// file reads a file in a container by its web server.
func (s *stage) file(t *testing.T, c container.InspectResponse, path string) string {
	t.Helper()
	for _, n := range c.NetworkSettings.Networks {
		var text string
		eventually(t, "an answer from the container", func() bool {
			var err error
			text, err = fetch("http://" + net.JoinHostPort(n.IPAddress, "8080") + "/file?path=" + path)
			return err == nil && text != ""
		})
		return text
	}
	t.Fatal("the container has no network")
	return ""
}

// asked checks that the engine's words about a container have all that the
// request has more than one without options.
func (s *stage) asked(t *testing.T, r job.ContainerRequest, c container.InspectResponse) {
	t.Helper()
	opts := s.opts
	opts.APIVersion = s.cli.ClientVersion()
	cr, err := Build(r, opts, s)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := Build(s.request(nil), opts, s)
	if err != nil {
		t.Fatal(err)
	}
	want, base := treeOf(t, cr), treeOf(t, plain)
	got := treeOf(t, map[string]any{"Config": c.Config, "HostConfig": c.HostConfig})
	diff := added(base, want)
	if len(diff) == 0 {
		t.Error("the option changes nothing")
	}
	for _, part := range []string{"Config", "HostConfig"} {
		if below, ok := diff[part].(map[string]any); ok {
			missing(t, part, below, got[part].(map[string]any))
		}
	}
}

func treeOf(t *testing.T, v any) map[string]any {
	t.Helper()
	var out map[string]any
	if err := json.Unmarshal(encode(t, v), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func missing(t *testing.T, path string, want, got map[string]any) {
	t.Helper()
	for k, w := range want {
		below, isMap := w.(map[string]any)
		if g, ok := got[k].(map[string]any); isMap && ok {
			missing(t, path+"."+k, below, g)
			continue
		}
		if strings.HasPrefix(k, "Cap") {
			w = capNames(w)
		}
		if !reflect.DeepEqual(w, got[k]) {
			t.Errorf("%s.%s: asked for %v, inspect says %v", path, k, w, got[k])
		}
	}
}

// capNames are capabilities as the client sends them.
func capNames(v any) any {
	list, _ := v.([]any)
	var out []any
	for _, name := range list {
		if s := name.(string); s == job.AllCapabilities {
			out = append(out, s)
		} else {
			out = append(out, "CAP_"+s)
		}
	}
	slices.SortFunc(out, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	return out
}

// TestDockerd_Options shows each option on a container that runs.
func TestDockerd_Options(t *testing.T) {
	s := newStage(t)
	for _, tc := range []struct {
		name   string
		change func(r *job.ContainerRequest)
		files  map[string]string // path in the container -> text in it
	}{
		{"process", config(func(c *job.Config) {
			c.Interactive, c.TTY, c.Init, c.GroupAdd, c.Healthchecks.Disable = true, true, true, []string{"4242"}, true
			c.Labels = map[string]string{"foo": "bar"}
		}), map[string]string{"/proc/1/cmdline": "/sbin/docker-init", "/proc/self/status": "Groups:\t0 4242"}},
		{"names", config(func(c *job.Config) {
			c.DNSServers, c.DNSSearchDomains, c.DNSOptions = []string{"192.0.2.53"}, []string{"example.test"}, []string{"ndots:2"}
			c.ExtraHosts, c.Hostname = []string{"db:192.0.2.7"}, "my-name"
		}), map[string]string{
			"/etc/resolv.conf": "nameserver 192.0.2.53", "/etc/hosts": "192.0.2.7\tdb", "/proc/sys/kernel/hostname": "my-name",
		}},
		{"mac address", config(func(c *job.Config) { c.MACAddress = ownMAC }), nil},
		{"limits", func(r *job.ContainerRequest) {
			c := &r.Task.Config
			c.Sysctl = map[string]string{"net.core.somaxconn": "1234"}
			c.Ulimit = map[string]string{"nofile": "2048:4096", "nproc": "4242"}
			c.ShmSize, c.PidsLimit, c.OOMScoreAdj = 8<<20, 64, 500
			c.CPUHardLimit, c.CPUCFSPeriod, c.MemoryHardLimitMB = true, 50_000, 128
		}, map[string]string{
			"/proc/sys/net/core/somaxconn": "1234", "/proc/self/limits": " 4096                 files", "/proc/self/oom_score_adj": "500",
			"/proc/mounts": "size=8192k", "/sys/fs/cgroup/pids/pids.max": "64",
		}},
		{"memory_max and logs", func(r *job.ContainerRequest) {
			r.Task.Resources.MemoryMaxMB, r.Task.Logs = 96, job.Logs{MaxFiles: 7, MaxFileSizeMB: 2}
		}, nil},
		{"capabilities", config(func(c *job.Config) { c.CapAdd, c.CapDrop = []string{"SYS_TIME", "NET_ADMIN"}, []string{"ALL"} }), nil},
		{"read-only root", config(func(c *job.Config) { c.ReadonlyRootfs = true }), map[string]string{"/proc/mounts": "/ fuse"}},
		{
			"security_opt", config(func(c *job.Config) { c.SecurityOpt = []string{"no-new-privileges", "seccomp=" + s.profile} }),
			map[string]string{"/proc/self/status": "NoNewPrivs:\t1"},
		},
		{"namespaces of the host", config(func(c *job.Config) { c.IPCMode, c.PIDMode, c.UTSMode, c.UsernsMode = "host", "host", "host", "host" }), nil},
		{"private ipc and cgroup", config(func(c *job.Config) { c.IPCMode, c.Cgroupns = "private", "private" }), nil},
		{"devices", config(func(c *job.Config) {
			c.Devices = []job.Device{{HostPath: "/dev/null", ContainerPath: "/dev/nothing", Permissions: "r"}, {HostPath: "/dev/zero"}}
		}), nil},
		{"runtime", config(func(c *job.Config) { c.Runtime = "runc" }), nil},
		{"volumes and mounts", config(func(c *job.Config) {
			c.VolumeDriver, c.Volumes = "local", []string{s.volume + ":/named"}
			c.Mounts = []job.Mount{
				{Type: job.MountVolume, Target: "/new", NoCopy: true, Labels: map[string]string{"a": "b"}},
				{Type: job.MountVolume, Source: s.volume, Target: "/again", ReadOnly: true},
				{Type: job.MountBind, Source: "data", Target: "/bind", Propagation: "rprivate"},
				{Type: job.MountTmpfs, Target: "/memory", TmpfsSize: 1 << 20, TmpfsMode: 0o1777},
			}
		}), map[string]string{"/proc/mounts": "tmpfs /memory tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k"}},
		{"log driver local", config(func(c *job.Config) {
			c.Logging = &job.Logging{Type: "local", Config: map[string]string{"max-size": "1m"}}
		}), nil},
		{"log driver none", config(func(c *job.Config) { c.Logging = &job.Logging{Type: "none"} }), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, c := s.run(t, tc.change)
			s.asked(t, r, c)
			// Not asked over the network: the host may still know another address
			// for the container's IP, for up to a minute.
			if ep := c.NetworkSettings.Networks["bridge"]; tc.name == "mac address" && (ep == nil || ep.MacAddress != ownMAC) {
				t.Errorf("on bridge: %+v, want %s", ep, ownMAC)
			}
			for _, path := range slices.Sorted(maps.Keys(tc.files)) {
				if text := s.file(t, c, path); !strings.Contains(text, tc.files[path]) {
					t.Errorf("%s: %q is not in:\n%s", path, tc.files[path], text)
				}
			}
			if !slices.ContainsFunc(c.HostConfig.Binds, func(b string) bool { return strings.HasSuffix(b, ":/local:z") }) {
				t.Errorf("the SELinux label is not on %q", c.HostConfig.Binds)
			}
		})
	}
}

// TestDockerd_SystemPaths: nothing of /proc is mounted over.
func TestDockerd_SystemPaths(t *testing.T) {
	s := newStage(t)
	_, c := s.run(t, config(func(c *job.Config) { c.SecurityOpt = []string{"systempaths=unconfined"} }))
	if mounts := s.file(t, c, "/proc/mounts"); !strings.Contains(mounts, " /proc ") || strings.Contains(mounts, " /proc/") {
		t.Errorf("mounts:\n%s", mounts)
	}
}

// TestDockerd_UserNetwork shows fixed addresses and names on a network.
func TestDockerd_UserNetwork(t *testing.T) {
	s := newStage(t)
	four, six := s.fixed(0), s.fixed(1)
	r, c := s.run(t, config(func(c *job.Config) {
		c.NetworkMode, c.IPv4Address, c.IPv6Address, c.MACAddress = s.network, four, six, ownMAC
		c.NetworkAliases = []string{"${NOMAD_TASK_NAME}", "${NOMAD_TASK_NAME}-${NOMAD_ALLOC_INDEX}"}
	}))
	s.asked(t, r, c)
	ep := c.NetworkSettings.Networks[s.network]
	if ep == nil || ep.IPAddress != four || ep.GlobalIPv6Address != six || ep.MacAddress != ownMAC {
		t.Fatalf("endpoint: %+v", ep)
	}
	for _, alias := range []string{"web", "web-2"} {
		if !slices.Contains(ep.Aliases, alias) {
			t.Errorf("aliases %q lack %s", ep.Aliases, alias)
		}
	}
	if err := s.Check(t.Context(), s.request(config(func(c *job.Config) { c.NetworkMode = s.network + "-not" }))); err == nil {
		t.Error("a network that does not exist was not noticed")
	} else if kind, reason := job.KindOf(err); kind != job.Retried || reason != ReasonNetworkMissing {
		t.Errorf("got %s %s", kind, reason)
	}
}

// TestDockerd_Group shows a task in the namespaces of another one of its group.
func TestDockerd_Group(t *testing.T) {
	s := newStage(t)
	join := func(r *job.ContainerRequest) {
		r.Group.Tasks[1].Config = job.Config{
			Image: s.ref, NetworkMode: "container:web", IPCMode: "container:web", PIDMode: "container:web", Args: []string{"-port", "8081"},
		}
		r.Group.Tasks[1].Resources = r.Task.Resources
		r.Alloc.Images["side"] = s.ref
	}
	_, web := s.run(t, join)
	_, side := s.run(t, func(r *job.ContainerRequest) { join(r); r.Task = &r.Group.Tasks[1] })
	if web.HostConfig.IpcMode != "shareable" {
		t.Errorf("the joined task's IPC is %q", web.HostConfig.IpcMode)
	}
	// The engine turns the name into the id for some modes; either names it.
	for mode, got := range map[string]string{
		"network": string(side.HostConfig.NetworkMode), "ipc": string(side.HostConfig.IpcMode), "pid": string(side.HostConfig.PidMode),
	} {
		if got != "container:"+web.ID && got != "container:"+strings.TrimPrefix(web.Name, "/") {
			t.Errorf("%s: %q is not the container of web", mode, got)
		}
	}
	for _, n := range web.NetworkSettings.Networks {
		eventually(t, "the second task at the first one's address", func() bool {
			_, err := fetch("http://" + n.IPAddress + ":8081/")
			return err == nil
		})
	}
}

// TestDockerd_RefusedByTheEngine: what this engine cannot do is in the request,
// and its answer reaches the user.
func TestDockerd_RefusedByTheEngine(t *testing.T) {
	s := newStage(t)
	for _, tc := range []struct {
		name   string
		change func(c *job.Config)
		shows  func(c container.InspectResponse) bool // nil: none was made
	}{
		{"storage_opt", func(c *job.Config) { c.StorageOpt = map[string]string{"size": "10M"} }, nil},
		{"runtime", func(c *job.Config) { c.Runtime = "no-such-runtime" }, nil},
		{"privileged", func(c *job.Config) { c.Privileged = true }, func(c container.InspectResponse) bool { return c.HostConfig.Privileged }},
		{"gpus", func(c *job.Config) { c.GPUs = &job.GPUs{Count: 1} }, func(c container.InspectResponse) bool {
			return len(c.HostConfig.DeviceRequests) == 1 && c.HostConfig.DeviceRequests[0].Count == 1
		}},
		{"device that is missing", func(c *job.Config) { c.Devices = []job.Device{{HostPath: "/dev/no-such-device"}} }, func(c container.InspectResponse) bool {
			return c.HostConfig.Devices[0].PathInContainer == "/dev/no-such-device"
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			id, err := s.Run(t.Context(), s.request(config(tc.change)))
			if id != "" {
				defer s.drop(id)
			}
			if tc.shows != nil && (id == "" || !tc.shows(s.inspect(id))) {
				t.Errorf("the option is not in the container %q: %v", id, err)
			}
			if err == nil {
				t.Skip("this engine can do it")
			}
			kind, reason := job.KindOf(err)
			t.Logf("%s %s: %v", kind, reason, err)
			if kind == job.Indeterminate {
				t.Errorf("the engine answered, and this counts as none: %v", err)
			}
		})
	}
}

// ownMAC is no other test run's: two of one address on a bridge hear each
// other's answers.
var ownMAC = fmt.Sprintf("02:68:b3:%02x:%02x:%02x", rand.IntN(256), rand.IntN(256), rand.IntN(256))
