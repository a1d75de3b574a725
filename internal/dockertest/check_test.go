package dockertest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"reconciler/internal/check"
	"reconciler/internal/docker"
	"reconciler/internal/job"
	"reconciler/reconcile"
)

// scripted is what the script of a container does; tests change it.
type scripted struct {
	mu  sync.Mutex
	out Outcome
}

func (s *scripted) set(out Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = out
}

func (s *scripted) exec(Command) Outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out
}

// TestScriptCheckThroughTheEngine: the health runner over the executor over the
// engine in memory, through all that can befall a script.
func TestScriptCheckThroughTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var does scripted
		r := newRig(t, Options{Exec: does.exec, LiveRestore: true})
		id := r.run("web")
		run := check.New(docker.New(r.cli, docker.Options{}, nil, nil, quiet()), quiet())
		var runner reconcile.Checks = run
		runner.Set("a", []job.CheckTarget{{Key: "web/alive", Container: id, Check: job.Check{
			Type: job.CheckScript, Command: "/alive", Interval: job.Duration(10 * time.Second), Timeout: job.Duration(2 * time.Second),
		}}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- run.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		created := func() (n int) {
			for _, c := range r.Calls() {
				if strings.HasSuffix(c.Path, "/exec") {
					n++
				}
			}
			return n
		}
		after := func(d time.Duration, want job.CheckStatus, output string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if s := runner.States("a")["web/alive"]; s.Status != want || s.Output != output || s.Container != id {
				t.Fatalf("the check stands at %+v, want %s %q", s, want, output)
			}
		}
		does.set(Outcome{Stdout: "fine"})
		after(5*time.Second, job.CheckPassing, "exit 0: fine")
		does.set(Outcome{Code: 1, Stderr: "slow"})
		after(10*time.Second, job.CheckWarning, "exit 1: slow")
		does.set(Outcome{CannotStart: missing("/alive")})
		after(10*time.Second, job.CheckCritical, "exit 126: OCI runtime exec failed: exec failed: unable to start container process: "+
			`exec: "/alive": stat /alive: no such file or directory: unknown`)
		does.set(Outcome{})
		after(10*time.Second, job.CheckPassing, "exit 0")

		r.Stop()
		after(time.Hour, job.CheckPassing, "exit 0")
		r.Start()
		hang := r.Inject(Fault{Path: "/exec/**", Hang: true})
		after(time.Hour, job.CheckPassing, "exit 0")
		hang.Lift()
		after(time.Minute, job.CheckPassing, "exit 0")

		before := created()
		does.set(Outcome{Stdout: "waiting", After: 10 * time.Hour})
		after(time.Hour, job.CheckCritical, "not ended within 2s: waiting")
		if n := created() - before; n != 1 {
			t.Errorf("%d commands were begun in an hour while the first did not end", n)
		}
		does.set(Outcome{})
		after(10*time.Hour, job.CheckPassing, "exit 0")

		r.RemoveByHand("web")
		after(time.Hour, job.CheckPassing, "exit 0")
		if w := r.Writes(); slices.ContainsFunc(w, func(c Call) bool { return strings.Contains(c.Path, "exec") }) {
			t.Errorf("checks count as writes: %v", w)
		}
	})
}
