package control

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"reconciler/internal/job"
)

func TestFamiliar(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	for in, want := range map[string]string{
		"":                                       "",
		"docker.io/library/nginx:1.27":           "nginx:1.27",
		"docker.io/grafana/loki:3":               "grafana/loki:3",
		"registry.example:5000/team/app:1":       "registry.example:5000/team/app:1",
		"docker.io/library/nginx:1.27@" + digest: "nginx:1.27@sha256:0123456789ab",
	} {
		if got := familiar(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:                    "0s ago",
		90 * time.Second:                "1m30s ago",
		47 * time.Hour:                  "47h0m0s ago",
		13*24*time.Hour + 5*time.Hour/2: "13d2h ago",
	} {
		if got := ago(t0, t0.Add(-d)); got != want {
			t.Errorf("%s: %s, want %s", d, got, want)
		}
	}
	if got := ago(t0, time.Time{}); got != "-" {
		t.Errorf("never: %s", got)
	}
}

// TestRenderJobIsNarrow: an error of the engine, as long as they are, stands on
// the page once, whichever allocations have it.
func TestRenderJobIsNarrow(t *testing.T) {
	long := strings.Repeat("dial tcp: lookup of a registry on a name server: no such host ", 5)
	failed := func(id string) AllocStatus {
		return AllocStatus{Alloc: job.Alloc{
			Spec: job.AllocSpec{ID: id, Group: "web", Desired: job.DesiredRun, Images: map[string]string{"web": "docker.io/library/web:1"}},
			Status: job.AllocStatus{Tasks: map[string]job.TaskStatus{"web": {
				Phase: job.PhaseBackoff, NextRetry: t0.Add(time.Minute), LastError: &job.Failure{Reason: "RegistryUnreachable", Message: long},
			}}},
		}}
	}
	j := JobStatus{Name: "web", Allocs: []AllocStatus{failed("aaaaaaaa-1111"), failed("bbbbbbbb-2222")}, Conditions: []job.Condition{
		{Type: job.CondDegraded, Status: job.True, Reason: "RegistryUnreachable", Message: "web[0] task web: " + long},
	}}
	var b bytes.Buffer
	if err := RenderJob(&b, Status{Source: SourceDaemon}, j, t0); err != nil {
		t.Fatal(err)
	}
	wide := 0
	for line := range strings.Lines(b.String()) {
		if len(line) > 120 {
			wide++
		}
	}
	if wide != 1 || strings.Count(b.String(), long) != 1 || strings.Count(b.String(), "RegistryUnreachable; next try in 1m0s") != 2 {
		t.Errorf("%d wide lines in\n%s", wide, b.String())
	}
}

func TestRenderNothing(t *testing.T) {
	var b bytes.Buffer
	if err := RenderImages(&b, Status{}, t0); err != nil || b.String() != "no images\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	b.Reset()
	if err := RenderJob(&b, Status{Source: SourceDaemon}, JobStatus{Name: "web"}, t0); err != nil || !strings.Contains(b.String(), "\nno allocations\n") {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// TestEngineInTheHeader: what is not known yet is not told as an outage.
func TestEngineInTheHeader(t *testing.T) {
	for want, docker := range map[string]DockerStatus{
		"docker connected, version 29": {Connected: true, Version: "29"},
		"docker not seen yet":          {},
		"docker AWAY for 1m0s: refused": {
			Since: t0.Add(-time.Minute), Problem: "refused",
		},
	} {
		var b bytes.Buffer
		if err := Render(&b, Status{Source: SourceDaemon, Docker: docker}, t0); err != nil || !strings.Contains(b.String(), want+"\n") {
			t.Errorf("%q, %v, want %q", b.String(), err, want)
		}
	}
}

func TestWhyOfAJobThatGoes(t *testing.T) {
	j := JobStatus{Phase: "stopping", Conditions: []job.Condition{
		{Type: job.CondProgressing, Status: job.True, Reason: "Converging", Message: "allocation a is stopping"},
		{Type: job.CondDegraded, Status: job.True, Reason: "RestartsExhausted", Message: "edit the job"},
	}}
	if got := why(j); got != "Converging: allocation a is stopping" {
		t.Error(got)
	}
	j.Phase = "degraded"
	if got := why(j); got != "RestartsExhausted: edit the job" {
		t.Error(got)
	}
}
