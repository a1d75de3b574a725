package desired

import (
	"github.com/hashicorp/hcl/v2"

	"reconciler/internal/job"
)

// jobDraft is a job while it is decoded, with the places that validation
// speaks of.
type jobDraft struct {
	job.Job
	typeAt hcl.Range
	groups []groupDraft
}

// job decodes a job block.
func (l *loader) job(it item) *job.Job {
	d := jobDraft{Job: job.Job{Name: it.labels[0].text, Type: job.TypeService}}
	l.checkName(it.labels[0])
	update := job.Update{MaxParallel: job.DefaultMaxParallel, MinHealthyTime: job.Duration(job.DefaultMinHealthyTime)}
	var groups, tasks []item
	var typ, region string
	l.decode(l.bodySection(it.key, it.body, it.at), "job", fields{
		"type":        l.textAt(&typ, &d.typeAt),
		"datacenters": l.texts(&d.Datacenters),
		"region":      l.text(&region),
		"priority":    l.number(),
		"meta":        l.textMap(&d.Meta, checkMetaKey),
		"update":      l.update(&update),
		"group":       func(items []item) { groups = items },
		"task":        func(items []item) { tasks = items },
	})
	l.sharedRefs = append(l.sharedRefs, l.takeRefs()...)
	l.jobType(&d, typ)
	for _, g := range groups {
		if l.labelled(g) {
			d.groups = append(d.groups, l.group(g, update))
		}
	}
	for _, t := range tasks {
		if l.labelled(t) {
			d.groups = append(d.groups, l.groupOfTask(t, update))
		}
	}
	if len(groups)+len(tasks) == 0 {
		l.errorf(it.labels[0].at, "Empty job", "job %q has no task. Write a group with a task in it.", d.Name)
	}
	return l.finish(d)
}

// jobType checks the type of a job.
func (l *loader) jobType(d *jobDraft, typ string) {
	switch typ {
	case "":
	case string(job.TypeService), string(job.TypeSystem):
		d.Type = job.Type(typ)
	case "batch":
		l.errorf(d.typeAt, "Not supported yet", "jobs of the type \"batch\" are something that this version cannot do yet.")
	case "sysbatch":
		l.errorf(d.typeAt, "Not supported", "jobs of the type \"sysbatch\" are a part of Nomad that reconciler does not have.")
	default:
		l.errorf(d.typeAt, "Unknown type", "%q is no type of a job. Write \"service\" or \"system\".", typ)
	}
}

// bareGroup decodes a group at the top of a file: a job of the group's name.
func (l *loader) bareGroup(it item) *job.Job {
	return l.bare(it.labels[0].text, l.group(it, defaultUpdate()))
}

// bareTask decodes a task at the top of a file: a job and a group of its name.
func (l *loader) bareTask(it item) *job.Job {
	return l.bare(it.labels[0].text, l.groupOfTask(it, defaultUpdate()))
}

func (l *loader) bare(name string, g groupDraft) *job.Job {
	return l.finish(jobDraft{Job: job.Job{Name: name, Type: job.TypeService}, groups: []groupDraft{g}})
}

func defaultUpdate() job.Update {
	return job.Update{MaxParallel: job.DefaultMaxParallel, MinHealthyTime: job.Duration(job.DefaultMinHealthyTime)}
}

// finish checks the job as a whole and puts its parts together.
func (l *loader) finish(d jobDraft) *job.Job {
	l.checkJob(&d)
	j := d.Job
	for _, g := range d.groups {
		out := g.Group
		for _, t := range g.tasks {
			out.Tasks = append(out.Tasks, t.Task)
		}
		j.Groups = append(j.Groups, out)
	}
	return &j
}

// maxParallelCap is far above what one host runs.
const maxParallelCap = 1 << 16

// update decodes an update block over what u holds already: the defaults, or
// the job's values for a group.
func (l *loader) update(u *job.Update) func([]item) {
	return func(items []item) {
		s, ok := l.block(items)
		if !ok {
			return
		}
		var stagger job.Duration
		l.decode(s, "update", fields{
			"max_parallel":     l.whole(&u.MaxParallel, bounds{1, maxParallelCap, "max_parallel"}),
			"min_healthy_time": l.duration(&u.MinHealthyTime),
			"stagger":          l.duration(&stagger),
			"canary":           l.noCanary(),
		})
	}
}

// noCanary takes canary = 0, which is what every manifest without canaries
// says, and refuses more.
func (l *loader) noCanary() func([]item) {
	return func(items []item) {
		var n int
		l.whole(&n, bounds{0, maxHarmless, "canary"})(items)
		if n != 0 {
			l.errorf(items[0].expr.Range(), "Not supported", "canaries are a part of Nomad that reconciler does not have. Remove \"canary\".")
		}
	}
}
