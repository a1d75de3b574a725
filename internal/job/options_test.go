package job

import (
	"strings"
	"testing"
)

func TestParseUlimit(t *testing.T) {
	for _, tc := range []struct {
		name, value string
		soft, hard  int64
		says        string
	}{
		{"nofile", "1024", 1024, 1024, ""},
		{"nofile", "1024:4096", 1024, 4096, ""},
		{"nproc", "-1", -1, -1, ""},
		{"memlock", "unlimited", -1, -1, ""},
		{"memlock", "64:unlimited", 64, -1, ""},
		{"core", "0", 0, 0, ""},
		{"nofile", "", 0, 0, `nofile: "": the soft limit "" is no whole number`},
		{"nofile", "abc:1234", 0, 0, `the soft limit "abc"`},
		{"nofile", "1234:abc", 0, 0, `the hard limit "abc"`},
		{"nofile", "1:2:3", 0, 0, `the hard limit "2:3"`},
		{"nofile", "-2", 0, 0, `the soft limit "-2"`},
		{"nofile", "2:1", 0, 0, "the soft limit is above the hard one"},
		{"nofile", "unlimited:1", 0, 0, "the soft limit is above the hard one"},
		{"files", "1", 0, 0, `ulimit "files" is none`},
	} {
		soft, hard, err := ParseUlimit(tc.name, tc.value)
		if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s=%s: %v, want %q", tc.name, tc.value, err, tc.says)
		}
		if err == nil && (soft != tc.soft || hard != tc.hard) {
			t.Errorf("%s=%s: %d:%d", tc.name, tc.value, soft, hard)
		}
	}
}

func TestParseExtraHost(t *testing.T) {
	for entry, want := range map[string]string{
		"db:10.0.0.1": "db 10.0.0.1", "db:::1": "db ::1", "db:[fd00::1]": "db fd00::1",
		"up:host-gateway": "up host-gateway",
		"db":              "", ":1.2.3.4": "", "db:": "", "db:here": "", "a b:1.2.3.4": "", "db:1.2.3.4:5": "",
	} {
		host, ip, err := ParseExtraHost(entry)
		if got := host + " " + ip; (err != nil) != (want == "") || err == nil && got != want {
			t.Errorf("%q: %q %v, want %q", entry, got, err, want)
		}
	}
}

func TestParseNamespace(t *testing.T) {
	for _, tc := range []struct{ option, mode, want, says string }{
		{"ipc_mode", "", "", ""},
		{"ipc_mode", "host", "host", ""},
		{"ipc_mode", "shareable", "shareable", ""},
		{"ipc_mode", "web", "container:web", ""},
		{"ipc_mode", "container:web", "container:web", ""},
		{"ipc_mode", "container:", "", `or "container:name", not "container:"`},
		{"pid_mode", "host", "host", ""},
		{"pid_mode", "4f3a", "container:4f3a", ""},
		{"pid_mode", "a b", "", `pid_mode is "host" or "container:name"`},
		{"uts_mode", "host", "host", ""},
		{"uts_mode", "private", "", `uts_mode is "host", not "private"`},
		{"userns_mode", "container:x", "", `userns_mode is "host"`},
		{"cgroupns", "private", "private", ""},
		{"cgroupns", "shared", "", `cgroupns is "host" or "private", not "shared"`},
	} {
		got, err := ParseNamespace(tc.option, tc.mode)
		if got != tc.want || (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s = %q: %q %v", tc.option, tc.mode, got, err)
		}
	}
}

func TestNetworkModes(t *testing.T) {
	for mode, want := range map[string][2]bool{ // own, user
		"bridge": {true, false}, "default": {true, false}, "": {true, false}, "host": {}, "none": {},
		"container:x": {}, "backend": {true, true}, "weave": {true, true},
	} {
		if got := [2]bool{OwnNetwork(mode), UserNetwork(mode)}; got != want {
			t.Errorf("%q: own and user %v, want %v", mode, got, want)
		}
	}
}

func TestCheckSysctl(t *testing.T) {
	for name, ok := range map[string]bool{
		"net.core.somaxconn": true, "fs.mqueue.msg_max": true, "kernel.shmmax": true,
		"kernel.hostname": false, "vm.max_map_count": false, "net": false, "": false,
	} {
		if err := CheckSysctl(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestNormalCapability(t *testing.T) {
	for in, want := range map[string]string{
		"net_admin": "NET_ADMIN", "CAP_SYS_TIME": "SYS_TIME", "cap_chown": "CHOWN", " Kill ": "KILL", "all": "ALL",
		"net_adm": "", "": "", "CAP_": "",
	} {
		got, ok := NormalCapability(in)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q %v", in, got, ok)
		}
	}
	if !DefaultCapability("CHOWN") || DefaultCapability("NET_ADMIN") || DefaultCapability("ALL") {
		t.Error("the default set")
	}
	for _, name := range defaultCapabilities {
		if _, ok := NormalCapability(name); !ok {
			t.Errorf("%s is not known", name)
		}
	}
}
