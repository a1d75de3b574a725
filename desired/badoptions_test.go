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
		`load = ""`, `load = "../x.tar"`, `load = 1 + "a"`,
		`force_pull = "yes"`, `command = " a"`, `command = ""`, `args = "a b"`, `args = [["a"]]`, `entrypoint = { a = "b" }`,
		`labels = ["a"]`, `labels = { "" = "a" }`, `labels = { "reconciler.job" = "a" }`, `labels = { a = ["b"] }`,
		`port_map = { http = "eighty" }`, `port_map = { http = 0 }`, `port_map = { http = 65536 }`, `port_map = 80`,
		`ports = "http"`, `ports = [{}]`,
		`network_mode = ""`, `network_mode = []`, `network_mode = "container:"`,
		`volumes = "/a:/b"`, `volumes = ["/a"]`, `volumes = ["/a:b"]`, `volumes = [":/b"]`, `volumes = ["/a:/b:wx"]`, `volumes = ["/a:/b:ro,rw"]`, `volumes = ["/a:/b:z,ro,Z"]`, `volumes = ["/a:/b:rslave,shared"]`, `volumes = ["/a:/alloc"]`, `volumes = ["/a:/"]`, `volumes = ["/a:/b", "/c:/b/"]`,
		`work_dir = "srv"`, `work_dir = ""`, `hostname = "a b"`, `hostname = "_"`, `tty = 2`, `tty = "on"`,
		`logging = "syslog"`, "logging {\n type = \"\"\n}", "logging {\n type = \"a\"\n driver = \"b\"\n}",
		`auth = "me"`, `auth_soft_fail = "perhaps"`, `image_pull_timeout = 5`, `image_pull_timeout = "-1s"`, `image_pull_timeout = "soon"`,
		`ssl = "no"`, `SSL = []`, `advertise_ipv6_address = "fd00::1"`, `advertise_ipv6_address = ""`,

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
		`security_opt = "no-new-privileges"`, `security_opt = ["seccomp"]`, `security_opt = ["seccomp="]`, `security_opt = [""]`, `security_opt = ["systempaths=confined"]`,
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
	"job": {
		`type = "sysbatch"`, `type = "servic"`, `type = ""`, `type = ["batch"]`, `datacenters = "dc1"`, `region = []`, `priority = -1`, `meta = "a"`,
		`constraint = "${attr.cpu.arch}"`, "constraint \"a\" {\n}", `update = 1`, "update {\n}\nupdate {\n}", `group = "g"`, "group {\n}", `task = "t"`, "task {\n}",
		"restart {\n}", "service {\n}", `count = 1`,
	},
	"group": {
		`count = -1`, `count = 1001`, `count = "many"`, `meta = "a"`, `update = 1`, `network = "host"`, `task = "t"`,
		`constraint = true`, `restart = 3`, `restart = "fail"`, "restart \"r\" {\n}", "restart {\n}\nrestart {\n}",
		`service = "web"`, "service \"web\" {\n}", `shutdown_delay = "-1s"`, `shutdown_delay = 5`, `shutdown_delay = "soon"`, `shutdown_delay = ""`,
		"leader = true", "artifact {\n}",
	},
	"task": {
		`driver = "exec"`, `config = "redis"`, `env = "A=b"`, `meta = "a"`, `resources = 1`, `kill_timeout = 5`, `kill_signal = "SIGFOO"`, `user = []`, `user = " root"`, `logs = 1`,
		`artifact = "http://a/b"`, "artifact \"a\" {\n}", `constraint = true`, `leader = "me"`, `leader = ""`, `restart = false`, `service = "web"`,
		`shutdown_delay = "-1s"`, `shutdown_delay = 5`, "update {\n}", `count = 2`,
	},
	"update": {
		`max_parallel = 0`, `max_parallel = "all"`, `min_healthy_time = 10`, `min_healthy_time = "5m"`, `stagger = "x"`, `canary = 1`, `canary = "one"`,
		`auto_revert = "always"`, `auto_revert = 2`, `health_check = "manual"`, `health_check = "check"`, `health_check = "docker"`, `health_check = ""`, `health_check = []`,
		`healthy_deadline = "0s"`, `healthy_deadline = "10s"`, `healthy_deadline = "10m"`, `healthy_deadline = "-5m"`, `healthy_deadline = 300`, `healthy_deadline = ""`,
		`progress_deadline = "5m"`, `progress_deadline = "1s"`, `progress_deadline = "-1s"`, `progress_deadline = 0`, `progress_deadline = "never"`,
		"healthy_deadline = \"20m\"\nprogress_deadline = \"20m\"", "min_healthy_time = \"1h\"\nprogress_deadline = \"0s\"",
	},
	"restart": {
		`attempts = -1`, `attempts = "two"`, `attempts = 1.5`, `attempts = ""`, `attempts = 121`, "attempts = 0\nmode = \"delay\"",
		`interval = "0s"`, `interval = "-1s"`, `interval = 30`, `interval = "daily"`, `interval = "29s"`,
		`delay = "-1s"`, `delay = 15`, `delay = ""`, `delay = "16m"`, `mode = "retry"`, `mode = "dealy"`, `mode = ""`, `mode = []`,
	},
	"constraint": {
		`attribute = ""`, `attribute = ["a"]`, `attribute = "attr.kernel.name"`, "attribute = \"attr.kernel.name\"\nvalue = \"linux\"", "attribute = \"${attr.kernal.name}\"\nvalue = \"linux\"",
		"attribute = \"${NOMAD_ALLOC_INDEX}\"\nvalue = 0", "attribute = \"${env[\"NOMAD_DC\"]}\"\nvalue = \"dc1\"", "attribute = \"${FOO:-x}\"\nvalue = \"x\"", "attribute = \"a\"\nvalue = \"${NOMAD_DC}\"",
		`operator = "=>"`, `operator = "versio"`, `operator = "distinct_property"`, `operator = "set_contains_any"`, `operator = ""`, "attribute = \"${meta.a}\"\noperator = \"~>\"\nversion = \"1\"",
		`value = ""`, `value = []`, "operator = \"is_set\"\nattribute = \"${meta.a}\"\nvalue = \"b\"", "operator = \"regexp\"\nattribute = \"${meta.a}\"\nvalue = \"(\"",
		"attribute = \"${meta.a}\"\nversion = \"newest\"", "attribute = \"${meta.a}\"\nversion = \">= 1, <\"", `version = ""`, "attribute = \"${meta.a}\"\noperator = \"regexp\"\nversion = \"1\"", "attribute = \"${meta.a}\"\noperator = \">\"\nversion = \">= 1\"",
		"attribute = \"${meta.a}\"\nversion = \"1\"\nvalue = \"1\"", "attribute = \"${meta.a}\"\noperator = \"version\"\nvalue = \"x\"", "attribute = \"${meta.a}\"\noperator = \">\"\nversion = \"x\"",
		"attribute = \"${meta.a}\"\nsemver = \"~> 1.2\"", "attribute = \"${meta.a}\"\nsemver = \"1.2.3.4\"", `semver = []`, "attribute = \"${meta.a}\"\nregexp = \"[\"", "attribute = \"${meta.a}\"\nregexp = \"a\"\nset_contains = \"b\"",
		"attribute = \"${meta.a}\"\nregexp = \"a\"\noperator = \"=\"", `set_contains = ["a"]`, `set_contains = ""`,
		`distinct_hosts = "maybe"`, "distinct_hosts = true\nattribute = \"${meta.a}\"", "distinct_hosts = false\nvalue = \"a\"", "distinct_hosts = true\noperator = \"=\"", "operator = \"distinct_hosts\"\nvalue = \"no\"", "operator = \"distinct_hosts\"\nregexp = \"a\"",
	},
	"artifact": {
		`source = ""`, `source = []`, `source = "a.tar"`, `source = "./a.tar"`, `source = "git::https://a/b.git"`, `source = "github.com/a/b"`, `source = "git@github.com:a/b.git"`, `source = "s3::https://s3.amazonaws.com/a/b"`, `source = "hg::http://a/b"`, `source = "gcs::https://a/b"`,
		`source = "ftp://a/b"`, `source = "http://"`, `source = "https:///b"`, `source = "file://a"`, `source = "odd::/a"`, `source = "http://u:secret@a b/c"`, `source = "s3://bucket/a"`,
		`destination = "/etc"`, `destination = "../x"`, `destination = "local/../../x"`, `destination = ".."`, `destination = ""`, `destination = ["a"]`,
		`options = "checksum=md5:0"`, `options = { checksum = "md5" }`, `options = { checksum = "crc:00" }`, `options = { checksum = "sha256:abc" }`, `options = { checksum = "md5:zz0123456789abcdef0123456789abcd" }`, `options = { checksum = "file:" }`, `options = { checksum = [] }`,
		`mode = "archive"`, `mode = "fil"`, `mode = ""`, `mode = "file"`, "mode = \"file\"\ndestination = \"local/\"",
	},
	"service": {
		`name = ""`, `name = "-web"`, `name = "my_web"`, `name = "a.b"`, `name = []`, "name = \"" + strings.Repeat("a", 64) + "\"",
		`port = "http"`, `port = 80`, `port = ""`, `port = []`, "port = \"+80\"\naddress_mode = \"driver\"", "port = 0\naddress_mode = \"driver\"", "port = 65536\naddress_mode = \"driver\"",
		`tags = "a"`, `tags = [""]`, `tags = [" a"]`, `address_mode = "alloc"`, `address_mode = "drive"`, `address_mode = "bridge"`, `address_mode = ""`,
		`check = "http"`, "check \"c\" {\n}", "check {\n}", "check {\n type = \"tcp\"\n}", "check {\n type = \"http\"\n}", "check {\n type = \"script\"\n}",
		"check_restart {\n}", `meta = { a = "b" }`,
	},
	"check": {
		`name = ""`, `name = []`, `type = "grpc"`, `type = "https"`, `type = "udp"`, `type = ""`, `type = []`,
		"type = \"script\"\ncommand = \"a\"\ntask = \"t\"", `task = []`, "type = \"tcp\"\nport = \"http\"", "type = \"tcp\"\nport = 80", "type = \"script\"\ncommand = \"a\"\nport = 80", `port = ""`,
		`address_mode = "auto"`, `address_mode = "alloc"`, `address_mode = "host "`, "type = \"script\"\ncommand = \"a\"\naddress_mode = \"host\"",
		`path = "health"`, `path = "http://a/b"`, `path = "//a"`, `path = "/a#b"`, `path = "/%zz"`, `path = ""`, "type = \"tcp\"\npath = \"/\"",
		`method = "GET IT"`, `method = ""`, "type = \"tcp\"\nmethod = \"HEAD\"",
		`header = "A: b"`, `header = { A = "b" }`, `header = { A = [] }`, `header = { A = [["b"]] }`, `header = { "A b" = ["c"] }`, `header = { A = ["b\nC: d"] }`, "type = \"script\"\ncommand = \"a\"\nheader = {}",
		`protocol = "ftp"`, `protocol = ""`, "type = \"tcp\"\nprotocol = \"http\"", `tls_skip_verify = "no"`, "type = \"tcp\"\ntls_skip_verify = true",
		`command = ""`, `command = " a"`, `command = ["a"]`, "type = \"tcp\"\ncommand = \"a\"", `args = "-x"`, "type = \"tcp\"\nargs = [\"a\"]",
		`interval = "0s"`, `interval = "999ms"`, `interval = 10`, `interval = "often"`, `interval = ""`, `timeout = "0.5s"`, `timeout = "-1s"`, `timeout = 2`,
		`success_before_passing = -1`, `success_before_passing = 1001`, `success_before_passing = "x"`, `failures_before_critical = -1`, `failures_before_critical = "never"`,
		`check_restart = 3`, "check_restart {\n}", "check_restart \"a\" {\n}",
	},
	"check_restart": {
		`limit = 0`, `limit = 1001`, `limit = "x"`, `limit = ""`, `grace = "-1s"`, `grace = 1`, `grace = "soon"`, `ignore_warnings = "some"`,
	},
	"network":      {`mode = "host"`, `mode = ""`, `port = 80`, "port {\n}", "port \"a b\" {\n}"},
	"task network": {`mbits = -1`, `mbits = "fast"`, `port = "http"`, "port \"\" {\n}", "port \"a\" {\n}\nport \"a\" {\n}"},
	"port": {
		`static = 65536`, `static = "http"`, `static = -1`, `to = 65536`, `to = "80/tcp"`,
		`host_ip = "localhost"`, `host_ip = "::1%lo"`, `host_ip = "${attr.unique.network.ip-address}"`, `host_ip = []`,
	},
	"task port": {`static = 65536`, `static = 1.5`, `to = -1`, `to = "eighty"`},
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
