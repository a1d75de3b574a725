package desired

import "reconciler/internal/job"

// jobDraft is a job while it is decoded, with the places that validation
// speaks of.
type jobDraft struct {
	job.Job
	groups []groupDraft
}

// jobTypes are the types of a job.
var jobTypes = vocabulary{
	words:   []string{string(job.TypeService), string(job.TypeBatch), string(job.TypeSystem)},
	refused: []string{"sysbatch"},
}

func (l *loader) jobType(dst *job.Type) func([]item) {
	return func(items []item) {
		word := string(*dst)
		l.wordOf(&word, jobTypes)(items)
		*dst = job.Type(word)
	}
}

// job decodes a job block.
func (l *loader) job(it item) *job.Job {
	d := jobDraft{Job: job.Job{Name: it.labels[0].text, Type: job.TypeService}}
	l.checkName(it.labels[0])
	update := defaultUpdate()
	var groups, tasks []item
	var region string
	l.decode(l.bodySection(it.key, it.body, it.at), "job", fields{
		"type":        l.jobType(&d.Type),
		"datacenters": l.texts(&d.Datacenters),
		"region":      l.text(&region),
		"priority":    l.number(),
		"meta":        l.textMap(&d.Meta, checkMetaKey),
		"constraint":  l.constraints(&d.Constraints),
		"update":      l.update(&update),
		"group":       func(items []item) { groups = items },
		"task":        func(items []item) { tasks = items },
	})
	l.sharedRefs = append(l.sharedRefs, l.takeRefs()...)
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
