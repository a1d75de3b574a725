package desired

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/config"
	"reconciler/internal/job"
)

// driverExamples is where the examples of the driver's documentation are.
const driverExamples = "../internal/hclx/testdata/driver"

// An example is a piece of a manifest. What encloses it and what it lacks is
// put around it; none of its own text is changed.
type example struct {
	file           string
	before, inside string // inside goes before its last bracket
	after          string
	want           *job.Job
	warnings       []string // what each says
}

// exampleConfig puts the pieces of a task around an example.
func exampleConfig(file, lacks string, change func(*job.Config)) example {
	return example{
		file: file, before: "task \"t\" {\n", inside: lacks, after: "}\n",
		want: effective("t", func(_ *job.Job, _ *job.Group, t *job.Task) { change(&t.Config) }),
	}
}

// exampleTask names what an example of a whole task means.
func exampleTask(file, name, inside string, change func(*job.Task)) example {
	return example{file: file, inside: inside, want: effective(name, func(_ *job.Job, _ *job.Group, t *job.Task) { change(t) })}
}

func driverManifests() []example {
	const image = "image = \"redis:7\"\n"
	args := exampleConfig("03_args", image, func(c *job.Config) {
		c.Args = []string{"-bind", "${NOMAD_PORT_http}", "${nomad.datacenter}", "${MY_ENV}", "${meta.foo}"}
	})
	args.warnings = []string{`nothing resolves "${MY_ENV}"; it stays in the text as it is`}
	load := exampleConfig("08_load", "", func(c *job.Config) { c.Load, c.Image = "redis.tar", "redis" })
	load.want.Groups[0].Tasks[0].Artifacts = []job.Artifact{{Source: "http://path.to/redis.tar"}}
	port := exampleTask("19_port", "t", "", func(t *job.Task) { t.Resources.Ports = []job.Port{{Label: "http"}} })
	port.before, port.after = "task \"t\" {\n config {\n "+image+"}\n resources {\n network {\n", "}\n}\n}\n"
	constraint := example{
		file: "22_constraint", inside: "task \"t\" {\n config {\n " + image + "}\n}\n",
		want: effective("t", func(j *job.Job, _ *job.Group, _ *job.Task) {
			j.Name = "docs"
			j.Constraints = []job.Constraint{{Attribute: "${driver.docker.version}", Operator: job.OpVersion, Value: "> 1.2"}}
		}),
	}
	return []example{
		exampleTask("01_task", "webservice", "", func(t *job.Task) {
			t.Config.Image, t.Config.Labels = "redis:3.2", map[string]string{"group": "webservice-cache"}
		}),
		exampleConfig("02_image", "", func(c *job.Config) { c.Image = "https://hub.docker.internal/redis:3.2" }),
		args,
		exampleConfig("04_command", image, func(c *job.Config) { c.Command = "my-command" }),
		exampleConfig("05_sysctl", image, func(c *job.Config) { c.Sysctl = map[string]string{"net.core.somaxconn": "16384"} }),
		exampleConfig("06_ulimit", image, func(c *job.Config) { c.Ulimit = map[string]string{"nproc": "4242", "nofile": "2048:4096"} }),
		exampleConfig("07_labels", image, func(c *job.Config) { c.Labels = map[string]string{"foo": "bar", "zip": "zap"} }),
		load,
		exampleConfig("09_logging", image, func(c *job.Config) {
			c.Logging = &job.Logging{Type: "fluentd", Config: map[string]string{"fluentd-address": "localhost:24224", "tag": "your_tag"}}
		}),
		exampleConfig("10_network_aliases", image, func(c *job.Config) {
			c.NetworkMode, c.NetworkAliases = "user-network", []string{"${NOMAD_TASK_NAME}", "${NOMAD_TASK_NAME}-${NOMAD_ALLOC_INDEX}"}
		}),
		exampleConfig("11_security_opt", image, func(c *job.Config) { c.SecurityOpt = []string{"credentialspec=file://gmsaUser.json"} }),
		exampleConfig("12_volumes", image, func(c *job.Config) {
			c.Volumes = []string{"/path/on/host:/path/in/container", "relative/to/task:/also/in/container"}
		}),
		exampleConfig("13_volume_driver", image, func(c *job.Config) {
			c.Volumes, c.VolumeDriver = []string{"name-of-the-volume:/path/in/container"}, "flocker"
		}),
		exampleConfig("14_mounts", image, func(c *job.Config) {
			c.Mounts = []job.Mount{{
				Type: job.MountVolume, Target: "/path/in/container", Source: "name-of-volume", Labels: map[string]string{"foo": "bar"},
				Driver: "flocker", DriverOptions: map[string]string{"foo": "bar"},
			}}
		}),
		exampleConfig("15_devices", image, func(c *job.Config) {
			c.Devices = []job.Device{
				{HostPath: "/dev/sda1", ContainerPath: "/dev/xvdc", Permissions: "r"}, {HostPath: "/dev/sda2", ContainerPath: "/dev/xvdd"},
			}
		}),
		exampleTask("16_auth", "example", "", func(t *job.Task) {
			t.Config.Image = "secret/service"
			t.Config.Auth = &job.Auth{Username: "dockerhub_user", Password: job.NewSecret("dockerhub_password")}
		}),
		exampleTask("18_ports", "example", "config {\n "+image+"}\n", func(t *job.Task) {
			t.Resources.Ports = []job.Port{{Label: "http"}, {Label: "https"}}
		}),
		port,
		exampleTask("20_port_map", "example", "", func(t *job.Task) {
			t.Config.Image, t.Config.PortMap = "redis", map[string]int{"redis": 6379}
			t.Resources.Ports = []job.Port{{Label: "redis"}}
		}),
		constraint,
	}
}

// TestExamplesOfTheDriversDocumentation: every example is taken as it stands,
// and means what the documentation says.
func TestExamplesOfTheDriversDocumentation(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range driverManifests() {
		seen[e.file] = true
		src, err := os.ReadFile(filepath.Join(driverExamples, e.file+".hcl"))
		if err != nil {
			t.Fatal(err)
		}
		text := string(src)
		last := strings.LastIndex(text, "}")
		text = e.before + text[:last] + e.inside + text[last:] + e.after
		jobs, warnings := mustJobs(t, text)
		if diff := cmp.Diff([]*job.Job{e.want}, jobs); diff != "" {
			t.Errorf("%s (-want +got):\n%s", e.file, diff)
		}
		if len(warnings) != len(e.warnings) {
			t.Fatalf("%s: %v, want %q", e.file, warnings, e.warnings)
		}
		for i, want := range e.warnings {
			if !strings.HasPrefix(warnings[i].Detail, want) {
				t.Errorf("%s: %s, want %s", e.file, warnings[i], want)
			}
		}
	}
	files, err := filepath.Glob(driverExamples + "/*.hcl")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".hcl")
		if seen[name] == (agentExamples[name] != nil) {
			t.Errorf("%s is an example of a manifest or of the agent's config, and tested as one", name)
		}
	}
}

// agentExamples are those of the agent's config.
var agentExamples = map[string]func(*config.Config){
	"17_agent_helper":  func(c *config.Config) { c.Client.Docker.AuthHelper = "ecr" },
	"21_agent_cleanup": func(c *config.Config) { c.Client.Docker.CleanupImage = false },
}

func TestExamplesOfTheAgentsConfig(t *testing.T) {
	for name, change := range agentExamples {
		got, err := config.Load(filepath.Join(driverExamples, name+".hcl"), true)
		if err != nil {
			t.Fatal(err)
		}
		want := config.Default()
		change(&want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
