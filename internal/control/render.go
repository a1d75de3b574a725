package control

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
)

// How much of an id people need: as much as Docker shows of an image's, and
// Nomad of an allocation's.
const (
	shortImage = 12
	shortAlloc = 8
)

func compareAllocs(a, b AllocStatus) int {
	return cmp.Or(
		cmp.Compare(a.Spec.Group, b.Spec.Group),
		cmp.Compare(a.Spec.Index, b.Spec.Index),
		a.Spec.CreatedAt.Compare(b.Spec.CreatedAt),
		cmp.Compare(a.Spec.ID, b.Spec.ID),
	)
}

// Render writes the status of all jobs as a table for people.
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

// why is the most telling condition of a job. Of one that goes, nobody needs to
// mend what was wrong with it.
func why(j JobStatus) string {
	telling := []string{job.CondHeld, job.CondDegraded, job.CondProgressing}
	if j.Phase == phaseStopping {
		telling = []string{job.CondProgressing}
	}
	for _, typ := range telling {
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
	if len(s.Images) == 0 {
		tw.row("no images")
		return tw.flush()
	}
	tw.row("IMAGE", "REFERENCES", "SIZE", "UNUSED", "DELETED", "KEPT")
	for _, img := range s.Images {
		refs, size, deleted := "not ours", "-", "-"
		if img.Provenance != nil {
			refs = dash(strings.Join(familiars(img.Provenance.Refs), ","))
			size = fmt.Sprintf("%.1f MB", float64(img.Provenance.Size)/1e6)
		}
		if at := img.Clock.DeleteAt; !at.IsZero() {
			deleted = "in " + max(0, at.Sub(now).Round(time.Second)).String()
		}
		tw.row(imageID(img.ID), refs, size, ago(now, img.Clock.UnusedSince), deleted, dash(img.Clock.Kept))
	}
	return tw.flush()
}

func header(tw *table, s Status, now time.Time) {
	if s.Source == SourceFile {
		tw.line(FromFile(s.DataDir, s.AsOf, now))
	} else {
		docker := "connected, version " + s.Docker.Version
		switch {
		case s.Docker.Connected:
		case s.Docker.Since.IsZero() && s.Docker.Problem == "":
			docker = "not seen yet"
		default:
			docker = "AWAY for " + strings.TrimSuffix(ago(now, s.Docker.Since), " ago") + ": " + dash(s.Docker.Problem)
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
		tw.row(familiar(p.Ref), fmt.Sprintf("%.1f of %.1f MB", float64(p.BytesDone)/1e6, float64(p.BytesTotal)/1e6),
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

func allocID(id string) string { return id[:min(len(id), shortAlloc)] }

func imageID(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), shortImage)]
}

// familiar is an image reference as people write it, and as short as it can be
// told: without Docker Hub's name, and with the beginning of a digest.
func familiar(ref string) string {
	ref = imageref.Familiar(ref)
	name, digest, ok := strings.Cut(ref, "@")
	if !ok {
		return ref
	}
	algorithm, hex, _ := strings.Cut(digest, ":")
	return name + "@" + algorithm + ":" + imageID(hex)
}

func familiars(refs []string) []string {
	out := make([]string, 0, len(refs))
	for _, r := range refs {
		out = append(out, familiar(r))
	}
	return out
}

const day = 24 * time.Hour

// ago says how long t is past, in days from two on.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := max(0, now.Sub(t)).Round(time.Second)
	if d < 2*day {
		return d.String() + " ago"
	}
	return fmt.Sprintf("%dd%dh ago", d/day, d%day/time.Hour)
}
