package desired

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

// inTask puts blocks into a task t of a group g of a job j.
func inTask(blocks string) string {
	return "job \"j\" {\n group \"g\" {\n task \"t\" {\n config {\n image = \"redis:7\"\n}\n" + blocks + "\n}\n}\n}\n"
}

// onlyTask is the task of a good manifest of one.
func onlyTask(t *testing.T, src string) job.Task {
	t.Helper()
	jobs, _ := mustJobs(t, src)
	return jobs[0].Groups[0].Tasks[0]
}

// said is all that is said about a manifest, which must be wrong if anything
// is.
func said(t *testing.T, src string) string {
	t.Helper()
	jobs, problems := Parse("a.hcl", []byte(src))
	if (jobs == nil) != (len(problems) > 0) {
		t.Errorf("%d jobs and %v\n%s", len(jobs), problems, src)
	}
	var all []string
	for _, p := range problems {
		all = append(all, p.String())
	}
	return strings.Join(all, "\n")
}

func TestConstraints(t *testing.T) {
	for _, tc := range []struct {
		src  string
		want []job.Constraint
	}{
		{"attribute = \"${attr.cpu.arch}\"\n value = \"amd64\"", []job.Constraint{{Attribute: "${attr.cpu.arch}", Operator: "=", Value: "amd64"}}},
		{"attribute = \"${attr.cpu.numcores}\"\n operator = \">=\"\n value = 4", []job.Constraint{{Attribute: "${attr.cpu.numcores}", Operator: ">=", Value: "4"}}},
		{"attribute = \"${meta.a}\"\n operator = \"is\"\n value = true", []job.Constraint{{Attribute: "${meta.a}", Operator: "is", Value: "true"}}},
		{"attribute = \"${node.class}\"\n regexp = \"^a|b$\"", []job.Constraint{{Attribute: "${node.class}", Operator: "regexp", Value: "^a|b$"}}},
		{"attribute = \"${node.class}\"\n operator = \"regexp\"\n value = \"a\"", []job.Constraint{{Attribute: "${node.class}", Operator: "regexp", Value: "a"}}},
		{"attribute = \"${node.class}\"\n operator = \"regexp\"\n regexp = \"a\"", []job.Constraint{{Attribute: "${node.class}", Operator: "regexp", Value: "a"}}},
		{"attribute = \"${env[\"SITE\"]}\"\n set_contains = \"a,b\"", []job.Constraint{{Attribute: "${env[\"SITE\"]}", Operator: "set_contains", Value: "a,b"}}},
		{"attribute = \"${attr.os.version}\"\n version = \">= 1.2, < 2\"", []job.Constraint{{Attribute: "${attr.os.version}", Operator: "version", Value: ">= 1.2, < 2"}}},
		{"attribute = \"${attr.os.version}\"\n version = \"~> 12\"", []job.Constraint{{Attribute: "${attr.os.version}", Operator: "version", Value: "~> 12"}}},
		{"attribute = \"${attr.os.version}\"\n version = 12", []job.Constraint{{Attribute: "${attr.os.version}", Operator: "version", Value: "12"}}},
		{"attribute = \"${attr.os.version}\"\n operator = \"is\"\n version = \"12\"", []job.Constraint{{Attribute: "${attr.os.version}", Operator: "version", Value: "= 12"}}},
		{"attribute = \"${attr.os.version}\"\n operator = \"not\"\n semver = \"1.2.3-rc.1\"", []job.Constraint{{Attribute: "${attr.os.version}", Operator: "semver", Value: "!= 1.2.3-rc.1"}}},
		{"attribute = \"${attr.os.version}\"\n semver = \">= 1.2, < 2.0.0+x\"", []job.Constraint{{Attribute: "${attr.os.version}", Operator: "semver", Value: ">= 1.2, < 2.0.0+x"}}},
		{"attribute = \"${attr.os.version}\"\n operator = \"<\"\n version = \"${meta.newest}\"", []job.Constraint{{Attribute: "${attr.os.version}", Operator: "version", Value: "< ${meta.newest}"}}},
		{"attribute = \"${attr.os.version}\"\n regexp = \"(${meta.open}\"", []job.Constraint{{Attribute: "${attr.os.version}", Operator: "regexp", Value: "(${meta.open}"}}},
		{"attribute = \"${meta[\"a b\"]}\"\n operator = \"is_not_set\"", []job.Constraint{{Attribute: "${meta[\"a b\"]}", Operator: "is_not_set"}}},
		{"distinct_hosts = true", []job.Constraint{{Operator: "distinct_hosts"}}},
		{"distinct_hosts = \"true\"\n operator = \"distinct_hosts\"", []job.Constraint{{Operator: "distinct_hosts"}}},
		{"operator = \"distinct_hosts\"", []job.Constraint{{Operator: "distinct_hosts"}}},
		{"operator = \"distinct_hosts\"\n value = \"true\"", []job.Constraint{{Operator: "distinct_hosts"}}},
		{"operator = \"distinct_hosts\"\n value = \"false\"", nil},
		{"distinct_hosts = false", nil},
		{"attribute = \"${meta.a}\"\n value = \"$${b}\"", []job.Constraint{{Attribute: "${meta.a}", Operator: "=", Value: "$${b}"}}},
		{"attribute = \"${meta.a}\"\n value = \"b\"\n distinct_hosts = null\n regexp = null", []job.Constraint{{Attribute: "${meta.a}", Operator: "=", Value: "b"}}},
		{"attribute = \"${driver.docker.version}\"\n value = \"1\"\n}\nconstraint {\n attribute = \"${nomad.datacenter}\"\n value = \"dc1\"", []job.Constraint{
			{Attribute: "${driver.docker.version}", Operator: "=", Value: "1"}, {Attribute: "${nomad.datacenter}", Operator: "=", Value: "dc1"},
		}},
	} {
		src := inTask("constraint {\n " + tc.src + "\n}")
		if _, warnings := mustJobs(t, src); len(warnings) > 0 {
			t.Errorf("%s: %v", tc.src, warnings)
		}
		if diff := cmp.Diff(tc.want, onlyTask(t, src).Constraints); diff != "" {
			t.Errorf("%s\n%s", tc.src, diff)
		}
	}
}

// Names are looked at where they end up, wherever they were written.
func TestConstraintNamesThroughLocals(t *testing.T) {
	got := said(t, "locals {\n a = \"${NOMAD_TASK_NAME}\"\n}\n"+inTask("constraint {\n attribute = local.a\n value = 1\n}"))
	if !strings.Contains(got, `a.hcl:11,14-21: Unknown name; "${NOMAD_TASK_NAME}" belongs to an allocation`) {
		t.Error(got)
	}
}

func TestConstraintsThatLackAPart(t *testing.T) {
	for src, want := range map[string]string{
		"":                                 `Missing attribute; a constraint needs something to look at. Write attribute = "${attr.kernel.name}"`,
		"value = 1":                        `Missing attribute`,
		"operator = \"is_set\"":            `Missing attribute`,
		"regexp = \"a\"":                   `Missing attribute`,
		"attribute = \"${meta.a}\"":        `Missing value; a constraint with the operator "=" needs something to compare with`,
		"operator = \">\"\n attribute = 1": `Missing value; a constraint with the operator ">"`,
		"operator = \"version\"\n attribute = \"${meta.a}\"": `Missing value; a constraint with the operator "version"`,
	} {
		if got := said(t, inTask("constraint {\n "+src+"\n}")); !strings.HasPrefix(got, "a.hcl:7,1-11: "+want) || strings.Contains(got, "\n") {
			t.Errorf("%q: %s, want %s", src, got, want)
		}
	}
}

func TestUpdates(t *testing.T) {
	seconds := func(n int) job.Duration { return job.Duration(time.Duration(n) * time.Second) }
	standard := defaultUpdate()
	with := func(change func(u *job.Update)) job.Update {
		u := standard
		change(&u)
		return u
	}
	for _, tc := range []struct {
		name, ofJob, ofGroup string
		want                 job.Update
	}{
		{"none", "", "", standard},
		{"the defaults, written out", "", "max_parallel = 1\n min_healthy_time = \"10s\"\n healthy_deadline = \"300s\"\n progress_deadline = \"10m\"\n auto_revert = false\n health_check = \"checks\"\n canary = 0", standard},
		{"of the job", "healthy_deadline = \"6m\"\n auto_revert = true", "", with(func(u *job.Update) { u.HealthyDeadline, u.AutoRevert = seconds(360), true })},
		{"of the group over the job's", "healthy_deadline = \"6m\"\n auto_revert = true\n health_check = \"task_states\"\n progress_deadline = \"0s\"", "healthy_deadline = \"5m\"\n auto_revert = false\n health_check = \"checks\"\n progress_deadline = \"600s\"", standard},
		{"no deadline", "", "progress_deadline = \"0s\"\n healthy_deadline = \"2h\"", with(func(u *job.Update) { u.ProgressDeadline, u.HealthyDeadline = job.NoDeadline, seconds(7200) })},
		{"no deadline, of the job", "progress_deadline = \"0s\"", "healthy_deadline = \"2h\"", with(func(u *job.Update) { u.ProgressDeadline, u.HealthyDeadline = job.NoDeadline, seconds(7200) })},
		{"all of them shorter", "", "min_healthy_time = \"0s\"\n healthy_deadline = \"1s\"\n progress_deadline = \"2s\"", with(func(u *job.Update) {
			u.MinHealthyTime, u.HealthyDeadline, u.ProgressDeadline = 0, seconds(1), seconds(2)
		})},
	} {
		src := "job \"j\" {\n update {\n" + tc.ofJob + "\n}\n group \"g\" {\n update {\n" + tc.ofGroup + "\n}\n task \"t\" {\n config {\n image = \"a\"\n}\n}\n}\n}\n"
		jobs, _ := mustJobs(t, src)
		if diff := cmp.Diff(tc.want, jobs[0].Groups[0].Update); diff != "" {
			t.Errorf("%s\n%s", tc.name, diff)
		}
	}
	// What a group inherits is told where the group makes it wrong.
	got := said(t, "job \"j\" {\n update {\n healthy_deadline = \"20s\"\n}\n group \"g\" {\n update {\n min_healthy_time = \"30s\"\n}\n task \"t\" {\n config {\n image = \"a\"\n}\n}\n}\n}\n")
	if !strings.HasPrefix(got, "a.hcl:7,21-26: Out of range; healthy_deadline is 20s") || strings.Contains(got, "\n") {
		t.Error(got)
	}
}

func TestRestarts(t *testing.T) {
	standard := job.Restart{Attempts: 2, Interval: job.Duration(30 * time.Minute), Delay: job.Duration(15 * time.Second), Mode: job.RestartFail}
	for src, want := range map[string]job.Restart{
		"":                                standard,
		"attempts = null\n mode = null":   standard,
		"attempts = 0":                    {Interval: standard.Interval, Delay: standard.Delay, Mode: job.RestartFail},
		"attempts = \"120\"":              {Attempts: 120, Interval: standard.Interval, Delay: standard.Delay, Mode: job.RestartFail},
		"attempts = 1000\n delay = \"0\"": {Attempts: 1000, Interval: standard.Interval, Mode: job.RestartFail},
		"mode = \"delay\"\n delay = \"1s\"\n interval = \"2s\"": {Attempts: 2, Interval: job.Duration(2 * time.Second), Delay: job.Duration(time.Second), Mode: job.RestartDelay},
	} {
		if diff := cmp.Diff(&want, onlyTask(t, inTask("restart {\n "+src+"\n}")).Restart); diff != "" {
			t.Errorf("%q\n%s", src, diff)
		}
	}
	if got := onlyTask(t, inTask("")).Restart; got != nil {
		t.Errorf("a task without a block has %v", got)
	}
}

func TestArtifacts(t *testing.T) {
	sums := map[string]int{"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
	for src, want := range map[string]job.Artifact{
		`source = "http://a/b"`:             {Source: "http://a/b"},
		`source = "https://a:1/b//sub?x=y"`: {Source: "https://a:1/b//sub?x=y"},
		`source = "/srv/a.tar"`:             {Source: "/srv/a.tar"},
		`source = "file:///srv/a.tar"`:      {Source: "file:///srv/a.tar"},
		`source = "file::/srv/a.tar"`:       {Source: "file::/srv/a.tar"},
		`source = "http::http://a/b"`:       {Source: "http::http://a/b"},
		`source = "${meta.mirror}/b"`:       {Source: "${meta.mirror}/b"},
		"source = \"/a\"\n destination = \"local/\"\n mode = \"any\"\n options {\n}":          {Source: "/a"},
		"source = \"/a\"\n destination = \"local\"":                                           {Source: "/a"},
		"source = \"/a\"\n destination = \"./local/x/../y/\"":                                 {Source: "/a", Destination: "local/y"},
		"source = \"/a\"\n destination = \"secrets/key\"\n mode = \"file\"":                   {Source: "/a", Destination: "secrets/key", Mode: "file"},
		"source = \"/a\"\n destination = \"../${meta.x}\"":                                    {Source: "/a", Destination: "../${meta.x}"},
		"source = \"/a\"\n options {\n checksum = \"${meta.sum}\"\n archive = false\n}":       {Source: "/a", Options: map[string]string{"checksum": "${meta.sum}", "archive": "false"}},
		"source = \"/a\"\n options = { checksum = \"file:https://a/sums\" }\n mode = \"dir\"": {Source: "/a", Options: map[string]string{"checksum": "file:https://a/sums"}, Mode: "dir"},
	} {
		task := onlyTask(t, inTask("artifact {\n "+src+"\n}"))
		if diff := cmp.Diff([]job.Artifact{want}, task.Artifacts); diff != "" {
			t.Errorf("%s\n%s", src, diff)
		}
	}
	for kind, digits := range sums {
		for n, good := range map[int]bool{digits: true, digits - 2: false, digits + 2: false, digits - 1: false, 0: false} {
			_, problems := Parse("a.hcl", []byte(inTask("artifact {\n source = \"/a\"\n options = { checksum = \""+kind+":"+strings.Repeat("a", n)+"\" }\n}")))
			if (len(problems) == 0) != good {
				t.Errorf("%s with %d digits: %v", kind, n, problems)
			}
		}
	}
	if got := said(t, inTask("artifact {\n}")); !strings.HasPrefix(got, "a.hcl:7,1-9: Missing source") {
		t.Error(got)
	}
	two := onlyTask(t, inTask("artifact {\n source = \"/b\"\n}\nartifact {\n source = \"/a\"\n}"))
	if len(two.Artifacts) != 2 || two.Artifacts[0].Source != "/b" {
		t.Errorf("two artifacts in the order of the file: %v", two.Artifacts)
	}
}

// No message holds what may be a password.
func TestSourceAndHeaderAreNotRepeated(t *testing.T) {
	for _, src := range []string{
		"artifact {\n source = \"http://u:hunter2@a b/c\"\n}",
		"artifact {\n source = \"ftp://u:hunter2@a/c\"\n}",
		"artifact {\n source = \"git::https://u:hunter2@a/c\"\n}",
		"artifact {\n source = \"a/b?token=hunter2\"\n}",
		"service {\n port = 80\n check {\n type = \"http\"\n path = \"/\"\n header {\n Authorization = \"hunter2\"\n}\n}\n}",
		"service {\n port = 80\n check {\n type = \"http\"\n path = \"/\"\n header {\n Authorization = [\"hunter2\\n\"]\n}\n}\n}",
	} {
		if got := said(t, inTask(src)); got == "" || strings.Contains(got, "hunter2") {
			t.Errorf("%s: %q", src, got)
		}
	}
}

func TestLeaders(t *testing.T) {
	task := func(name, leader string) string {
		return "task \"" + name + "\" {\n config {\n image = \"a\"\n}\n leader = " + leader + "\n}\n"
	}
	if got := said(t, "group \"g\" {\n"+task("a", "false")+task("b", "true")+"}\n"); got != "" {
		t.Error(got)
	}
	got := said(t, "group \"g\" {\n"+task("a", "true")+task("b", "\"true\"")+"}\n")
	if want := `a.hcl:12,2-8: Two leaders; task "a" is the group's leader already, at a.hcl:6,2-8:`; !strings.HasPrefix(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
	if got := said(t, "job \"j\" {\n group \"g\" {\n"+task("a", "true")+"}\n group \"h\" {\n"+task("a", "true")+"}\n}\n"); got != "" {
		t.Errorf("one in each group: %s", got)
	}
}

// What is written out and is the default says the same as what is not written,
// down to the hash: a manifest that is only made longer replaces nothing.
func TestDefaultsWrittenOut(t *testing.T) {
	short := `
job "j" {
  group "g" {
    network {
      port "http" {}
    }
    task "t" {
      config {
        image = "redis:7"
      }
      artifact {
        source = "/a"
      }
      service {
        port = "http"
        check {
          type = "http"
          path = "/"
        }
      }
    }
  }
}
`
	long := strings.NewReplacer(
		"  group", "  type = \"service\"\n  constraint {\n distinct_hosts = false\n}\n  group",
		"    network", "    shutdown_delay = \"0s\"\n    update {\n health_check = \"checks\"\n healthy_deadline = \"5m\"\n progress_deadline = \"10m\"\n auto_revert = false\n}\n    network",
		"source = \"/a\"", "source = \"/a\"\n destination = \"local/\"\n mode = \"any\"\n options {\n}\n",
		"image = \"redis:7\"", "image = \"redis:7\"\n advertise_ipv6_address = false\n",
		"port = \"http\"\n", "port = \"http\"\n name = \"j-g-t\"\n address_mode = \"auto\"\n tags = []\n",
		"path = \"/\"", "path = \"/\"\n name = \"service: \\\"j-g-t\\\" check\"\n method = \"GET\"\n protocol = \"http\"\n address_mode = \"host\"\n interval = \"10s\"\n timeout = \"2s\"\n success_before_passing = 1\n failures_before_critical = 1\n header {\n}\n tls_skip_verify = false\n",
	).Replace(short)
	a, _ := mustJobs(t, short)
	b, _ := mustJobs(t, long)
	if diff := cmp.Diff(a, b); diff != "" || job.Hash(a[0]) != job.Hash(b[0]) {
		t.Error(diff)
	}
}

func ExampleParse_constraint() {
	jobs, _ := Parse("a.hcl", []byte(inTask("constraint {\n attribute = \"${driver.docker.version}\"\n operator = \">\"\n version = \"1.2\"\n}")))
	fmt.Println(jobs[0].Groups[0].Tasks[0].Constraints[0])
	// Output: ${driver.docker.version} version > 1.2
}
