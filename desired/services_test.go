package desired

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// serviceNames are the names of all services and checks of a manifest.
func serviceNames(t *testing.T, src string) []string {
	t.Helper()
	jobs, _ := mustJobs(t, src)
	var out []string
	g := jobs[0].Groups[0]
	all := g.Services
	for _, task := range g.Tasks {
		all = append(all, task.Services...)
	}
	for _, s := range all {
		out = append(out, s.Name)
		for _, c := range s.Checks {
			out = append(out, c.Name)
		}
	}
	return out
}

const scriptCheck = "check {\n type = \"script\"\n command = \"a\"\n}\n"

func TestServiceNames(t *testing.T) {
	image := "config {\n image = \"a\"\n}\n"
	named := func(name string) string {
		return strings.Replace(scriptCheck, "type", "name = \""+name+"\"\n type", 1)
	}
	for _, tc := range []struct {
		name, src string
		want      []string
	}{
		{"task", inTask("service {\n}"), []string{"j-g-t"}},
		{"bare task", "task \"t\" {\n" + image + "service {\n}\n}\n", []string{"t-t-t"}},
		{"bare group", "group \"g\" {\n service {\n}\n task \"t\" {\n" + image + "service {\n}\n}\n}\n", []string{"g-g", "g-g-t"}},
		{"given", inTask("service {\n name = \"Web-1\"\n}\nservice {\n name = \"web-${NOMAD_ALLOC_INDEX}\"\n}"), []string{"Web-1", "web-${NOMAD_ALLOC_INDEX}"}},
		{"checks", inTask("service {\n" + scriptCheck + scriptCheck + scriptCheck + "}"), []string{"j-g-t", `service: "j-g-t" check`, `service: "j-g-t" check 2`, `service: "j-g-t" check 3`}},
		{"checks, some named", inTask("service {\n name = \"a\"\n" + scriptCheck + named("x") + scriptCheck + named(`service: \"a\" check 2`) + "}"), []string{
			"a", `service: "a" check`, "x", `service: "a" check 3`, `service: "a" check 2`,
		}},
		{"checks of two services", inTask("service {\n name = \"a\"\n" + named("x") + "}\nservice {\n name = \"b\"\n" + named("x") + "}"), []string{"a", "x", "b", "x"}},
		{"two ports of one name", inTask("service {\n name = \"a\"\n port = \"p\"\n}\nservice {\n name = \"a\"\n}\nresources {\n network {\n port \"p\" {}\n}\n}"), []string{"a", "a"}},
	} {
		if diff := cmp.Diff(tc.want, serviceNames(t, tc.src)); diff != "" {
			t.Errorf("%s\n%s", tc.name, diff)
		}
	}
}

func TestServicesAndPorts(t *testing.T) {
	// A group with a port of its own and two tasks, the first of which has one.
	group := func(ofGroup, ofA, config string) string {
		return "group \"g\" {\n network {\n port \"shared\" {}\n}\n" + ofGroup + "\n" +
			"task \"a\" {\n config {\n image = \"a\"\n" + config + "\n}\n resources {\n network {\n port \"own\" {}\n}\n}\n" + ofA + "\n}\n" +
			"task \"b\" {\n config {\n image = \"a\"\n}\n resources {\n network {\n port \"other\" {}\n}\n}\n}\n}\n"
	}
	service := func(body string) string { return "service {\n" + body + "\n}" }
	tcp := func(body string) string { return "check {\n type = \"tcp\"\n" + body + "\n}\n" }
	for _, tc := range []struct{ name, src, want string }{
		{"own port", group("", service("port = \"own\"\n"+tcp("")), ""), ""},
		{"group's port", group(service("port = \"shared\"\n"+tcp("port = \"own\"")), service("port = \"shared\"\n name = \"x\"\n"+tcp("port = \"own\"")), ""), ""},
		{"a task's port in a group's service", group(service("port = \"other\""), "", ""), ""},
		{"another task's port", group("", service("port = \"other\""), ""), `Unknown port; there is no port "other". The ports are: own and shared.`},
		{"a slip", group("", service("port = \"ownn\""), ""), `Unknown port; there is no port "ownn". Did you mean "own"?`},
		{"a slip in a check", group("", service(tcp("port = \"share\"")), ""), `Unknown port; there is no port "share". Did you mean "shared"?`},
		{"no port", group("", service(""), ""), ""},
		{"a number", group("", service("port = 80\n address_mode = \"driver\""), ""), ""},
		{"a number, and a check of it", group("", service("port = 80\n address_mode = \"driver\"\n"+tcp("")), ""), `Conflicting options; the service's port 80 is one inside the container`},
		{"a number, and a check there", group("", service("port = 80\n address_mode = \"driver\"\n"+tcp("address_mode = \"driver\"")), ""), ""},
		{"a number, on the host", group("", service("port = 80\n address_mode = \"host\""), ""), `Conflicting options; 80 is a port inside the container`},
		{"a number of a check", group("", service(tcp("port = 80\n address_mode = \"driver\"")), ""), ""},
		{"a check without a port", group("", service(tcp("")), ""), `Missing port; a check of the type "tcp" needs a port`},
		{"a script without one", group("", service(scriptCheck), ""), ""},
		{"the driver's address in the host's network", group("", service("port = \"own\"\n address_mode = \"driver\""), "network_mode = \"host\""), `Conflicting options; with network_mode = "host" the task's container has no address of its own`},
		{"the driver's address in another's network", group("", service("port = \"own\"\n"+tcp("address_mode = \"driver\"")), "network_mode = \"container:b\""), `Conflicting options; with network_mode = "container:b"`},
		{"the driver's address in a network", group("", service("port = \"own\"\n address_mode = \"driver\""), "network_mode = \"${meta.net}\""), ""},
		{"the driver's address of a group", group(service("port = \"shared\"\n address_mode = \"driver\""), "", ""), `Conflicting options; a group has several containers`},
		{"a check at the driver's address of a group", group(service("port = \"shared\"\n"+tcp("address_mode = \"driver\"")), "", ""), `Conflicting options; a group has several containers`},
		{"twice in a task", group("", service("name = \"x\"\n port = \"own\"")+"\n"+service("name = \"x\"\n port = \"own\""), ""), `Duplicate service; the service "x" with this port is already defined in this group at a.hcl:17,8-11`},
		{"twice in a group", group(service("name = \"x\""), service("name = \"x\""), ""), `Duplicate service; the service "x"`},
		{"two checks of one name", group("", service(tcp("name = \"x\"\n port = \"own\"")+tcp("name = \"x\"\n port = \"own\"")), ""), `Duplicate check; check "x" is already defined in this service at a.hcl:19,8-11`},
		{"a script of a group", group(service(strings.Replace(scriptCheck, "type", "task = \"b\"\n type", 1)), "", ""), ""},
		{"a script of nobody", group(service(scriptCheck), "", ""), `Missing task; the script of a group's service needs to know where it runs. Write task = "…". The tasks are: a and b.`},
		{"a script of a stranger", group(service(strings.Replace(scriptCheck, "type", "task = \"web\"\n type", 1)), "", ""), `Unknown task; there is no task "web" in this group. The tasks are: a and b.`},
		{"a task for a tcp check", group(service("port = \"shared\"\n"+tcp("task = \"a\"")), "", ""), `Conflicting options; "task" is nothing that a check of the type "tcp" looks at`},
		{"a restart without a limit", group("", service("port = \"own\"\n"+tcp("check_restart {\n grace = \"1s\"\n}")), ""), `Missing limit`},
	} {
		got := said(t, tc.src)
		got, _, _ = strings.Cut(got, "\na.hcl:13,7-12: Warning: Option without effect; port \"own\"") // in another's network
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// Tasks may have ports of one label: each sees the other's as NOMAD_ADDR_task_label.
func TestPortsOfOneLabel(t *testing.T) {
	group := func(ofGroup, labelOfB string) string {
		task := func(name, label string) string {
			return "task \"" + name + "\" {\n config {\n image = \"a\"\n port_map {\n " + label + " = 80\n}\n}\n" +
				"resources {\n network {\n port \"" + label + "\" {}\n}\n}\nservice {\n name = \"" + name + "\"\n port = \"" + label + "\"\n}\n}\n"
		}
		return "group \"g\" {\n" + ofGroup + "\n" + task("a", "http-x") + task("b", labelOfB) + "}\n"
	}
	const shared = "network {\n port \"http_x\" {}\n}\n"
	const service = "service {\n port = \"http-x\"\n}\n"
	for _, tc := range []struct{ name, src, want string }{
		{"one label", group("", "http-x"), ""},
		{"one label, and variables of one name", group("", "http_x"), ""},
		{"the group's", group(shared, "other"), `Duplicate port label; port "http-x" has the variable NOMAD_PORT_http_x, and so has the one at a.hcl:3,7-15`},
		{"a service of the group", group(service, "http-x"), `Ambiguous port; the tasks "a" and "b" have a port "http-x" each`},
		{"a service of the group, and no doubt", group(service, "other"), ""},
	} {
		if got := said(t, tc.src); (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

func TestDefaultServiceNameThatIsNone(t *testing.T) {
	long := strings.Repeat("a", 40)
	for _, src := range []string{
		"task \"my_task\" {\n config {\n image = \"a\"\n}\n service {\n}\n}\n",
		"task \"" + long + "\" {\n config {\n image = \"a\"\n}\n service {\n}\n}\n",
	} {
		if got := said(t, src); !strings.HasPrefix(got, "a.hcl:5,2-9: Missing name; without a name this service is called after its job, group and task, and") || !strings.HasSuffix(got, "Write name = \"…\".") {
			t.Error(got)
		}
		if got := said(t, strings.Replace(src, "service {", "service {\n name = \"a\"", 1)); got != "" {
			t.Error(got)
		}
	}
}

// A bad name is told once, and neither as a missing one nor as a second.
func TestBadServiceName(t *testing.T) {
	if got := said(t, inTask("service {\n name = \"a_b\"\n}\nservice {\n name = \"c_d\"\n}")); strings.Count(got, "\n") != 1 || strings.Contains(got, "Duplicate") {
		t.Error(got)
	}
	if got := serviceNames(t, inTask("service {\n name = null\n}")); got[0] != "j-g-t" {
		t.Error(got)
	}
	if got := said(t, "task \"my_task\" {\n config {\n image = \"a\"\n}\n service {\n name = \"a_b\"\n}\n}\n"); strings.Contains(got, "\n") || !strings.Contains(got, `"a_b" is no name of a service`) {
		t.Error(got)
	}
}

func TestOptionsOfACheckWithoutEffect(t *testing.T) {
	_, warnings := mustJobs(t, inTask("service {\n port = 80\n address_mode = \"driver\"\n check {\n type = \"http\"\n path = \"/\"\n port = 80\n address_mode = \"driver\"\n tls_skip_verify = true\n}\n}"))
	if len(warnings) != 1 || !strings.Contains(warnings[0].String(), "Option without effect") {
		t.Error(warnings)
	}
}

// Runtime names in the new blocks are looked at as everywhere else.
func TestRuntimeNamesInBlocks(t *testing.T) {
	for _, src := range []string{
		"artifact {\n source = \"http://a/${NOMAD_TASK_NAM}\"\n}",
		"artifact {\n source = \"/a\"\n destination = \"${NOMAD_TASK_NAM}\"\n}",
		"artifact {\n source = \"/a\"\n options {\n a = \"${NOMAD_TASK_NAM}\"\n}\n}",
		"service {\n name = \"${NOMAD_TASK_NAM}\"\n}",
		"service {\n tags = [\"${NOMAD_TASK_NAM}\"]\n}",
		"service {\n check {\n type = \"script\"\n command = \"${NOMAD_TASK_NAM}\"\n}\n}",
		"service {\n check {\n type = \"script\"\n command = \"a\"\n args = [\"${NOMAD_TASK_NAM}\"]\n}\n}",
		"service {\n check {\n type = \"http\"\n port = 80\n address_mode = \"driver\"\n path = \"/${NOMAD_TASK_NAM}\"\n}\n}",
		"service {\n check {\n type = \"http\"\n port = 80\n address_mode = \"driver\"\n path = \"/\"\n header {\n a = [\"${NOMAD_TASK_NAM}\"]\n}\n}\n}",
	} {
		_, warnings := mustJobs(t, inTask(src))
		if len(warnings) != 1 || !strings.Contains(warnings[0].Detail, `Did you mean "${NOMAD_TASK_NAME}"?`) {
			t.Errorf("%s: %v", src, warnings)
		}
		ofGroup := "group \"g\" {\n" + strings.Replace(src, "type = \"script\"", "type = \"script\"\n task = \"t\"", 1) + "\n task \"t\" {\n config {\n image = \"a\"\n}\n}\n}\n"
		if strings.HasPrefix(src, "service") && !strings.Contains(src, "driver") {
			if _, warnings := mustJobs(t, ofGroup); len(warnings) != 1 {
				t.Errorf("%s: %v", ofGroup, warnings)
			}
		}
	}
}
