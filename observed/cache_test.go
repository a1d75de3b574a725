package observed

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/store"
)

func TestFillShowsEverything(t *testing.T) {
	f := newFake()
	web := f.create("main-alloc-web", ours("web", 2))
	f.start(web)
	f.create("main-alloc-web-1", ours("web", 1))
	f.create("stranger", nil)
	f.create("other-node", func() map[string]string {
		l := ours("web", 1)
		l[job.LabelNodeID] = "node-2"
		return l
	}())
	f.imgs = []image.Summary{
		{ID: "sha256:b", RepoTags: []string{"<none>:<none>"}, RepoDigests: []string{"<none>@<none>"}},
		{
			ID: "sha256:a", RepoTags: []string{"redis:7", "127.0.0.1:5000/app"}, Size: 7, Created: 60,
			RepoDigests: []string{"redis@sha256:0000000000000000000000000000000000000000000000000000000000000000"},
		},
	}
	running(t, f, func(t *testing.T, r *rig) {
		r.follows(t)
		select {
		case <-r.Attempted():
		default:
			t.Error("Attempted is not closed after the first list")
		}
		wantEngine := Engine{ID: "ENGINE", Version: "20.10.24", APIVersion: "1.41", BridgeIP: "172.17.0.1"}
		if got := r.Engine(); got != wantEngine {
			t.Errorf("Engine() = %+v, want %+v", got, wantEngine)
		}
		if got := r.told(); !slices.Contains(got, Hint{All: true}) {
			t.Errorf("hints of the fill %+v have no All", got)
		}
		var attempts []int
		for _, c := range r.Job("web") {
			attempts = append(attempts, c.Identity.Attempt)
		}
		if !slices.Equal(attempts, []int{1, 2}) {
			t.Errorf("attempts of the job %v, want 1, 2 and no stranger", attempts)
		}
		if got := r.Alloc("alloc-web"); len(got) != 2 || got[1].ID != web || got[1].StopSignal != "SIGINT" {
			t.Errorf("Alloc = %+v", got)
		}
		if c, ok := r.ByName("stranger"); !ok || c.Ours || c.ImageID != "sha256:app" {
			t.Errorf("ByName(stranger) = %+v, %v", c, ok)
		}
		wantImages := []Image{
			{ID: "sha256:a", Size: 7, Created: time.Unix(60, 0).UTC(), Refs: []string{
				"127.0.0.1:5000/app:latest", "docker.io/library/redis:7",
				"docker.io/library/redis@sha256:0000000000000000000000000000000000000000000000000000000000000000",
			}},
			{ID: "sha256:b", Created: time.Unix(0, 0).UTC()},
		}
		images, ok := r.Images()
		if diff := cmp.Diff(wantImages, images); diff != "" || !ok {
			t.Errorf("Images, %v (-want +got):\n%s", ok, diff)
		}
	})
}

func TestEventInspectsTheOneItNames(t *testing.T) {
	f := newFake()
	a, b := f.create("a", ours("a", 1)), f.create("b", ours("b", 1))
	running(t, f, func(t *testing.T, r *rig) {
		before := f.count("inspect " + b)
		r.told()
		for _, step := range []struct {
			name string
			do   func()
		}{
			{"start", func() { f.start(a) }},
			{"die", func() { f.die(a, 137) }},
			{"rename", func() { f.rename(a, "a-1") }},
			{"health", func() {
				f.change(a, events.ActionHealthStatusUnhealthy, func(c *fakeContainer) { c.health = "unhealthy" })
			}},
		} {
			after(time.Second)
			step.do()
			after(0)
			if got, want := r.told(), []Hint{{Job: "a", AllocID: "alloc-a"}}; !slices.Equal(got, want) {
				t.Errorf("%s: hints %+v, want %+v", step.name, got, want)
			}
			r.follows(t)
		}
		after(time.Second)
		f.remove(a)
		after(0)
		if got, want := r.told(), []Hint{{Job: "a", AllocID: "alloc-a", Image: true}}; !slices.Equal(got, want) {
			t.Errorf("remove: hints %+v, want %+v", got, want)
		}
		r.follows(t)
		if got := f.count("inspect " + b); got != before {
			t.Errorf("events of a caused %d inspects of b", got-before)
		}
		if got := f.count("list"); got != 1 {
			t.Errorf("%d lists within the first seconds, want 1", got)
		}
	})
}

func TestEventsThatChangeNothingTellNothing(t *testing.T) {
	f := newFake()
	a := f.create("a", ours("a", 1))
	running(t, f, func(t *testing.T, r *rig) {
		after(time.Second)
		r.told()
		n := f.count("inspect " + a)
		for _, action := range []events.Action{"exec_start: sh", "exec_die", "kill", "attach", "top", "health_status: running"} {
			f.change(a, action, func(*fakeContainer) {})
		}
		after(time.Second)
		if got := f.count("inspect " + a); got != n {
			t.Errorf("%d inspects for events that matter to nobody", got-n)
		}
		f.change(a, events.ActionUpdate, func(*fakeContainer) {})
		after(time.Second)
		if got := f.count("inspect " + a); got != n+1 {
			t.Errorf("an update caused %d inspects, want 1", got-n)
		}
		if got := r.told(); len(got) != 0 {
			t.Errorf("an update that changed nothing told %+v", got)
		}
	})
}

func TestStrangerIsFollowedByEvents(t *testing.T) {
	f := newFake()
	running(t, f, func(t *testing.T, r *rig) {
		r.told()
		id := f.create("s", nil)
		after(0)
		if got, want := r.told(), []Hint{{Image: true}}; !slices.Equal(got, want) {
			t.Errorf("hints %+v, want %+v: the set of used images grew", got, want)
		}
		f.with(func() {
			f.cons[id].ports = []PublishedPort{{HostIP: "0.0.0.0", Host: 80, Proto: "tcp", To: 8080}}
		})
		f.start(id)
		after(0)
		r.follows(t)
		f.remove(id)
		after(0)
		r.follows(t)
		if len(r.rec.Names()) != 0 {
			t.Errorf("records of strangers: %v", r.rec.Names())
		}
	})
}

func TestNetworkEventInspectsTheContainer(t *testing.T) {
	f := newFake()
	a := f.create("a", ours("a", 1))
	running(t, f, func(t *testing.T, r *rig) {
		after(time.Second)
		f.with(func() {
			f.cons[a].networks["back"] = "10.0.0.2"
			f.send(events.Message{
				Type: events.NetworkEventType, Action: events.ActionConnect,
				Actor: events.Actor{ID: "net-back", Attributes: map[string]string{"container": a}},
			})
		})
		after(0)
		r.follows(t)
		want := Endpoint{NetworkID: "net-back", IPAddress: "10.0.0.2", Aliases: []string{"web"}}
		if diff := cmp.Diff(want, r.Alloc("alloc-a")[0].Networks["back"]); diff != "" {
			t.Errorf("endpoint (-want +got):\n%s", diff)
		}
	})
}

func TestRefresh(t *testing.T) {
	f := newFake()
	running(t, f, func(t *testing.T, r *rig) {
		f.with(func() { f.silent = true })
		id := f.create("a", ours("a", 1))
		f.start(id)
		after(time.Second)
		if err := r.Refresh(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		r.follows(t)
		c, _ := r.ByName("a")
		if !c.AsOf.Equal(time.Now()) {
			t.Errorf("AsOf = %s, want the begin of the request, %s", c.AsOf, time.Now())
		}
		f.remove(id)
		if err := r.Refresh(t.Context(), id); err != nil {
			t.Errorf("refresh of a container that is gone: %v", err)
		}
		r.follows(t)
		f.with(func() { f.inspectErr[id] = errors.New("boom") })
		if err := r.Refresh(t.Context(), id); err == nil {
			t.Error("refresh with a failing inspect gave no error")
		}
	})
}

// TestInspectAfterAnEventIsRepeated: an event is told once, so an inspect that
// fails must not be the last until the next list.
func TestInspectAfterAnEventIsRepeated(t *testing.T) {
	f := newFake()
	id := f.create("a", ours("a", 1))
	f.start(id)
	running(t, f, func(t *testing.T, r *rig) {
		after(time.Second)
		f.with(func() { f.inspectErr[id] = errors.New("boom") })
		f.remove(id)
		after(3 * lookAgain)
		if _, there := r.ByName("a"); !there {
			t.Error("an inspect that failed removed the container")
		}
		f.with(func() { delete(f.inspectErr, id) })
		after(2 * lookAgain)
		if _, there := r.ByName("a"); there {
			t.Error("the container is not missed two looks after the engine answers again")
		}
	})
}

func TestEventBeforeRefreshCausesNoInspect(t *testing.T) {
	for _, tt := range []struct {
		name, host string
		want       int
	}{
		{"unix socket", "unix:///run/docker.sock", 0},
		{"another host's clock", "tcp://10.0.0.1:2376", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake()
			f.host = tt.host
			id := f.create("a", ours("a", 1))
			running(t, f, func(t *testing.T, r *rig) {
				after(time.Second)
				f.with(func() { f.deliver = func() []time.Duration { return []time.Duration{time.Second} } })
				f.start(id)
				after(5 * time.Millisecond)
				if err := r.Refresh(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				n := f.count("inspect " + id)
				after(2 * time.Second)
				if got := f.count("inspect "+id) - n; got != tt.want {
					t.Errorf("%d inspects for an event older than the refresh, want %d", got, tt.want)
				}
				r.follows(t)
			})
		})
	}
}

func TestImageEventsAreCoalesced(t *testing.T) {
	f := newFake()
	running(t, f, func(t *testing.T, r *rig) {
		n := f.count("images")
		r.told()
		f.with(func() {
			f.imgs = []image.Summary{{ID: "sha256:x", RepoTags: []string{"x:1"}}}
			for _, a := range []events.Action{events.ActionPull, events.ActionTag, events.ActionUnTag, events.ActionPush} {
				f.send(events.Message{Type: events.ImageEventType, Action: a, Actor: events.Actor{ID: "x"}})
			}
		})
		after(time.Second)
		if got := f.count("images") - n; got != 1 {
			t.Errorf("%d lists of images for one pull, want 1", got)
		}
		if got, want := r.told(), []Hint{{Image: true}}; !slices.Equal(got, want) {
			t.Errorf("hints %+v, want %+v", got, want)
		}
		if err := r.RefreshImages(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := r.told(); len(got) != 0 {
			t.Errorf("the same images told %+v", got)
		}
		f.with(func() { f.imageErr, f.imgs = errors.New("boom"), nil })
		if err := r.RefreshImages(t.Context()); err == nil {
			t.Error("a failed list of images gave no error")
		}
		if got, _ := r.Images(); len(got) != 1 {
			t.Errorf("a failed list left %d images, want 1", len(got))
		}
	})
}

func TestOOMIsRecorded(t *testing.T) {
	f := newFake()
	a, s := f.create("a", ours("a", 1)), f.create("s", nil)
	running(t, f, func(t *testing.T, r *rig) {
		f.change(a, events.ActionOOM, func(c *fakeContainer) { c.oom = true })
		f.change(s, events.ActionOOM, func(c *fakeContainer) { c.oom = true })
		after(time.Second)
		if c, _ := r.ByName("a"); !c.OOMKilled {
			t.Error("OOMKilled is not set")
		}
		want := []store.Event{{
			Type: store.EventWarning, Reason: ReasonOOMKilled, Job: "a", Task: "main", Alloc: "alloc-a", Object: "a",
			Message: "a process of the container was killed for want of memory, its limit is 64MiB",
		}}
		for i := range r.rec.events {
			r.rec.events[i].Time = time.Time{}
		}
		if diff := cmp.Diff(want, r.rec.events); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestUnreadableLabelsAreLeftAloneAndSaidOnce(t *testing.T) {
	f := newFake()
	labels := ours("a", 1)
	labels[job.LabelAttempt] = "many"
	first := f.create("damaged", labels)
	running(t, f, func(t *testing.T, r *rig) {
		f.start(first)
		f.create("damaged-2", labels)
		after(10 * time.Minute)
		f.with(func() { f.cutStreams() })
		after(time.Minute)
		r.follows(t)
		if got := r.Job("a"); len(got) != 0 {
			t.Errorf("a damaged container counts as the job's: %+v", got)
		}
		var objects []string
		for _, e := range r.rec.events {
			if e.Reason == ReasonLabelsUnreadable {
				objects = append(objects, e.Object)
			}
		}
		if want := []string{"damaged", "damaged-2"}; !slices.Equal(objects, want) {
			t.Errorf("warnings about %v, want %v", objects, want)
		}
	})
}
