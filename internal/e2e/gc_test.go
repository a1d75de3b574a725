package e2e

import (
	"errors"
	"testing"
	"time"
)

// imageRecord is what the tests read of a value of the images bucket.
type imageRecord struct {
	Clock struct {
		UnusedSince time.Time `json:"unused_since"`
	} `json:"clock"`
}

// TestImageDelay: an image goes after its delay and not before, and the clock
// survives a restart of the agent.
func TestImageDelay(t *testing.T) {
	const delay = 8 * time.Second
	w := start(t, "--image-delay", delay.String())
	ref, id := w.images.push("web:1", "1")
	w.drop("web.hcl", spec{Job: "web", Image: ref}.String())
	w.awaitRunning("web", 1)
	begin := time.Now()
	w.take("web.hcl")
	w.awaitNone("web")

	var before, after imageRecord
	eventually(t, "the image's clock is in the state file", func() error {
		if err := w.record(&before, "images", id); err != nil {
			return err
		}
		if before.Clock.UnusedSince.IsZero() {
			return errors.New("no unused_since")
		}
		return nil
	})
	if before.Clock.UnusedSince.Before(begin.Add(-time.Second)) || before.Clock.UnusedSince.After(time.Now().Add(time.Second)) {
		t.Errorf("unused since %s, while the file went at %s", before.Clock.UnusedSince, begin)
	}
	w.crash()
	time.Sleep(2 * time.Second)
	w.up()
	must(t, w.record(&after, "images", id))
	if !after.Clock.UnusedSince.Equal(before.Clock.UnusedSince) {
		t.Errorf("unused since %s, was %s before the restart", after.Clock.UnusedSince, before.Clock.UnusedSince)
	}
	for time.Until(before.Clock.UnusedSince.Add(delay)) > 500*time.Millisecond {
		if !w.images.has(ref) {
			t.Fatalf("the image went %s before its time", time.Until(before.Clock.UnusedSince.Add(delay)))
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.images.awaitGone(ref)
}

// TestImageUsedAgain: an image that is needed again within its delay stays.
func TestImageUsedAgain(t *testing.T) {
	w := start(t, "--image-delay", "4s")
	ref, _ := w.images.push("web:1", "1")
	manifest := spec{Job: "web", Image: ref}.String()
	w.drop("web.hcl", manifest)
	w.awaitRunning("web", 1)
	w.take("web.hcl")
	w.awaitNone("web")
	w.drop("web.hcl", manifest)
	again := w.awaitRunning("web", 1)
	steadily(t, 6*time.Second, "the image stays", func() error {
		if !w.images.has(ref) {
			return errors.New("it is gone")
		}
		return w.same("web", again)
	})
}

// TestSupersededLatest: a moved tag is picked up with the next change of the
// spec, and the image that it left goes by its id.
func TestSupersededLatest(t *testing.T) {
	w := start(t, "--image-delay", "2s")
	ref, id1 := w.images.push("web:latest", "1")
	s := spec{Job: "web", Image: w.images.addr + "/web", Text: "one", Port: true}
	w.drop("web.hcl", s.String())
	first := w.awaitText("web", "one")
	if first.ImageID != id1 {
		t.Fatalf("image %s, want %s", first.ImageID, id1)
	}
	moved, id2 := w.images.push("web:latest", "2")
	if moved != ref || id1 == id2 {
		t.Fatalf("the tag did not move: %s %s", moved, id2)
	}
	w.staysSame(2*time.Second, "web", []box{first})

	s.Text = "two"
	w.drop("web.hcl", s.String())
	if second := w.awaitText("web", "two"); second.ImageID != id2 {
		t.Errorf("image %s, want %s", second.ImageID, id2)
	}
	w.images.awaitGone(id1)
	if !w.images.has(ref) {
		t.Error("the image in use is gone")
	}
	w.take("web.hcl")
	w.images.awaitGone(id2)
}

// TestLoad: an image comes out of an archive, without any registry, and goes
// like any other.
func TestLoad(t *testing.T) {
	w := start(t, "--image-delay", "1s")
	ref := "rec-e2e-load:" + w.images.mark
	archive := w.images.archive(t.TempDir(), ref)
	w.drop("web.hcl", spec{
		Job: "web", Image: ref, Text: "loaded", Port: true, Config: "        load = \"" + archive + "\"\n",
	}.String())
	w.awaitText("web", "loaded")
	w.take("web.hcl")
	w.awaitNone("web")
	w.images.awaitGone(ref)
}
