package gc

import (
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// The generated worlds are small, so that things meet by chance: four images,
// five references, three jobs.
var (
	genIDs   = []string{"sha256:a", "sha256:b", "sha256:c", "sha256:d"}
	genRefs  = []string{"redis:7", "redis:8", "redis", "ghcr.io/x/web:1", "127.0.0.1:5000/web:1"}
	genJobs  = []string{"web", "web-2", "db"}
	genAlloc = []string{"a1", "a2", "a3"}
)

func mustParse(ref string) string {
	c, err := imageref.Parse(ref)
	if err != nil {
		panic(err)
	}
	return c
}

func genTime(t *rapid.T, label string) time.Time {
	return t0.Add(time.Duration(rapid.IntRange(-600, 600).Draw(t, label)) * time.Second)
}

func pick(t *rapid.T, from []string, label string) string {
	return rapid.SampledFrom(from).Draw(t, label)
}

// some draws a subset.
func some(t *rapid.T, from []string, label string) []string {
	if len(from) == 0 {
		return nil
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(from), 0, len(from), rapid.ID[string]).Draw(t, label)
}

func genInput(t *rapid.T) Input {
	in := Input{
		Now: t0, Enabled: rapid.Bool().Draw(t, "enabled"), Ready: rapid.Bool().Draw(t, "ready"),
		Delay:       time.Duration(rapid.IntRange(0, 300).Draw(t, "delay")) * time.Second,
		Provenance:  map[string]store.ImageProvenance{},
		Clocks:      map[string]store.ImageClock{},
		Deployments: map[string]store.DeploymentRecord{},
		Refused:     map[string]Refusal{},
		Left:        map[string]bool{}, Intents: map[string]store.ImageIntent{},
	}
	genImages(t, &in)
	genContainers(t, &in)
	genAllocs(t, &in)
	genJobRecords(t, &in)
	for _, ref := range some(t, genRefs, "intents") {
		key := store.IntentKey(mustParse(ref))
		in.Intents[key] = store.ImageIntent{Ref: mustParse(ref), Source: "registry", At: genTime(t, "intent at")}
		in.Left[key] = rapid.Bool().Draw(t, "left")
	}
	return in
}

// genImages puts each reference on one image at most, as an engine does.
func genImages(t *rapid.T, in *Input) {
	on := map[string][]string{}
	for _, ref := range some(t, genRefs, "present refs") {
		id := pick(t, genIDs, "id of ref")
		on[id] = append(on[id], mustParse(ref))
	}
	for _, id := range some(t, genIDs, "images") {
		img := observed.Image{ID: id, Refs: on[id], Size: 10}
		if rapid.Bool().Draw(t, "digest") {
			img.Refs = append(img.Refs, "docker.io/library/redis@"+id)
		}
		in.Images = append(in.Images, img)
	}
	for _, id := range some(t, genIDs, "ours") {
		p := store.ImageProvenance{At: genTime(t, "brought"), Source: "registry"}
		for _, ref := range some(t, genRefs, "brought refs") {
			p.Refs = append(p.Refs, mustParse(ref))
		}
		slices.Sort(p.Refs)
		in.Provenance[id] = p
	}
	for _, id := range some(t, genIDs, "clocks") {
		c := store.ImageClock{Kept: "earlier"}
		if rapid.Bool().Draw(t, "runs") {
			c = store.ImageClock{UnusedSince: genTime(t, "unused since")}
		}
		in.Clocks[id] = c
	}
	for _, id := range some(t, genIDs, "refused") {
		in.Refused[id] = Refusal{Until: genTime(t, "until"), Why: "conflict"}
	}
}

func genContainers(t *rapid.T, in *Input) {
	states := []observed.State{observed.Created, observed.Running, observed.Removing, observed.Exited, observed.Dead}
	for i := range rapid.IntRange(0, 3).Draw(t, "containers") {
		c := observed.Container{
			Name: "c" + string(rune('0'+i)), ImageID: pick(t, genIDs, "image id"),
			Image: pick(t, append(genRefs, genIDs...), "image"),
			State: rapid.SampledFrom(states).Draw(t, "state"),
		}
		if rapid.Bool().Draw(t, "our container") {
			c.Ours = true
			c.Identity = job.Identity{Job: pick(t, genJobs, "job"), AllocID: pick(t, genAlloc, "alloc"), ImageOurs: rapid.Bool().Draw(t, "image ours")}
		}
		in.Containers = append(in.Containers, c)
	}
}

func genAllocs(t *rapid.T, in *Input) {
	in.Allocs, in.Statuses = map[string]job.AllocSpec{}, map[string]job.AllocStatus{}
	for _, id := range some(t, genAlloc, "allocs") {
		in.Allocs[id] = job.AllocSpec{
			ID: id, Job: pick(t, genJobs, "job"),
			Desired: rapid.SampledFrom([]job.Desired{job.DesiredPrepare, job.DesiredRun, job.DesiredStop}).Draw(t, "desired"),
			Images:  map[string]string{"web": mustParse(pick(t, genRefs, "ref"))},
		}
	}
	for _, id := range some(t, genAlloc, "statuses") {
		s := job.AllocStatus{Tasks: map[string]job.TaskStatus{"web": {
			ImageID: pick(t, append(genIDs, ""), "image id"), Image: mustParse(pick(t, genRefs, "ref")),
		}}}
		if rapid.Bool().Draw(t, "ended") {
			s.EndedAt = genTime(t, "ended at")
		}
		in.Statuses[id] = s
	}
}

func genSpec(t *rapid.T) *job.Job {
	return spec(pick(t, append(genRefs, "redis:${NOMAD_META_v}"), "image"), rapid.IntRange(0, 2).Draw(t, "count"))
}

func genJobRecords(t *rapid.T, in *Input) {
	in.Jobs, in.Specs = map[string]store.JobRecord{}, map[string]store.SpecRecord{}
	truth := rapid.SampledFrom([]job.ConditionStatus{job.True, job.False, job.Unknown})
	for _, name := range some(t, genJobs, "jobs") {
		rec := store.JobRecord{Generation: rapid.Uint64Range(1, 2).Draw(t, "generation"), Spec: genSpec(t)}
		if rapid.Bool().Draw(t, "deleted") {
			rec.Deleted = t0
		}
		in.Jobs[name] = rec
		if rapid.Bool().Draw(t, "older generation") {
			in.Specs[store.SpecKey(name, 1)] = store.SpecRecord{Spec: genSpec(t)}
		}
		d := settled(rapid.Uint64Range(0, 2).Draw(t, "observed"), pick(t, append(genIDs, ""), "pinned"))
		d.Conditions[0].Status, d.Conditions[1].Status = truth.Draw(t, "progressing"), truth.Draw(t, "degraded")
		in.Deployments[name] = d
	}
}

// carryOut returns the world after a plan was carried out: its records are
// written, and the engine has removed what it was told to.
func carryOut(in Input, out Output) Input {
	in.Clocks = maps.Clone(out.Clocks)
	in.Provenance, in.Intents = maps.Clone(in.Provenance), maps.Clone(in.Intents)
	for id, p := range out.Adopt {
		in.Provenance[id] = MergeProvenance(in.Provenance[id], p)
	}
	for _, id := range out.Forget {
		delete(in.Provenance, id)
	}
	for _, intent := range out.DropIntents {
		delete(in.Intents, store.IntentKey(intent.Ref))
	}
	var images []observed.Image
	for _, img := range in.Images {
		i := slices.IndexFunc(out.Delete, func(d Deletion) bool { return d.ID == img.ID })
		if i >= 0 {
			img.Refs = slices.DeleteFunc(slices.Clone(img.Refs), func(r string) bool { return slices.Contains(out.Delete[i].Refs, r) })
			if len(img.Refs) == 0 {
				continue
			}
		}
		images = append(images, img)
	}
	in.Images = images
	return in
}
