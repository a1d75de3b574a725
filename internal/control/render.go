package control

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"reconciler/internal/job"
)

// shortID is how much of an id people need (Docker's and Nomad's length).
const shortID = 12

func compareAllocs(a, b AllocStatus) int {
	return cmp.Or(
		cmp.Compare(a.Spec.Group, b.Spec.Group),
		cmp.Compare(a.Spec.Index, b.Spec.Index),
		a.Spec.CreatedAt.Compare(b.Spec.CreatedAt),
		cmp.Compare(a.Spec.ID, b.Spec.ID),
	)
}

// Render writes the status as a table for people: of all jobs, or of one in
// full.
func Render(w io.Writer, s Status, now time.Time) error {
	tw := &table{tw: tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)}
	header(tw, s, now)
	if len(s.Jobs) > 0 {
		tw.row("JOB", "PHASE", "GEN", "RUNNING", "HEALTHY", "FILE", "WHY")
		for _, j := range s.Jobs {
			tw.row(j.Name, j.Phase, fmt.Sprint(j.Generation), fmt.Sprintf("%s/%d", known(s, j.Running), j.Wanted),
				fmt.Sprintf("%s/%d", known(s, j.Healthy), j.Wanted), dash(j.File), dash(why(j)))
		}
	} else {
		tw.row("no jobs")
	}
	renderPulls(tw, s, now)
	renderProblems(tw, s)
	return tw.flush()
}

// known prints a number of containers, or a question mark if nobody looks.
func known(s Status, n int) string {
	if !s.Docker.Connected {
		return "?"
	}
	return fmt.Sprint(n)
}

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
	tw.row("ALLOC", "INDEX", "GEN", "DESIRED", "TASK", "PHASE", "SINCE", "ATTEMPT", "PORTS", "IMAGE", "WHY")
	for _, a := range j.Allocs {
		renderAlloc(tw, a, now)
	}
	renderChecks(tw, j.Allocs, now)
	renderPulls(tw, s, now)
	renderProblems(tw, s)
	return tw.flush()
}

func renderAlloc(tw *table, a AllocStatus, now time.Time) {
	tasks := slices.Sorted(maps.Keys(a.Status.Tasks))
	if len(tasks) == 0 {
		tw.row(short(a.Spec.ID), fmt.Sprint(a.Spec.Index), fmt.Sprint(a.Spec.Generation), string(a.Spec.Desired), "-", "pending", "-", "0", "-", "-", dash(a.Spec.Reason))
	}
	for _, name := range tasks {
		ts := a.Status.Tasks[name]
		tw.row(short(a.Spec.ID), fmt.Sprint(a.Spec.Index), fmt.Sprint(a.Spec.Generation), string(a.Spec.Desired),
			name, string(ts.Phase), ago(now, taskSince(ts)), fmt.Sprint(ts.Attempt), dash(ports(a.Spec.Ports, name)),
			dash(a.Spec.Images[name])+" "+short(strings.TrimPrefix(ts.ImageID, "sha256:")), dash(taskWhy(ts, now)))
	}
}

// taskWhy says what a person should know of a task that is not simply well.
func taskWhy(ts job.TaskStatus, now time.Time) string {
	var out []string
	if s := phaseWhy(ts.Phase); s != "" {
		out = append(out, s)
	}
	if ts.LastError != nil {
		out = append(out, ts.LastError.Reason+": "+ts.LastError.Message)
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

// why is the most telling condition of a job.
func why(j JobStatus) string {
	for _, typ := range []string{job.CondHeld, job.CondDegraded, job.CondProgressing} {
		if c, ok := job.FindCondition(j.Conditions, typ); ok && c.Status == job.True {
			return c.Reason + ": " + c.Message
		}
	}
	if c, ok := job.FindCondition(j.Conditions, job.CondSpecValid); ok && c.Status == job.False {
		return "runs its last good spec: the file has a problem"
	}
	return ""
}

// RenderImages writes for each image of ours why it is kept or when it goes.
func RenderImages(w io.Writer, s Status, now time.Time) error {
	tw := &table{tw: tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)}
	tw.row("IMAGE", "REFERENCES", "SIZE", "UNUSED", "DELETED", "KEPT")
	for _, img := range s.Images {
		refs, size, deleted := "not ours", "-", "-"
		if img.Provenance != nil {
			refs = dash(strings.Join(img.Provenance.Refs, ","))
			size = fmt.Sprintf("%.1f MB", float64(img.Provenance.Size)/1e6)
		}
		if at := img.Clock.DeleteAt; !at.IsZero() {
			deleted = "in " + max(0, at.Sub(now).Round(time.Second)).String()
		}
		tw.row(short(strings.TrimPrefix(img.ID, "sha256:")), refs, size, ago(now, img.Clock.UnusedSince), deleted, dash(img.Clock.Kept))
	}
	return tw.flush()
}

func header(tw *table, s Status, now time.Time) {
	if s.Source == SourceFile {
		tw.line(FromFile(s.DataDir, s.AsOf, now))
	} else {
		docker := "connected, version " + s.Docker.Version
		if !s.Docker.Connected {
			docker = "AWAY " + ago(now, s.Docker.Since) + ": " + dash(s.Docker.Problem)
		}
		tw.line(fmt.Sprintf("node %s (%s), docker %s", dash(s.Node), s.NodeID, docker))
		if !s.Manifests.OK {
			tw.line(fmt.Sprintf("manifests %s: HELD: %s", s.Manifests.Dir, s.Manifests.Problem))
		}
		if s.Store.Problem != "" {
			tw.line("state file is not written: " + s.Store.Problem)
		}
	}
	tw.gap()
}

func renderPulls(tw *table, s Status, now time.Time) {
	if len(s.Pulls) == 0 {
		return
	}
	tw.gap()
	tw.row("PULL", "PROGRESS", "LAYERS", "SINCE")
	for _, p := range s.Pulls {
		tw.row(p.Ref, fmt.Sprintf("%.1f of %.1f MB", float64(p.BytesDone)/1e6, float64(p.BytesTotal)/1e6),
			fmt.Sprintf("%d/%d", p.LayersDone, p.Layers), ago(now, p.Since))
	}
}

func renderProblems(tw *table, s Status) {
	if len(s.Problems) == 0 {
		return
	}
	tw.gap()
	tw.line("PROBLEMS")
	for _, p := range s.Problems {
		tw.line(p.String())
	}
}

// table writes aligned rows and keeps the first error.
type table struct {
	tw  *tabwriter.Writer
	err error
}

func (t *table) row(cells ...string) { t.line(strings.Join(cells, "\t")) }

func (t *table) gap() { t.flushed(); t.line("") }

func (t *table) line(s string) {
	if _, err := fmt.Fprintln(t.tw, s); err != nil && t.err == nil {
		t.err = err
	}
}

func (t *table) flushed() {
	if err := t.tw.Flush(); err != nil && t.err == nil {
		t.err = err
	}
}

func (t *table) flush() error { t.flushed(); return t.err }

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func short(id string) string { return id[:min(len(id), shortID)] }

func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return max(0, now.Sub(t)).Round(time.Second).String() + " ago"
}
