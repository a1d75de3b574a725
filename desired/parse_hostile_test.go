package desired

import (
	"fmt"
	"strings"
	"testing"

	"reconciler/store"
)

// checkOutcome checks what holds for every text: problems have a file and a
// summary, lie inside the text, and an error leaves no job.
func checkOutcome(t *testing.T, src string) {
	t.Helper()
	jobs, problems := Parse("a.hcl", []byte(src))
	lines := strings.Count(src, "\n") + 1
	for _, p := range problems {
		if p.File != "a.hcl" || p.Summary == "" || p.Line < 0 || p.Line > lines || (p.Line > 0) != (p.Col > 0) {
			t.Fatalf("a problem that makes no sense: %+v", p)
		}
		if p.Severity != store.SeverityWarning && jobs != nil {
			t.Fatalf("jobs in spite of %s", p)
		}
	}
	for _, j := range jobs {
		if len(j.Groups) == 0 || len(j.Groups[0].Tasks) == 0 || j.Groups[0].Tasks[0].Config.Image == "" {
			t.Fatalf("half a job: %+v", j)
		}
	}
}

// Cut anywhere, a file of one job gives that job or none: a file that is being
// written never starts anything else.
func TestTruncatedAtEveryByte(t *testing.T) {
	src := strings.TrimLeft(fullJob, "\n")
	whole, _ := mustJobs(t, src)
	for n := range len(src) {
		jobs, problems := Parse("a.hcl", []byte(src[:n]))
		switch {
		case n >= len(src)-1:
			if len(jobs) != 1 || len(jobs[0].Groups) != len(whole[0].Groups) {
				t.Fatalf("at %d: only the last newline is missing: %v", n, problems)
			}
		case jobs != nil:
			t.Fatalf("at %d of %d: a job: %+v", n, len(src), jobs[0])
		case strings.TrimSpace(src[:n]) != "" && len(problems) == 0:
			t.Fatalf("at %d of %d: no problem", n, len(src))
		}
	}
}

func TestCutBetweenJobAndItsVariables(t *testing.T) {
	job := "task \"t\" {\n config {\n image = \"redis:${var.tag}\"\n }\n}\n"
	if jobs, problems := Parse("a.hcl", []byte(job)); jobs != nil || len(problems) != 1 {
		t.Errorf("a job without its variable: %v, %v", jobs, problems)
	}
	mustJobs(t, job+"variable \"tag\" {\n default = \"7\"\n}\n")
}

func TestNoText(t *testing.T) {
	good := "task \"t\" {\n config {\n image = \"redis\"\n }\n}\n"
	for name, src := range map[string]string{
		"binary":       "\x7fELF\x02\x01\x01\x00\x00\x00" + strings.Repeat("\x00\xff", 1000),
		"NUL":          good + "\x00",
		"not UTF-8":    strings.Replace(good, "redis", "r\xe9dis", 1),
		"UTF-16":       "\xff\xfet\x00a\x00s\x00k\x00",
		"escaped NUL":  strings.Replace(good, "redis\"", "redis\"\n command = \"a\\u0000b\"", 1),
		"second BOM":   "\ufeff\ufeff" + good,
		"2 MB":         strings.Repeat(good, 2<<20/len(good)),
		"control":      "\x01\x02\x03",
		"line":         strings.Repeat("x", 200<<10),
		"old Mac ends": strings.ReplaceAll(good, "\n", "\r"),
	} {
		jobs, problems := Parse("a.hcl", []byte(src))
		if jobs != nil || len(problems) == 0 {
			t.Errorf("%s: %v, %v", name, jobs, problems)
		}
		checkOutcome(t, src)
	}
}

// bombs are short texts that ask for much; each row holds a task whose args or
// command would hold the result.
func bombs() map[string]string {
	in := func(locals, value string) string {
		return "locals {\n" + locals + "\n}\ntask \"t\" {\n config {\n image = \"redis\"\n command = " + value + "\n }\n}\n"
	}
	double := "a0 = \"xxxxxxxxxxxxxxxx\"\n"
	square := "n0 = 1e64\n"
	for i := range 60 {
		from, to := string(rune('a'+i/10))+string(rune('0'+i%10)), string(rune('a'+(i+1)/10))+string(rune('0'+(i+1)%10))
		double += to + " = \"${local." + from + "}${local." + from + "}\"\n"
		square += strings.ReplaceAll("n"+to+" = local.n"+from+" * local.n"+from+"\n", "na0", "n0")
	}
	return map[string]string{
		"doubling":         in(double, "local.g0"),
		"squaring":         in(square, "local.ng0"),
		"loops":            in("r = range(1000)", `join("", [for a in local.r : join("", [for b in local.r : join("", [for c in local.r : "x"])])])`),
		"product":          in("r = range(1000)", "join(\"\", flatten(setproduct(local.r, local.r, local.r)))"),
		"wide format":      in("", `format("%1000000000d", 1)`),
		"precise format":   in("", `format("%.1000000000f", 1)`),
		"indent":           in("", `indent(1000000000, "a\nb")`),
		"replace":          in("a = \""+strings.Repeat("a", 5000)+"\"", `replace(local.a, "a", local.a)`),
		"regex replace":    in("a = \""+strings.Repeat("a", 5000)+"\"", `regex_replace(local.a, "a", local.a)`),
		"join":             in("a = \""+strings.Repeat("a", 5000)+"\"", `join(local.a, range(1000))`),
		"number":           in("", `"${1e64 * 1e600000000}"`),
		"json depth":       in("", `jsondecode("`+strings.Repeat("[", 100_000)+`")`),
		"json tricks":      in("", `jsondecode("[\"`+strings.Repeat("]", 50_000)+`\",`+strings.Repeat("[", 50_000)+`")`),
		"distinct":         in("", `join("", distinct(split("", "`+strings.Repeat("ab", 50_000)+`")))`),
		"template for":     in("r = range(1000)", `"%{for a in local.r}%{for b in local.r}%{for c in local.r}x%{endfor}%{endfor}%{endfor}"`),
		"just affordable":  in("r = range(25)", `join("", flatten([for a in local.r : [for b in local.r : "x"]]))`),
		"typed list":       "variable \"x\" {\n type = list(any)\n default = [" + strings.Repeat("1,", 14_000) + "]\n}\n",
		"long list":        in("", `join("", [`+strings.Repeat(`"",`, 8_000)+`])`),
		"long conditional": in("", `join("", true ? [`+strings.Repeat(`1,`, 7_000)+`] : [`+strings.Repeat(`1,`, 7_000)+`"x"])`),
		"long local chain": in(chain(3000), "local.c2999"),
	}
}

// crowds are texts of many things that each must be looked at in the light of
// all others.
func crowds() map[string]string {
	each := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(strings.ReplaceAll(format, "#", fmt.Sprint(i)))
		}
		return b.String()
	}
	group := func(body string) string { return "group \"g\" {\n" + body + "}\n" }
	task := func(config, body string) string {
		return "task \"t\" {\n config {\n image = \"a\"\n" + config + "\n}\n" + body + "}\n"
	}
	ports := "network {\n" + each(500, "port \"port#\" {}\n") + "}\n"
	return map[string]string{
		"unknown ports":         group(ports + task("ports = ["+each(1500, "\"qort#\",")+"]", "")),
		"unknown variables":     "locals {\n" + each(500, "name# = 1\n") + "}\n" + task("args = ["+each(1500, "local.mame#,")+"]", ""),
		"unknown runtime names": task("args = ["+each(1500, "\"${NAME#}\",")+"]", "env {\n"+each(500, "MAME# = 1\n")+"}\n"),
		"services with ports":   group(ports + each(400, "task \"t#\" {\n service {\n port = \"q#\"\n}\n}\n")),
		"services":              task("", strings.Repeat("service {\n}\n", 2000)),
		"checks":                task("", "service {\n"+strings.Repeat("check {\n}\n", 2000)+"}\n"),
		"scripts":               group(each(400, "task \"t#\" {\n}\n") + "service {\n" + strings.Repeat("check {\n type = \"script\"\n command = \"a\"\n task = \"u\"\n}\n", 400) + "}\n"),
		"leaders":               group(each(600, "task \"t#\" {\n leader = true\n}\n")),
		"constraints":           task("", strings.Repeat("constraint {\n attribute = \"${FOO:-x}\"\n value = \"a\"\n}\n", 500)),
		"patterns":              "locals {\n a = \"" + strings.Repeat(".", 20_000) + "\"\n}\n" + task("", strings.Repeat("constraint {\n attribute = \"a\"\n regexp = local.a\n}\n", 500)),
		"versions":              "locals {\n a = \"1" + strings.Repeat(",1", 10_000) + "\"\n}\n" + task("", strings.Repeat("constraint {\n attribute = \"a\"\n version = local.a\n}\n", 500)),
	}
}

func chain(n int) string {
	var b strings.Builder
	for i := n - 1; i > 0; i-- {
		fmt.Fprintf(&b, "c%04d = local.c%04d\n", i, i-1)
	}
	return b.String() + "c0000 = \"x\"\n"
}

func TestValuesAreBounded(t *testing.T) {
	for name, src := range bombs() {
		jobs, problems := Parse("a.hcl", []byte(src)) // its time is TestHostileFilesAreCheap's
		if testing.Verbose() {
			t.Logf("%s: %d problems %v", name, len(problems), problems[:min(1, len(problems))])
		}
		if len(jobs) == 1 && len(jobs[0].Groups[0].Tasks[0].Config.Command) > evalBudget {
			t.Errorf("%s: a value of %d bytes", name, len(jobs[0].Groups[0].Tasks[0].Config.Command))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(fullJob)
	for _, src := range bombs() {
		f.Add(src[:min(len(src), 2<<10)])
	}
	for _, open := range []string{"[", "(", "{", "-", "!", `"${`, "1+", "a ? ", "x[*]", "b {\n", "%{if"} {
		f.Add("a = " + strings.Repeat(open, 300))
	}
	f.Add(inTask("constraint {\n attribute = \"${attr.cpu.arch}\"\n operator = \">\"\n version = \"1.2\"\n}\nconstraint {\n distinct_hosts = false\n}\nrestart {\n attempts = 0\n}\nleader = true"))
	f.Add(inTask("service {\n port = 80\n address_mode = \"driver\"\n check {\n type = \"http\"\n path = \"/\"\n header {\n a = [\"b\"]\n}\n check_restart {\n limit = 3\n}\n}\n}"))
	f.Add(inTask("artifact {\n source = \"http://u:p@a/b//c?d=e\"\n destination = \"local/../x\"\n options {\n checksum = \"md5:00\"\n}\n}\nshutdown_delay = \"1s\""))
	f.Add("task \"t\" {\n config {\n image = \"redis\"\n args = [\"${FOO:-x}\", \"$${y}\", <<E\n%{if true}x%{endif}\nE\n]\n labels { a.b = 1 }\n}\n}\n")
	f.Fuzz(func(t *testing.T, src string) { checkOutcome(t, src) })
}
