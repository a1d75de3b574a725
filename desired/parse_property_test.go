package desired

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"reconciler/internal/job"
)

// manifestText generates the texts that a manifest's strings may hold, runtime
// names and escapes among them.
var manifestText = rapid.OneOf(
	rapid.StringMatching(`[a-z/][a-z0-9 ./:=é"\\-]{0,8}[a-z]`),
	rapid.SampledFrom([]string{"${NOMAD_PORT_http}", "a${meta.k}b", "$${x}", "$", "$$", "%", "{}", "line\nline", "tab\t", "${env[\"K\"]}"}),
)

var manifestMap = rapid.Custom(func(t *rapid.T) map[string]string {
	m := rapid.MapOfN(rapid.StringMatching(`[a-z]([a-z0-9]{0,3}\.)?[a-z][a-z0-9_-]{0,3}|[a-z] [a-z]`), manifestText, 0, 4).Draw(t, "map")
	if len(m) == 0 {
		return nil
	}
	return m
})

func drawTask(t *rapid.T, name string) job.Task {
	texts := rapid.SliceOfN(manifestText, 0, 3)
	task := job.Task{
		Name: name, Driver: "docker",
		User: rapid.SampledFrom([]string{"", "1000", "nobody"}).Draw(t, "user"),
		Env:  manifestMap.Draw(t, "env"), Meta: manifestMap.Draw(t, "meta"),
		KillTimeout: job.Duration(rapid.Int64Range(0, 1e6).Draw(t, "kill") * int64(time.Millisecond)),
		KillSignal:  rapid.SampledFrom([]string{"", "SIGINT", "TERM"}).Draw(t, "signal"),
		Resources:   job.Resources{CPU: rapid.IntRange(1, 5000).Draw(t, "cpu"), MemoryMB: rapid.IntRange(6, 5000).Draw(t, "memory")},
		Config: job.Config{
			Image:       rapid.SampledFrom([]string{"redis", "redis:7", "a.b/c:1", "${meta.image}"}).Draw(t, "image"),
			Command:     rapid.SampledFrom([]string{"", "run", "${NOMAD_TASK_DIR}/run"}).Draw(t, "command"),
			Args:        texts.Draw(t, "args"),
			Entrypoint:  texts.Draw(t, "entrypoint"),
			Labels:      manifestMap.Draw(t, "labels"),
			NetworkMode: rapid.SampledFrom([]string{"bridge", "host", "backend"}).Draw(t, "mode"),
			TTY:         rapid.Bool().Draw(t, "tty"), ForcePull: rapid.Bool().Draw(t, "pull"),
		},
	}
	if len(task.Config.Args) == 0 {
		task.Config.Args = nil
	}
	if len(task.Config.Entrypoint) == 0 {
		task.Config.Entrypoint = nil
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "ports") {
		p := job.Port{Label: fmt.Sprintf("%s-p%d", name, i), To: rapid.IntRange(0, 65535).Draw(t, "to")}
		task.Resources.Ports = append(task.Resources.Ports, p)
		if rapid.Bool().Draw(t, "mapped") {
			if task.Config.PortMap == nil {
				task.Config.PortMap = map[string]int{}
			}
			task.Config.PortMap[p.Label] = rapid.IntRange(1, 65535).Draw(t, "container port")
		}
	}
	task.Artifacts, task.Constraints, task.Restart = drawArtifacts(t), drawConstraints(t), drawRestart(t)
	task.ShutdownDelay = drawDuration(t, "shutdown", 0, time.Minute)
	task.Config.AdvertiseIPv6Address = rapid.Bool().Draw(t, "ipv6")
	label := ""
	if ports := task.Resources.Ports; len(ports) > 0 {
		label = ports[0].Label
	}
	task.Services = drawServices(t, name, label, "")
	if rapid.Bool().Draw(t, "logging") {
		task.Config.Logging = &job.Logging{Type: "syslog", Config: manifestMap.Draw(t, "log options")}
	}
	return task
}

func drawJob(t *rapid.T) *job.Job {
	j := &job.Job{
		Name: "j", Type: rapid.SampledFrom([]job.Type{job.TypeService, job.TypeSystem, job.TypeBatch}).Draw(t, "type"),
		Meta: manifestMap.Draw(t, "job meta"), Constraints: drawConstraints(t),
	}
	for gi := range rapid.IntRange(1, 2).Draw(t, "groups") {
		g := job.Group{
			Name: fmt.Sprintf("g%d", gi), Count: rapid.IntRange(0, 5).Draw(t, "count"),
			Meta:   manifestMap.Draw(t, "group meta"),
			Update: drawUpdate(t), Restart: drawRestart(t), Constraints: drawConstraints(t),
			ShutdownDelay: drawDuration(t, "group shutdown", 0, time.Minute),
		}
		for ti := range rapid.IntRange(1, 2).Draw(t, "tasks") {
			g.Tasks = append(g.Tasks, drawTask(t, fmt.Sprintf("t%d", ti)))
		}
		g.Services = drawServices(t, g.Name, "", "t0")
		if leader := rapid.IntRange(-1, len(g.Tasks)-1).Draw(t, "leader"); leader >= 0 {
			g.Tasks[leader].Leader = true
		}
		j.Groups = append(j.Groups, g)
	}
	return j
}

// printer writes a job as a manifest. What does not matter to its meaning is
// left to chance.
type printer struct {
	rnd *rand.Rand
}

func (p *printer) coin() bool { return p.rnd.IntN(2) == 0 }

func (p *printer) quote(s string) string {
	// In a template "${" stays as it is, the way a person writes it; all
	// that HCL would read otherwise is escaped.
	inner := regexp.MustCompile(`\$?\$\{[^}]*\}`)
	var b strings.Builder
	last := 0
	escape := func(text string) string {
		return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(text)
	}
	for _, m := range inner.FindAllStringIndex(s, -1) {
		b.WriteString(escape(s[last:m[0]]) + s[m[0]:m[1]])
		last = m[1]
	}
	return `"` + b.String() + escape(s[last:]) + `"`
}

// lines joins parts, which may stand in any order, with comments and blank
// lines between them.
func (p *printer) lines(parts []string) string {
	p.rnd.Shuffle(len(parts), func(i, k int) { parts[i], parts[k] = parts[k], parts[i] })
	var b strings.Builder
	for _, part := range parts {
		if part == "" {
			continue
		}
		if p.rnd.IntN(5) == 0 {
			b.WriteString("# a comment with [ \"${\n\n")
		}
		b.WriteString(strings.Repeat(" ", p.rnd.IntN(4)) + part)
		if p.rnd.IntN(5) == 0 {
			b.WriteString(" // why")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (p *printer) attr(key, value string) string {
	return key + strings.Repeat(" ", p.rnd.IntN(3)) + "=" + strings.Repeat(" ", p.rnd.IntN(3)) + value
}

func (p *printer) number(n int) string {
	if p.coin() {
		return strconv.Quote(strconv.Itoa(n))
	}
	return strconv.Itoa(n)
}

func (p *printer) truth(b bool) string {
	if p.coin() {
		return strconv.Quote(strconv.FormatBool(b))
	}
	return strconv.FormatBool(b)
}

func (p *printer) list(texts []string) string {
	var parts []string
	for _, s := range texts {
		parts = append(parts, p.quote(s))
	}
	if p.coin() && len(parts) > 0 {
		return "[\n" + strings.Join(parts, ",\n") + ",\n]"
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func (p *printer) block(head string, parts ...string) string {
	return head + " {\n" + p.lines(parts) + "}"
}

// dict writes a map as an attribute, as a block, or cut into several blocks.
func (p *printer) dict(name string, m map[string]string) string {
	if len(m) == 0 {
		return ""
	}
	var attrs []string
	plain := regexp.MustCompile(`^[a-z][a-z0-9_.-]*$`)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		key := strconv.Quote(k)
		if plain.MatchString(k) && p.coin() {
			key = k
		}
		attrs = append(attrs, p.attr(key, p.quote(m[k])))
	}
	switch p.rnd.IntN(3) {
	case 0:
		return name + " = {\n" + p.lines(attrs) + "}"
	case 1:
		return p.block(name, attrs...)
	}
	half := len(attrs) / 2
	return p.block(name, attrs[:half]...) + "\n" + p.block(name, attrs[half:]...)
}

func (p *printer) optional(key, value string) string {
	if value == "" {
		return ""
	}
	return p.attr(key, p.quote(value))
}

func (p *printer) task(t job.Task) string {
	ports := []string{}
	for _, port := range t.Resources.Ports {
		ports = append(ports, p.block("port "+strconv.Quote(port.Label), p.attr("to", p.number(port.To))))
	}
	portMap := map[string]string{}
	for label, to := range t.Config.PortMap {
		portMap[label] = strconv.Itoa(to)
	}
	logging := ""
	if t.Config.Logging != nil {
		logging = p.block("logging", p.attr("type", `"syslog"`), p.dict("config", t.Config.Logging.Config))
	}
	config := []string{
		p.optional("image", t.Config.Image), p.optional("command", t.Config.Command),
		p.attr("args", p.list(t.Config.Args)), p.attr("entrypoint", p.list(t.Config.Entrypoint)),
		p.dict("labels", t.Config.Labels), p.dict("port_map", portMap), logging,
		p.optional("network_mode", t.Config.NetworkMode),
		p.attr("tty", p.truth(t.Config.TTY)), p.attr("force_pull", p.truth(t.Config.ForcePull)),
		p.attr("advertise_ipv6_address", p.truth(t.Config.AdvertiseIPv6Address)),
	}
	return p.block("task "+strconv.Quote(t.Name),
		inOrder(t.Artifacts, p.artifact), inOrder(t.Constraints, p.constraint), inOrder(t.Services, p.service), p.restart(t.Restart),
		p.attr("leader", p.truth(t.Leader)), p.duration("shutdown_delay", t.ShutdownDelay, 0),
		p.optional("driver", t.Driver), p.optional("user", t.User),
		p.dict("env", t.Env), p.dict("meta", t.Meta),
		p.optional("kill_timeout", t.KillTimeout.String()), p.optional("kill_signal", t.KillSignal),
		p.block("config", config...),
		p.block("resources", p.attr("cpu", p.number(t.Resources.CPU)), p.attr("memory", p.number(t.Resources.MemoryMB)), p.block("network", ports...)))
}

func (p *printer) job(j *job.Job) string {
	// Groups and tasks keep their order: it is the order of the job.
	parts := p.lines([]string{p.optional("type", string(j.Type)), p.dict("meta", j.Meta), inOrder(j.Constraints, p.constraint)})
	for _, g := range j.Groups {
		body := p.lines([]string{
			p.attr("count", p.number(g.Count)), p.dict("meta", g.Meta),
			p.update(g.Update), p.restart(g.Restart), p.duration("shutdown_delay", g.ShutdownDelay, 0),
			inOrder(g.Constraints, p.constraint), inOrder(g.Services, p.service),
		})
		for _, t := range g.Tasks {
			body += p.task(t) + "\n"
		}
		parts += "group " + strconv.Quote(g.Name) + " {\n" + body + "}\n"
	}
	src := "job " + strconv.Quote(j.Name) + " {\n" + parts + "}\n"
	if p.coin() {
		src = strings.ReplaceAll(src, "\n", "\r\n")
	}
	return src
}

// Ports of a group share their labels' space over all tasks; those of drawTask
// carry the task's name, which is unique in its group.
func TestParseGivesBackWhatWasPrinted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawJob(t)
		var hashes []string
		for range 2 {
			p := &printer{rnd: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "form"), 0))}
			src := p.job(want)
			jobs, problems := Parse("a.hcl", []byte(src))
			if len(jobs) != 1 {
				t.Fatalf("%v\n%s", problems, src)
			}
			if diff := cmp.Diff(want, jobs[0]); diff != "" {
				t.Fatalf("%s\n%s", diff, src)
			}
			hashes = append(hashes, job.Hash(jobs[0]))
		}
		if hashes[0] != hashes[1] {
			t.Fatalf("the form changed the hash: %v", hashes)
		}
	})
}

func TestParseIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := []byte(fullJob)
		for range rapid.IntRange(1, 5).Draw(t, "edits") {
			at := rapid.IntRange(0, len(src)-1).Draw(t, "at")
			src[at] = rapid.SampledFrom([]byte("{}[]\"=$%a1 \n.#")).Draw(t, "byte")
		}
		jobs, problems := Parse("a.hcl", slices.Clone(src))
		for range 3 {
			again, sameProblems := Parse("a.hcl", slices.Clone(src))
			if diff := cmp.Diff(jobs, again) + cmp.Diff(problems, sameProblems); diff != "" {
				t.Fatalf("%s\n%s", diff, src)
			}
		}
	})
}
