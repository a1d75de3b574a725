package desired

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"

	"reconciler/internal/job"
)

// drawDuration draws whole milliseconds.
func drawDuration(t *rapid.T, name string, least, most time.Duration) job.Duration {
	return job.Duration(rapid.Int64Range(least.Milliseconds(), most.Milliseconds()).Draw(t, name) * int64(time.Millisecond))
}

func drawUpdate(t *rapid.T) job.Update {
	u := job.Update{MaxParallel: rapid.IntRange(1, 3).Draw(t, "parallel"), MinHealthyTime: drawDuration(t, "steady", 0, time.Minute)}
	u.AutoRevert = rapid.Bool().Draw(t, "revert")
	u.HealthCheck = rapid.SampledFrom([]string{"", job.HealthByTasks}).Draw(t, "health")
	if rapid.Bool().Draw(t, "deadline") {
		u.HealthyDeadline = drawDuration(t, "healthy", 2*time.Minute, 4*time.Minute)
	}
	switch rapid.IntRange(0, 2).Draw(t, "progress") {
	case 1:
		u.ProgressDeadline = job.NoDeadline
	case 2:
		u.ProgressDeadline = drawDuration(t, "progress", 20*time.Minute, time.Hour)
	}
	return u
}

func drawRestart(t *rapid.T) *job.Restart {
	if rapid.Bool().Draw(t, "no restart") {
		return nil
	}
	return &job.Restart{
		Attempts: rapid.IntRange(1, 60).Draw(t, "attempts"),
		Interval: drawDuration(t, "interval", time.Hour, 2*time.Hour), Delay: drawDuration(t, "delay", 0, time.Minute),
		Mode: rapid.SampledFrom([]job.RestartMode{job.RestartFail, job.RestartDelay}).Draw(t, "mode"),
	}
}

func drawConstraints(t *rapid.T) []job.Constraint {
	values := map[string][]string{
		job.OpVersion: {"> 1.2", ">= 1, < 2", "1.2"}, job.OpSemver: {"<= 1.2.3-a", "1.0.0"}, job.OpRegexp: {"^a|b$", "${meta.re}"},
		job.OpSetContains: {"a,b"}, job.OpIsSet: {""}, job.OpIsNotSet: {""},
	}
	var out []job.Constraint
	for range rapid.IntRange(0, 2).Draw(t, "constraints") {
		c := job.Constraint{Operator: rapid.SampledFrom(job.Operators).Draw(t, "operator")}
		if c.Operator != job.OpDistinctHosts {
			c.Attribute = rapid.SampledFrom([]string{"${attr.cpu.arch}", "${driver.docker.version}", "${meta.x}-${node.class}", `${env["A"]}`}).Draw(t, "attribute")
			texts := values[c.Operator]
			if texts == nil {
				texts = []string{"a b", "${node.datacenter}", "7", "$${x}"}
			}
			c.Value = rapid.SampledFrom(texts).Draw(t, "value")
		}
		out = append(out, c)
	}
	return out
}

func drawArtifacts(t *rapid.T) []job.Artifact {
	var out []job.Artifact
	for range rapid.IntRange(0, 2).Draw(t, "artifacts") {
		out = append(out, job.Artifact{
			Source:      rapid.SampledFrom([]string{"/srv/a.tar", "https://a.b/c?d=e", "${meta.mirror}/x", "file:///a"}).Draw(t, "source"),
			Destination: rapid.SampledFrom([]string{"local/x", "secrets/${NOMAD_DC}", "."}).Draw(t, "destination"),
			Options:     manifestMap.Draw(t, "options"),
			Mode:        rapid.SampledFrom([]string{"", job.ArtifactDir, job.ArtifactFile}).Draw(t, "mode"),
		})
	}
	return out
}

// drawServices draws the services of a task, or with a task's name those of
// its group.
func drawServices(t *rapid.T, name, label, inTask string) []job.Service {
	var out []job.Service
	for i := range rapid.IntRange(0, 2).Draw(t, "services") {
		s := job.Service{
			Name: fmt.Sprintf("%s-%d", name, i), Port: label,
			Tags:        rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b=${NOMAD_DC}", "c d"}), 0, 2).Draw(t, "tags"),
			AddressMode: rapid.SampledFrom([]string{"", job.AddressHost}).Draw(t, "address"),
		}
		if len(s.Tags) == 0 {
			s.Tags = nil
		}
		for k := range rapid.IntRange(0, 2).Draw(t, "checks") {
			s.Checks = append(s.Checks, drawCheck(t, fmt.Sprintf("c%d", k), label, inTask))
		}
		out = append(out, s)
	}
	return out
}

func drawCheck(t *rapid.T, name, label, inTask string) job.Check {
	c := job.Check{
		Name: name, Interval: drawDuration(t, "interval", time.Second, time.Hour), Timeout: drawDuration(t, "timeout", time.Second, time.Minute),
		SuccessBeforePassing:   rapid.SampledFrom([]int{0, 2, 9}).Draw(t, "success"),
		FailuresBeforeCritical: rapid.SampledFrom([]int{0, 2, 9}).Draw(t, "failures"),
	}
	types := []job.CheckType{job.CheckScript}
	if label != "" {
		types = append(types, job.CheckHTTP, job.CheckTCP)
	}
	switch c.Type = rapid.SampledFrom(types).Draw(t, "type"); c.Type {
	case job.CheckScript:
		c.Command, c.Task = rapid.SampledFrom([]string{"/bin/true", "${NOMAD_TASK_DIR}/x"}).Draw(t, "command"), inTask
	case job.CheckHTTP:
		c.Path = rapid.SampledFrom([]string{"/", "/a?b=c", "/${NOMAD_ALLOC_ID}"}).Draw(t, "path")
		c.Method = rapid.SampledFrom([]string{"", "HEAD"}).Draw(t, "method")
		c.Protocol = rapid.SampledFrom([]string{"", "https"}).Draw(t, "protocol")
		c.TLSSkipVerify = c.Protocol != "" && rapid.Bool().Draw(t, "skip")
		if rapid.Bool().Draw(t, "header") {
			c.Header = map[string][]string{"Accept": {"a", "b"}, "X-A": {"${NOMAD_DC}"}}
		}
		fallthrough
	case job.CheckTCP:
		c.Port = rapid.SampledFrom([]string{"", label}).Draw(t, "port")
	}
	if rapid.Bool().Draw(t, "restarts") {
		c.CheckRestart = &job.CheckRestart{
			Limit: rapid.IntRange(1, 9).Draw(t, "limit"), Grace: drawDuration(t, "grace", 0, time.Minute), IgnoreWarnings: rapid.Bool().Draw(t, "warnings"),
		}
	}
	return c
}

func (p *printer) duration(key string, d, standard job.Duration) string {
	if d == standard && p.coin() {
		return ""
	}
	return p.attr(key, strconv.Quote(d.String()))
}

func (p *printer) update(u job.Update) string {
	progress := cmp.Or(u.ProgressDeadline, job.Duration(job.DefaultProgressDeadline))
	if progress == job.NoDeadline {
		progress = 0
	}
	return p.block("update",
		p.attr("max_parallel", p.number(u.MaxParallel)), p.attr("min_healthy_time", strconv.Quote(u.MinHealthyTime.String())),
		p.duration("healthy_deadline", cmp.Or(u.HealthyDeadline, job.Duration(job.DefaultHealthyDeadline)), job.Duration(job.DefaultHealthyDeadline)),
		p.duration("progress_deadline", progress, job.Duration(job.DefaultProgressDeadline)),
		p.attr("auto_revert", p.truth(u.AutoRevert)), p.optional("health_check", u.HealthCheck))
}

func (p *printer) restart(r *job.Restart) string {
	if r == nil {
		return ""
	}
	return p.block("restart",
		p.attr("attempts", p.number(r.Attempts)), p.attr("interval", strconv.Quote(r.Interval.String())),
		p.duration("delay", r.Delay, job.Duration(job.DefaultRestartDelay)), p.optional("mode", string(r.Mode)))
}

// constraint writes a constraint out, or with the sugar that it can have.
func (p *printer) constraint(c job.Constraint) string {
	attribute := p.optional("attribute", c.Attribute)
	plain := p.block("constraint", attribute, p.optional("operator", c.Operator), p.optional("value", c.Value))
	if p.coin() {
		return plain
	}
	switch c.Operator {
	case "=":
		return p.block("constraint", attribute, p.optional("value", c.Value))
	case job.OpDistinctHosts:
		return p.block("constraint", p.attr("distinct_hosts", p.truth(true)))
	case job.OpVersion, job.OpSemver:
		if op, version, ok := strings.Cut(c.Value, " "); ok && !strings.Contains(c.Value, ",") {
			return p.block("constraint", attribute, p.optional("operator", op), p.optional(c.Operator, version))
		}
		fallthrough
	case job.OpRegexp, job.OpSetContains:
		return p.block("constraint", attribute, p.optional(c.Operator, c.Value))
	}
	return plain
}

func (p *printer) artifact(a job.Artifact) string {
	return p.block("artifact", p.optional("source", a.Source), p.optional("destination", a.Destination),
		p.dict("options", a.Options), p.optional("mode", a.Mode))
}

func (p *printer) service(s job.Service) string {
	body := p.lines([]string{
		p.optional("name", s.Name), p.optional("port", s.Port), p.attr("tags", p.list(s.Tags)), p.optional("address_mode", s.AddressMode),
	})
	for _, c := range s.Checks {
		body += p.check(c) + "\n"
	}
	return "service {\n" + body + "}"
}

func (p *printer) check(c job.Check) string {
	var header []string
	for _, key := range slices.Sorted(maps.Keys(c.Header)) {
		header = append(header, p.attr(strconv.Quote(key), p.list(c.Header[key])))
	}
	parts := []string{
		p.optional("name", c.Name), p.optional("type", string(c.Type)), p.optional("task", c.Task), p.optional("port", c.Port),
		p.optional("path", c.Path), p.optional("method", c.Method), p.optional("protocol", c.Protocol), p.optional("command", c.Command),
		p.duration("interval", c.Interval, job.Duration(job.DefaultCheckInterval)), p.duration("timeout", c.Timeout, job.Duration(job.DefaultCheckTimeout)),
		p.attr("success_before_passing", p.number(c.SuccessBeforePassing)), p.attr("failures_before_critical", p.number(c.FailuresBeforeCritical)),
	}
	if c.TLSSkipVerify {
		parts = append(parts, p.attr("tls_skip_verify", p.truth(true)))
	}
	switch {
	case header != nil && p.coin():
		parts = append(parts, p.block("header", header...))
	case header != nil:
		parts = append(parts, "header = {\n"+p.lines(header)+"}")
	}
	if r := c.CheckRestart; r != nil {
		parts = append(parts, p.block("check_restart", p.attr("limit", p.number(r.Limit)), p.attr("ignore_warnings", p.truth(r.IgnoreWarnings)),
			p.duration("grace", r.Grace, job.Duration(job.DefaultCheckGrace))))
	}
	return p.block("check", parts...)
}

// inOrder writes blocks whose order is part of what they say.
func inOrder[T any](blocks []T, write func(T) string) string {
	var b strings.Builder
	for _, v := range blocks {
		b.WriteString(write(v) + "\n")
	}
	return b.String()
}
