package observed

import (
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"reconciler/internal/job"
	"reconciler/store"
)

// TestRecordsInTheStore: the tables of a real store follow the cache, and
// looks that see the same change nothing there.
func TestRecordsInTheStore(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	}()
	puts := 0
	st.Containers.OnChange(func(string) { puts++ })
	f := newFake()
	a := f.create("main-alloc-web", ours("web", 1))
	f.create("stranger", nil)
	labels := ours("web", 1)
	labels[job.LabelSpecHash] = "?"
	f.create("damaged", labels)
	f.start(a)
	f.die(a, 3)
	log := logrus.New()
	log.SetOutput(io.Discard)
	c := New(f, testNode, st, log)
	look := func() {
		t.Helper()
		if _, err := c.relist(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	look()
	f.mu.Lock()
	want := map[string]store.ContainerRecord{"main-alloc-web": {
		ID: a, Job: "web", AllocID: "alloc-web", Image: "app:1", ImageID: "sha256:app", State: "exited", ExitCode: 3,
		StartedAt: f.cons[a].started.UTC(), FinishedAt: f.cons[a].finished.UTC(),
	}}
	f.mu.Unlock()
	if diff := cmp.Diff(want, st.Containers.All()); diff != "" {
		t.Errorf("containers table (-want +got):\n%s", diff)
	}
	if e := st.Events(); len(e) != 1 || e[0].Reason != ReasonLabelsUnreadable || e[0].Object != "damaged" {
		t.Errorf("events %+v, want one about the damaged container", e)
	}
	look()
	look()
	if puts != 1 {
		t.Errorf("%d changes of the table, want 1: nothing has happened", puts)
	}
	c.recordOOM(job.Identity{Job: "web"}, "main-alloc-web", 0, time.Now())
	if e := st.Events(); len(e) != 2 || e[1].Reason != ReasonOOMKilled {
		t.Errorf("events %+v, want an OOM as well", e)
	}
	f.remove(a)
	look()
	if got := st.Containers.Len(); got != 0 {
		t.Errorf("%d records after the container went", got)
	}
}
