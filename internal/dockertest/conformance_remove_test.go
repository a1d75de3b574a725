package dockertest

import (
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	vol "github.com/docker/docker/api/types/volume"
)

func init() {
	conformance["remove: what runs, and by force"] = caseRemove
	conformance["remove: the name is taken until the end"] = caseRemoving
	conformance["remove: anonymous volumes"] = caseVolumes
	conformance["rename"] = caseRename
}

func caseRemove(f *fixture) {
	id := f.run("a")
	f.is("without force", f.cli.ContainerRemove(f.Context(), id, container.RemoveOptions{}), errdefs.IsConflict)
	f.state(id, "running", 0)
	told := f.record(id)
	f.remove(id)
	f.told(told("destroy"), "kill 9", "die 137", "destroy")
	f.is("again", f.cli.ContainerRemove(f.Context(), id, container.RemoveOptions{}), errdefs.IsNotFound)
	f.is("inspect", second(f.cli.ContainerInspect(f.Context(), id)), errdefs.IsNotFound)
	f.must(f.cli.ContainerRemove(f.Context(), f.create("b"), container.RemoveOptions{RemoveVolumes: true}))
}

func caseRemoving(f *fixture) {
	id := f.run("a")
	done := make(chan error, 1)
	go func() {
		done <- f.cli.ContainerRemove(f.Context(), id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	}()
	time.Sleep(10 * time.Millisecond)
	f.is("a second removal", f.cli.ContainerRemove(f.Context(), id, container.RemoveOptions{Force: true}), errdefs.IsConflict)
	states := map[string]bool{}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		for _, s := range []string{"running", "removing", "exited"} {
			if l := f.byState(id, s); l {
				states[s] = true
			}
		}
		before := len(done) > 0
		_, err := f.tryCreate("a", spec{})
		if err == nil {
			// A create that was sent before the removal was answered may still
			// have come after its end, but not by a second.
			if !before && !answersWithin(done, time.Second) {
				f.Error("the name was free during the removal")
			}
			break
		}
		if !errdefs.IsConflict(err) || time.Now().After(end) {
			f.Fatalf("create while the name is taken: %v", err)
		}
	}
	f.must(<-done)
	if states["exited"] {
		f.Errorf("states on the way: %v; a removal by force shows no exited", states)
	}
}

// answersWithin reports whether a value comes into the buffered channel in
// time, and leaves it there.
func answersWithin(done chan error, d time.Duration) bool {
	for end := time.Now().Add(d); len(done) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}

func (f *fixture) byState(id, state string) bool {
	f.Helper()
	list, err := f.cli.ContainerList(f.Context(), container.ListOptions{All: true})
	f.must(err)
	for _, c := range list {
		if c.ID == id {
			return c.State == state
		}
	}
	return false
}

func caseVolumes(f *fixture) {
	volumes := func() map[string]bool {
		l, err := f.cli.VolumeList(f.Context(), vol.ListOptions{})
		f.must(err)
		out := map[string]bool{}
		for _, v := range l.Volumes {
			out[v.Name] = true
		}
		return out
	}
	id := f.run("a")
	name := f.inspect(id).Mounts[0].Name
	if !volumes()[name] {
		f.Fatalf("there is no volume %s", name)
	}
	f.remove(id)
	if volumes()[name] {
		f.Errorf("the volume %s outlived its container", name)
	}
}

func caseRename(f *fixture) {
	id, other := f.run("a"), f.create("b")
	told := f.record(id)
	rename := func(to string) error { return f.cli.ContainerRename(f.Context(), id, to) }
	f.is("to a taken name", rename(f.name("b")), errdefs.IsConflict)
	f.is("to its own name", rename(f.name("a")), errdefs.IsInvalidArgument)
	f.is("to no name", rename(""), errdefs.IsInvalidArgument)
	f.is("to a bad name", rename("a b"), errdefs.IsInvalidArgument)
	f.must(rename(f.name("c")))
	f.told(told("rename"), "rename")
	if got := f.inspect(id).Name; got != "/"+f.name("c") {
		f.Errorf("name %s", got)
	}
	if got := f.list(); len(got) != 2 || got[0] != "b" || got[1] != "c" {
		f.Errorf("list: %v", got)
	}
	f.state(id, "running", 0)
	f.must(f.cli.ContainerRename(f.Context(), other, f.name("a"))) // the old name is free
}
