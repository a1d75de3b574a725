package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"reconciler/internal/job"
	"reconciler/store"
)

var update = flag.Bool("update", false, "write the golden files anew")

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fakeAgent answers from its fields.
type fakeAgent struct {
	status    Status
	services  []store.ServiceRecord
	confirmed []string
	err       error
	health    Health
	asked     chan Request
}

func (a fakeAgent) Status() Status        { return a.status }
func (a fakeAgent) Events() []store.Event { return []store.Event{{Reason: "Placed", Count: 2}} }
func (a fakeAgent) Health() Health        { return a.health }

func (a fakeAgent) Services() []store.ServiceRecord { return a.services }

func (a fakeAgent) Ask(_ context.Context, name string, r Request) error {
	if name != "web" {
		return fmt.Errorf("no job is called %q", name)
	}
	a.asked <- r
	return nil
}

func (a fakeAgent) Plan() ([]job.Forecast, error) {
	return []job.Forecast{{Job: "web", Do: "place", After: job.Duration(time.Second)}}, a.err
}

func (a fakeAgent) ConfirmDeletions(context.Context) ([]string, error) {
	return a.confirmed, a.err
}

func quiet() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// serveAgent runs a server on a directory until the test ends.
func serveAgent(t *testing.T, dir string, a Agent, addr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&Server{Agent: a, Dir: dir, HTTP: addr, Log: quiet()}).Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	// There is a socket before anybody listens on it.
	for range 2000 {
		if _, err := NewClient(dir).Events(t.Context()); !errors.Is(err, ErrNoAgent) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("no answer after ten seconds")
}

func TestClientAndServer(t *testing.T) {
	for _, depth := range []int{0, 12} { // the second makes a path that no sockaddr_un can hold
		dir := filepath.Join(t.TempDir(), strings.Repeat("deep-down/", depth))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		want := Status{Source: SourceDaemon, NodeID: "n", Jobs: []JobStatus{{Name: "web", Phase: "running"}}, Problems: []store.Problem{}}
		serveAgent(t, dir, fakeAgent{status: want, confirmed: []string{"a", "b"}}, "")
		c := NewClient(dir)
		got, err := c.Status(t.Context())
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("status: %v\n%s", err, diff)
		}
		if names, err := c.ConfirmDeletions(t.Context()); err != nil || !slices.Equal(names, []string{"a", "b"}) {
			t.Errorf("confirmed %v, %v", names, err)
		}
		if events, err := c.Events(t.Context()); err != nil || len(events) != 1 || events[0].Count != 2 {
			t.Errorf("events %v, %v", events, err)
		}
		if steps, err := c.Plan(t.Context()); err != nil || len(steps) != 1 || steps[0].After.Std() != time.Second {
			t.Errorf("plan %v, %v", steps, err)
		}
		info, err := os.Stat(filepath.Join(dir, socketName))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("socket has mode %v, %v; want 0600", info.Mode(), err)
		}
	}
}

func TestAsk(t *testing.T) {
	dir, asked := t.TempDir(), make(chan Request, 1)
	serveAgent(t, dir, fakeAgent{asked: asked}, "")
	c := NewClient(dir)
	for _, r := range requests {
		if err := c.Ask(t.Context(), "web", r); err != nil || <-asked != r {
			t.Errorf("%s: %v", r, err)
		}
	}
	if err := c.Ask(t.Context(), "a/b", RequestHold); err == nil || err.Error() != `no job is called "a/b"` {
		t.Errorf("another job: %v", err)
	}
	if err := c.Ask(t.Context(), "web", "explode"); err == nil || err.Error() != `no request is called "explode"` {
		t.Errorf("another request: %v", err)
	}
}

func TestConfirmErrorReachesTheCaller(t *testing.T) {
	dir := t.TempDir()
	serveAgent(t, dir, fakeAgent{err: errors.New("the directory is missing")}, "")
	if _, err := NewClient(dir).ConfirmDeletions(t.Context()); err == nil || err.Error() != "the directory is missing" {
		t.Errorf("error %v", err)
	}
}

func TestNoAgent(t *testing.T) {
	dir := t.TempDir()
	if _, err := NewClient(dir).Status(t.Context()); !errors.Is(err, ErrNoAgent) {
		t.Errorf("no socket: %v, want ErrNoAgent", err)
	}
	leaveSocket(t, dir)
	if _, err := NewClient(dir).Status(t.Context()); !errors.Is(err, ErrNoAgent) {
		t.Errorf("a socket that a crash left: %v, want ErrNoAgent", err)
	}
	serveAgent(t, dir, fakeAgent{}, "")
	for range 100 {
		if _, err := NewClient(dir).Status(t.Context()); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a server does not take over a socket that a crash left")
}

func leaveSocket(t *testing.T, dir string) {
	t.Helper()
	l, err := listen(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	l.(interface{ SetUnlinkOnClose(bool) }).SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestListenLeavesWhatIsNoSocket(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, socketName)
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("error %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "precious" {
		t.Errorf("the file is %q now", b)
	}
}

func TestHealthOnTCPIsReadOnly(t *testing.T) {
	s := &Server{Agent: fakeAgent{health: Health{OK: false, Checks: map[string]string{"docker": "away"}}}}
	for path, want := range map[string]int{"/healthz": http.StatusServiceUnavailable, "/v1/status": http.StatusNotFound, "/v1/confirm-deletions": http.StatusNotFound} {
		w := &recorder{header: http.Header{}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		s.public().ServeHTTP(w, req)
		if w.code != want {
			t.Errorf("%s: %d, want %d", path, w.code, want)
		}
	}
}

type recorder struct {
	header http.Header
	code   int
	bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(c int)   { r.code = c }

// sample is a store with a job that runs, one that is broken, one that is
// being deleted and one that is gone.
func sample(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	spec := &job.Job{Name: "web", Type: job.TypeService, Groups: []job.Group{{Name: "web", Count: 2, Tasks: []job.Task{{Name: "web"}}}}}
	hash := job.SpecHash(spec, &spec.Groups[0])
	st.Jobs.Put("web", store.JobRecord{Generation: 3, File: "web.hcl", Spec: spec})
	st.Jobs.Put("gone", store.JobRecord{Generation: 1, File: "gone.hcl", Spec: spec, Deleted: t0})
	st.Manifests.Put("web.hcl", store.ManifestRecord{Jobs: []string{"web"}, Problems: []store.Problem{{
		File: "web.hcl", Line: 12, Col: 5, EndCol: 9, Summary: "Unsupported argument", Detail: `"imge" is not expected here. Did you mean "image"?`,
	}}})
	st.Deployments.Put("web", store.DeploymentRecord{ObservedGeneration: 3, Phase: "degraded", Conditions: []job.Condition{
		{Type: job.CondSpecValid, Status: job.False, Reason: "Invalid", LastTransition: t0},
		{Type: job.CondDegraded, Status: job.True, Reason: "CrashBackoff", Message: "web[1] task web: exited with code 1", LastTransition: t0},
	}})
	ok := []job.Condition{{Type: job.CondRunning, Status: job.True}, {Type: job.CondHealthy, Status: job.True}}
	for i, a := range []job.Alloc{
		{
			Spec: job.AllocSpec{ID: "aaaaaaaa-1111", Index: 0, SpecHash: hash, Ports: []job.AllocPort{{Label: "http", Task: "web", HostIP: "10.0.0.1", Host: 20001, To: 80}}},
			Status: job.AllocStatus{Conditions: ok, Tasks: map[string]job.TaskStatus{"web": {
				Phase: job.PhaseRunning, Attempt: 1, RunningSince: t0.Add(-time.Hour), ImageID: "sha256:0123456789abcdef",
			}}},
		},
		{
			Spec: job.AllocSpec{ID: "bbbbbbbb-2222", Index: 1, SpecHash: hash},
			Status: job.AllocStatus{Tasks: map[string]job.TaskStatus{"web": {
				Phase: job.PhaseBackoff, Attempt: 4, NextRetry: t0.Add(40 * time.Second),
				LastExit: &job.Exit{Code: 1, Attempt: 4, At: t0.Add(-time.Second)},
			}}},
		},
		{Spec: job.AllocSpec{ID: "cccccccc-3333", Index: 2, SpecHash: "v1:old"}, Status: job.AllocStatus{EndedAt: t0}},
	} {
		a.Spec.Job, a.Spec.Group, a.Spec.Generation, a.Spec.Desired = "web", "web", 3, job.DesiredRun
		a.Spec.Images = map[string]string{"web": "docker.io/library/web:1"}
		st.AllocSpecs.Put(a.Spec.ID, a.Spec)
		st.AllocStatuses.Put(a.Spec.ID, a.Status)
		st.Containers.Put(strings.Repeat("c", i+1), store.ContainerRecord{AllocID: a.Spec.ID, Job: "web"})
	}
	st.Provenance.Put("sha256:0123456789abcdef", store.ImageProvenance{Refs: []string{"docker.io/library/web:1"}, Size: 12_300_000})
	st.Clocks.Put("sha256:0123456789abcdef", store.ImageClock{Kept: "container web-aaaaaaaa-1111 has it"})
	st.Clocks.Put("sha256:fedcba9876543210", store.ImageClock{UnusedSince: t0.Add(-time.Minute), DeleteAt: t0.Add(2 * time.Minute)})
	return st
}

func TestRenderGolden(t *testing.T) {
	st := sample(t)
	live := Live{
		Version: "1.0", Node: "host", Docker: DockerStatus{Connected: true, Version: "20.10.24"}, Manifests: ManifestsStatus{OK: true},
		Pulls: []Pull{{Ref: "docker.io/library/big:1", BytesDone: 5e6, BytesTotal: 20e6, Layers: 4, LayersDone: 1, Since: t0.Add(-3 * time.Second)}},
	}
	away := live
	away.Docker = DockerStatus{Since: t0.Add(-90 * time.Second), Problem: "connection refused"}
	away.Manifests = ManifestsStatus{Dir: "/manifests", Problem: "the directory is missing"}
	up, down, file := Build(st, live, t0), Build(st, away, t0), BuildFromFile(st, t0.Add(-time.Minute))
	for name, render := range map[string]func(io.Writer) error{
		"jobs":   func(w io.Writer) error { return Render(w, up, t0) },
		"away":   func(w io.Writer) error { return Render(w, down, t0) },
		"file":   func(w io.Writer) error { return Render(w, file, t0) },
		"job":    func(w io.Writer) error { return RenderJob(w, up, up.Jobs[0], t0) },
		"images": func(w io.Writer) error { return RenderImages(w, up, t0) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := render(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, name, strings.NewReplacer(st.NodeID(), "NODE-ID", st.Dir(), "DATA-DIR").Replace(b.String()))
		})
	}
}

// golden compares an output with its file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

// TestUnknownWhileNobodyLooks: with dockerd away, or without an agent, no
// condition claims to know what runs.
func TestUnknownWhileNobodyLooks(t *testing.T) {
	st := sample(t)
	for name, s := range map[string]Status{"away": Build(st, Live{}, t0), "file": BuildFromFile(st, t0)} {
		for _, a := range s.Jobs[0].Allocs {
			for _, c := range a.Status.Conditions {
				if c.Status != job.Unknown {
					t.Errorf("%s: condition %s of %s is %s", name, c.Type, a.Spec.ID, c.Status)
				}
			}
		}
	}
	spec, _ := st.AllocStatuses.Get("aaaaaaaa-1111")
	if spec.Conditions[0].Status != job.True {
		t.Error("the record itself was changed")
	}
}

func TestStatusShowsLiveThings(t *testing.T) {
	s := Build(sample(t), Live{Docker: DockerStatus{Connected: true}}, t0)
	if len(s.Jobs) != 1 || s.Jobs[0].Name != "web" {
		t.Fatalf("jobs %v, want web alone: the tombstone is no job", s.Jobs)
	}
	j := s.Jobs[0]
	if j.Wanted != 2 || j.Running != 1 || len(j.Allocs) != 2 {
		t.Errorf("wanted %d, running %d, %d allocations; want 2, 1, 2", j.Wanted, j.Running, len(j.Allocs))
	}
	b, err := json.Marshal(s)
	if err != nil || !bytes.Contains(b, []byte(`"spec":{"id":"aaaaaaaa-1111"`)) {
		t.Errorf("an allocation's halves are not called spec and status: %v\n%s", err, b)
	}
}
