package desired

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// badOptions holds, for every option of these sections, what a person may get
// wrong: its type, its range, nothing at all, an unknown word, what does not go
// together. What is said about each is in testdata/bad_options.golden.
var badOptions = map[string][]string{
	"config": {
		`image = ["a"]`, `image = ""`, `image = "http://a/b"`, `image = "A"`,
		`load = ""`, `load = 1 + "a"`,
		`force_pull = "yes"`, `command = " a"`, `command = ""`, `args = "a b"`, `args = [["a"]]`, `entrypoint = { a = "b" }`,
		`labels = ["a"]`, `labels = { "" = "a" }`, `labels = { "reconciler.job" = "a" }`, `labels = { a = ["b"] }`,
		`port_map = { http = "eighty" }`, `port_map = { http = 0 }`, `port_map = { http = 65536 }`, `port_map = 80`,
		`ports = "http"`, `ports = [{}]`,
		`network_mode = ""`, `network_mode = []`, `network_mode = "container:"`,
		`volumes = "/a:/b"`, `volumes = ["/a"]`, `volumes = ["/a:b"]`, `volumes = [":/b"]`, `volumes = ["/a:/b:wx"]`, `volumes = ["/a:/alloc"]`, `volumes = ["/a:/"]`, `volumes = ["/a:/b", "/c:/b/"]`,
		`work_dir = "srv"`, `work_dir = ""`, `hostname = "a b"`, `hostname = "_"`, `tty = 2`, `tty = "on"`,
		`logging = "syslog"`, "logging {\n type = \"\"\n}", "logging {\n type = \"a\"\n driver = \"b\"\n}",
		`auth = "me"`, `auth_soft_fail = "perhaps"`, `image_pull_timeout = 5`, `image_pull_timeout = "-1s"`, `image_pull_timeout = "soon"`,
		`ssl = "no"`, `SSL = []`,

		`interactive = "maybe"`, `interactive = 3`, `init = []`, `init = "tini"`,
		`group_add = "audio"`, `group_add = [""]`, `group_add = [" audio"]`,
		`healthchecks = true`, "healthchecks {\n disable = \"always\"\n}", "healthchecks {\n enabled = true\n}",

		`dns_servers = "8.8.8.8"`, `dns_servers = ["dns.google"]`, `dns_servers = [""]`, `dns_servers = ["8.8.8"]`, "network_mode = \"container:x\"\ndns_servers = [\"8.8.8.8\"]",
		`dns_search_domains = "example"`, `dns_search_domains = [""]`, `dns_options = { ndots = 2 }`, `dns_options = [""]`,
		`extra_hosts = "a:1.2.3.4"`, `extra_hosts = ["a"]`, `extra_hosts = ["a:b"]`, `extra_hosts = [":1.2.3.4"]`, `extra_hosts = [""]`, "network_mode = \"container:x\"\nextra_hosts = [\"a:1.2.3.4\"]",
		`network_aliases = "a"`, `network_aliases = [""]`, `network_aliases = ["a"]`, "network_mode = \"host\"\nnetwork_aliases = [\"a\"]",
		`ipv4_address = 10`, `ipv4_address = "fd00::1"`, `ipv4_address = ""`, `ipv4_address = "10.0.0.1"`, "network_mode = \"none\"\nipv4_address = \"10.0.0.1\"", "network_mode = \"lan\"\nipv4_address = \"10.0.0.256\"",
		`ipv6_address = "10.0.0.1"`, `ipv6_address = "fe80::1%eth0"`, `ipv6_address = ""`, `ipv6_address = "fd00::1"`,
		`mac_address = "02:68"`, `mac_address = ""`, `mac_address = "02:68:b3:29:da:98:00:01"`, "network_mode = \"host\"\nmac_address = \"02:68:b3:29:da:98\"", "network_mode = \"container:x\"\nmac_address = \"02:68:b3:29:da:98\"",

		`privileged = "sure"`, `privileged = 1`,
		`cap_add = "NET_ADMIN"`, `cap_add = ["NET_ADMN"]`, `cap_add = [""]`, `cap_add = ["${meta.cap}"]`, `cap_drop = ["everything"]`, `cap_drop = {}`,
		`security_opt = "no-new-privileges"`, `security_opt = ["seccomp"]`, `security_opt = ["seccomp="]`, `security_opt = [""]`,
		`readonly_rootfs = "ro"`,
		`ipc_mode = "container:"`, `ipc_mode = ""`, `ipc_mode = "a b"`, `ipc_mode = []`, `pid_mode = ""`, `pid_mode = "container:/x"`, `uts_mode = "private"`, `uts_mode = ""`,
		"uts_mode = \"host\"\nhostname = \"a\"", `userns_mode = "remap"`, `userns_mode = ""`, `cgroupns = "shared"`, `cgroupns = ""`, `runtime = ""`, `runtime = ["runc"]`,
		`devices = "/dev/null"`, `devices = ["/dev/null"]`, `devices = [{}]`, `devices = [{ path = "/dev/null" }]`,
		`gpus = "some"`, `gpus = -1`, `gpus = 1.5`, `gpus = []`, `gpus = true`, `gpus = ""`,

		`volume_driver = ""`, `volume_driver = ["a"]`, "volume_driver = \"flocker\"\nvolumes = [\"a/b:/c\"]",
		`mounts = "a:/b"`, `mounts = ["a:/b"]`, `mounts = [{}]`, `mounts = [{ target = "/a" }, { target = "/a/" }]`, "volumes = [\"/x:/a\"]\nmounts = [{ target = \"/a\" }]",
		`mount = 1`, "mount {\n type = \"bind\"\n target = \"/a\"\n}", `mounts = [[{ target = "/a" }]]`, "mount \"a\" {\n target = \"/a\"\n}", `mounts = [for n in ["a"] : n]`,
		`storage_opt = "size=1G"`, `storage_opt = { "" = "1G" }`,

		`sysctl = "net.core.somaxconn=1"`, `sysctl = { "vm.swappiness" = 1 }`, `sysctl = { "net.core.somaxconn" = [1] }`, "network_mode = \"host\"\nsysctl = { \"net.core.somaxconn\" = 1 }",
		`ulimit = "nofile=1"`, `ulimit = { nofile = "" }`, `ulimit = { nofile = "abc:1234" }`, `ulimit = { nofile = "1234:abc" }`, `ulimit = { nofile = "2:1" }`, `ulimit = { files = 1 }`, `ulimit = { nofile = -2 }`,
		`shm_size = -1`, `shm_size = "64m"`, `shm_size = 1.5`, `pids_limit = -2`, `pids_limit = 4194305`, `pids_limit = ""`,
		`oom_score_adj = -1001`, `oom_score_adj = 1001`, `oom_score_adj = "high"`,
		`cpu_hard_limit = 2`, `cpu_hard_limit = "100000"`, `cpu_cfs_period = 999`, `cpu_cfs_period = 1000001`, `cpu_cfs_period = "1s"`,
		`memory_hard_limit = 5`, `memory_hard_limit = "1G"`, `memory_hard_limit = 299`,
	},
	"logs":      {`max_files = 0`, `max_files = "all"`, `max_file_size = 0`, `max_file_size = "10m"`, `max_file_size = -1`},
	"resources": {`cpu = 0`, `cpu = "1 GHz"`, `memory = 5`, `memory = []`, `memory_max = 299`, `memory_max = "1G"`, `memory_max = 0`, `network = 1`},
	"device": {
		"host_path = \"null\"\n", "host_path = \"\"\n", "host_path = [\"/dev/null\"]\n", "container_path = \"x\"\n", "container_path = \"\"\n",
		"cgroup_permissions = \"rxb\"\n", "cgroup_permissions = \"rr\"\n", "cgroup_permissions = \"\"\n",
	},
	"gpus": {
		`count = 0.5`, `count = 1025`, `count = "two"`, "count = 1\n device_ids = [\"a\"]", `device_ids = "a"`, `device_ids = [""]`, `driver = ""`,
		`capabilities = "gpu"`, `capabilities = [""]`, `options = "a=b"`,
	},
	"healthchecks": {`disable = "off"`},
	"logging":      {`type = ""`, `driver = ["a"]`, `config = "tag=x"`, `config = { a = {} }`},
	"mount": {
		`type = "volum"`, `type = "nfs"`, `type = ""`, "type = \"tmpfs\"\n source = \"a\"", `source = ""`, `source = "/srv"`, `source = "a/b"`, `source = ["a"]`,
		`target = ""`, `target = "a"`, `target = "/"`, `target = "/secrets"`, `readonly = "ro"`,
		"bind_options {\n}", `bind_options = "rslave"`, "tmpfs_options {\n}", `tmpfs_options = 1`, `volume_options = []`, "type = \"bind\"\n volume_options {\n}",
	},
	"auth":           {`username = ["a"]`, `password = {}`, `email = []`, `server_address = "https://a"`},
	"bind_options":   {`propagation = "slave "`, `propagation = "up"`, `propagation = "rshard"`, `propagation = ""`},
	"tmpfs_options":  {`size = -1`, `size = "64m"`, `mode = "rwx"`, `mode = 800`, `mode = "17777"`, `mode = ""`},
	"volume_options": {`no_copy = "yes"`, `labels = "a=b"`, `labels = { "reconciler.x" = "y" }`, `driver_config = "local"`},
	"driver_config":  {`name = ""`, `name = ["a"]`, `options = "a=b"`, `options = { a = [] }`},
}

// refusal is what is said about src in a section of kind, with lines counted
// from the section's begin. Problems of what is around it are left out.
func refusal(t *testing.T, kind, src string) string {
	t.Helper()
	before := strings.Count(around[kind][0], "\n")
	jobs, problems := Parse("a.hcl", []byte(around[kind][0]+src+"\n"+around[kind][1]))
	if jobs != nil {
		t.Errorf("%s: %s is accepted", kind, src)
	}
	var out []string
	for _, p := range problems {
		if p.Line <= before || p.Line > before+strings.Count(src, "\n")+1 {
			continue
		}
		p.Line -= before
		p.File = kind
		out = append(out, "    "+p.String()+"\n")
	}
	if out == nil {
		t.Errorf("%s: nothing is said where %s stands: %v", kind, src, problems)
	}
	return strings.Join(out, "")
}

func TestBadOptions(t *testing.T) {
	var got strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(badOptions)) {
		for _, src := range badOptions[kind] {
			got.WriteString(strings.TrimSpace(src) + "\n" + refusal(t, kind, src))
		}
	}
	const path = "testdata/bad_options.golden"
	if *updateGolden {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("-want +got (go test -update writes it anew):\n%s", diff)
	}
}

// A new option cannot be forgotten in badOptions, and none takes a list of
// lists.
func TestEveryOptionIsTriedWithBadInput(t *testing.T) {
	first := regexp.MustCompile(`(?m)^ ?(\w+)`)
	for _, kind := range slices.Sorted(maps.Keys(badOptions)) {
		tried := map[string]bool{}
		for _, src := range badOptions[kind] {
			for _, m := range first.FindAllStringSubmatch(src, -1) {
				tried[m[1]] = true
			}
		}
		for _, key := range keysOf(t, kind) {
			if !tried[key] {
				t.Errorf("no bad %s of %q is tried", key, kind)
			}
			refusal(t, kind, key+" = [[[]]]")
		}
	}
}
