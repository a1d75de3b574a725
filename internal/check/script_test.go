package check

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"reconciler/internal/job"
)

// execFunc is an Execer.
type execFunc func(ctx context.Context, containerID string, cmd []string) (job.ExecResult, error)

func (f execFunc) Exec(ctx context.Context, containerID string, cmd []string) (job.ExecResult, error) {
	return f(ctx, containerID, cmd)
}

func script(change func(t *job.CheckTarget)) job.CheckTarget {
	return target("script", func(t *job.CheckTarget) {
		t.Check.Type, t.Check.Command, t.Check.Args = job.CheckScript, "/bin/check", []string{"-v", "a b"}
		if change != nil {
			change(t)
		}
	})
}

func TestScript(t *testing.T) {
	away := job.NewError(job.Indeterminate, "EngineUnavailable", errors.New("the engine does not answer"))
	gone := job.NewError(job.Retried, "ContainerGone", errors.New("no such container"))
	for _, tc := range []struct {
		name   string
		res    job.ExecResult
		err    error
		want   job.CheckStatus
		output string
	}{
		{"0", job.ExecResult{Output: "fine\n"}, nil, job.CheckPassing, "exit 0: fine"},
		{"1", job.ExecResult{Code: 1, Output: "well"}, nil, job.CheckWarning, "exit 1: well"},
		{"2", job.ExecResult{Code: 2}, nil, job.CheckCritical, "exit 2"},
		{"not found", job.ExecResult{Code: 127, Output: "no such file"}, nil, job.CheckCritical, "exit 127: no such file"},
		{"negative", job.ExecResult{Code: -1}, nil, job.CheckCritical, "exit -1"},
		{"engine away", job.ExecResult{}, away, "", "the engine does not answer"},
		{"container gone", job.ExecResult{}, gone, "", "no such container"},
		{"an earlier one runs", job.ExecResult{Running: true}, nil, job.CheckCritical, "the command runs on, from this look or an earlier one"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			exec := execFunc(func(_ context.Context, id string, cmd []string) (job.ExecResult, error) {
				if id != "c1" || !slices.Equal(cmd, []string{"/bin/check", "-v", "a b"}) {
					t.Errorf("exec of %q in %s", cmd, id)
				}
				return tc.res, tc.err
			})
			if got := look(t, exec, script(nil)); got.status != tc.want || got.output != tc.output {
				t.Errorf("got %+v, want %s %q", got, tc.want, tc.output)
			}
		})
	}
}

func TestScriptThatDoesNotEnd(t *testing.T) {
	runs := func(ctx context.Context, _ string, _ []string) (job.ExecResult, error) {
		<-ctx.Done()
		return job.ExecResult{Running: true, Output: "so far"}, nil
	}
	silent := func(ctx context.Context, _ string, _ []string) (job.ExecResult, error) {
		<-ctx.Done() // the engine has not even begun
		return job.ExecResult{}, ctx.Err()
	}
	synctest.Test(t, func(t *testing.T) {
		got := look(t, execFunc(runs), script(nil))
		if got.status != job.CheckCritical || got.output != "not ended within 2s: so far" {
			t.Errorf("a script that hangs: %+v", got)
		}
		if got := look(t, execFunc(silent), script(nil)); got.status != "" {
			t.Errorf("an engine that hangs: %+v; it is no result", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if got := lookScript(ctx, execFunc(runs), script(nil)); got.status != "" {
			t.Errorf("a look that was cancelled: %+v; it is no result", got)
		}
	})
}

// TestEngineAwayChangesNothing: through the whole Runner, for as long as it
// takes.
func TestEngineAwayChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := New(execFunc(func(context.Context, string, []string) (job.ExecResult, error) {
			if time.Since(began) < time.Minute {
				return job.ExecResult{}, nil
			}
			return job.ExecResult{}, job.NewError(job.Indeterminate, "EngineUnavailable", errors.New("away"))
		}), quietLog())
		told := 0
		r.OnChange(func(string) { told++ })
		r.Set("a", []job.CheckTarget{script(nil)})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(59 * time.Second)
		synctest.Wait()
		before := r.States("a")["script"]
		time.Sleep(time.Hour)
		synctest.Wait()
		if s := r.States("a")["script"]; s != before || s.Status != job.CheckPassing || told != 1 {
			t.Errorf("state %+v after an hour without the engine, %+v before; told %d times", s, before, told)
		}
	})
}
