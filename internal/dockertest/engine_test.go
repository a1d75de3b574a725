package dockertest

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/google/go-cmp/cmp"
)

func TestStopAndStart(t *testing.T) {
	for _, tc := range []struct {
		name  string
		live  bool
		want  string
		cut   bool // Exit while the engine is away
		final string
	}{
		{"live restore", true, "running", false, "running"},
		{"live restore, an exit meanwhile", true, "exited", true, "exited"},
		{"all die", false, "exited", false, "exited"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, Options{LiveRestore: tc.live}, func(t *testing.T, r *rig) {
				id := r.run("aa")
				policy := r.AddContainer(Stranger{Name: "always", Image: "web:1", Restart: "always", Running: true})
				r.Stop()
				if _, err := r.cli.Info(t.Context()); !client.IsErrConnectionFailed(err) {
					t.Errorf("info of an engine that is stopped: %v", err)
				}
				if tc.cut {
					r.Exit(id, 4)
					r.Exit(policy, 4)
					time.Sleep(time.Second)
				}
				got := r.heard(id, r.Start)
				if len(got) != 1 || got[0] != "end" { // the stream could not be opened
					t.Errorf("heard %q", got)
				}
				if s := r.state(id); s.Status != tc.want {
					t.Errorf("state %+v, want %s", s, tc.want)
				}
				if s := r.state(policy); s.Status != "running" {
					t.Errorf("with a restart policy: %+v", s)
				}
			})
		})
	}
}

func TestRemovalTakesItsTime(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		id := r.run("aa")
		r.RemoveByHand("aa")
		seen := map[string]bool{}
		began := time.Now()
		for {
			list, err := r.cli.ContainerList(t.Context(), container.ListOptions{All: true})
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			seen[list[0].State] = true
			time.Sleep(time.Millisecond)
		}
		if diff := cmp.Diff(map[string]bool{"running": true, "removing": true}, seen); diff != "" {
			t.Errorf("states on the way (-want +got):\n%s", diff)
		}
		m := Measured()
		if took, want := time.Since(began), m.Signal+m.Cleanup+m.Remove; took < want || took > want+10*time.Millisecond {
			t.Errorf("took %s, want %s", took, want)
		}
		if _, ok := r.Inspect(id); ok || len(r.Volumes()) != 0 {
			t.Errorf("left: %v, volumes %v", ok, r.Volumes())
		}
	})
}

func TestInspectWaitsForAStartAndAListDoesNot(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		id := r.create("aa")
		r.StartByHand("aa")
		time.Sleep(10 * time.Millisecond)
		began := time.Now()
		list, err := r.cli.ContainerList(t.Context(), container.ListOptions{All: true})
		if err != nil || list[0].State != "created" || time.Since(began) != 0 {
			t.Errorf("list during a start: %v %v after %s", list, err, time.Since(began))
		}
		if s := r.state(id); s.Status != "running" || time.Since(began) == 0 {
			t.Errorf("inspect during a start: %s after %s", s.Status, time.Since(began))
		}
	})
}

func TestImmortalProcess(t *testing.T) {
	behave := func(l Launch) Process { return Process{Immortal: l.Name == "aa"} }
	bubble(t, Options{Behave: behave}, func(t *testing.T, r *rig) {
		id, other := r.run("aa"), r.run("bb")
		began := time.Now()
		err := r.cli.ContainerRemove(t.Context(), id, container.RemoveOptions{Force: true})
		if err == nil || time.Since(began) != killPatience {
			t.Errorf("removal of what cannot be killed: %v after %s", err, time.Since(began))
		}
		if s := r.state(id); s.Status != "running" {
			t.Errorf("state %+v", s)
		}
		if err := r.cli.ContainerKill(t.Context(), other, "KILL"); err != nil {
			t.Errorf("another container is blocked: %v", err)
		}
	})
}

func TestAClientThatLeavesStopsNothing(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		id := r.run("aa", "-ignore-term")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		five := 5
		if err := r.cli.ContainerStop(ctx, id, container.StopOptions{Timeout: &five}); err == nil {
			t.Fatal("the stop ended early")
		}
		time.Sleep(time.Minute)
		if s := r.state(id); s.Status != "exited" || s.ExitCode != 137 {
			t.Errorf("state %+v", s)
		}
	})
}

func TestStrangersAndHands(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		id := r.AddContainer(Stranger{Name: "ss", Image: "web:1", Labels: map[string]string{"who": "other"}, Running: true})
		r.ChildOOM(id)
		if s := r.state(id); !s.OOMKilled || s.Status != "running" {
			t.Errorf("after the death of a child: %+v", s)
		}
		r.OOM(id)
		time.Sleep(time.Second)
		if s := r.state(id); !s.OOMKilled || s.ExitCode != 137 {
			t.Errorf("after an OOM: %+v", s)
		}
		if r.Exit(id, 1) || r.Exit("nobody", 1) || r.RemoveByHand("nobody") {
			t.Error("something happened to what does not run or exist")
		}
		r.StartByHand("ss")
		time.Sleep(time.Second)
		r.StopByHand("ss")
		time.Sleep(time.Second)
		if s := r.state(id); s.Status != "exited" || s.ExitCode != 0 || s.OOMKilled {
			t.Errorf("after start and stop by hand: %+v", s)
		}
	})
}

func TestCallLog(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		id := r.create("aa")
		_ = r.state(id)
		if err := r.cli.ContainerStart(t.Context(), "aa", container.StartOptions{}); err != nil {
			t.Fatal(err)
		}
		_, _ = r.cli.ContainerInspect(t.Context(), "nobody")
		var writes []string
		for _, c := range r.Writes() {
			writes = append(writes, c.String())
		}
		want := []string{"POST /containers/create?name=aa -> 201", "POST /containers/aa/start -> 204"}
		if diff := cmp.Diff(want, writes); diff != "" {
			t.Errorf("writes (-want +got):\n%s", diff)
		}
		if w := r.Writes()[1]; w.Target != id || w.Labels["from"] != "image" {
			t.Errorf("target: %+v", w)
		}
		all := r.Calls()
		if last := all[len(all)-1]; last.String() != "GET /containers/nobody/json -> 404" || last.Write {
			t.Errorf("last call: %s", last)
		}
	})
}

func TestVersions(t *testing.T) {
	for _, tc := range []struct{ api, min, want, mode string }{
		{"1.40", "", "1.40", "default"},
		{"1.41", "", "1.41", "default"},
		{"1.44", "", "1.44", "bridge"},
		{"1.51", "", "1.51", "bridge"},
		{"1.52", "", "1.51", "bridge"}, // the client's newest
	} {
		t.Run(tc.api, func(t *testing.T) {
			bubble(t, Options{APIVersion: tc.api, MinAPIVersion: tc.min}, func(t *testing.T, r *rig) {
				c, ok := r.Inspect(r.run("aa"))
				if !ok || r.cli.ClientVersion() != tc.want || string(c.HostConfig.NetworkMode) != tc.mode {
					t.Errorf("client speaks %s, network mode %s", r.cli.ClientVersion(), c.HostConfig.NetworkMode)
				}
			})
		})
	}
	bubble(t, Options{APIVersion: "1.52"}, func(t *testing.T, r *rig) {
		old, err := client.NewClientWithOpts(client.WithHost(Host), client.WithDialContext(r.Dial), client.WithVersion("1.43"))
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		if _, err := old.Info(t.Context()); err == nil || !strings.Contains(err.Error(), "Minimum supported API version is 1.44") {
			t.Errorf("a client that is too old: %v", err)
		}
	})
}

func TestEqualSeedsGiveEqualIDs(t *testing.T) {
	ids := func(seed uint64) (out []string) {
		bubble(t, Options{Seed: seed}, func(_ *testing.T, r *rig) { out = []string{r.create("aa"), r.create("bb")} })
		return out
	}
	if a, b := ids(1), ids(1); !equal(a, b) {
		t.Errorf("%v and %v", a, b)
	}
	if a, b := ids(1), ids(2); equal(a, b) {
		t.Error("two seeds give the same ids")
	}
}

func TestRegistryFaults(t *testing.T) {
	big := Image{Layers: []int64{100, 200}, Salt: "big"}
	for _, tc := range []struct {
		name  string
		fault RegistryFault
		want  string // in the stream's last line
		there bool
		took  time.Duration
	}{
		{"slow", RegistryFault{Layer: time.Minute}, "Downloaded newer image", true, 2 * time.Minute},
		{"breaks off", RegistryFault{Kind: Truncated}, "unexpected EOF", false, 0},
		{"stalls until the client leaves", RegistryFault{Stall: true}, "Downloading", false, time.Hour},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, r *rig) {
				r.Registry().Push("big:1", big)
				r.Registry().Fail("big:1", tc.fault)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				began := time.Now()
				body, err := r.cli.ImagePull(ctx, "big:1", image.PullOptions{})
				if err != nil {
					t.Fatal(err)
				}
				b, _ := io.ReadAll(body)
				_ = body.Close()
				lines := strings.Split(strings.TrimSpace(string(b)), "\r\n")
				if last := lines[len(lines)-1]; !strings.Contains(last, tc.want) {
					t.Errorf("last line %s, want %q in it", last, tc.want)
				}
				if took := time.Since(began).Round(time.Second); took != tc.took {
					t.Errorf("took %s, want %s", took, tc.took)
				}
				time.Sleep(time.Second)
				if _, there := r.Images()[big.ID()]; there != tc.there {
					t.Errorf("image there: %v, want %v", there, tc.there)
				}
			})
		})
	}
}

func TestContainerdStoreNamesImagesByManifest(t *testing.T) {
	bubble(t, Options{APIVersion: "1.52", ContainerdStore: true}, func(t *testing.T, r *rig) {
		i, err := r.cli.ImageInspect(t.Context(), "web:1")
		if err != nil || i.ID != web.Digest() {
			t.Errorf("id %s, %v; want %s", i.ID, err, web.Digest())
		}
		r.run("aa")
		list, err := r.cli.ImageList(t.Context(), image.ListOptions{Filters: filters.NewArgs(filters.Arg("dangling", "false"))})
		if err != nil || len(list) != 1 || list[0].Containers != 1 {
			t.Errorf("list %+v, %v", list, err)
		}
	})
}

func TestImagesByHand(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.TagByHand("web:1", "web:2")
		if !r.UntagByHand("web:1") || r.UntagByHand("web:1") {
			t.Error("untag by hand: once it is there, and then not")
		}
		if got := r.Images()[web.ID()]; !equal(got, []string{"web:2"}) {
			t.Errorf("references: %v", got)
		}
		if !r.RemoveImageByHand("web:2") || len(r.Images()) != 0 {
			t.Errorf("left: %v", r.Images())
		}
	})
}

func TestPortsOutside(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.TakePort("tcp", "", 8000)
		id := r.AddContainer(Stranger{Name: "aa", Image: "web:1", Publish: map8000()})
		err := r.cli.ContainerStart(t.Context(), id, container.StartOptions{})
		if err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Errorf("start on a port that a process has: %v", err)
		}
		r.FreePort("tcp", "", 8000)
		if err := r.cli.ContainerStart(t.Context(), id, container.StartOptions{}); err != nil {
			t.Errorf("start on a port that is free again: %v", err)
		}
	})
}
