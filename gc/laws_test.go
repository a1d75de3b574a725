package gc

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"reconciler/internal/job"
	"reconciler/observed"
)

// needed says, in the plainest words there are, why an image may not go. It is
// written apart from the plan, from the law alone.
func needed(in Input, img observed.Image) string {
	names := func(ref string) bool {
		return ref != "" && slices.Contains(img.Refs, mustBe(ref))
	}
	for _, c := range in.Containers {
		if c.ImageID == img.ID || names(c.Image) {
			return "container " + c.Name
		}
	}
	uses := func(id string) bool {
		for _, task := range in.Statuses[id].Tasks {
			if task.ImageID == img.ID || names(task.Image) {
				return true
			}
		}
		for _, ref := range in.Allocs[id].Images {
			if names(ref) {
				return true
			}
		}
		return false
	}
	for _, id := range genAlloc {
		a, wanted := in.Allocs[id]
		over := !in.Statuses[id].EndedAt.IsZero() && (!wanted || a.Desired == job.DesiredStop)
		if !over && uses(id) {
			return "alloc " + id
		}
	}
	for name, rec := range in.Jobs {
		if !rec.Deleted.IsZero() {
			continue
		}
		d := in.Deployments[name]
		if g := rec.Spec.Groups[0]; g.Count > 0 && (names(g.Tasks[0].Config.Image) || d.Groups["web"].Images["web"] == img.ID) {
			return "job " + name
		}
		healthy := d.ObservedGeneration >= rec.Generation && d.Conditions[0].Status == job.False && d.Conditions[1].Status == job.False
		if healthy {
			continue
		}
		for key, old := range in.Specs {
			if g := old.Spec.Groups[0]; key == name+"/00000001" && g.Count > 0 && names(g.Tasks[0].Config.Image) {
				return "last generation of " + name
			}
		}
		for id, a := range in.Allocs {
			if a.Job == name && uses(id) {
				return "last generation of " + name
			}
		}
	}
	for key, intent := range in.Intents {
		if !in.Left[key] && names(intent.Ref) {
			return "pull"
		}
	}
	return ""
}

// mustBe is canonical for what may be an id or hold a runtime name.
func mustBe(ref string) string {
	if strings.HasPrefix(ref, "sha256:") || strings.Contains(ref, "${") {
		return "no reference"
	}
	return mustParse(ref)
}

// TestLaw_NoEarlyDelete: no image goes that anything needs, nor before its
// time.
func TestLaw_NoEarlyDelete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		out := Plan(in)
		for _, img := range in.Images {
			why := needed(in, img)
			i := slices.IndexFunc(out.Delete, func(d Deletion) bool { return d.ID == img.ID })
			clock := out.Clocks[img.ID]
			if why != "" && !clock.UnusedSince.IsZero() {
				t.Fatalf("the clock of %s runs, and %s needs it", img.ID, why)
			}
			if i < 0 {
				continue
			}
			since := in.Clocks[img.ID].UnusedSince
			switch {
			case why != "":
				t.Fatalf("%s goes, and %s needs it", img.ID, why)
			case !in.Enabled || !in.Ready:
				t.Fatalf("%s goes, and nothing may", img.ID)
			case in.Delay > 0 && (since.IsZero() || since.After(in.Now)):
				t.Fatalf("%s goes, and its clock begins only now", img.ID)
			case in.Delay > 0 && in.Now.Before(since.Add(in.Delay)):
				t.Fatalf("%s goes %s early", img.ID, since.Add(in.Delay).Sub(in.Now))
			case in.Now.Before(in.Refused[img.ID].Until):
				t.Fatalf("%s goes before its next try", img.ID)
			}
		}
	})
}

// TestUnusedGoes is the other half of the law: what nobody needs does go.
func TestUnusedGoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		in.Enabled, in.Ready, in.Refused = true, true, nil
		in = carryOut(in, Plan(in))
		in.Now = in.Now.Add(time.Hour)
		in = carryOut(in, Plan(in))
		for _, img := range in.Images {
			p, ours := in.Provenance[img.ID]
			if !ours || needed(in, img) != "" {
				continue
			}
			if len(img.Refs) == 0 {
				t.Fatalf("%s is ours, unused for an hour, has no reference, and stays", img.ID)
			}
			for _, ref := range img.Refs {
				if slices.Contains(p.Refs, ref) {
					t.Fatalf("%s is unused for an hour, and %s, which is ours, stays", img.ID, ref)
				}
			}
		}
	})
}

// TestLaw_MineOnlyAnywhere: only what provenance, a label or an intent calls
// ours goes, and of its references only those that we brought.
func TestLaw_MineOnlyAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		out := Plan(in)
		for _, d := range out.Delete {
			p, ours := in.Provenance[d.ID]
			adopted, isAdopted := out.Adopt[d.ID]
			if !ours && !isAdopted {
				t.Fatalf("%s goes and is not ours", d.ID)
			}
			brought := append(slices.Clone(p.Refs), adopted.Refs...)
			for _, ref := range d.Refs {
				if !strings.Contains(ref, "@") && !slices.Contains(brought, ref) {
					t.Fatalf("%s loses %s, which is not ours", d.ID, ref)
				}
			}
		}
		for id := range out.Adopt {
			byLabel := slices.ContainsFunc(in.Containers, func(c observed.Container) bool {
				return c.Ours && c.ImageID == id && c.Identity.ImageOurs
			})
			byIntent := false
			for key, intent := range in.Intents {
				i := slices.IndexFunc(in.Images, func(img observed.Image) bool { return img.ID == id })
				byIntent = byIntent || in.Left[key] && i >= 0 && slices.Contains(in.Images[i].Refs, intent.Ref)
			}
			if !byLabel && !byIntent {
				t.Fatalf("%s is adopted without a reason", id)
			}
		}
	})
}

// TestLaw_Quiet: a plan that was carried out leaves nothing to do.
func TestLaw_Quiet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		once := carryOut(in, Plan(in))
		twice := carryOut(once, Plan(once)) // an image that went has records to go
		out := Plan(twice)
		if !out.Settled() {
			t.Fatalf("there is still something to do: %v", describe(out))
		}
		if diff := cmp.Diff(twice.Clocks, out.Clocks, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("the clocks change (-before +after):\n%s", diff)
		}
	})
}

// TestLaw_Deterministic: the order of lists means nothing.
func TestLaw_Deterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		want := encode(t, Plan(in))
		before := encode(t, in)
		in2 := in
		in2.Images = rapid.Permutation(in.Images).Draw(t, "images")
		in2.Containers = rapid.Permutation(in.Containers).Draw(t, "containers")
		for range 3 {
			if got := encode(t, Plan(in2)); got != want {
				t.Fatalf("plans differ:\n%s\n%s", want, got)
			}
		}
		if encode(t, in) != before {
			t.Fatal("Plan changed its input")
		}
	})
}

func encode(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestWakesWhenSomethingIsDue: whatever is pending has a wake time, and it is
// in the future.
func TestWakesWhenSomethingIsDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := genInput(t)
		in.Ready = true
		out := Plan(in)
		for id, c := range out.Clocks {
			going := slices.ContainsFunc(out.Delete, func(d Deletion) bool { return d.ID == id })
			if !c.DeleteAt.IsZero() && !going && (out.WakeAt.IsZero() || out.WakeAt.After(c.DeleteAt)) {
				t.Fatalf("%s is due at %s, woken at %s", id, c.DeleteAt, out.WakeAt)
			}
		}
		if !out.WakeAt.IsZero() && !out.WakeAt.After(in.Now) {
			t.Fatalf("woken at %s, now is %s", out.WakeAt, in.Now)
		}
	})
}
