package taskenv

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

var update = flag.Bool("update", false, "write the golden files anew")

// webInput is an allocation with a port of every kind: of the group, mapped,
// not mapped, on IPv6, and of another task.
func webInput() Input {
	j := &job.Job{
		Name: "shop",
		Meta: map[string]string{"owner": "job", "tier": "job", "color": "job"},
		Groups: []job.Group{{
			Name: "front",
			Meta: map[string]string{"tier": "group", "color": "group"},
			Tasks: []job.Task{
				{
					Name:      "web",
					Env:       map[string]string{"LISTEN": "0.0.0.0:${NOMAD_PORT_http}", "weird.key-1": "kept", "LEVEL": "info"},
					Meta:      map[string]string{"color": "task", "a-b": "dash"},
					Resources: job.Resources{CPU: 500, MemoryMB: 256},
				},
				{Name: "db.main", Resources: job.Resources{CPU: 100, MemoryMB: 300}},
			},
		}},
	}
	return Input{
		Node: job.Node{
			ID: "node-1", Name: "box", Datacenter: "dc1", Region: "global",
			Meta:       map[string]string{"rack": "r1", "owner": "node"},
			Attributes: map[string]string{"driver.docker": "1", "driver.docker.version": "28.5.2", "kernel.name": "linux"},
		},
		Job: j, Group: &j.Groups[0], Task: &j.Groups[0].Tasks[0],
		Alloc: job.AllocSpec{
			ID: "5c9f8a1e-1111-2222-3333-444455556666", Job: "shop", Group: "front", Index: 2,
			Ports: []job.AllocPort{
				{Label: "admin", HostIP: "10.0.0.5", Host: 21000, To: 21000},
				{Label: "http", Task: "web", HostIP: "10.0.0.5", Host: 22000, To: 8080},
				{Label: "raw-tcp", Task: "web", HostIP: "fd00::1", Host: 9000, Static: true},
				{Label: "sql", Task: "db.main", HostIP: "fd00::1", Host: 23000, To: 5432},
			},
		},
	}
}

func TestListGolden(t *testing.T) {
	host := webInput()
	host.Task.Config.NetworkMode = "host"
	for name, in := range map[string]Input{"bridge": webInput(), "host": host} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(New(in).List(), "\n") + "\n"
			path := filepath.Join("testdata", name+".golden")
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
				t.Errorf("environment differs (-want +got):\n%s", diff)
			}
		})
	}
}

// variable returns the value of one variable of the list.
func variable(t *testing.T, e *Env, name string) string {
	t.Helper()
	for _, kv := range e.List() {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	t.Fatalf("%s is not in the environment", name)
	return ""
}

func TestPorts(t *testing.T) {
	tests := []struct {
		name string
		mode string
		port job.AllocPort
		want map[string]string
	}{
		{
			"mapped", "",
			job.AllocPort{Label: "l", Task: "web", HostIP: "1.2.3.4", Host: 20001, To: 80},
			map[string]string{"IP_l": "1.2.3.4", "PORT_l": "80", "HOST_PORT_l": "20001", "ADDR_l": "1.2.3.4:20001"},
		},
		{
			"not mapped", "bridge",
			job.AllocPort{Label: "l", Task: "web", HostIP: "1.2.3.4", Host: 20001},
			map[string]string{"PORT_l": "20001", "HOST_PORT_l": "20001"},
		},
		{
			"of the group", "",
			job.AllocPort{Label: "l", HostIP: "1.2.3.4", Host: 20001, To: 80},
			map[string]string{"PORT_l": "80", "ADDR_l": "1.2.3.4:20001"},
		},
		{
			"host network", "host",
			job.AllocPort{Label: "l", Task: "web", HostIP: "1.2.3.4", Host: 20001, To: 80},
			map[string]string{"PORT_l": "20001", "HOST_PORT_l": "20001"},
		},
		{
			"host network by a reference", "${meta.net}",
			job.AllocPort{Label: "l", Task: "web", HostIP: "1.2.3.4", Host: 20001, To: 80},
			map[string]string{"PORT_l": "20001"},
		},
		{
			"IPv6", "",
			job.AllocPort{Label: "l", Task: "web", HostIP: "::1", Host: 20001, To: 80},
			map[string]string{"IP_l": "::1", "ADDR_l": "[::1]:20001"},
		},
		{
			"another task's", "host",
			job.AllocPort{Label: "l", Task: "db", HostIP: "::1", Host: 20001, To: 80},
			map[string]string{"IP_db_l": "::1", "PORT_db_l": "20001", "ADDR_db_l": "[::1]:20001"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := webInput()
			in.Node.Meta["net"] = "host"
			in.Task.Config.NetworkMode = tt.mode
			in.Alloc.Ports = []job.AllocPort{tt.port}
			e := New(in)
			for k, want := range tt.want {
				if got := variable(t, e, "NOMAD_"+k); got != want {
					t.Errorf("NOMAD_%s = %q, want %q", k, got, want)
				}
			}
		})
	}
}

func TestAnotherTasksPortHasNoPlainName(t *testing.T) {
	list := "\n" + strings.Join(New(webInput()).List(), "\n")
	for _, name := range []string{"NOMAD_PORT_sql=", "NOMAD_HOST_PORT_db.main_sql="} {
		if strings.Contains(list, "\n"+name) {
			t.Errorf("%s is in the environment", name)
		}
	}
}

func TestTasksOwnPortHidesTheGroups(t *testing.T) {
	in := webInput()
	in.Alloc.Ports = []job.AllocPort{
		{Label: "http", Task: "web", HostIP: "127.0.0.1", Host: 20001, To: 1},
		{Label: "http", HostIP: "127.0.0.1", Host: 20002, To: 2},
	}
	if got := variable(t, New(in), "NOMAD_PORT_http"); got != "1" {
		t.Errorf("NOMAD_PORT_http = %s, want the task's own, 1", got)
	}
}

func TestMeta(t *testing.T) {
	in := webInput()
	in.Job.Meta = map[string]string{"k": "job", "only_job": "j", "Case": "mixed"}
	in.Group.Meta = map[string]string{"k": "group", "CASE": "upper"}
	in.Task.Meta = map[string]string{"k": "${NOMAD_TASK_NAME} $${x}"}
	e := New(in)
	for name, want := range map[string]string{
		"NOMAD_META_k": "web ${x}", "NOMAD_META_K": "web ${x}",
		"NOMAD_META_only_job": "j", "NOMAD_META_Case": "mixed", "NOMAD_META_CASE": "upper",
	} {
		if got := variable(t, e, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

func TestUserEnvWins(t *testing.T) {
	in := webInput()
	in.Task.Env = map[string]string{"NOMAD_DC": "mine", "NOMAD_PORT_http": "1", "NOMAD_META_color": "c", "a b": "x", "lower-case.key": "y"}
	e := New(in)
	for k, want := range in.Task.Env {
		if got := variable(t, e, k); got != want {
			t.Errorf("%s = %q, want %q", k, got, want)
		}
	}
	if got := e.Replace("${NOMAD_DC} ${node.datacenter}"); got != "mine dc1" {
		t.Errorf("got %q", got)
	}
}
