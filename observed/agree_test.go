package observed

import (
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"
)

func TestStatusAgrees(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	up := Container{State: Running, Ours: true, StartedAt: now.Add(-3*time.Minute - 10*time.Second)}
	healthy := up
	healthy.Health = "healthy"
	exited := Container{State: Exited, Ours: true, ExitCode: 137, FinishedAt: now.Add(-5 * time.Second)}
	for _, tt := range []struct {
		name   string
		e      entry
		status string
		want   bool
	}{
		{"running as long as known", entry{Container: up}, "Up 3 minutes", true},
		{"restarted", entry{Container: up}, "Up 4 seconds", false},
		{"healthy", entry{Container: healthy}, "Up 3 minutes (healthy)", true},
		{"not healthy any more", entry{Container: healthy}, "Up 3 minutes (unhealthy)", false},
		{"starting", entry{Container: healthy}, "Up 3 minutes (health: starting)", false},
		{"a fraction of a second", entry{Container: exited}, "Exited (137) 6 seconds ago", true},
		{"another code", entry{Container: exited}, "Exited (1) 5 seconds ago", false},
		{"exited once more", entry{Container: exited}, "Exited (137) Less than a second ago", false},
		{"words of another engine", entry{Container: up}, "läuft", true},
		{"no details", entry{Container: up, listed: true}, "Up 4 seconds", true},
		{"stranger", entry{Container: Container{State: Running}}, "Up 4 seconds", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := statusAgrees(tt.e, tt.status, now, now.Add(20*time.Millisecond)); got != tt.want {
				t.Errorf("statusAgrees(%q) = %v, want %v", tt.status, got, tt.want)
			}
		})
	}
}

func TestAgrees(t *testing.T) {
	base := func() Container {
		return Container{
			ID: "x", Name: "web", ImageID: "i", Image: "app:1", State: Running, NetworkMode: "bridge",
			Ports:    []PublishedPort{{Host: 80, Proto: "tcp", To: 80}},
			Networks: map[string]Endpoint{"bridge": {NetworkID: "n", IPAddress: "172.17.0.2"}},
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*Container)
		want   bool
	}{
		{"nothing", func(*Container) {}, true},
		{"reference shown as an id", func(c *Container) { c.Image = "sha256:1" }, true},
		{"state", func(c *Container) { c.State = Exited }, false},
		{"name", func(c *Container) { c.Name = "web-1" }, false},
		{"image id", func(c *Container) { c.ImageID = "j" }, false},
		{"ports", func(c *Container) { c.Ports = nil }, false},
		{"one network more", func(c *Container) { c.Networks["back"] = Endpoint{} }, false},
		{"another network", func(c *Container) { c.Networks = map[string]Endpoint{"back": {}} }, false},
		{"address", func(c *Container) { c.Networks["bridge"] = Endpoint{NetworkID: "n", IPAddress: "172.17.0.3"} }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			listed := base()
			tt.change(&listed)
			if got := agrees(entry{Container: base()}, listed); got != tt.want {
				t.Errorf("agrees = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestMoved(t *testing.T) {
	run := Container{Name: "web", State: Running}
	for _, tt := range []struct {
		name string
		to   Container
		want bool
	}{
		{"nothing", run, false},
		{"exited", Container{Name: "web", State: Exited}, true},
		{"renamed", Container{Name: "web-1", State: Running}, true},
		{"removing comes without an event", Container{Name: "web", State: Removing}, false},
		{"so does dead", Container{Name: "web", State: Dead}, false},
	} {
		if got := moved(run, tt.to); got != tt.want {
			t.Errorf("%s: moved = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestCovers(t *testing.T) {
	now := time.Now()
	asOf := now.Add(-time.Second)
	event := func(at time.Time) events.Message { return events.Message{TimeNano: at.UnixNano()} }
	inspected := entry{Container: Container{ID: "x", AsOf: asOf}}
	for _, tt := range []struct {
		name string
		e    entry
		m    events.Message
		want bool
	}{
		{"older", inspected, event(asOf.Add(-10 * time.Millisecond)), true},
		{"older by less than the leeway", inspected, event(asOf.Add(-time.Millisecond)), false},
		{"newer", inspected, event(asOf.Add(time.Millisecond)), false},
		{"no such entry", entry{}, event(asOf.Add(-time.Hour)), false},
		{"told by a list", entry{Container: inspected.Container, listed: true}, event(asOf.Add(-time.Hour)), false},
		{"owed", entry{Container: inspected.Container, owed: true}, event(asOf.Add(-time.Hour)), false},
		{"no time", inspected, events.Message{Time: 1}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.e.covers(tt.m, now); got != tt.want {
				t.Errorf("covers = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestEventKey(t *testing.T) {
	for _, tt := range []struct {
		typ    events.Type
		action events.Action
		id     string
		images bool
	}{
		{"container", "start", "x", false},
		{"container", "health_status: healthy", "x", false},
		{"container", "health_status: running", "", false},
		{"container", "exec_start: sh", "", false},
		{"container", "commit", "", true},
		{"container", "connect", "", false},
		{"network", "disconnect", "c", false},
		{"network", "create", "", false},
		{"network", "destroy", "", false},
		{"image", "delete", "", true},
		{"image", "save", "", false},
		{"volume", "create", "", false},
		{"daemon", "reload", "", false},
	} {
		m := events.Message{Type: tt.typ, Action: tt.action, Actor: events.Actor{ID: "x", Attributes: map[string]string{"container": "c"}}}
		if id, images := eventKey(m); id != tt.id || images != tt.images {
			t.Errorf("%s %s: %q, %v, want %q, %v", tt.typ, tt.action, id, images, tt.id, tt.images)
		}
	}
}

// TestEventFiltersLetThroughWhatIsWanted asks the engine's own matcher.
func TestEventFiltersLetThroughWhatIsWanted(t *testing.T) {
	// As moby's daemon/events.Filter: exact, but a bare health_status or exec_…
	// would turn all actions into prefixes.
	f := eventFilters()
	raw, err := filters.ToJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := filters.FromJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	for action, want := range map[string]bool{
		"create": true, "oom": true, "health_status: unhealthy": true, "untag": true, "connect": true,
		"health_status: running": false, "health_status": false, "exec_create": false, "exec_start": false, "kill": false, "top": false,
	} {
		if got.ExactMatch("event", action) != want {
			t.Errorf("event %q passes: %v, want %v", action, !want, want)
		}
	}
	for typ, want := range map[string]bool{"container": true, "image": true, "network": true, "volume": false} {
		if got.ExactMatch("type", typ) != want {
			t.Errorf("type %q passes: %v, want %v", typ, !want, want)
		}
	}
}

// TestListAndInspectGiveTheSame: of a stranger both must tell the same, or
// each list would look like a change.
func TestListAndInspectGiveTheSame(t *testing.T) {
	c := &fakeContainer{
		id: "0123456789abcdef", name: "s", image: "app:1", imageID: "sha256:app", state: Running,
		ports: []PublishedPort{
			{HostIP: "0.0.0.0", Host: 81, Proto: "tcp", To: 8080},
			{HostIP: "::", Host: 80, Proto: "udp", To: 53},
			{HostIP: "0.0.0.0", Host: 80, Proto: "tcp", To: 8080},
		},
		networks: map[string]string{"bridge": "172.17.0.2", "back": "10.0.0.1"},
	}
	listed, err1 := fromSummary(c.summary(), testNode)
	inspected, err2 := fromInspect(c.inspect(), testNode)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if diff := cmp.Diff(listed, inspected); diff != "" {
		t.Errorf("(-list +inspect):\n%s", diff)
	}
}

func TestFromInspectWithHoles(t *testing.T) {
	for _, r := range []container.InspectResponse{
		{},
		{ContainerJSONBase: &container.ContainerJSONBase{ID: "x"}},
		{ContainerJSONBase: &container.ContainerJSONBase{ID: "x", State: &container.State{StartedAt: "soon"}}, Config: &container.Config{Labels: ours("a", 1)}},
		{
			ContainerJSONBase: &container.ContainerJSONBase{ID: "x"},
			NetworkSettings:   &container.NetworkSettings{Networks: map[string]*network.EndpointSettings{"n": nil}},
		},
	} {
		if c, err := fromInspect(r, testNode); err != nil || !c.StartedAt.IsZero() {
			t.Errorf("%+v: %+v, %v", r, c, err)
		}
	}
}
