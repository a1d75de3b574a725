package e2e

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

// TestConverge: a file dropped runs, as written; removed, it goes.
func TestConverge(t *testing.T) {
	w := start(t)
	ref, id := w.images.push("web:1", "1")
	w.drop("web.hcl", spec{Job: "web", Count: 2, Image: ref, Text: "hello", Port: true}.String())
	got := w.awaitRunning("web", 2)
	for i, b := range got {
		if want := job.ContainerName("web", b.Who.AllocID); b.Name != want {
			t.Errorf("container %d is called %q, want %q", i, b.Name, want)
		}
		if b.ImageID != id {
			t.Errorf("container %d has image %s, want %s", i, b.ImageID, id)
		}
		if b.Who.Group != "web" || b.Who.Task != "web" || b.Who.Attempt != 1 || b.Who.Generation != 1 {
			t.Errorf("labels of container %d: %+v", i, b.Who)
		}
		eventually(t, "the container answers", func() error {
			a, err := b.ask()
			if err == nil && a.Text != "hello" {
				err = fmt.Errorf("answers %q", a.Text)
			}
			return err
		})
	}
	s, err := w.status()
	must(t, err)
	if j, ok := s.job("web"); !ok || len(j.Allocs) != 2 || j.Generation != 1 || j.File != "web.hcl" {
		t.Errorf("status of web: %+v", j)
	}

	w.take("web.hcl")
	w.awaitNone("web")
	if !w.images.has(ref) {
		t.Error("the image went before its delay")
	}
}

// TestRunningAtOnce: from the drop to a running container, with the image at
// hand, it takes no tick of any clock.
func TestRunningAtOnce(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.drop("first.hcl", spec{Job: "first", Image: ref}.String())
	w.awaitRunning("first", 1) // the image is there from now on
	begin := time.Now()
	w.drop("second.hcl", spec{Job: "second", Image: ref}.String())
	w.awaitRunning("second", 1)
	// About 0.5 s on a quiet machine; the slowest periodic look is 20 s apart.
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}

// TestEdit: an edit of what a container is made of replaces it; one of what it
// is not made of changes it in place; one that means the same does nothing.
func TestEdit(t *testing.T) {
	w := start(t)
	v1, _ := w.images.push("web:1", "1")
	v2, id2 := w.images.push("web:2", "2")
	s := spec{Job: "web", Image: v1, Text: "one", Port: true}
	w.drop("web.hcl", s.String())
	first := w.awaitText("web", "one")

	s.Text = "two"
	w.drop("web.hcl", s.String())
	second := w.awaitText("web", "two")
	if second.ID == first.ID || second.Who.SpecHash == first.Who.SpecHash {
		t.Error("the container is the old one")
	}

	s.Image = v2
	w.drop("web.hcl", s.String())
	eventually(t, "the new image runs", func() error {
		got := w.running("web")
		if len(got) != 1 || got[0].ImageID != id2 {
			return errors.New(brief(got))
		}
		return nil
	})
	third := w.awaitRunning("web", 1)

	s.Task = "      kill_timeout = \"7s\"\n"
	w.drop("web.hcl", s.String())
	w.awaitGeneration("web", 4)
	w.staysSame(2*time.Second, "web", third)

	w.drop("web.hcl", "# the same, formatted otherwise\n"+strings.ReplaceAll(s.String(), "  ", "\t"))
	w.staysSame(2*time.Second, "web", third)
	w.awaitGeneration("web", 4)
}

// awaitGeneration waits until status shows this generation of a job.
func (w *world) awaitGeneration(name string, want uint64) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("job %s is at generation %d", name, want), func() error {
		s, err := w.status()
		if err != nil {
			return err
		}
		if j, _ := s.job(name); j.Generation != want {
			return fmt.Errorf("it is at %d", j.Generation)
		}
		return nil
	})
}

// TestBrokenEditOfImage: what works is not stopped before its successor's
// image is there.
func TestBrokenEditOfImage(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	s := spec{Job: "web", Image: ref, Text: "one"}
	w.drop("web.hcl", s.String())
	before := w.awaitRunning("web", 1)

	s.Image = w.images.addr + "/nobody:1"
	w.drop("web.hcl", s.String())
	w.awaitError("web", "nobody")
	w.staysSame(2*time.Second, "web", before)

	s.Image, s.Text = ref, "two"
	w.drop("web.hcl", s.String())
	eventually(t, "the mended file runs", func() error {
		got := w.running("web")
		if len(got) != 1 || got[0].ID == before[0].ID {
			return errors.New(brief(got))
		}
		return nil
	})
}

// TestScale: allocations are added at the lowest free index and removed from
// the highest; the others do not notice.
func TestScale(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	s := spec{Job: "web", Count: 1, Image: ref}
	w.drop("web.hcl", s.String())
	one := w.awaitRunning("web", 1)

	s.Count = 3
	w.drop("web.hcl", s.String())
	three := w.awaitRunning("web", 3)
	if diff := cmp.Diff(one[0], three[0]); diff != "" {
		t.Errorf("index 0 changed (-was +is):\n%s", diff)
	}

	s.Count = 2
	w.drop("web.hcl", s.String())
	two := w.awaitRunning("web", 2)
	if diff := cmp.Diff(three[:2], two); diff != "" {
		t.Errorf("indexes 0 and 1 changed (-was +is):\n%s", diff)
	}
}

// TestTwoTasks: the tasks of a group are placed together, and an edit of one
// replaces the allocation.
func TestTwoTasks(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	manifest := func(text string) string {
		return fmt.Sprintf(`job "pair" {
  group "pair" {
    task "front" {
      driver = "docker"
      config { image = %[1]q }
      env { WEB_TEXT = %[2]q }
      resources { memory = 32 }
    }
    task "back" {
      driver = "docker"
      config { image = %[1]q }
      resources { memory = 32 }
    }
  }
}
`, ref, text)
	}
	w.drop("pair.hcl", manifest("one"))
	both := func() (alloc string, err error) {
		got := w.running("pair")
		if len(got) != 2 || got[0].Who.AllocID != got[1].Who.AllocID {
			return "", errors.New(brief(got))
		}
		return got[0].Who.AllocID, nil
	}
	before := ""
	eventually(t, "both tasks run in one allocation", func() (err error) {
		before, err = both()
		return err
	})
	w.drop("pair.hcl", manifest("two"))
	eventually(t, "both tasks run in another allocation", func() error {
		now, err := both()
		if err == nil && now == before {
			err = errors.New("it is the old allocation")
		}
		return err
	})
}
