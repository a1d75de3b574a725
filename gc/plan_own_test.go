package gc

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

func TestPlanSuperseded(t *testing.T) {
	in := due()
	in.Images[0].Refs = nil
	check(t, in, "clock sha256:1111 unused -2m0s delete 1m0s", "delete sha256:1111")
}

func TestPlanGone(t *testing.T) {
	in := due()
	in.Images = nil
	check(t, in, "forget sha256:1111")
}

func TestPlanStrangersTag(t *testing.T) {
	in := due()
	in.Images[0].Refs = append(in.Images[0].Refs, "docker.io/library/redis:keep", "ghcr.io/a/b:1")
	out := Plan(in)
	if diff := cmp.Diff([]string{redis}, out.Delete[0].Refs); diff != "" {
		t.Errorf("references to remove (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"docker.io/library/redis:keep", "ghcr.io/a/b:1", digest}, out.Delete[0].Others); diff != "" {
		t.Errorf("references that stay (-want +got):\n%s", diff)
	}
}

func TestPlanAdoptsByLabel(t *testing.T) {
	container := func(name, image string) observed.Container {
		return observed.Container{
			Name: name, Image: image, ImageID: redisID, Ours: true,
			Identity: job.Identity{Job: "web", AllocID: name, ImageOurs: true},
		}
	}
	for _, tc := range []struct {
		name string
		with func(in *Input)
		want []string
	}{
		{"by its reference", func(in *Input) {
			in.Containers = []observed.Container{container("a", "redis:7")}
		}, []string{"clock sha256:1111 kept: container a of job web has it", "adopt sha256:1111 from label " + redis}},
		{"of two containers with two references", func(in *Input) {
			in.Images[0].Refs = []string{redis, "docker.io/library/redis:latest"}
			in.Containers = []observed.Container{container("b", "redis"), container("a", "redis:7"), container("c", "redis")}
		}, []string{
			"clock sha256:1111 kept: container a of job web has it",
			"adopt sha256:1111 from label " + redis + " docker.io/library/redis:latest",
		}},
		{"its reference has moved on: the id alone", func(in *Input) {
			in.Images[0].Refs = []string{"docker.io/library/keep:1"}
			in.Containers = []observed.Container{container("a", "redis:7")}
		}, []string{"clock sha256:1111 kept: container a of job web has it", "adopt sha256:1111 from label"}},
		{"made from the id", func(in *Input) {
			in.Containers = []observed.Container{container("a", redisID)}
		}, []string{"clock sha256:1111 kept: container a of job web has it", "adopt sha256:1111 from label"}},
		{"the label says no", func(in *Input) {
			c := container("a", "redis:7")
			c.Identity.ImageOurs = false
			in.Containers = []observed.Container{c}
		}, []string{"clock sha256:1111 kept: it was here before it was wanted: not ours"}},
		{"a stranger's label", func(in *Input) {
			c := container("a", "redis:7")
			c.Ours = false
			in.Containers = []observed.Container{c}
		}, nil},
		{"its image is gone", func(in *Input) {
			in.Images = nil
			in.Containers = []observed.Container{container("a", "redis:7")}
		}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			in := due()
			in.Provenance, in.Clocks = nil, nil
			tc.with(&in)
			check(t, in, tc.want...)
			if diff := cmp.Diff(Plan(in).Adopt, Labelled(in)); diff != "" {
				t.Errorf("Labelled says something else (-plan +labelled):\n%s", diff)
			}
		})
	}
	t.Run("a record is enough", func(t *testing.T) {
		in := due()
		in.Containers = []observed.Container{container("a", "redis:latest")}
		check(t, in, "clock sha256:1111 kept: container a of job web has it")
		if got := Labelled(in); len(got) > 0 {
			t.Errorf("Labelled adopts %v", got)
		}
	})
	t.Run("size", func(t *testing.T) {
		in := due()
		in.Provenance = nil
		in.Containers = []observed.Container{container("a", "redis:7")}
		want := store.ImageProvenance{Refs: []string{redis}, Source: SourceLabel, Size: 42, At: in.Now}
		if diff := cmp.Diff(want, Labelled(in)[redisID]); diff != "" {
			t.Errorf("adopted (-want +got):\n%s", diff)
		}
	})
}

func TestPlanSettlesIntents(t *testing.T) {
	left := func(in *Input) {
		key := store.IntentKey(redis)
		in.Intents[key] = store.ImageIntent{Ref: redis, Source: "registry", At: t0.Add(-time.Hour)}
		in.Left[key] = true
	}
	t.Run("the reference is here: ours", func(t *testing.T) {
		in := unusedRedis()
		in.Provenance, in.Clocks = nil, nil
		left(&in)
		check(t, in, "clock sha256:1111 unused 0s delete 3m0s", "adopt sha256:1111 from registry "+redis, "drop intent "+redis, "wake 3m0s")
		if p := Plan(in).Adopt[redisID]; !p.At.Equal(t0.Add(-time.Hour)) || p.Size != 42 {
			t.Errorf("adopted %+v, want the intent's time and the image's size", p)
		}
	})
	t.Run("known already", func(t *testing.T) {
		in := unusedRedis()
		left(&in)
		check(t, in, "clock sha256:1111 unused -2m0s delete 1m0s", "drop intent "+redis, "wake 1m0s")
	})
	t.Run("a second reference of a known image", func(t *testing.T) {
		in := unusedRedis()
		in.Provenance = map[string]store.ImageProvenance{redisID: {Refs: []string{"docker.io/library/redis:6"}, Source: "registry", At: t0}}
		left(&in)
		out := Plan(in)
		if diff := cmp.Diff([]string{redis}, out.Adopt[redisID].Refs); diff != "" {
			t.Errorf("adopted references (-want +got):\n%s", diff)
		}
	})
	t.Run("absent, and nobody wants it", func(t *testing.T) {
		in := unusedRedis()
		in.Images, in.Provenance, in.Clocks = nil, nil, nil
		left(&in)
		check(t, in, "drop intent "+redis)
	})
	t.Run("absent, and still wanted", func(t *testing.T) {
		in := unusedRedis()
		in.Images, in.Provenance, in.Clocks = nil, nil, nil
		left(&in)
		in.Allocs["a1"] = job.AllocSpec{ID: "a1", Job: "web", Desired: job.DesiredPrepare, Images: map[string]string{"web": redis}}
		check(t, in)
	})
	t.Run("written anew by a pull of this process", func(t *testing.T) {
		in := unusedRedis()
		in.Provenance, in.Clocks = nil, nil
		left(&in)
		in.Left[store.IntentKey(redis)] = false
		check(t, in, "clock sha256:1111 kept: it was here before it was wanted: not ours")
	})
	t.Run("settled meanwhile", func(t *testing.T) {
		in := unusedRedis()
		in.Left[store.IntentKey(redis)] = true
		check(t, in, "clock sha256:1111 unused -2m0s delete 1m0s", "wake 1m0s")
	})
}

func TestSplitRefs(t *testing.T) {
	for _, tc := range []struct {
		name                         string
		refs, brought, ours, foreign []string
	}{
		{"tag and the digest that came with it", []string{digest, redis}, []string{redis}, []string{redis, digest}, nil},
		{"tag and digest in one reference", []string{digest}, []string{redis + "@sha256:dddd"}, []string{digest}, nil},
		{"a digest alone does not own the tag", []string{redis, digest}, []string{redis + "@sha256:dddd"}, []string{digest}, []string{redis}},
		{"the tag has moved on, its digest stayed", []string{digest}, []string{redis}, []string{digest}, nil},
		{"another tag of the repository", []string{redis, digest, "docker.io/library/redis:mine"}, []string{redis}, []string{redis}, []string{"docker.io/library/redis:mine", digest}},
		{"another repository", []string{redis, "127.0.0.1:5000/redis:7"}, []string{redis}, []string{redis}, []string{"127.0.0.1:5000/redis:7"}},
		{"another digest of another repository", []string{redis, "127.0.0.1:5000/redis@sha256:dddd"}, []string{redis}, []string{redis}, []string{"127.0.0.1:5000/redis@sha256:dddd"}},
		{
			"a digest and the tag of a later repository",
			[]string{digest, "ghcr.io/web:1"},
			[]string{digest, "ghcr.io/web:1"},
			[]string{"ghcr.io/web:1", digest},
			nil,
		},
		{"nothing brought", []string{redis}, nil, nil, []string{redis}},
		{"nothing left", nil, []string{redis}, nil, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ours, foreign := splitRefs(tc.refs, tc.brought)
			if diff := cmp.Diff([][]string{tc.ours, tc.foreign}, [][]string{ours, foreign}); diff != "" {
				t.Errorf("ours, foreign (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMergeProvenance(t *testing.T) {
	old := store.ImageProvenance{Refs: []string{"b"}, Source: "registry", Size: 1, At: t0}
	add := store.ImageProvenance{Refs: []string{"a", "b"}, Source: "label", Size: 2, At: t0.Add(time.Hour)}
	want := store.ImageProvenance{Refs: []string{"a", "b"}, Source: "registry", Size: 1, At: t0}
	if diff := cmp.Diff(want, MergeProvenance(old, add)); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(add, MergeProvenance(store.ImageProvenance{}, add)); diff != "" {
		t.Errorf("merged into nothing (-want +got):\n%s", diff)
	}
	if old.Refs[0] != "b" {
		t.Error("MergeProvenance changed its argument")
	}
}

func TestRefKeyAndRepository(t *testing.T) {
	for ref, want := range map[string][2]string{
		redis:                            {redis, "docker.io/library/redis"},
		digest:                           {digest, "docker.io/library/redis"},
		redis + "@sha256:dddd":           {digest, "docker.io/library/redis"},
		"what cannot be read":            {"what cannot be read", "what cannot be read"},
		"127.0.0.1:5000/a/b":             {"127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b"},
		"127.0.0.1:5000/a:1":             {"127.0.0.1:5000/a:1", "127.0.0.1:5000/a"},
		"127.0.0.1:5000/a:1@sha256:dddd": {"127.0.0.1:5000/a@sha256:dddd", "127.0.0.1:5000/a"},
	} {
		if got := [2]string{refKey(ref), repository(ref)}; got != want {
			t.Errorf("%s: got %q, want %q", ref, got, want)
		}
	}
}
