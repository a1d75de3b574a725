package reconcile

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
	"reconciler/internal/taskenv"
)

// TestResolvedArtifacts: runtime names are replaced, and the archive that the
// task loads its image from is not unpacked; the spec stays as it is.
func TestResolvedArtifacts(t *testing.T) {
	task := &job.Task{
		Name: "app", Env: map[string]string{"FILE": "app.tar"},
		Config: job.Config{Load: "${FILE}"},
		Artifacts: []job.Artifact{
			{Source: "http://host/${NOMAD_TASK_NAME}.tar", Options: map[string]string{"checksum": "sha256:${FILE}"}},
			{Source: "http://host/site.tar", Destination: "local/${FILE}"},
		},
	}
	spec := &job.Job{Name: "j", Groups: []job.Group{{Name: "g", Tasks: []job.Task{*task}}}}
	env := taskenv.New(taskenv.Input{Job: spec, Group: &spec.Groups[0], Task: task, Alloc: job.AllocSpec{ID: "a", Job: "j", Group: "g"}})
	want := []job.Artifact{
		{Source: "http://host/app.tar", Options: map[string]string{"checksum": "sha256:app.tar", "archive": "false"}},
		{Source: "http://host/site.tar", Destination: "local/app.tar"},
	}
	if diff := cmp.Diff(want, resolvedArtifacts(env, task)); diff != "" {
		t.Errorf("artifacts (-want +got):\n%s", diff)
	}
	if got := task.Artifacts[0]; len(got.Options) != 1 || got.Source == want[0].Source {
		t.Errorf("the spec was changed: %+v", got)
	}
}

// TestResolvedService: a runtime name may stand in every text of a service and
// its checks.
func TestResolvedService(t *testing.T) {
	const name, is = "${NOMAD_TASK_NAME}", "web"
	spec := &job.Job{Name: "j", Groups: []job.Group{{Name: "g", Tasks: []job.Task{{Name: is}}}}}
	env := taskenv.New(taskenv.Input{Job: spec, Group: &spec.Groups[0], Task: &spec.Groups[0].Tasks[0]})
	of := func(v string) job.Service {
		return job.Service{Name: v, Tags: []string{v}, Checks: []job.Check{{
			Name: v, Method: v, Path: "/" + v, Command: v, Args: []string{v}, Header: map[string][]string{"X": {v}},
		}}}
	}
	if diff := cmp.Diff(of(is), resolved(env, of(name))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
