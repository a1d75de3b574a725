package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestQuiet: once the host is as the files say, nothing is done, written or
// said, whatever happens to the files that does not change their meaning.
func TestQuiet(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	s := spec{Job: "web", Count: 2, Image: ref, Port: true}
	w.drop("web.hcl", s.String())
	w.awaitRunning("web", 2)
	was := w.settle()
	before := w.running("web")
	mark := w.agent.log.len()

	file := filepath.Join(w.manifests, "web.hcl")
	now := time.Now()
	must(t, os.Chtimes(file, now, now))
	time.Sleep(time.Second)
	w.drop("web.hcl", s.String()) // saved again
	time.Sleep(time.Second)
	must(t, os.WriteFile(filepath.Join(w.manifests, "notes.txt"), []byte("no manifest"), 0o644))
	w.staysSame(5*time.Second, "web", before)

	if is := w.digest(); is != was {
		t.Errorf("the state file changed: %s, was %s", is, was)
	}
	if loud := w.agent.log.loud(mark); len(loud) > 0 {
		t.Errorf("%d lines above debug, the first: %s", len(loud), loud[0])
	}
}
