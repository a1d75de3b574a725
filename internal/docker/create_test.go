package docker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reconciler/internal/job"
)

// testDirs resolves without a disk, and refuses what leaves /a/ALLOC.
type testDirs struct{}

func (testDirs) Task(alloc, task string) Paths {
	root := "/a/" + alloc
	return Paths{Alloc: root + "/alloc", Dir: root + "/" + task, Local: root + "/" + task + "/local", Secrets: root + "/" + task + "/secrets"}
}

func (d testDirs) Resolve(alloc, task, rel string) (string, error) {
	p := filepath.Join(d.Task(alloc, task).Dir, rel)
	if !strings.HasPrefix(p, "/a/"+alloc) {
		return "", errors.New("it leaves the allocation's directory")
	}
	return p, nil
}

const testAlloc = "0f1e2d3c-aaaa-bbbb-cccc-0123456789ab"

// request is a small task that is complete; change edits it.
func request(change func(r *job.ContainerRequest)) job.ContainerRequest {
	j := &job.Job{Name: "shop", Type: job.TypeService, Groups: []job.Group{{
		Name: "front", Count: 1,
		Tasks: []job.Task{
			{
				Name: "web", Driver: job.DriverDocker, KillTimeout: job.Duration(job.DefaultKillTimeout),
				Config:    job.Config{Image: "redis:7", NetworkMode: job.DefaultNetworkMode},
				Resources: job.Resources{CPU: job.DefaultCPU, MemoryMB: job.DefaultMemoryMB},
			},
			{Name: "side", Driver: job.DriverDocker, Config: job.Config{Image: "side"}},
		},
	}}}
	r := job.ContainerRequest{
		Node: job.Node{ID: "node-1", Name: "host", Datacenter: "dc1", Region: "global"},
		Job:  j, Group: &j.Groups[0], Task: &j.Groups[0].Tasks[0],
		Alloc: job.AllocSpec{
			ID: testAlloc, Job: "shop", Group: "front", Index: 2, Generation: 7, SpecHash: "v1:abc",
			Images: map[string]string{"web": "docker.io/library/redis:7"},
		},
		Attempt: 3, ImageID: "sha256:11", ImageOurs: true,
	}
	if change != nil {
		change(&r)
	}
	return r
}

var defaults = Options{VolumesEnabled: true}

// golden are the create requests that are kept as files: one for each concern.
var golden = []struct {
	name   string
	opts   Options
	change func(r *job.ContainerRequest)
}{
	{"minimal", defaults, nil},
	{"command", defaults, func(r *job.ContainerRequest) {
		c := &r.Task.Config
		c.Entrypoint, c.Command, c.Args = []string{"/bin/${NOMAD_TASK_NAME}"}, "serve", []string{"-bind", "${NOMAD_PORT_http}", "$${raw}", "${unknown}"}
		r.Alloc.Ports = []job.AllocPort{{Label: "http", Task: "web", HostIP: "10.0.0.1", Host: 20001, To: 20001}}
	}},
	{"process", defaults, func(r *job.ContainerRequest) {
		c := &r.Task.Config
		c.WorkDir, c.Hostname, c.TTY = "/srv/${NOMAD_ALLOC_INDEX}", "${NOMAD_TASK_NAME}-${NOMAD_ALLOC_INDEX}", true
		r.Task.User, r.Task.KillSignal, r.Task.KillTimeout = "${env[\"RUN_AS\"]}", "SIGQUIT", job.Duration(1500*time.Millisecond)
		r.Task.Env = map[string]string{"RUN_AS": "1000:1000", "dotted.key": "x"}
		r.Task.Meta, r.Job.Meta = map[string]string{"tier": "1"}, map[string]string{"owner": "me"}
	}},
	{"labels", defaults, func(r *job.ContainerRequest) {
		r.Task.Config.Labels = map[string]string{"who": "${NOMAD_TASK_NAME}", "${NOMAD_JOB_NAME}.x": "y"}
	}},
	{"ports", defaults, func(r *job.ContainerRequest) {
		r.Task.Config.PortMap = map[string]int{"db": 6379, "alias": 6379}
		r.Task.Config.Ports = []string{"shared"}
		r.Alloc.Ports = []job.AllocPort{
			{Label: "db", Task: "web", HostIP: "10.0.0.1", Host: 20001, To: 6379},
			{Label: "alias", Task: "web", HostIP: "127.0.0.1", Host: 20002, To: 6379},
			{Label: "plain", Task: "web", HostIP: "::1", Host: 20003},
			{Label: "shared", HostIP: "10.0.0.1", Host: 80, To: 8080, Static: true},
			{Label: "unused", HostIP: "10.0.0.1", Host: 81},
			{Label: "others", Task: "side", HostIP: "10.0.0.1", Host: 82},
		}
	}},
	{"volumes", Options{VolumesEnabled: true, SELinuxLabel: "z"}, func(r *job.ContainerRequest) {
		r.Task.Config.Volumes = []string{"/srv//x/:/in:ro", "data:/data", "../alloc/${NOMAD_ALLOC_INDEX}:/shared:rw,Z"}
	}},
	{"logging", defaults, func(r *job.ContainerRequest) {
		r.Task.Config.Logging = &job.Logging{Type: "fluentd", Config: map[string]string{"tag": "${NOMAD_JOB_NAME}"}}
	}},
	{"host_network", defaults, func(r *job.ContainerRequest) {
		r.Task.Config.NetworkMode = "host"
		r.Alloc.Ports = []job.AllocPort{{Label: "http", Task: "web", HostIP: "10.0.0.1", Host: 20001}}
	}},
	{"joined_network", defaults, func(r *job.ContainerRequest) {
		r.Task.Config.NetworkMode = "container:side"
		r.Alloc.Images = nil
		r.Task.Config.Image = "https://example.org/${NOMAD_JOB_NAME}/web:1@sha256:" + strings.Repeat("ab", 32)
	}},
}

func TestGoldenCreateRequests(t *testing.T) {
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			cr, err := Build(request(g.change), g.opts, testDirs{})
			if err != nil {
				t.Fatal(err)
			}
			got := encode(t, cr)
			again, err := Build(request(g.change), g.opts, testDirs{})
			if err != nil || !bytes.Equal(got, encode(t, again)) {
				t.Errorf("the same request gives another result: %v", err)
			}
			path := filepath.Join("testdata", g.name+".json")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("-want +got (go test -update writes it anew):\n%s", diff)
			}
		})
	}
}

// encode is v as JSON without what is empty, so that a golden file shows what
// was asked for and not what the engine's types hold.
func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	b, err = json.MarshalIndent(prune(tree), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func prune(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for k, w := range m {
		switch w := prune(w).(type) {
		case nil:
			delete(m, k)
		case bool, float64, string:
			if w == false || w == 0.0 || w == "" {
				delete(m, k)
			}
		case []any:
			if zeros(w) {
				delete(m, k)
			}
		case map[string]any:
			if len(w) == 0 && !strings.Contains(k, "/") { // "80/tcp": {} is a value
				delete(m, k)
			}
		}
	}
	return m
}

func zeros(list []any) bool {
	for _, v := range list {
		if v != 0.0 {
			return false
		}
	}
	return true
}

func TestBuildRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		opts   Options
		change func(r *job.ContainerRequest)
		reason string
		says   string
	}{
		{"our label", defaults, func(r *job.ContainerRequest) {
			r.Task.Config.Labels = map[string]string{"reconciler.job": "x"}
		}, ReasonInvalidConfig, `label "reconciler.job"`},
		{"our label by interpolation", defaults, func(r *job.ContainerRequest) {
			r.Task.Env = map[string]string{"P": "reconciler"}
			r.Task.Config.Labels = map[string]string{"${P}.job": "x"}
		}, ReasonInvalidConfig, `label "reconciler.job"`},
		{"empty command", defaults, func(r *job.ContainerRequest) {
			r.Task.Env = map[string]string{"NOTHING": ""}
			r.Task.Config.Command = "${NOTHING}"
		}, ReasonInvalidConfig, "command"},
		{"blanks around the command", defaults, func(r *job.ContainerRequest) { r.Task.Config.Command = " run" }, ReasonInvalidConfig, `" run"`},
		{"image that is none", defaults, func(r *job.ContainerRequest) {
			r.Alloc.Images, r.Task.Config.Image = nil, "a/UPPER-${NOMAD_JOB_NAME}"
		}, ReasonInvalidConfig, "a/UPPER-shop"},
		{"unknown port", defaults, func(r *job.ContainerRequest) { r.Task.Config.Ports = []string{"nope"} }, ReasonInvalidConfig, `ports: no port is called "nope"`},
		{"unknown port_map", defaults, func(r *job.ContainerRequest) { r.Task.Config.PortMap = map[string]int{"nope": 1} }, ReasonInvalidConfig, `port_map: no port is called "nope"`},
		{"port of another task", defaults, func(r *job.ContainerRequest) {
			r.Alloc.Ports = []job.AllocPort{{Label: "x", Task: "side", Host: 1}}
			r.Task.Config.Ports = []string{"x"}
		}, ReasonInvalidConfig, `"x"`},
		{"absolute volume", Options{}, func(r *job.ContainerRequest) { r.Task.Config.Volumes = []string{"/srv:/srv"} }, ReasonVolumeRefused, `"docker.volumes.enabled"`},
		{"absolute by interpolation", Options{}, func(r *job.ContainerRequest) {
			r.Task.Env = map[string]string{"D": "/etc"}
			r.Task.Config.Volumes = []string{"${D}:/srv"}
		}, ReasonVolumeRefused, `"/etc"`},
		{"volume that escapes", defaults, func(r *job.ContainerRequest) { r.Task.Config.Volumes = []string{"../../../etc:/srv"} }, ReasonVolumeRefused, `"../../../etc"`},
		{"volume without target", defaults, func(r *job.ContainerRequest) { r.Task.Config.Volumes = []string{"/srv"} }, ReasonInvalidConfig, `"/srv"`},
		{"volume with relative target", defaults, func(r *job.ContainerRequest) { r.Task.Config.Volumes = []string{"/srv:x"} }, ReasonInvalidConfig, `"/srv:x"`},
		{"volume without source", defaults, func(r *job.ContainerRequest) { r.Task.Config.Volumes = []string{":/x"} }, ReasonInvalidConfig, `":/x"`},
		{"volume with too much", defaults, func(r *job.ContainerRequest) { r.Task.Config.Volumes = []string{"a:/b:ro:z"} }, ReasonInvalidConfig, `"a:/b:ro:z"`},
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

// A Resolve that classifies its errors itself is not overruled.
type brokenDirs struct{ testDirs }

func (brokenDirs) Resolve(string, string, string) (string, error) {
	return "", job.NewError(job.Retried, "DiskFull", errors.New("no space"))
}

func TestResolveKeepsItsKind(t *testing.T) {
	_, err := Build(request(func(r *job.ContainerRequest) { r.Task.Config.Volumes = []string{"a:/b"} }), defaults, brokenDirs{})
	if kind, reason := job.KindOf(err); kind != job.Retried || reason != "DiskFull" {
		t.Errorf("got %s %s", kind, reason)
	}
}

type colonDirs struct{ testDirs }

func (colonDirs) Task(a, t string) Paths {
	p := testDirs{}.Task(a, t)
	p.Alloc = "/a:b"
	return p
}

func TestPathWithColonIsRefused(t *testing.T) {
	_, err := Build(request(nil), defaults, colonDirs{})
	if _, reason := job.KindOf(err); reason != ReasonVolumeRefused {
		t.Errorf("got %v", err)
	}
}

func TestAbsoluteVolumesOffLeavesStandardAndRelativeBinds(t *testing.T) {
	cr, err := Build(request(func(r *job.ContainerRequest) { r.Task.Config.Volumes = []string{"data:/data"} }), Options{SELinuxLabel: "Z"}, testDirs{})
	if err != nil {
		t.Fatal(err)
	}
	root := "/a/" + testAlloc
	want := []string{
		root + "/alloc:/alloc:Z", root + "/web/local:/local:Z", root + "/web/secrets:/secrets:Z", root + "/web/data:/data:Z",
	}
	if diff := cmp.Diff(want, cr.HostConfig.Binds); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestStopTimeoutIsRoundedUp(t *testing.T) {
	for d, want := range map[time.Duration]int{0: 0, 1: 1, time.Second: 1, time.Second + 1: 2, 90 * time.Second: 90} {
		cr, err := Build(request(func(r *job.ContainerRequest) { r.Task.KillTimeout = job.Duration(d) }), defaults, testDirs{})
		if err != nil || *cr.Config.StopTimeout != want || cr.Config.StopSignal != "" {
			t.Errorf("%s: %d %q %v", d, *cr.Config.StopTimeout, cr.Config.StopSignal, err)
		}
	}
}

func TestLoggingDefaults(t *testing.T) {
	agent := &job.Logging{Type: "journald", Config: map[string]string{"tag": "a"}}
	only := &job.Logging{Config: map[string]string{"max-size": "1m"}}
	for _, tc := range []struct {
		name  string
		agent *job.Logging
		task  *job.Logging
		want  string
	}{
		{"nothing", nil, nil, "json-file map[max-file:3 max-size:10m]"},
		{"agent's driver", agent, nil, "journald map[tag:a]"},
		{"agent's options only", only, nil, "json-file map[max-file:3 max-size:1m]"},
		{"task's options over the default's", nil, only, "json-file map[max-file:3 max-size:1m]"},
		{"task's options over the agent's", agent, only, "journald map[max-size:1m tag:a]"},
		{"task's driver as it is written", agent, &job.Logging{Type: "json-file"}, "json-file map[]"},
		{"none", agent, &job.Logging{Type: "none"}, "none map[]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cr, err := Build(request(func(r *job.ContainerRequest) { r.Task.Config.Logging = tc.task }),
				Options{Logging: tc.agent}, testDirs{})
			if err != nil {
				t.Fatal(err)
			}
			lc := cr.HostConfig.LogConfig
			if got := fmt.Sprintf("%s %v", lc.Type, lc.Config); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	if diff := cmp.Diff(map[string]string{"max-size": "10m", "max-file": "3"}, defaultLogging.Config); diff != "" {
		t.Errorf("the default was changed by its users: %s", diff)
	}
}

// Whatever a user writes, the labels say who the container is, and the engine
// never restarts it.
func TestIdentityCannotBeOverruled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := request(nil)
		r.Task.Config.Labels = rapid.MapOf(rapid.StringMatching(`[a-z.${}]{1,12}`), rapid.String()).Draw(t, "labels")
		r.Task.Env = rapid.MapOf(rapid.StringMatching(`[A-Z_]{1,6}`), rapid.StringMatching(`[a-z.${}A-Z]{0,12}`)).Draw(t, "env")
		r.Attempt = rapid.IntRange(1, 1000).Draw(t, "attempt")
		cr, err := Build(r, defaults, testDirs{})
		if err != nil {
			if kind, _ := job.KindOf(err); kind != job.WaitsForUser {
				t.Fatalf("kind %s: %v", kind, err)
			}
			return
		}
		id, ok, err := job.ParseLabels(cr.Config.Labels)
		if diff := cmp.Diff(r.Identity(), id); !ok || err != nil || diff != "" {
			t.Fatalf("%v %v %s", ok, err, diff)
		}
		if cr.HostConfig.RestartPolicy.Name != "no" || cr.Name != "web-"+testAlloc {
			t.Fatalf("restart %q, name %q", cr.HostConfig.RestartPolicy.Name, cr.Name)
		}
	})
}

func TestAPIRef(t *testing.T) {
	d := "sha256:" + strings.Repeat("ab", 32)
	for in, want := range map[string]string{
		"docker.io/library/redis:7":        "docker.io/library/redis:7",
		"docker.io/library/redis:7@" + d:   "docker.io/library/redis@" + d,
		"docker.io/library/redis@" + d:     "docker.io/library/redis@" + d,
		"127.0.0.1:5000/a/b:c@" + d:        "127.0.0.1:5000/a/b@" + d,
		"sha256:" + strings.Repeat("a", 9): "sha256:" + strings.Repeat("a", 9),
		d:                                  d,
	} {
		if got := apiRef(in); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}
