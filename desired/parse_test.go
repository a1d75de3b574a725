package desired

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/store"
)

// mustJobs parses src, which must be good, and returns its jobs and warnings.
func mustJobs(t *testing.T, src string) ([]*job.Job, []store.Problem) {
	t.Helper()
	jobs, problems := Parse("a.hcl", []byte(src))
	for _, p := range problems {
		if p.Severity != store.SeverityWarning {
			t.Fatalf("%s\nin:\n%s", p, src)
		}
	}
	return jobs, problems
}

// effective is a job of one task with the defaults that a manifest gets.
func effective(name string, change func(*job.Job, *job.Group, *job.Task)) *job.Job {
	j := &job.Job{Name: name, Type: job.TypeService, Groups: []job.Group{{
		Name: name, Count: 1,
		Update: job.Update{MaxParallel: 1, MinHealthyTime: job.Duration(10 * time.Second)},
		Tasks: []job.Task{{
			Name: name, Driver: "docker",
			Config:      job.Config{Image: "redis:7", NetworkMode: "bridge"},
			Resources:   job.Resources{CPU: 100, MemoryMB: 300},
			KillTimeout: job.Duration(5 * time.Second),
		}},
	}}}
	if change != nil {
		change(j, &j.Groups[0], &j.Groups[0].Tasks[0])
	}
	return j
}

func TestParseGoodFiles(t *testing.T) {
	withConfig := func(change func(*job.Config)) *job.Job {
		return effective("t", func(_ *job.Job, _ *job.Group, t *job.Task) { change(&t.Config) })
	}
	config := func(body string) string {
		return "task \"t\" {\n config {\n image = \"redis:7\"\n" + body + "\n}\n}\n"
	}
	for _, tc := range []struct {
		name, src string
		want      []*job.Job
	}{
		{"empty", "", nil},
		{"comments", "# nothing\n/* here */\n", nil},
		{"only locals", "locals {\n a = 1\n}\nvariable \"x\" {\n default = 2\n}\n", nil},
		{"bare task", `task "t" { config { image = "redis:7" } }`, nil}, // not HCL 2: see below
		{"bare task, on lines", config(""), []*job.Job{effective("t", nil)}},
		{
			"bare group", "group \"g\" {\n count = 3\n task \"t\" {\n config { image = \"redis:7\" }\n }\n}\n",
			[]*job.Job{effective("g", func(_ *job.Job, g *job.Group, t *job.Task) { g.Count = 3; t.Name = "t" })},
		},
		{
			"job without a group", "job \"j\" {\n task \"t\" {\n config { image = \"redis:7\" }\n }\n}\n",
			[]*job.Job{effective("t", func(j *job.Job, _ *job.Group, _ *job.Task) { j.Name = "j" })},
		},
		{
			"order of the file", "task \"b\" {\n config { image = \"redis:7\" }\n}\njob \"a\" {\n task \"a\" {\n config { image = \"redis:7\" }\n }\n}\n",
			[]*job.Job{effective("b", nil), effective("a", nil)},
		},
		{
			"strings of numbers and bools", config(`command = 1` + "\n" + `args = [1, true, "x", 1.5]`),
			[]*job.Job{withConfig(func(c *job.Config) { c.Command = "1"; c.Args = []string{"1", "true", "x", "1.5"} })},
		},
		{
			"quoted numbers and bools", config("tty = \"true\"\n force_pull = \"false\"\n"),
			[]*job.Job{withConfig(func(c *job.Config) { c.TTY = true })},
		},
		{
			"null is not set", config("command = null\n args = null\n labels = null\n tty = null"),
			[]*job.Job{effective("t", nil)},
		},
		{
			"maps as block and attribute", config("labels {\n a = 1\n}\nlabels = { b = \"2\", \"c.d\" = true }\nlabels {\n e.f = \"3\"\n \"g h\" = \"4\"\n}"),
			[]*job.Job{withConfig(func(c *job.Config) {
				c.Labels = map[string]string{"a": "1", "b": "2", "c.d": "true", "e.f": "3", "g h": "4"}
			})},
		},
		{
			"dotted key in an object", config("labels = { com.example.a = 1 }"),
			[]*job.Job{withConfig(func(c *job.Config) { c.Labels = map[string]string{"com.example.a": "1"} })},
		},
		{
			"logging", config("logging {\n driver = \"syslog\"\n config {\n tag = \"x\"\n}\n}"),
			[]*job.Job{withConfig(func(c *job.Config) {
				c.Logging = &job.Logging{Type: "syslog", Config: map[string]string{"tag": "x"}}
			})},
		},
		{
			"logging as an object", config("logging = { type = \"syslog\", config = { tag = \"x\" } }"),
			[]*job.Job{withConfig(func(c *job.Config) {
				c.Logging = &job.Logging{Type: "syslog", Config: map[string]string{"tag": "x"}}
			})},
		},
		{"empty logging", config("logging {\n}"), []*job.Job{effective("t", nil)}},
		{
			"runtime names stay", config(`args = ["${NOMAD_PORT_http}", "$${x}", "a${meta.k}b${ NOMAD_DC }", "${env["NOMAD_DC"]}", "$$", "%%{x}"]`),
			[]*job.Job{withConfig(func(c *job.Config) {
				c.Args = []string{"${NOMAD_PORT_http}", "$${x}", "a${meta.k}b${NOMAD_DC}", `${env["NOMAD_DC"]}`, "$$", "%{x}"}
			})},
		},
		{
			"values", `
variable "tag" {
  type    = string
  default = 7
}
locals {
  image = "redis:${var.tag}"
  names = ["a", "b"]
  port  = "${NOMAD_PORT_http}"
  lit   = "$${x}"
}
task "t" {
  config {
    image   = local.image
    command = "${upper("x")}${local.port}${local.lit}"
    args    = concat([for n in local.names : "--${n}-${NOMAD_DC}"], ["%{if var.tag == "7"}seven%{else}${NOMAD_DC}%{endif}"])
    labels  = { for n in local.names : n => "${n}1" }
  }
}`,
			[]*job.Job{withConfig(func(c *job.Config) {
				c.Command = "X${NOMAD_PORT_http}$${x}"
				c.Args = []string{"--a-${NOMAD_DC}", "--b-${NOMAD_DC}", "seven"}
				c.Labels = map[string]string{"a": "a1", "b": "b1"}
			})},
		},
		{
			"heredoc", config("command = \"sh\"\nargs = [\"-c\", <<EOT\necho $${HOME} ${NOMAD_DC}\nEOT\n]"),
			[]*job.Job{withConfig(func(c *job.Config) {
				c.Command, c.Args = "sh", []string{"-c", "echo $${HOME} ${NOMAD_DC}\n"}
			})},
		},
		{"byte order mark", "\ufeff" + config(""), []*job.Job{effective("t", nil)}},
		{"windows line ends", strings.ReplaceAll(config(""), "\n", "\r\n"), []*job.Job{effective("t", nil)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.name == "bare task" {
				if jobs, problems := Parse("a.hcl", []byte(tc.src)); jobs != nil || len(problems) == 0 {
					t.Errorf("two blocks on one line are no HCL: %v", jobs)
				}
				return
			}
			jobs, _ := mustJobs(t, tc.src)
			if diff := cmp.Diff(tc.want, jobs); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// fullJob uses every field that this version has.
const fullJob = `
job "web" {
  type        = "service"
  datacenters = ["dc1", "dc2"]
  region      = "global"
  priority    = 50
  meta {
    owner = "me"
  }
  update {
    max_parallel     = 2
    min_healthy_time = "3s"
    healthy_deadline = "2m"
    auto_revert      = true
    stagger          = "30s"
    canary           = 0
  }
  constraint {
    attribute = "${attr.kernel.name}"
    value     = "linux"
  }
  constraint {
    distinct_hosts = true
  }
  group "front" {
    count = 2
    meta = { tier = "front" }
    shutdown_delay = "2s"
    update {
      max_parallel      = 1
      progress_deadline = "0s"
      health_check      = "task_states"
    }
    restart {
      attempts = 5
      interval = "10m"
    }
    constraint {
      attribute = "${driver.docker.version}"
      operator  = ">"
      version   = "1.2"
    }
    service {
      port = "http"
      check {
        type    = "script"
        task    = "app"
        command = "/bin/true"
        args    = ["-x", "${NOMAD_PORT_http}"]
      }
    }
    network {
      mode = "bridge"
      port "http" {
        to      = 8080
        host_ip = "127.0.0.1"
      }
    }
    task "app" {
      driver       = "docker"
      user         = 1000
      kill_timeout = "1m"
      kill_signal  = "SIGINT"
      leader       = true

      shutdown_delay = "1s"
      restart {
        attempts = 1
        delay    = "1s"
        mode     = "delay"
      }
      constraint {
        attribute = "${meta.disk}"
        operator  = "is_set"
      }
      artifact {
        source      = "https://example.com/${meta.site}/a.tar.gz"
        destination = "local/site/"
        mode        = "dir"
        options {
          checksum = "md5:00112233445566778899aabbccddeeff"
        }
      }
      service {
        name         = "admin-${NOMAD_ALLOC_INDEX}"
        port         = "admin"
        tags         = ["a", "${NOMAD_DC}"]
        address_mode = "driver"
        check {
          name     = "alive"
          type     = "http"
          path     = "/health?full=1"
          method   = "head"
          protocol = "https"
          header {
            Accept = ["text/plain", "${NOMAD_TASK_NAME}"]
            X-Key  = ["1"]
          }
          tls_skip_verify          = true
          interval                 = "5s"
          timeout                  = "1s"
          success_before_passing   = 2
          failures_before_critical = 3
          check_restart {
            limit           = 3
            grace           = "1m"
            ignore_warnings = true
          }
        }
        check {
          type         = "tcp"
          port         = 9000
          address_mode = "driver"
        }
      }
      env {
        LEVEL = "debug"
        "a.b" = "${LEVEL}"
      }
      meta {
        x = "y"
      }
      config {
        image        = "https://example.com/web:1"
        load         = "web.tar"
        force_pull   = true
        command      = "serve"
        args         = ["-p", "${NOMAD_PORT_http}"]
        entrypoint   = ["/bin/sh", "-c"]
        network_mode = "backend"
        ports        = ["http"]
        work_dir     = "/srv"
        hostname     = "web-1"
        tty          = true

        advertise_ipv6_address = true

        volumes      = ["/data:/data:ro,z", "cache:/cache"]
        labels {
          com.example.a = "1"
        }
        port_map {
          admin = "9000"
        }
        logging {
          type = "json-file"
          config {
            max-size = "1m"
          }
        }
      }
      resources {
        cpu    = 200
        memory = "64"
        network {
          mbits = 10
          port "admin" {
          }
          port "debug" {
            to = 6060
          }
        }
      }
    }
  }
  group "back" {
    count = 0
    update {
      healthy_deadline  = "5m"
      progress_deadline = "10m"
      health_check      = "checks"
      auto_revert       = false
    }
    task "db" {
      config {
        image = "postgres"
      }
    }
  }
}
`

func TestParseEveryField(t *testing.T) {
	jobs, warnings := mustJobs(t, fullJob)
	if len(warnings) > 0 {
		t.Error(warnings)
	}
	seconds := func(n int) job.Duration { return job.Duration(time.Duration(n) * time.Second) }
	want := []*job.Job{{
		Name: "web", Type: job.TypeService, Datacenters: []string{"dc1", "dc2"},
		Meta: map[string]string{"owner": "me"},
		Constraints: []job.Constraint{
			{Attribute: "${attr.kernel.name}", Operator: "=", Value: "linux"}, {Operator: "distinct_hosts"},
		},
		Groups: []job.Group{
			{
				Name: "front", Count: 2, Meta: map[string]string{"tier": "front"},
				Update: job.Update{
					MaxParallel: 1, MinHealthyTime: seconds(3), HealthyDeadline: seconds(120), ProgressDeadline: job.NoDeadline,
					AutoRevert: true, HealthCheck: job.HealthByTasks,
				},
				Restart:       &job.Restart{Attempts: 5, Interval: seconds(600), Delay: seconds(15), Mode: job.RestartFail},
				Constraints:   []job.Constraint{{Attribute: "${driver.docker.version}", Operator: "version", Value: "> 1.2"}},
				ShutdownDelay: seconds(2),
				Services: []job.Service{{Name: "web-front", Port: "http", Checks: []job.Check{{
					Name: `service: "web-front" check`, Type: job.CheckScript, Task: "app", Command: "/bin/true", Args: []string{"-x", "${NOMAD_PORT_http}"},
					Interval: seconds(10), Timeout: seconds(2),
				}}}},
				Ports: []job.Port{{Label: "http", To: 8080, HostIP: "127.0.0.1"}},
				Tasks: []job.Task{{
					Name: "app", Driver: "docker", User: "1000",
					Env: map[string]string{"LEVEL": "debug", "a.b": "${LEVEL}"}, Meta: map[string]string{"x": "y"},
					KillTimeout: seconds(60), KillSignal: "SIGINT", Leader: true, ShutdownDelay: seconds(1),
					Restart:     &job.Restart{Attempts: 1, Interval: seconds(1800), Delay: seconds(1), Mode: job.RestartDelay},
					Constraints: []job.Constraint{{Attribute: "${meta.disk}", Operator: "is_set"}},
					Artifacts: []job.Artifact{{
						Source: "https://example.com/${meta.site}/a.tar.gz", Destination: "local/site", Mode: job.ArtifactDir,
						Options: map[string]string{"checksum": "md5:00112233445566778899aabbccddeeff"},
					}},
					Services: []job.Service{{
						Name: "admin-${NOMAD_ALLOC_INDEX}", Port: "admin", Tags: []string{"a", "${NOMAD_DC}"}, AddressMode: job.AddressDriver,
						Checks: []job.Check{
							{
								Name: "alive", Type: job.CheckHTTP, Path: "/health?full=1", Method: "HEAD", Protocol: "https", TLSSkipVerify: true,
								Header:   map[string][]string{"Accept": {"text/plain", "${NOMAD_TASK_NAME}"}, "X-Key": {"1"}},
								Interval: seconds(5), Timeout: seconds(1), SuccessBeforePassing: 2, FailuresBeforeCritical: 3,
								CheckRestart: &job.CheckRestart{Limit: 3, Grace: seconds(60), IgnoreWarnings: true},
							},
							{
								Name: `service: "admin-${NOMAD_ALLOC_INDEX}" check`, Type: job.CheckTCP, Port: "9000", AddressMode: job.AddressDriver,
								Interval: seconds(10), Timeout: seconds(2),
							},
						},
					}},
					Resources: job.Resources{CPU: 200, MemoryMB: 64, Ports: []job.Port{{Label: "admin"}, {Label: "debug", To: 6060}}},
					Config: job.Config{
						Image: "https://example.com/web:1", Load: "web.tar", ForcePull: true,
						Command: "serve", Args: []string{"-p", "${NOMAD_PORT_http}"}, Entrypoint: []string{"/bin/sh", "-c"},
						Labels:  map[string]string{"com.example.a": "1"},
						PortMap: map[string]int{"admin": 9000}, Ports: []string{"http"},
						NetworkMode: "backend", Volumes: []string{"/data:/data:ro,z", "cache:/cache"},
						WorkDir: "/srv", Hostname: "web-1", TTY: true, AdvertiseIPv6Address: true,
						Logging: &job.Logging{Type: "json-file", Config: map[string]string{"max-size": "1m"}},
					},
				}},
			},
			{
				Name: "back", Count: 0,
				Update: job.Update{MaxParallel: 2, MinHealthyTime: seconds(3)},
				Tasks: []job.Task{{
					Name: "db", Driver: "docker", KillTimeout: seconds(5),
					Resources: job.Resources{CPU: 100, MemoryMB: 300},
					Config:    job.Config{Image: "postgres", NetworkMode: "bridge"},
				}},
			},
		},
	}}
	if diff := cmp.Diff(want, jobs); diff != "" {
		t.Error(diff)
	}
}

func TestManyProblemsAreCut(t *testing.T) {
	src := "task \"t\" {\n config {\n image = \"redis\"\n"
	for range 100 {
		src += "x {}\n"
	}
	_, problems := Parse("a.hcl", []byte(src+"}\n}\n"))
	if len(problems) != maxProblems+1 || !strings.HasPrefix(problems[maxProblems].Detail, "80 more") {
		t.Errorf("%d problems, the last: %v", len(problems), problems[len(problems)-1])
	}
}
