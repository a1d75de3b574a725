package control

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/store"
)

// instances are in the order in which they are shown.
func instances() []store.ServiceRecord {
	return []store.ServiceRecord{
		{Name: "api", Job: "shop", Group: "back", Task: "api", Alloc: "aaaaaaaa-1111", Address: "10.0.0.1", Port: 20001, Tags: []string{"v1", "blue"}, Health: job.CheckPassing, Since: t0.Add(-time.Hour)},
		{Name: "api", Job: "shop", Group: "back", Task: "api", Alloc: "bbbbbbbb-2222", Address: "fd00::1", Port: 80, Health: job.CheckCritical, Since: t0.Add(-3 * time.Second)},
		{Name: "api", Job: "shop", Group: "back", Task: "side", Alloc: "bbbbbbbb-2222", Address: "10.0.0.1", Port: 20002, Health: job.CheckWarning, Since: t0},
		{Name: "db", Job: "shop", Group: "db", Alloc: "cccccccc-3333", Address: "172.18.0.2", Health: job.CheckPending, Since: t0},
	}
}

func TestServicesAreSorted(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if got := Services(st); got == nil || len(got) != 0 {
		t.Errorf("without any: %#v, want an empty array", got)
	}
	want := instances()
	for _, s := range slices.Backward(want) {
		st.Services.Put(store.ServiceKey(s.Name, s.Alloc, s.Task), s)
	}
	for range 10 { // a map's order is another each time
		if diff := cmp.Diff(want, Services(st)); diff != "" {
			t.Fatalf("services (-want +got):\n%s", diff)
		}
	}
}

func TestServicesOverTheSocket(t *testing.T) {
	dir := t.TempDir()
	serveAgent(t, dir, fakeAgent{services: instances()}, "")
	got, err := NewClient(dir).Services(t.Context())
	if diff := cmp.Diff(instances(), got); err != nil || diff != "" {
		t.Errorf("services: %v\n%s", err, diff)
	}
}

// TestServicesOverHTTP: the answer is an array also if there are none, and
// nothing of it is told on TCP.
func TestServicesOverHTTP(t *testing.T) {
	s := &Server{Agent: fakeAgent{}}
	ask := func(h http.Handler) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/services", http.NoBody))
		return w
	}
	if w := ask(s.control()); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != "[]" {
		t.Errorf("no services: %d %q", w.Code, w.Body)
	}
	if w := ask(s.public()); w.Code != http.StatusNotFound {
		t.Errorf("on TCP: %d", w.Code)
	}
}

func TestRenderServicesGolden(t *testing.T) {
	for name, list := range map[string][]store.ServiceRecord{
		"services":      instances(),
		"services_none": nil,
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := RenderServices(&b, list, t0); err != nil {
				t.Fatal(err)
			}
			golden(t, name, b.String())
		})
	}
}

// TestRenderJobChecksGolden: one job's allocations in every phase that a check,
// a leader or a restart block can bring them to, and their checks. What the
// job's condition says is not said again.
func TestRenderJobChecksGolden(t *testing.T) {
	exit := func(code int, stopped string) *job.Exit {
		return &job.Exit{Code: code, Attempt: 2, At: t0.Add(-time.Minute), Stopped: stopped}
	}
	task := func(id string, index int, ts job.TaskStatus, checks map[string]job.CheckState) AllocStatus {
		ts.Attempt = 2
		return AllocStatus{Alloc: job.Alloc{
			Spec:   job.AllocSpec{ID: id, Group: "web", Index: index, Generation: 1, Desired: job.DesiredRun},
			Status: job.AllocStatus{Tasks: map[string]job.TaskStatus{"web": ts}, Checks: checks},
		}}
	}
	degraded := job.Condition{Type: job.CondDegraded, Status: job.True, Reason: "RestartsExhausted", Message: "web[3] task web: its restart block allows no more"}
	j := JobStatus{Name: "web", Generation: 1, Phase: "running", Wanted: 6, Conditions: []job.Condition{degraded}, Allocs: []AllocStatus{
		task("aaaaaaaa-1111", 0, job.TaskStatus{Phase: job.PhaseRunning, RunningSince: t0.Add(-time.Hour)}, map[string]job.CheckState{
			"web/tcp":   {Status: job.CheckPassing, Since: t0.Add(-time.Hour), Output: "connected"},
			"web/alive": {Status: job.CheckCritical, Since: t0.Add(-5 * time.Second), Output: "503 Service Unavailable: no database"},
		}),
		task("bbbbbbbb-2222", 1, job.TaskStatus{Phase: job.PhaseDraining, DrainingSince: t0.Add(-2 * time.Second)}, nil),
		task("cccccccc-3333", 2, job.TaskStatus{Phase: job.PhaseComplete, LastExit: exit(0, "")}, nil),
		task("dddddddd-4444", 3, job.TaskStatus{Phase: job.PhaseFailed, LastExit: exit(1, ""), LastError: &job.Failure{Reason: "RestartsExhausted", Message: "its restart block allows no more"}}, nil),
		task("eeeeeeee-5555", 4, job.TaskStatus{Phase: job.PhaseEnded}, nil),
		task("ffffffff-6666", 5, job.TaskStatus{Phase: job.PhaseBackoff, NextRetry: t0.Add(10 * time.Second), LastExit: exit(137, "check web/alive is critical")}, map[string]job.CheckState{
			"web/alive": {Status: job.CheckPending, Since: t0.Add(-time.Second)},
		}),
	}}
	var b bytes.Buffer
	if err := RenderJob(&b, Status{Source: SourceDaemon, Docker: DockerStatus{Connected: true}, Manifests: ManifestsStatus{OK: true}}, j, t0); err != nil {
		t.Fatal(err)
	}
	golden(t, "job_checks", b.String())
}

func TestTaskSince(t *testing.T) {
	ts := job.TaskStatus{
		RunningSince: t0, DrainingSince: t0.Add(1), StoppingSince: t0.Add(2), LastExit: &job.Exit{At: t0.Add(3)},
	}
	for phase, want := range map[job.Phase]time.Time{
		job.PhaseRunning: t0, job.PhasePaused: t0, job.PhaseDraining: t0.Add(1), job.PhaseStopping: t0.Add(2),
		job.PhaseComplete: t0.Add(3), job.PhaseFailed: t0.Add(3), job.PhaseEnded: t0.Add(3),
	} {
		ts.Phase = phase
		if got := taskSince(ts); !got.Equal(want) {
			t.Errorf("%s: since %s, want %s", phase, got, want)
		}
	}
	if got := taskSince(job.TaskStatus{Phase: job.PhaseEnded, RunningSince: t0}); !got.IsZero() {
		t.Errorf("ended without an exit: since %s", got)
	}
}
