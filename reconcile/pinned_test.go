package reconcile

import (
	"testing"
	"time"

	"reconciler/internal/job"
	"reconciler/store"
)

// A runtime name in its image gives each allocation of a group one of its own:
// none is given another's, be it there already, scaled up to, or made again.
func TestImageOfEachAllocation(t *testing.T) {
	live(t, func(r *rig) {
		const first, second = "docker.io/library/tool:0", "docker.io/library/tool:1"
		each := ofTask("web", func(t *job.Task) { t.Config.Image = "tool:${NOMAD_ALLOC_INDEX}" })
		r.with(func() { r.images[first] = image1 })
		r.write(webJob(each))
		r.after(time.Minute)
		r.write(webJob(each, count(2)))
		r.after(time.Minute)
		if n := len(r.running("web")); n != 1 {
			t.Fatalf("%d run, and the image of the second is not there", n)
		}
		r.with(func() { r.images[second] = image2 })
		r.after(10 * time.Minute)
		r.rmf(r.running("web")[0].ID)
		r.after(time.Minute)
		got := map[int]string{}
		for _, c := range r.running("web") {
			got[c.Identity.AllocIndex] = c.ImageID
		}
		if len(got) != 2 || got[0] != image1 || got[1] != image2 {
			t.Errorf("images by index: %v", got)
		}
	})
}

func TestPinnedImages(t *testing.T) {
	const ref, other = refWeb, "docker.io/library/web:other"
	spec := func(image string) job.AllocSpec {
		return job.AllocSpec{ID: allocA, Job: "web", Group: "web", SpecHash: "v1:1", Images: map[string]string{"web": image}}
	}
	found := func(image string) []job.Alloc {
		b := job.Alloc{Spec: spec(image), Status: job.AllocStatus{Tasks: map[string]job.TaskStatus{"web": {ImageID: image2}}}}
		b.Spec.ID = allocB
		return []job.Alloc{b}
	}
	pin := func(ref string) store.DeploymentRecord {
		g := store.GroupDeployment{SpecHash: "v1:1", Images: map[string]string{"web": image1}}
		if ref != "" {
			g.Refs = map[string]string{"web": ref}
		}
		return store.DeploymentRecord{Groups: map[string]store.GroupDeployment{"web": g}}
	}
	stable := func(ref string) store.DeploymentRecord {
		d := pin(ref)
		g := d.Groups["web"]
		g.SpecHash, g.Stable = "v1:2", &store.StableGroup{SpecHash: "v1:1", Images: g.Images, Refs: g.Refs}
		d.Groups["web"] = g
		return d
	}
	for _, tt := range []struct {
		name   string
		dep    store.DeploymentRecord
		others []job.Alloc
		want   string
	}{
		{"nothing known", store.DeploymentRecord{}, nil, ""},
		{"the deployment's", pin(ref), found(ref), image1},
		{"the deployment's, by a record without references", pin(""), nil, image1},
		{"the deployment's is of another reference", pin(other), nil, ""},
		{"that, and an allocation's", pin(other), found(ref), image2},
		{"an allocation's of another reference", store.DeploymentRecord{}, found(other), ""},
		{"an adopted allocation's, which knows its id alone", store.DeploymentRecord{}, found("sha256:x"), image2},
		{"what was put back", stable(ref), nil, image1},
		{"what was put back, of another reference", stable(other), nil, ""},
	} {
		got := pinnedImages(spec(ref), tt.dep, tt.others, map[string]bool{image1: true, image2: true})
		if got["web"] != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got["web"], tt.want)
		}
	}
}
