package control

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"reconciler/internal/job"
)

// RenderJob writes all that is known of one job.
func RenderJob(w io.Writer, s Status, j JobStatus, now time.Time) error {
	tw := &table{tw: tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)}
	header(tw, s, now)
	tw.row("Job", j.Name)
	tw.row("File", dash(j.File))
	tw.row("Generation", fmt.Sprint(j.Generation))
	tw.row("Phase", j.Phase)
	tw.row("Running", fmt.Sprintf("%s of %d", known(s, j.Running), j.Wanted))
	tw.gap()
	tw.row("CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE")
	for _, c := range j.Conditions {
		tw.row(c.Type, string(c.Status), c.Reason, ago(now, c.LastTransition), dash(c.Message))
	}
	tw.gap()
	renderAllocs(tw, j, now)
	renderChecks(tw, j.Allocs, now)
	renderPulls(tw, s, now)
	renderProblems(tw, s)
	return tw.flush()
}

// renderAllocs writes two tables, each narrow enough for a terminal: how every
// task is, and where and from which image it runs.
func renderAllocs(tw *table, j JobStatus, now time.Time) {
	if len(j.Allocs) == 0 {
		tw.line("no allocations")
		return
	}
	told, _ := job.FindCondition(j.Conditions, job.CondDegraded)
	tw.row("ALLOC", "GROUP", "GEN", "DESIRED", "TASK", "PHASE", "SINCE", "ATTEMPT", "WHY")
	for _, a := range j.Allocs {
		renderTasks(tw, a, told.Message, now)
	}
	tw.gap()
	tw.row("ALLOC", "TASK", "IMAGE", "ID", "PORTS")
	for _, a := range j.Allocs {
		for _, name := range taskNames(a) {
			tw.row(allocID(a.Spec.ID), name, dash(familiar(a.Spec.Images[name])),
				dash(imageID(a.Status.Tasks[name].ImageID)), dash(ports(a.Spec.Ports, name)))
		}
	}
}

// taskNames are the tasks that an allocation is known to have, sorted.
func taskNames(a AllocStatus) []string {
	names := map[string]bool{}
	for name := range a.Status.Tasks {
		names[name] = true
	}
	for name := range a.Spec.Images {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// renderTasks writes how the tasks of an allocation are. told is what the page
// has said already.
func renderTasks(tw *table, a AllocStatus, told string, now time.Time) {
	row := func(task, phase, since, attempt, why string) {
		tw.row(allocID(a.Spec.ID), fmt.Sprintf("%s[%d]", a.Spec.Group, a.Spec.Index), fmt.Sprint(a.Spec.Generation),
			string(a.Spec.Desired), task, phase, since, attempt, dash(why))
	}
	if len(a.Status.Tasks) == 0 {
		row("-", "pending", "-", "0", a.Spec.Reason)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Status.Tasks)) {
		ts := a.Status.Tasks[name]
		row(name, string(ts.Phase), ago(now, taskSince(ts)), fmt.Sprint(ts.Attempt), taskWhy(ts, told, now))
	}
}

// taskWhy says what a person should know of a task that is not simply well. Of
// an error that was told it says the reason alone.
func taskWhy(ts job.TaskStatus, told string, now time.Time) string {
	var out []string
	if s := phaseWhy(ts.Phase); s != "" {
		out = append(out, s)
	}
	if e := ts.LastError; e != nil && strings.Contains(told, e.Message) {
		out = append(out, e.Reason)
	} else if e != nil {
		out = append(out, e.Reason+": "+e.Message)
	}
	if ts.LastExit != nil {
		out = append(out, exitWhy(*ts.LastExit, now))
	}
	if ts.NextRetry.After(now) {
		out = append(out, "next try in "+ts.NextRetry.Sub(now).Round(time.Second).String())
	}
	return strings.Join(out, "; ")
}

func ports(all []job.AllocPort, task string) string {
	var out []string
	for _, p := range all {
		if p.Task == "" || p.Task == task {
			out = append(out, fmt.Sprintf("%s=%s:%d->%d", p.Label, p.HostIP, p.Host, p.To))
		}
	}
	return strings.Join(out, ",")
}
