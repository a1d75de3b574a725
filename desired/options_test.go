package desired

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/store"
)

// around is where each kind of section stands in a manifest: what comes before
// its content and after it.
var around = map[string][2]string{
	"":               {"", ""},
	"job":            {"job \"j\" {\n", "}\n"},
	"group":          {"group \"g\" {\n", "}\n"},
	"task":           {"task \"t\" {\n", "}\n"},
	"config":         {"task \"t\" {\n config {\n", "}\n}\n"},
	"logs":           {"task \"t\" {\n logs {\n", "}\n}\n"},
	"resources":      {"task \"t\" {\n resources {\n", "}\n}\n"},
	"update":         {"group \"g\" {\n update {\n", "}\n}\n"},
	"network":        {"group \"g\" {\n network {\n", "}\n}\n"},
	"task network":   {"task \"t\" {\n resources {\n network {\n", "}\n}\n}\n"},
	"port":           {"group \"g\" {\n network {\n port \"p\" {\n", "}\n}\n}\n"},
	"task port":      {"task \"t\" {\n resources {\n network {\n port \"p\" {\n", "}\n}\n}\n}\n"},
	"constraint":     {"job \"j\" {\n constraint {\n", "}\n}\n"},
	"restart":        {"group \"g\" {\n restart {\n", "}\n}\n"},
	"artifact":       {"task \"t\" {\n artifact {\n", "}\n}\n"},
	"service":        {"task \"t\" {\n service {\n", "}\n}\n"},
	"check":          {"task \"t\" {\n service {\n check {\n", "}\n}\n}\n"},
	"check_restart":  {"task \"t\" {\n service {\n check {\n check_restart {\n", "}\n}\n}\n}\n"},
	"variable":       {"variable \"v\" {\n default = 1\n", "}\n"},
	"logging":        {"task \"t\" {\n config {\n logging {\n", "}\n}\n}\n"},
	"auth":           {"task \"t\" {\n config {\n auth {\n", "}\n}\n}\n"},
	"healthchecks":   {"task \"t\" {\n config {\n healthchecks {\n", "}\n}\n}\n"},
	"gpus":           {"task \"t\" {\n config {\n gpus {\n", "}\n}\n}\n"},
	"device":         {"task \"t\" {\n config {\n devices = [{\n", "}]\n}\n}\n"},
	"mount":          {"task \"t\" {\n config {\n mount {\n", "}\n}\n}\n"},
	"bind_options":   {"task \"t\" {\n config {\n mount {\n bind_options {\n", "}\n}\n}\n}\n"},
	"volume_options": {"task \"t\" {\n config {\n mount {\n volume_options {\n", "}\n}\n}\n}\n"},
	"driver_config":  {"task \"t\" {\n config {\n mount {\n volume_options {\n driver_config {\n", "}\n}\n}\n}\n}\n"},
	"tmpfs_options":  {"task \"t\" {\n config {\n mount {\n tmpfs_options {\n", "}\n}\n}\n}\n"},
}

// keyList is how the message on an unknown key ends.
var keyList = regexp.MustCompile(`"nothing_like_it" is not expected here\. The .* has: (.*)\.`)

// keysOf are the keys that a section has, as it tells a person who wrote
// another.
func keysOf(t *testing.T, kind string) []string {
	t.Helper()
	_, problems := Parse("a.hcl", []byte(around[kind][0]+"nothing_like_it = 1\n"+around[kind][1]))
	for _, p := range problems {
		if m := keyList.FindStringSubmatch(p.Detail); m != nil {
			return strings.Split(strings.ReplaceAll(m[1], " and ", ", "), ", ")
		}
	}
	t.Fatalf("%q does not tell its keys: %v", kind, problems)
	return nil
}

func TestConfigOptions(t *testing.T) {
	for _, tc := range []struct {
		name, src string
		want      func(c *job.Config)
	}{
		{"interactive", "interactive = true", func(c *job.Config) { c.Interactive = true }},
		{"init", `init = "true"`, func(c *job.Config) { c.Init = true }},
		{"group_add", `group_add = ["audio", 20]`, func(c *job.Config) { c.GroupAdd = []string{"audio", "20"} }},
		{"healthchecks", "healthchecks {\n disable = true\n}", func(c *job.Config) { c.Healthchecks.Disable = true }},
		{"healthchecks, as a map", "healthchecks = { disable = true }", func(c *job.Config) { c.Healthchecks.Disable = true }},

		{"dns_servers", `dns_servers = ["8.8.8.8", "2001:4860:4860:0::8888"]`, func(c *job.Config) { c.DNSServers = []string{"8.8.8.8", "2001:4860:4860::8888"} }},
		{"dns_search_domains", `dns_search_domains = ["a.example", "."]`, func(c *job.Config) { c.DNSSearchDomains = []string{"a.example", "."} }},
		{"dns_options", `dns_options = ["ndots:2"]`, func(c *job.Config) { c.DNSOptions = []string{"ndots:2"} }},
		{"extra_hosts", `extra_hosts = ["db:10.0.0.1", "up:host-gateway", "x:${NOMAD_IP_db}"]`, func(c *job.Config) { c.ExtraHosts = []string{"db:10.0.0.1", "up:host-gateway", "x:${NOMAD_IP_db}"} }},
		{"aliases and addresses", "network_mode = \"lan\"\nnetwork_aliases = [\"${NOMAD_TASK_NAME}\"]\nipv4_address = \"10.9.0.7\"\nipv6_address = \"fd00:0::7\"\nmac_address = \"02-68-B3-29-DA-98\"", func(c *job.Config) {
			c.NetworkMode, c.NetworkAliases = "lan", []string{"${NOMAD_TASK_NAME}"}
			c.IPv4Address, c.IPv6Address, c.MACAddress = "10.9.0.7", "fd00::7", "02:68:b3:29:da:98"
		}},
		{"mac_address on the bridge", `mac_address = "02:68:b3:29:da:98"`, func(c *job.Config) { c.MACAddress = "02:68:b3:29:da:98" }},
		{"a network that shows later", "network_mode = \"${meta.net}\"\nipv4_address = \"${meta.ip}\"", func(c *job.Config) { c.NetworkMode, c.IPv4Address = "${meta.net}", "${meta.ip}" }},

		{"privileged", "privileged = true", func(c *job.Config) { c.Privileged = true }},
		{"capabilities", "cap_add = [\"net_admin\", \"CAP_NET_ADMIN\", \"SYS_TIME\"]\ncap_drop = [\"all\"]", func(c *job.Config) {
			c.CapAdd, c.CapDrop = []string{"NET_ADMIN", "SYS_TIME"}, []string{"ALL"}
		}},
		{"security_opt", `security_opt = ["no-new-privileges", "seccomp=/p.json", "label:disable"]`, func(c *job.Config) {
			c.SecurityOpt = []string{"no-new-privileges", "seccomp=/p.json", "label:disable"}
		}},
		{"readonly_rootfs", "readonly_rootfs = true", func(c *job.Config) { c.ReadonlyRootfs = true }},
		{"namespaces", "ipc_mode = \"shareable\"\npid_mode = \"host\"\nuts_mode = \"host\"\nuserns_mode = \"host\"\ncgroupns = \"private\"", func(c *job.Config) {
			c.IPCMode, c.PIDMode, c.UTSMode, c.UsernsMode, c.Cgroupns = "shareable", "host", "host", "host", "private"
		}},
		{"ipc_mode of a container, as the page has it", `ipc_mode = "db"`, func(c *job.Config) { c.IPCMode = "container:db" }},
		{"runtime", `runtime = "runsc"`, func(c *job.Config) { c.Runtime = "runsc" }},
		{"devices", "devices = [\n{\n host_path = \"/dev/sda1\"\n container_path = \"/dev/xvdc\"\n cgroup_permissions = \"mr\"\n},\n{\n host_path = \"/dev//null\"\n container_path = \"/dev/null\"\n cgroup_permissions = \"rwm\"\n}\n]", func(c *job.Config) {
			c.Devices = []job.Device{{HostPath: "/dev/sda1", ContainerPath: "/dev/xvdc", Permissions: "rm"}, {HostPath: "/dev/null"}}
		}},
		{"devices as blocks", "devices {\n host_path = \"/dev/a\"\n}\ndevices {\n host_path = \"/dev/b\"\n}", func(c *job.Config) {
			c.Devices = []job.Device{{HostPath: "/dev/a"}, {HostPath: "/dev/b"}}
		}},
		{"devices, computed", `devices = [for n in ["a", "b"] : { host_path = "/dev/${n}" }]`, func(c *job.Config) {
			c.Devices = []job.Device{{HostPath: "/dev/a"}, {HostPath: "/dev/b"}}
		}},
		{"all gpus", `gpus = "all"`, func(c *job.Config) { c.GPUs = &job.GPUs{Count: job.AllGPUs} }},
		{"some gpus", `gpus = "2"`, func(c *job.Config) { c.GPUs = &job.GPUs{Count: 2} }},
		{"no gpus", `gpus = 0`, func(*job.Config) {}},
		{"gpus by name", "gpus {\n device_ids = [\"GPU-1\"]\n driver = \"nvidia\"\n capabilities = [\"gpu\", \"video\"]\n options {\n a = 1\n }\n}", func(c *job.Config) {
			c.GPUs = &job.GPUs{DeviceIDs: []string{"GPU-1"}, Driver: "nvidia", Capabilities: []string{"gpu", "video"}, Options: map[string]string{"a": "1"}}
		}},
		{"gpus of a driver", "gpus = { driver = \"nvidia\" }", func(c *job.Config) { c.GPUs = &job.GPUs{Count: job.AllGPUs, Driver: "nvidia"} }},
		{"counted gpus of a driver", "gpus = { driver = \"nvidia\", count = 3 }", func(c *job.Config) { c.GPUs = &job.GPUs{Count: 3, Driver: "nvidia"} }},

		{"volume_driver", "volume_driver = \"flocker\"\nvolumes = [\"name-of-the-volume:/in\", \"/a:/b\"]", func(c *job.Config) {
			c.VolumeDriver, c.Volumes = "flocker", []string{"name-of-the-volume:/in", "/a:/b"}
		}},
		{"mounts", "mounts = [\n{\n target = \"/in\"\n source = \"vol\"\n readonly = \"true\"\n volume_options {\n no_copy = true\n labels {\n foo = \"bar\"\n }\n driver_config {\n name = \"flocker\"\n options = {\n foo = \"bar\"\n }\n }\n }\n}\n]\nmount {\n type = \"bind\"\n source = \"/srv\"\n target = \"/srv/\"\n bind_options {\n propagation = \"rslave\"\n }\n}\nmount {\n type = \"tmpfs\"\n target = \"/tmp\"\n tmpfs_options {\n size = 1000000\n mode = 1777\n }\n}", func(c *job.Config) {
			c.Mounts = []job.Mount{
				{
					Type: job.MountVolume, Source: "vol", Target: "/in", ReadOnly: true, NoCopy: true, Labels: map[string]string{"foo": "bar"},
					Driver: "flocker", DriverOptions: map[string]string{"foo": "bar"},
				},
				{Type: job.MountBind, Source: "/srv", Target: "/srv/", Propagation: "rslave"},
				{Type: job.MountTmpfs, Target: "/tmp", TmpfsSize: 1000000, TmpfsMode: 0o1777},
			}
		}},
		{"mount as a map", `mount = { target = "/in" }`, func(c *job.Config) { c.Mounts = []job.Mount{{Type: job.MountVolume, Target: "/in"}} }},
		{"mounts with runtime names", `mounts = [{ type = "bind", source = "${meta.dir}", target = "${NOMAD_TASK_NAME}" }]`, func(c *job.Config) {
			c.Mounts = []job.Mount{{Type: job.MountBind, Source: "${meta.dir}", Target: "${NOMAD_TASK_NAME}"}}
		}},
		{"mounts, computed", `mounts = [for n in ["a", "b"] : { target = "/${n}", source = "v-${n}-${NOMAD_DC}" }]`, func(c *job.Config) {
			c.Mounts = []job.Mount{
				{Type: job.MountVolume, Source: "v-a-${NOMAD_DC}", Target: "/a"}, {Type: job.MountVolume, Source: "v-b-${NOMAD_DC}", Target: "/b"},
			}
		}},
		{"storage_opt", "storage_opt {\n size = \"40G\"\n}", func(c *job.Config) { c.StorageOpt = map[string]string{"size": "40G"} }},

		{"sysctl", "sysctl {\n net.core.somaxconn = \"16384\"\n}\nsysctl = { \"kernel.shmmax\" = 1 }", func(c *job.Config) {
			c.Sysctl = map[string]string{"net.core.somaxconn": "16384", "kernel.shmmax": "1"}
		}},
		{"ulimit", "ulimit {\n nproc = \"4242\"\n nofile = \"2048:4096\"\n core = -1\n memlock = \"${meta.lock}\"\n}", func(c *job.Config) {
			c.Ulimit = map[string]string{"nproc": "4242", "nofile": "2048:4096", "core": "-1", "memlock": "${meta.lock}"}
		}},
		{"numbers", "shm_size = 134217728\npids_limit = -1\noom_score_adj = -500\nmemory_hard_limit = 300\ncpu_hard_limit = true\ncpu_cfs_period = 1000", func(c *job.Config) {
			c.ShmSize, c.PidsLimit, c.OOMScoreAdj, c.MemoryHardLimitMB, c.CPUHardLimit, c.CPUCFSPeriod = 134217728, -1, -500, 300, true, 1000
		}},
		{"null is not set", "gpus = null\nmounts = null\nulimit = null\nruntime = null\npids_limit = null\nhealthchecks = null\nlogging = null", func(*job.Config) {}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			jobs, problems := mustJobs(t, "task \"t\" {\n config {\n image = \"redis:7\"\n"+tc.src+"\n}\n}\n")
			want := []*job.Job{effective("t", func(_ *job.Job, _ *job.Group, t *job.Task) { tc.want(&t.Config) })}
			if diff := cmp.Diff(want, jobs); diff != "" || len(problems) > 0 {
				t.Errorf("%v\n%s", problems, diff)
			}
		})
	}
}

func TestTaskOptions(t *testing.T) {
	jobs, _ := mustJobs(t, "task \"t\" {\n config {\n image = \"redis:7\"\n}\n logs {\n max_files = 7\n max_file_size = \"2\"\n}\n resources {\n memory_max = 300\n}\n}\n")
	want := []*job.Job{effective("t", func(_ *job.Job, _ *job.Group, t *job.Task) {
		t.Logs, t.Resources.MemoryMaxMB = job.Logs{MaxFiles: 7, MaxFileSizeMB: 2}, 300
	})}
	if diff := cmp.Diff(want, jobs); diff != "" {
		t.Error(diff)
	}
}

func TestOptionsWithoutEffect(t *testing.T) {
	for src, want := range map[string]string{
		"config {\n image = \"a\"\n cpu_cfs_period = 1000\n}":                                                                                                                    `a.hcl:4,19-23: Warning: Option without effect; "cpu_cfs_period"`,
		"config {\n image = \"a\"\n logging {\n type = \"syslog\"\n}\n}\nlogs {\n max_files = 2\n}":                                                                              `a.hcl:4,2-9: Warning: Option without effect; the task's logs block`,
		"config {\n image = \"a\"\n network_mode = \"container:b\"\n}\nresources {\n network {\n port \"p\" {\n}\n}\n}":                                                          `a.hcl:8,7-10: Warning: Option without effect; port "p" is kept free`,
		"config {\n image = \"a\"\n network_mode = \"none\"\n}\nresources {\n network {\n port \"p\" {\n}\n}\n}":                                                                 `a.hcl:8,7-10: Warning: Option without effect; port "p" is kept free`,
		"config {\n image = \"a\"\n network_mode = \"host\"\n port_map = { p = 80, q = 81 }\n}\nresources {\n network {\n port \"p\" {\n}\n port \"q\" {\n static = 81\n}\n}\n}": `a.hcl:5,15-16: Warning: Option without effect; port_map of port "p"`,
		"config {\n image = \"a\"\n network_mode = \"host\"\n}\nresources {\n network {\n port \"p\" {\n to = 80\n}\n port \"q\" {\n to = 81\n static = 81\n}\n}\n}":             `a.hcl:8,7-10: Warning: Option without effect; "to" of port "p"`,
		"config {\n image = \"a\"\n volumes = [\"~/x:/y:ro,z\"]\n}":                                                                                                              `a.hcl:4,13-26: Warning: Relative path; a "~" is no home directory`,
		"config {\n image = \"a\"\n mount {\n type = \"bind\"\n source = \"~me\"\n target = \"/x\"\n}\n}":                                                                        `a.hcl:6,11-16: Warning: Relative path; a "~" is no home directory`,
		"config {\n image = \"a\"\n SSL = true\n}":                                                                                                                               `a.hcl:4,2-5: Warning: Deprecated option; "SSL" has no effect`,
	} {
		_, problems := mustJobs(t, "task \"t\" {\n"+src+"\n}\n")
		if len(problems) != 1 || problems[0].Severity != store.SeverityWarning || !strings.Contains(problems[0].String(), want) {
			t.Errorf("%s: %v, want %s", src, problems, want)
		}
	}
}

func TestGroupsOfTasks(t *testing.T) {
	task := func(name, config string) string {
		return "task \"" + name + "\" {\n config {\n image = \"a\"\n" + config + "\n}\n}\n"
	}
	for _, tc := range []struct{ name, src, want string }{
		{"one behind the other", task("a", `network_mode = "container:b"`) + task("b", `ipc_mode = "container:c"`) + task("c", ""), ""},
		{"two namespaces of one", task("a", "network_mode = \"container:b\"\nipc_mode = \"container:b\"\npid_mode = \"container:b\"") + task("b", ""), ""},
		{"a stranger", task("a", `network_mode = "container:other"`), ""},
		{"itself", task("a", `pid_mode = "container:a"`), `a.hcl:5,12-25: Circular tasks; pid_mode of task "a" waits for task "a"`},
		{"in a circle", task("a", `network_mode = "container:b"`) + task("b", `ipc_mode = "container:c"`) + task("c", `pid_mode = "container:a"`), `a.hcl:17,12-25: Circular tasks; pid_mode of task "c" waits for task "a"`},
		{"private ipc", task("a", `ipc_mode = "container:b"`) + task("b", `ipc_mode = "private"`), `a.hcl:5,12-25: Conflicting options; task "b" has ipc_mode = "private"`},
		{"fixed address", "count = 2\n" + task("a", "network_mode = \"lan\"\nipv4_address = \"10.0.0.1\""), `a.hcl:7,16-26: Fixed address with a count; 10.0.0.1`},
		{"fixed mac", "count = 2\n" + task("a", "mac_address = \"02:68:b3:29:da:98\""), `Fixed address with a count; 02:68`},
		{"address by index", "count = 2\n" + task("a", "network_mode = \"lan\"\nipv4_address = \"10.0.0.1${NOMAD_ALLOC_INDEX}\""), ""},
	} {
		_, problems := Parse("a.hcl", []byte("group \"g\" {\n"+tc.src+"}\n"))
		var all []string
		for _, p := range problems {
			all = append(all, p.String())
		}
		if got := strings.Join(all, "\n"); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) || len(all) > 1 {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}
