package desired

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

// taskWith is a manifest of one task with these lines in its config.
func taskWith(lines string) string {
	return "locals {\n pw = \"from-local\"\n}\ntask \"t\" {\n config {\n image = \"r.example/a:1\"\n" + lines + "\n}\n}\n"
}

func TestParseAuth(t *testing.T) {
	for _, tc := range []struct {
		name, lines string
		want        *job.Auth
	}{
		{"none", "", nil},
		{"empty block", "auth {\n}", nil},
		{"empty values", "auth {\n username = \"\"\n password = null\n}", nil},
		{
			"all", "auth {\n username = \"u\"\n password = \"p\"\n email = \"e@x\"\n server_address = \"r.example\"\n}",
			&job.Auth{Username: "u", Password: job.NewSecret("p"), Email: "e@x", ServerAddress: "r.example"},
		},
		{"object", `auth = { username = "u", password = "p" }`, &job.Auth{Username: "u", Password: job.NewSecret("p")}},
		{"number", "auth {\n username = 1\n password = 0123\n}", &job.Auth{Username: "1", Password: job.NewSecret("123")}},
		{"local", "auth {\n username = \"u\"\n password = local.pw\n}", &job.Auth{Username: "u", Password: job.NewSecret("from-local")}},
		{
			"runtime names stay", "auth {\n username = \"${NOMAD_META_u}\"\n password = \"a${x}$${y}\"\n server_address = \"${meta.host}/x\"\n}",
			&job.Auth{Username: "${NOMAD_META_u}", Password: job.NewSecret("a${x}$${y}"), ServerAddress: "${meta.host}/x"},
		},
		{
			"protocol and path", "auth {\n username = \"u\"\n password = \"p\"\n server_address = \"https://R.example/v1/\"\n}",
			&job.Auth{Username: "u", Password: job.NewSecret("p"), ServerAddress: "r.example"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			jobs, _ := mustJobs(t, taskWith(tc.lines))
			if diff := cmp.Diff(tc.want, jobs[0].Groups[0].Tasks[0].Config.Auth); diff != "" {
				t.Error(diff)
			}
		})
	}
	jobs, _ := mustJobs(t, taskWith("auth_soft_fail = \"true\"\n image_pull_timeout = \"90s\""))
	if c := jobs[0].Groups[0].Tasks[0].Config; !c.AuthSoftFail || c.ImagePullTimeout.Std() != 90*time.Second {
		t.Errorf("%+v", c)
	}
}

// However a person gets the line of a password wrong, no message has it: they
// are stored in the state file and logged.
func TestNoMessageTellsAPassword(t *testing.T) {
	const canary = "hunter2"
	for _, line := range []string{
		`password = hunter2`, `password = ["hunter2"]`, `password = { a = "hunter2" }`, `password = 'hunter2'`,
		`password = "hunter2`, `password = hunter2"`, `password = hunter2.x`, `password = var.hunter2`, `password = local.hunter2`,
		`password = "x${hunter2}"`, `password = "x${hunter2"`, `password = "x${upper(hunter2)}"`, `password = "x${hunter2()}"`, `password = hunter2("x")`,
		`password = "x" "hunter2"`, `password = "x\hunter2"`, `password = "hunter2\q"`, `password = "hunter2" + 1`, `password = "hunter2" ? 1 : 2`, `password = !"hunter2"`,
		`password = <<EOT hunter2`, `password : "hunter2"`, `password "hunter2" {}`, "password {\n hunter2 = 1\n}", `password = tonumber("hunter2")`, `password = "a\u0000hunter2"`,
		`password = "a${hunter2:x}"`, `password = "a%{hunter2}"`, "password = <<EOT\n${hunter2:x}\nEOT\n",
		`password = "%{if hunter2}x%{endif}"`, `password = "%{if "hunter2"}x%{endif}"`, "password = \"hunter2\"\n password = \"hunter2\"", `passwd = "hunter2"`,
		`password = [for x in "hunter2" : x]`, `password = "ok"` + "\n username = \"x${\"hunter2\"}\"",
	} {
		for _, block := range []string{"auth {\n username = \"u\"\n " + line + "\n}", "auth = { username = \"u\", " + line + " }"} {
			jobs, problems := Parse("a.hcl", []byte(taskWith(block)))
			for _, p := range problems {
				if strings.Contains(p.String(), canary) {
					t.Errorf("%s\n  gives: %s", line, p)
				}
			}
			b, err := json.Marshal(jobs)
			if err != nil || strings.Contains(string(b)+fmt.Sprintf("%+v", jobs), canary) && !strings.Contains(line, "username") {
				t.Errorf("%s\n  gives: %s %v", line, b, err)
			}
			if len(jobs) == 0 && len(problems) == 0 {
				t.Errorf("%s: neither a job nor a problem", line)
			}
		}
	}
}
