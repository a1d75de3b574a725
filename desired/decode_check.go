package desired

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/job"
)

// checkDraft is a check while it is decoded, with the places that validation
// speaks of.
type checkDraft struct {
	job.Check
	at     hcl.Range // of the block
	places map[string]hcl.Range
	broken bool // what is wrong with it has been told
}

// Words of a check. It has no address_mode of "auto": which of two addresses
// works is what a check is to find out.
var (
	checkTypes        = vocabulary{words: []string{string(job.CheckHTTP), string(job.CheckTCP), string(job.CheckScript)}, refused: []string{"grpc"}}
	checkAddressModes = vocabulary{words: []string{job.AddressHost, job.AddressDriver}, refused: []string{"alloc"}}
)

// minCheckTime is the least interval and timeout of a check, as in Nomad.
const minCheckTime = time.Second

// maxInARow bounds how often in a row a check must say the same to be
// believed; a typo shall not make it never.
const maxInARow = 1000

// checks decodes check blocks, each of which is one more.
func (l *loader) checks(dst *[]checkDraft) func([]item) {
	return func(items []item) {
		for _, it := range items {
			if s, ok := l.blockOf(it); ok {
				*dst = append(*dst, l.check(s))
			}
		}
	}
}

// check decodes one check. What is at its default is left out, but for the
// times.
func (l *loader) check(s section) checkDraft {
	before := len(l.diags)
	d := checkDraft{at: s.at, places: valuePlaces(s), Check: job.Check{
		Interval: job.Duration(job.DefaultCheckInterval), Timeout: job.Duration(job.DefaultCheckTimeout),
	}}
	var typ string
	l.decode(s, "check", fields{
		"name":            l.filled(&d.Name, new(hcl.Range)),
		"type":            l.wordOf(&typ, checkTypes),
		"task":            l.filled(&d.Task, new(hcl.Range)),
		"port":            l.filled(&d.Port, new(hcl.Range)),
		"address_mode":    l.wordOf(&d.AddressMode, checkAddressModes),
		"path":            l.checked(&d.Path, checkPath),
		"method":          l.checked(&d.Method, checkMethod),
		"header":          l.header(&d.Header),
		"protocol":        l.word(&d.Protocol, "http", "https"),
		"tls_skip_verify": l.truth(&d.TLSSkipVerify),
		"command":         l.filled(&d.Command, new(hcl.Range)),
		"args":            l.texts(&d.Args),
		"interval":        l.atLeast(&d.Interval, minCheckTime),
		"timeout":         l.atLeast(&d.Timeout, minCheckTime),

		"success_before_passing":   l.whole(&d.SuccessBeforePassing, bounds{0, maxInARow, "success_before_passing"}),
		"failures_before_critical": l.whole(&d.FailuresBeforeCritical, bounds{0, maxInARow, "failures_before_critical"}),
		"check_restart":            l.checkRestartBlock(&d.CheckRestart),
	})
	d.Type = job.CheckType(typ)
	d.AddressMode = unlessDefault(d.AddressMode, job.AddressHost)
	d.Method = unlessDefault(d.Method, job.DefaultCheckMethod)
	d.Protocol = unlessDefault(d.Protocol, "http")
	d.SuccessBeforePassing = unlessDefault(d.SuccessBeforePassing, 1)
	d.FailuresBeforeCritical = unlessDefault(d.FailuresBeforeCritical, 1)
	if len(l.diags) == before {
		l.checkForm(d)
	}
	d.broken = l.diags[before:].HasErrors()
	return d
}

// optionsOf are the options that a check has for its type alone.
var optionsOf = []struct {
	option string
	types  []job.CheckType
}{
	{"port", []job.CheckType{job.CheckHTTP, job.CheckTCP}},
	{"address_mode", []job.CheckType{job.CheckHTTP, job.CheckTCP}},
	{"path", []job.CheckType{job.CheckHTTP}},
	{"method", []job.CheckType{job.CheckHTTP}},
	{"header", []job.CheckType{job.CheckHTTP}},
	{"protocol", []job.CheckType{job.CheckHTTP}},
	{"tls_skip_verify", []job.CheckType{job.CheckHTTP}},
	{"task", []job.CheckType{job.CheckScript}},
	{"command", []job.CheckType{job.CheckScript}},
	{"args", []job.CheckType{job.CheckScript}},
}

// checkForm checks what the options of one check say together.
func (l *loader) checkForm(d checkDraft) {
	if d.Type == "" {
		l.errorf(d.at, "Missing type", "a check needs to know how to look. Write type = \"http\", \"tcp\" or \"script\".")
		return
	}
	for _, o := range optionsOf {
		at, there := d.places[o.option]
		if there && o.types[0] != d.Type && o.types[len(o.types)-1] != d.Type {
			l.errorf(at, "Conflicting options", "%q is nothing that a check of the type %q looks at. Remove it.", o.option, d.Type)
		}
	}
	switch {
	case d.Type == job.CheckHTTP && d.Path == "":
		l.errorf(d.at, "Missing path", "a check of the type \"http\" asks for something. Write path = \"/…\".")
	case d.Type == job.CheckScript && d.Command == "":
		l.errorf(d.at, "Missing command", "a check of the type \"script\" runs a program in the container. Write command = \"…\".")
	}
	if at, there := d.places["tls_skip_verify"]; there && d.Type == job.CheckHTTP && d.TLSSkipVerify && d.Protocol != "https" {
		l.warnf(at, "Option without effect", "\"tls_skip_verify\" has no effect without protocol = \"https\".")
	}
}

// checkRestartBlock decodes check_restart.
func (l *loader) checkRestartBlock(dst **job.CheckRestart) func([]item) {
	return func(items []item) {
		s, ok := l.block(items)
		if !ok {
			return
		}
		r := &job.CheckRestart{Grace: job.Duration(job.DefaultCheckGrace)}
		l.decode(s, "check_restart", fields{
			"limit":           l.whole(&r.Limit, bounds{1, maxInARow, "limit"}),
			"grace":           l.duration(&r.Grace),
			"ignore_warnings": l.truth(&r.IgnoreWarnings),
		})
		if _, there := valuePlaces(s)["limit"]; !there {
			l.errorf(s.at, "Missing limit", "check_restart needs to know after how many failures in a row the task is restarted. Write limit = 3, or remove the block.")
		}
		*dst = r
	}
}

// checkPath checks what an http check asks for: a path, perhaps with a query.
func checkPath(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || u.Fragment != "" {
		return "", fmt.Errorf("path is what is asked for on the service's host, such as \"/health\", not %q", s)
	}
	return s, nil
}

// tokenRE is a token of HTTP (RFC 9110, 5.6.2): a method, or a header's name.
var tokenRE = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

func checkMethod(s string) (string, error) {
	if !tokenRE.MatchString(s) {
		return "", fmt.Errorf("method %q is no method of HTTP, such as \"GET\" or \"HEAD\"", s)
	}
	return strings.ToUpper(s), nil
}

// header decodes the header of an http check: a map of lists. No message holds
// a value, which may be a password.
func (l *loader) header(dst *map[string][]string) func([]item) {
	return func(items []item) {
		for _, p := range l.pairs(items) {
			values, ok := l.headerValues(p)
			switch {
			case !ok:
			case !tokenRE.MatchString(p.key):
				l.errorf(p.at, "Bad key", "%q is no name of an HTTP header, such as \"Accept\".", p.key)
			default:
				if *dst == nil {
					*dst = map[string][]string{}
				}
				(*dst)[p.key] = values
			}
		}
	}
}

func (l *loader) headerValues(p pair) ([]string, bool) {
	if t := p.v.Type(); p.v.IsNull() || !t.IsTupleType() && !t.IsListType() && !t.IsSetType() {
		l.errorf(p.vAt, "Wrong type", "a header has a list of values. Write %q = [\"…\"].", p.key)
		return nil, false
	}
	var out []string
	for _, v := range p.v.AsValueSlice() {
		if v.IsNull() || !v.Type().IsPrimitiveType() {
			l.errorf(p.vAt, "Wrong type", "a header has a list of strings. Write %q = [\"…\"].", p.key)
			return nil, false
		}
		text, ok := l.asText(v, p.vAt, "a string in a list")
		if !ok {
			return nil, false
		}
		if strings.ContainsAny(text, "\r\n") {
			l.errorf(p.vAt, "Bad value", "a value of the header %q has more than one line. Remove the line ends.", p.key)
			return nil, false
		}
		out = append(out, text)
	}
	if out == nil {
		l.errorf(p.vAt, "Empty value", "the header %q has no value. Give it one, or remove it.", p.key)
	}
	return out, out != nil
}
