package docker

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

// trusted is an agent that allows everything.
var trusted = Options{VolumesEnabled: true, PrivilegedEnabled: true}

// onNetwork puts the task into a network of the user.
func onNetwork(change func(c *job.Config)) func(r *job.ContainerRequest) {
	return config(func(c *job.Config) { c.NetworkMode = "backend"; change(c) })
}

func config(change func(c *job.Config)) func(r *job.ContainerRequest) {
	return func(r *job.ContainerRequest) { change(&r.Task.Config) }
}

// optionCases shows what each option adds to the request of a small task.
var optionCases = []struct {
	name   string
	opts   Options
	change func(r *job.ContainerRequest)
}{
	{"interactive", defaults, config(func(c *job.Config) { c.Interactive = true })},
	{"init", defaults, config(func(c *job.Config) { c.Init = true })},
	{"group_add", defaults, config(func(c *job.Config) { c.GroupAdd = []string{"audio", "${NOMAD_ALLOC_INDEX}"} })},
	{"healthchecks", defaults, config(func(c *job.Config) { c.Healthchecks.Disable = true })},

	{"dns_servers", defaults, config(func(c *job.Config) { c.DNSServers = []string{"192.0.2.53", "${attr.unique.network.ip-address}"} })},
	{"dns_search_domains", defaults, config(func(c *job.Config) { c.DNSSearchDomains = []string{"${NOMAD_DC}.example"} })},
	{"dns_options", defaults, config(func(c *job.Config) { c.DNSOptions = []string{"ndots:2"} })},
	{"extra_hosts", defaults, config(func(c *job.Config) { c.ExtraHosts = []string{"db:192.0.2.7", "six:[fd00::1]", "up:host-gateway"} })},
	{"network_aliases", defaults, onNetwork(func(c *job.Config) {
		c.NetworkAliases = []string{"${NOMAD_TASK_NAME}", "${NOMAD_TASK_NAME}-${NOMAD_ALLOC_INDEX}"}
	})},
	{"ipv4_address", defaults, onNetwork(func(c *job.Config) { c.IPv4Address = "172.20.0.1${NOMAD_ALLOC_INDEX}" })},
	{"ipv6_address", defaults, onNetwork(func(c *job.Config) { c.IPv6Address = "fd00::10" })},
	{"mac_address", defaults, config(func(c *job.Config) { c.MACAddress = "02:68:b3:29:da:98" })},
	{"mac_address_1_43", Options{APIVersion: "1.43"}, config(func(c *job.Config) { c.MACAddress = "02:68:b3:29:da:98" })},
	{"mac_address_1_44", Options{APIVersion: "1.44"}, onNetwork(func(c *job.Config) { c.MACAddress = "02:68:b3:29:da:98" })},

	{"privileged", trusted, config(func(c *job.Config) { c.Privileged = true })},
	{"cap_add", Options{CapsAllowlist: []string{"NET_ADMIN"}}, config(func(c *job.Config) { c.CapAdd = []string{"NET_ADMIN", "CHOWN"} })},
	{"cap_add_all", trusted, config(func(c *job.Config) { c.CapAdd = []string{"ALL"} })},
	{"cap_drop", defaults, config(func(c *job.Config) { c.CapDrop = []string{"ALL"} })},
	{"security_opt", defaults, config(func(c *job.Config) {
		c.SecurityOpt = []string{"no-new-privileges", "label=user:${NOMAD_TASK_NAME}", "seccomp=unconfined", "credentialspec=file://gmsaUser.json"}
	})},
	{"security_opt_systempaths", trusted, config(func(c *job.Config) {
		c.SecurityOpt = []string{"systempaths=unconfined", "no-new-privileges"}
	})},
	{"readonly_rootfs", defaults, config(func(c *job.Config) { c.ReadonlyRootfs = true })},
	{"ipc_mode_host", trusted, config(func(c *job.Config) { c.IPCMode = "host" })},
	{"ipc_mode_private", defaults, config(func(c *job.Config) { c.IPCMode = "private" })},
	{"ipc_mode_of_the_group", defaults, config(func(c *job.Config) { c.IPCMode = "container:side" })},
	{"ipc_mode_of_a_stranger", trusted, config(func(c *job.Config) { c.IPCMode = "4f3a1b" })},
	{"ipc_mode_joined", defaults, func(r *job.ContainerRequest) { r.Group.Tasks[1].Config.IPCMode = "container:web" }},
	{"pid_mode", trusted, config(func(c *job.Config) { c.PIDMode = "host" })},
	{"pid_mode_of_the_group", defaults, config(func(c *job.Config) { c.PIDMode = "container:side" })},
	{"uts_mode", trusted, config(func(c *job.Config) { c.UTSMode = "host" })},
	{"userns_mode", defaults, config(func(c *job.Config) { c.UsernsMode = "host" })},
	{"cgroupns", Options{APIVersion: "1.41"}, config(func(c *job.Config) { c.Cgroupns = "private" })},
	{"runtime", defaults, config(func(c *job.Config) { c.Runtime = "runsc" })},
	{"devices", defaults, config(func(c *job.Config) {
		c.Devices = []job.Device{{HostPath: "/dev/null"}, {HostPath: "/dev/sda1", ContainerPath: "/dev/xvdc", Permissions: "r"}}
	})},
	{"gpus_all", Options{APIVersion: "1.40"}, config(func(c *job.Config) { c.GPUs = &job.GPUs{Count: job.AllGPUs} })},
	{"gpus", defaults, config(func(c *job.Config) {
		c.GPUs = &job.GPUs{
			Driver: "nvidia", DeviceIDs: []string{"GPU-${NOMAD_ALLOC_INDEX}"},
			Capabilities: []string{"gpu", "utility"}, Options: map[string]string{"a": "${NOMAD_TASK_NAME}", "b": "$${x}"},
		}
	})},

	{"volume_driver", defaults, config(func(c *job.Config) {
		c.VolumeDriver, c.Volumes = "flocker", []string{"name-of-the-volume:/data:ro", "/srv:/srv"}
	})},
	{"mounts_volume", defaults, config(func(c *job.Config) {
		c.Mounts = []job.Mount{
			{Type: job.MountVolume, Target: "/new"},
			{
				Type: job.MountVolume, Source: "vol-${NOMAD_ALLOC_INDEX}", Target: "/data", ReadOnly: true, NoCopy: true,
				Labels: map[string]string{"foo": "${NOMAD_JOB_NAME}"}, Driver: "local", DriverOptions: map[string]string{"type": "tmpfs"},
			},
		}
	})},
	{"mounts_bind", defaults, config(func(c *job.Config) {
		c.Mounts = []job.Mount{
			{Type: job.MountBind, Source: "/srv//data", Target: "/data", ReadOnly: true, Propagation: "rslave"},
			{Type: job.MountBind, Source: "../alloc/x", Target: "/shared"},
		}
	})},
	{"mounts_tmpfs", Options{}, config(func(c *job.Config) {
		c.Mounts = []job.Mount{{Type: job.MountTmpfs, Target: "/tmp"}, {Type: job.MountTmpfs, Target: "/run", TmpfsSize: 1 << 20, TmpfsMode: 0o1777}}
	})},
	{"storage_opt", defaults, config(func(c *job.Config) { c.StorageOpt = map[string]string{"size": "40G"} })},

	{"sysctl", defaults, config(func(c *job.Config) { c.Sysctl = map[string]string{"net.core.somaxconn": "16384"} })},
	{"ulimit", defaults, config(func(c *job.Config) {
		c.Ulimit = map[string]string{"nproc": "4242", "nofile": "2048:4096", "memlock": "unlimited", "core": "-1"}
	})},
	{"shm_size", defaults, config(func(c *job.Config) { c.ShmSize = 128 << 20 })},
	{"pids_limit", defaults, config(func(c *job.Config) { c.PidsLimit = 64 })},
	{"oom_score_adj", defaults, config(func(c *job.Config) { c.OOMScoreAdj = 500 })},
	{"cpu_hard_limit", defaults, func(r *job.ContainerRequest) {
		r.Task.Config.CPUHardLimit = true
		r.Node.Attributes = map[string]string{job.AttrCPUFrequency: "2000"}
	}},
	{"cpu_cfs_period", defaults, config(func(c *job.Config) { c.CPUHardLimit, c.CPUCFSPeriod = true, 50_000 })},
	{"memory_hard_limit", defaults, config(func(c *job.Config) { c.MemoryHardLimitMB = 512 })},
	{"memory_max", defaults, func(r *job.ContainerRequest) { r.Task.Resources.MemoryMaxMB = 512 }},
	{"logs", defaults, func(r *job.ContainerRequest) { r.Task.Logs = job.Logs{MaxFiles: 7, MaxFileSizeMB: 2} }},
}

// minimal is the request without any option, which optionCases add to.
func minimal(t *testing.T, opts Options) map[string]any {
	t.Helper()
	return tree(t, config(func(*job.Config) {}), opts)
}

func tree(t *testing.T, change func(r *job.ContainerRequest), opts Options) map[string]any {
	t.Helper()
	cr, err := Build(request(change), opts, testDirs{})
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(encode(t, cr), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// added is what is in got and not, or otherwise, in base.
func added(base, got map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range got {
		b, ok := base[k]
		below, isMap := v.(map[string]any)
		was, wasMap := b.(map[string]any)
		switch {
		case ok && reflect.DeepEqual(b, v):
		case isMap && wasMap:
			out[k] = added(was, below)
		default:
			out[k] = v
		}
	}
	for k := range base {
		if _, ok := got[k]; !ok {
			out[k] = nil
		}
	}
	return out
}

func TestGoldenOptions(t *testing.T) {
	for _, o := range optionCases {
		t.Run(o.name, func(t *testing.T) {
			diff := added(minimal(t, o.opts), tree(t, o.change, o.opts))
			b, err := json.MarshalIndent(diff, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			got := string(b) + "\n"
			path := filepath.Join("testdata", "options", o.name+".json")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got (go test -update writes it anew):\n%s", diff)
			}
		})
	}
}

// Every option of the language has a golden request, and each reaches it.
func TestEveryOptionHasAGoldenRequest(t *testing.T) {
	shown := map[string]bool{}
	note := func(change func(*job.ContainerRequest)) {
		plain, r := request(nil).Task.Config, request(change)
		a, b := reflect.ValueOf(plain), reflect.ValueOf(r.Task.Config)
		for i := range a.NumField() {
			if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
				name, _, _ := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
				shown[name] = true
			}
		}
	}
	for _, g := range golden {
		note(g.change)
	}
	for _, o := range optionCases {
		note(o.change)
		if len(added(minimal(t, o.opts), tree(t, o.change, o.opts))) == 0 {
			t.Errorf("%s changes nothing", o.name)
		}
	}
	elsewhere := []string{
		"force_pull", "load", "auth", "auth_soft_fail", "image_pull_timeout", // how an image is brought
		"advertise_ipv6_address", // what services say
	}
	for f := range reflect.TypeFor[job.Config]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !shown[name] && !slices.Contains(elsewhere, name) {
			t.Errorf("%s is in no golden request", name)
		}
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	env := func(value string, change func(c *job.Config)) func(r *job.ContainerRequest) {
		return func(r *job.ContainerRequest) {
			r.Task.Env = map[string]string{"X": value}
			change(&r.Task.Config)
		}
	}
	bind := func(source, target string) func(c *job.Config) {
		return func(c *job.Config) {
			c.Mounts = []job.Mount{{Type: job.MountBind, Source: source, Target: target}}
		}
	}
	volume := func(m job.Mount) func(r *job.ContainerRequest) {
		m.Type, m.Target = job.MountVolume, "/data"
		return config(func(c *job.Config) { c.Mounts = []job.Mount{m} })
	}
	privilege := `"docker.privileged.enabled" = "true" under client { options { } } in the agent's config`
	volumes := `"docker.volumes.enabled" = "true" under client { options { } } in the agent's config`
	for _, tc := range []struct {
		name   string
		opts   Options
		change func(r *job.ContainerRequest)
		reason string
		says   string
	}{
		{"privileged", defaults, config(func(c *job.Config) { c.Privileged = true }), ReasonPrivilegeRefused, privilege},
		{"ipc of the host", defaults, config(func(c *job.Config) { c.IPCMode = "host" }), ReasonPrivilegeRefused, `ipc_mode: "host" is a namespace outside the task's group, which needs ` + privilege},
		{"ipc of a stranger", defaults, config(func(c *job.Config) { c.IPCMode = "container:db" }), ReasonPrivilegeRefused, privilege},
		{"ipc of a stranger by its bare name", defaults, config(func(c *job.Config) { c.IPCMode = "db" }), ReasonPrivilegeRefused, privilege},
		{"ipc by interpolation", defaults, env("host", func(c *job.Config) { c.IPCMode = "${X}" }), ReasonPrivilegeRefused, privilege},
		{"pid of the host", defaults, config(func(c *job.Config) { c.PIDMode = "host" }), ReasonPrivilegeRefused, privilege},
		{"pid of a stranger", defaults, config(func(c *job.Config) { c.PIDMode = "container:db" }), ReasonPrivilegeRefused, privilege},
		{"uts of the host", defaults, config(func(c *job.Config) { c.UTSMode = "host" }), ReasonPrivilegeRefused, privilege},
		{"unknown uts", trusted, env("mine", func(c *job.Config) { c.UTSMode = "${X}" }), ReasonInvalidConfig, `uts_mode is "host", not "mine"`},
		{"unknown userns", trusted, env("mine", func(c *job.Config) { c.UsernsMode = "${X}" }), ReasonInvalidConfig, "userns_mode"},
		{"unknown cgroupns", trusted, env("mine", func(c *job.Config) { c.Cgroupns = "${X}" }), ReasonInvalidConfig, "cgroupns"},
		{"unknown ipc", trusted, env("a b", func(c *job.Config) { c.IPCMode = "${X}" }), ReasonInvalidConfig, "ipc_mode"},
		{"unknown pid", trusted, env("a b", func(c *job.Config) { c.PIDMode = "${X}" }), ReasonInvalidConfig, "pid_mode"},

		{"capability", defaults, config(func(c *job.Config) { c.CapAdd = []string{"CHOWN", "NET_ADMIN"} }), ReasonPrivilegeRefused, `NET_ADMIN is more than containers have by default; it needs to be in "docker.caps.allowlist" under client`},
		{"all capabilities", Options{CapsAllowlist: []string{"NET_ADMIN"}}, config(func(c *job.Config) { c.CapAdd = []string{"ALL"} }), ReasonPrivilegeRefused, "ALL is more"},
		{"no capability", trusted, config(func(c *job.Config) { c.CapAdd = []string{"NET_ADM"} }), ReasonInvalidConfig, `"NET_ADM" is no capability`},
		{"device", Options{DevicesAllowlist: []string{"/dev/null", "/dev/dri/*"}}, config(func(c *job.Config) {
			c.Devices = []job.Device{{HostPath: "/dev/dri/card0"}, {HostPath: "/dev/dri/../sda"}}
		}), ReasonPrivilegeRefused, `/dev/sda is not in "docker.devices.allowlist" under client`},
		{"device without a path", defaults, env("", func(c *job.Config) { c.Devices = []job.Device{{HostPath: "${X}"}} }), ReasonInvalidConfig, "host_path"},

		{"volume driver", Options{}, config(func(c *job.Config) { c.VolumeDriver = "flocker" }), ReasonVolumeRefused, volumes},
		{"path as a volume's name", defaults, config(func(c *job.Config) { c.VolumeDriver, c.Volumes = "flocker", []string{"../x:/x"} }), ReasonInvalidConfig, `"../x" is the name of a volume`},
		{"bind of the host", Options{}, config(bind("/etc", "/x")), ReasonVolumeRefused, volumes},
		{"bind by interpolation", Options{}, env("/etc", bind("${X}", "/x")), ReasonVolumeRefused, `mounts: the host path "/etc"`},
		{"bind that escapes", defaults, config(bind("../../../etc", "/x")), ReasonVolumeRefused, `mounts: "../../../etc"`},
		{"bind without a source", defaults, env("", bind("${X}", "/x")), ReasonInvalidConfig, "the source of the bind at /x is empty"},
		{"bind over ours", defaults, env("/secrets/", bind("/etc", "${X}")), ReasonInvalidConfig, `"/secrets/"`},
		{"relative target", defaults, env("x", bind("/etc", "${X}")), ReasonInvalidConfig, `"x"`},
		{"named volume", Options{}, volume(job.Mount{Source: "data"}), ReasonVolumeRefused, `"data" is a volume from outside the allocation, which needs ` + volumes},
		{"driver of a volume", Options{}, volume(job.Mount{Driver: "local"}), ReasonVolumeRefused, volumes},
		{"a bind in a volume's coat", Options{}, volume(job.Mount{DriverOptions: map[string]string{"type": "none", "o": "bind", "device": "/etc"}}), ReasonVolumeRefused, volumes},
		{"our label on a volume", defaults, volume(job.Mount{Labels: map[string]string{"reconciler.job": "x"}}), ReasonInvalidConfig, `"reconciler."`},
		{"no name of a volume", defaults, volume(job.Mount{Source: "a/b"}), ReasonInvalidConfig, `"a/b"`},

		{"address on the bridge", defaults, env("bridge", func(c *job.Config) { c.NetworkMode, c.IPv4Address = "${X}", "10.0.0.1" }), ReasonInvalidConfig, `network_mode is "bridge"`},
		{"aliases in another's network", defaults, config(func(c *job.Config) { c.NetworkMode, c.NetworkAliases = "container:side", []string{"a"} }), ReasonInvalidConfig, "network_aliases"},
		{"mac on the host", defaults, config(func(c *job.Config) { c.NetworkMode, c.MACAddress = "host", "02:68:b3:29:da:98" }), ReasonInvalidConfig, "mac_address"},
		{"extra host", defaults, env("nowhere", func(c *job.Config) { c.ExtraHosts = []string{"db:${X}"} }), ReasonInvalidConfig, `"nowhere"`},
		{"ulimit", defaults, env("many", func(c *job.Config) { c.Ulimit = map[string]string{"nofile": "${X}"} }), ReasonInvalidConfig, `ulimit nofile: "many"`},
		{"sysctl", defaults, env("vm.swappiness", func(c *job.Config) { c.Sysctl = map[string]string{"${X}": "1"} }), ReasonInvalidConfig, `"vm.swappiness"`},

		{"cgroupns on 1.40", Options{APIVersion: "1.40"}, config(func(c *job.Config) { c.Cgroupns = "private" }), ReasonEngineTooOld, "cgroupns needs an engine with API 1.41; this one speaks 1.40"},
		{"gpus on 1.39", Options{APIVersion: "1.39"}, config(func(c *job.Config) { c.GPUs = &job.GPUs{Count: 1} }), ReasonEngineTooOld, "gpus needs an engine with API 1.40"},
		{"init and mounts on 1.24", Options{APIVersion: "1.24"}, config(func(c *job.Config) { c.Init, c.Mounts = true, []job.Mount{{}} }), ReasonEngineTooOld, "init needs an engine with API 1.25, mounts needs"},

		{"system paths", defaults, config(func(c *job.Config) { c.SecurityOpt = []string{"systempaths=unconfined"} }), ReasonPrivilegeRefused, `systempaths=unconfined opens the host's /proc and /sys, which needs ` + privilege},
		{"system paths of another form", trusted, config(func(c *job.Config) { c.SecurityOpt = []string{"systempaths=on"} }), ReasonInvalidConfig, `systempaths is "unconfined", not "on"`},
		{"seccomp file that is missing", defaults, config(func(c *job.Config) { c.SecurityOpt = []string{"seccomp=/no/such/profile.json"} }), ReasonProfileRefused, `there is no file "/no/such/profile.json"`},
		{"seccomp directory", defaults, config(func(c *job.Config) { c.SecurityOpt = []string{"seccomp:/"} }), ReasonProfileRefused, "no plain file"},
		{"seccomp that is no JSON", defaults, config(func(c *job.Config) { c.SecurityOpt = []string{"seccomp=/etc/hostname"} }), ReasonProfileRefused, "no seccomp profile"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Build(request(tc.change), tc.opts, testDirs{})
			kind, reason := job.KindOf(err)
			if err == nil || kind != job.WaitsForUser || reason != tc.reason || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %s %s %v, want %s with %q", kind, reason, err, tc.reason, tc.says)
			}
		})
	}
}

// What needs no leave is allowed by an agent that allows nothing.
func TestWhatIsFree(t *testing.T) {
	for name, change := range map[string]func(c *job.Config){
		"anonymous volume":        func(c *job.Config) { c.Mounts = []job.Mount{{Type: job.MountVolume, Target: "/x"}} },
		"tmpfs":                   func(c *job.Config) { c.Mounts = []job.Mount{{Type: job.MountTmpfs, Target: "/x"}} },
		"relative bind":           func(c *job.Config) { c.Mounts = []job.Mount{{Type: job.MountBind, Source: "data", Target: "/x"}} },
		"device":                  func(c *job.Config) { c.Devices = []job.Device{{HostPath: "/dev/kvm"}} },
		"default capability":      func(c *job.Config) { c.CapAdd = []string{"CHOWN"} },
		"dropping all":            func(c *job.Config) { c.CapDrop = []string{"ALL"} },
		"network of a stranger":   func(c *job.Config) { c.NetworkMode = "container:db" },
		"pid of the group's task": func(c *job.Config) { c.PIDMode = "container:side" },
		"ipc of nobody":           func(c *job.Config) { c.IPCMode = "none" },
		"users of the host":       func(c *job.Config) { c.UsernsMode = "host" },
	} {
		if _, err := Build(request(config(change)), Options{}, testDirs{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSeccompProfileIsInlined(t *testing.T) {
	dir := t.TempDir()
	d := rootedDirs{dir}
	local := d.Task(testAlloc, "web").Local
	if err := os.MkdirAll(local, 0o755); err != nil {
		t.Fatal(err)
	}
	profile := "{\n  \"defaultAction\": \"SCMP_ACT_ALLOW\"\n}\n"
	for _, path := range []string{filepath.Join(local, "own.json"), filepath.Join(dir, "host.json")} {
		if err := os.WriteFile(path, []byte(profile), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "host.json"), filepath.Join(local, "out.json")); err != nil {
		t.Fatal(err)
	}
	opts := func(s ...string) job.ContainerRequest {
		return request(config(func(c *job.Config) { c.SecurityOpt = s }))
	}
	cr, err := Build(opts("seccomp=own.json", "seccomp="+filepath.Join(dir, "host.json")), defaults, d)
	if err != nil {
		t.Fatal(err)
	}
	inlined := `seccomp={"defaultAction":"SCMP_ACT_ALLOW"}`
	if diff := cmp.Diff([]string{inlined, inlined}, cr.HostConfig.SecurityOpt); diff != "" {
		t.Error(diff)
	}
	for _, escape := range []string{"seccomp=out.json", "seccomp=../../../host.json"} {
		if _, err := Build(opts(escape), defaults, d); err == nil {
			t.Errorf("%s was read from outside the task's directory", escape)
		}
	}
}

// rootedDirs are real directories.
type rootedDirs struct{ root string }

func (d rootedDirs) Task(alloc, task string) Paths {
	dir := filepath.Join(d.root, alloc, task)
	return Paths{Alloc: filepath.Join(d.root, alloc, "alloc"), Dir: dir, Local: filepath.Join(dir, "local"), Secrets: filepath.Join(dir, "secrets")}
}

func (d rootedDirs) Resolve(alloc, task, rel string) (string, error) {
	return testDirs{}.Resolve(alloc, task, rel)
}

func TestLogRotation(t *testing.T) {
	logs := job.Logs{MaxFiles: 7, MaxFileSizeMB: 2}
	for name, tc := range map[string]struct {
		agent, task *job.Logging
		logs        job.Logs
		want        map[string]string
	}{
		"both":                 {nil, nil, logs, map[string]string{"max-file": "7", "max-size": "2m"}},
		"one, the other stays": {nil, nil, job.Logs{MaxFiles: 7}, map[string]string{"max-file": "7", "max-size": "10m"}},
		"config wins":          {nil, &job.Logging{Config: map[string]string{"max-size": "1k"}}, logs, map[string]string{"max-file": "7", "max-size": "1k"}},
		"a driver of its own":  {nil, &job.Logging{Type: "local"}, logs, map[string]string{"max-file": "7", "max-size": "2m"}},
		"a driver without":     {&job.Logging{Type: "syslog"}, nil, logs, nil},
	} {
		r := request(func(r *job.ContainerRequest) { r.Task.Config.Logging, r.Task.Logs = tc.task, tc.logs })
		cr, err := Build(r, Options{Logging: tc.agent}, testDirs{})
		if err != nil {
			t.Fatal(err)
		}
		if got := cr.HostConfig.LogConfig.Config; !maps.Equal(tc.want, got) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}
