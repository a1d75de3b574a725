package desired

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"reconciler/internal/hclx"
	"reconciler/internal/job"
	"reconciler/store"
)

// maxProblems is how many problems of one file are told: a person mends the
// first few and looks again, and the state file need not hold thousands.
const maxProblems = 20

// Parse reads the manifest src. filename appears in the problems only.
//
// The jobs are in the order of the file and carry effective values. If any
// problem is an error there are none; warnings may come along with jobs. A
// file without any job gives no jobs and no problem: what that means depends
// on what the file had before.
func Parse(filename string, src []byte) ([]*job.Job, []store.Problem) {
	file, diags := hclx.Parse(src, filename)
	l := &loader{file: filename, src: src, diags: diags, hidden: hiddenPlaces(diags)}
	var jobs []*job.Job
	if file != nil {
		l.evaluator = newEvaluator()
		jobs = l.manifest(l.bodySection("", file.Body.(*hclsyntax.Body), hcl.Range{}))
	}
	problems := l.problems()
	if l.diags.HasErrors() {
		return nil, problems
	}
	return jobs, problems
}

// problems returns what was found in the order of the file, errors first.
func (l *loader) problems() []store.Problem {
	var out []store.Problem
	told := map[store.Problem]bool{}
	for _, d := range l.diags {
		if p := toProblem(l.file, d); !told[p] {
			told[p] = true
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b store.Problem) int {
		return cmp.Or(cmp.Compare(a.Severity, b.Severity), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	if more := len(out) - maxProblems; more > 0 {
		last := out[maxProblems]
		out = append(out[:maxProblems], store.Problem{
			File: l.file, Severity: last.Severity, Summary: "More problems",
			Detail: fmt.Sprintf("%d more are not shown; mend these first.", more),
		})
	}
	return out
}

func toProblem(filename string, d *hcl.Diagnostic) store.Problem {
	p := store.Problem{File: filename, Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		p.Severity = store.SeverityWarning
	}
	if d.Subject != nil && d.Subject.Start.Line > 0 {
		p.Line, p.Col = d.Subject.Start.Line, d.Subject.Start.Column
		p.EndCol = hclx.EndColumn(*d.Subject)
	}
	return p
}

// manifest decodes the blocks at the top of a file.
func (l *loader) manifest(s section) []*job.Job {
	var jobs []*job.Job
	at := map[string]hcl.Range{}
	add := func(j *job.Job, where hcl.Range) {
		if first, ok := at[j.Name]; ok {
			l.errorf(where, "Duplicate job", "job %q is already defined at %s. Rename or remove one of the two.", j.Name, first)
			return
		}
		at[j.Name] = where
		jobs = append(jobs, j)
	}
	l.evaluator.declare(l, s)
	each := func(decode func(item) *job.Job) func([]item) {
		return func(items []item) {
			for _, it := range items {
				if l.labelled(it) {
					add(decode(it), it.labels[0].at)
				}
			}
		}
	}
	l.decode(s, "", fields{
		"job":      each(l.job),
		"group":    each(l.bareGroup),
		"task":     each(l.bareTask),
		"locals":   func([]item) {}, // read by declare
		"variable": func([]item) {},
	})
	l.checkRuntimeNames(l.sharedRefs, unionEnv(jobs))
	return sortedByPlace(jobs, at)
}

// sortedByPlace puts the jobs, which were decoded kind by kind, into the order
// of the file.
func sortedByPlace(jobs []*job.Job, at map[string]hcl.Range) []*job.Job {
	slices.SortFunc(jobs, func(a, b *job.Job) int {
		return cmp.Compare(at[a.Name].Start.Byte, at[b.Name].Start.Byte)
	})
	return jobs
}

// unionEnv is every environment variable that any task of the jobs sets.
func unionEnv(jobs []*job.Job) map[string]string {
	env := map[string]string{}
	for _, j := range jobs {
		for _, g := range j.Groups {
			for _, t := range g.Tasks {
				for k := range t.Env {
					env[k] = ""
				}
			}
		}
	}
	return env
}
