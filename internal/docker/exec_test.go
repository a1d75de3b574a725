package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"

	"reconciler/internal/dockertest"
	"reconciler/internal/job"
)

// execRig is an Engine over the engine in memory, with one container.
type execRig struct {
	*Engine
	t   *testing.T
	mem *dockertest.Engine
	id  string
}

func inExecRig(t *testing.T, opts dockertest.Options, test func(t *testing.T, r *execRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		mem := dockertest.New(opts)
		defer mem.Close()
		mem.AddImage(dockertest.Image{Refs: []string{"web:1"}, Config: container.Config{Entrypoint: []string{"/web"}}})
		cli := mem.Client()
		defer cli.Close()
		c, err := cli.ContainerCreate(t.Context(), &container.Config{Image: "web:1"}, nil, nil, nil, "web")
		if err == nil {
			err = cli.ContainerStart(t.Context(), c.ID, container.StartOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
		test(t, &execRig{Engine: New(cli, Options{}, nil, newMemory(), quietLog()), t: t, mem: mem, id: c.ID})
	})
}

// within runs a command that may take so long.
func (r *execRig) within(d time.Duration, cmd ...string) (job.ExecResult, error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	defer cancel()
	return r.Exec(ctx, r.id, cmd)
}

// created counts the commands that the engine was given.
func (r *execRig) created() int {
	n := 0
	for _, c := range r.mem.Calls() {
		if c.Method == http.MethodPost && strings.HasSuffix(c.Path, "/exec") {
			n++
		}
	}
	return n
}

// fails fails unless err is of that kind and reason.
func (r *execRig) fails(what string, res job.ExecResult, err error, kind job.Kind, reason string) {
	r.t.Helper()
	var e *job.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Reason != reason {
		r.t.Errorf("%s: %v, want kind %s, reason %s", what, err, kind, reason)
	}
	if res.Running {
		r.t.Errorf("%s: the result says Running besides the error", what)
	}
}

func TestExec(t *testing.T) {
	inExecRig(t, dockertest.Options{}, func(t *testing.T, r *execRig) {
		for _, tc := range []struct {
			cmd  []string
			want job.ExecResult
		}{
			{[]string{"/web", "-port=none", "-exit=0"}, job.ExecResult{}},
			{[]string{"/web", "-port=none", "-exit=1", "-print=out", "-print-err=err"}, job.ExecResult{Code: 1, Output: "out\nerr\n"}},
			{[]string{"/web", "-sleep=1500ms", "-exit=42"}, job.ExecResult{Code: 42}},
			{[]string{"/web", "-port=none", "-exit=3", "-spam-kb=1000"}, job.ExecResult{Code: 3, Output: strings.Repeat("x", maxExecOutput)}},
			{[]string{"/none"}, job.ExecResult{Code: 126, Output: "OCI runtime exec failed: exec failed: unable to start container process: " +
				"exec: \"/none\": stat /none: no such file or directory: unknown\r\n"}},
		} {
			got, err := r.within(2*time.Second, tc.cmd...)
			if err != nil || got != tc.want {
				t.Errorf("%q: %+v, %v; want %+v", tc.cmd, got, err, tc.want)
			}
		}
	})
}

// TestExecThatDoesNotEnd: it is a result, and the same command is not begun a
// second time while it runs; another one is.
func TestExecThatDoesNotEnd(t *testing.T) {
	inExecRig(t, dockertest.Options{}, func(t *testing.T, r *execRig) {
		slow := []string{"/web", "-sleep=10s", "-print=so far"}
		began := time.Now()
		got, err := r.within(2*time.Second, slow...)
		if want := (job.ExecResult{Running: true, Output: "so far\n"}); err != nil || got != want || time.Since(began) != 2*time.Second {
			t.Errorf("after %s: %+v, %v; want %+v", time.Since(began), got, err, want)
		}
		for range 3 {
			if got, err := r.within(2*time.Second, slow...); err != nil || !got.Running || r.created() != 1 {
				t.Errorf("while it runs: %+v, %v, %d commands begun", got, err, r.created())
			}
		}
		if got, err := r.within(2*time.Second, "/web", "-port=none", "-exit=0"); err != nil || got.Running {
			t.Errorf("another command: %+v, %v", got, err)
		}
		time.Sleep(9 * time.Second)
		if got, err := r.within(time.Minute, slow...); err != nil || got.Running || r.created() != 3 {
			t.Errorf("once it has ended: %+v, %v, %d commands begun", got, err, r.created())
		}
		if len(r.execs.ids) != 0 {
			t.Errorf("remembered: %v", r.execs.ids)
		}
	})
}

func TestExecHasADeadlineOfItsOwn(t *testing.T) {
	inExecRig(t, dockertest.Options{}, func(t *testing.T, r *execRig) {
		began := time.Now()
		got, err := r.Exec(t.Context(), r.id, []string{"/web", "-sleep=1h"})
		if err != nil || !got.Running || time.Since(began) != writeDeadline {
			t.Errorf("after %s: %+v, %v", time.Since(began), got, err)
		}
	})
}

func TestExecCancelled(t *testing.T) {
	inExecRig(t, dockertest.Options{}, func(t *testing.T, r *execRig) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second, cancel)
		began := time.Now()
		got, err := r.Exec(ctx, r.id, []string{"/web", "-sleep=1h"})
		r.fails("cancelled", got, err, job.Indeterminate, ReasonCancelled)
		if time.Since(began) != 3*time.Second {
			t.Errorf("it took %s", time.Since(began))
		}
		if got, err := r.within(time.Second, "/web", "-sleep=1h"); err != nil || !got.Running || r.created() != 1 {
			t.Errorf("the next: %+v, %v, %d commands begun", got, err, r.created())
		}
	})
}

// TestExecOfAnEngineThatHangs: whatever call gets no answer, it is known that
// nothing is known, in time.
func TestExecOfAnEngineThatHangs(t *testing.T) {
	for _, path := range []string{"/containers/*/exec", "/exec/*/start", "/exec/*/json"} {
		inExecRig(t, dockertest.Options{}, func(t *testing.T, r *execRig) {
			r.mem.Inject(dockertest.Fault{Path: path, Hang: true})
			began := time.Now()
			got, err := r.within(2*time.Second, "/web", "-sleep=1s")
			r.fails(path+" hangs", got, err, job.Indeterminate, ReasonCancelled)
			if d := time.Since(began); d > 2*time.Second+lastLook {
				t.Errorf("%s hangs: it took %s", path, d)
			}
		})
		inExecRig(t, dockertest.Options{}, func(_ *testing.T, r *execRig) {
			r.mem.Inject(dockertest.Fault{Path: path, Refuse: true})
			got, err := r.within(2*time.Second, "/web", "-sleep=1s")
			r.fails(path+" refused", got, err, job.Indeterminate, ReasonEngineUnavailable)
		})
		inExecRig(t, dockertest.Options{}, func(_ *testing.T, r *execRig) {
			r.mem.Inject(dockertest.Fault{Path: path, Status: http.StatusInternalServerError, Message: "broken"})
			got, err := r.within(2*time.Second, "/web", "-sleep=1s")
			r.fails(path+" broken", got, err, job.Retried, ReasonEngineError)
		})
	}
}

func TestExecWhileTheEngineStops(t *testing.T) {
	inExecRig(t, dockertest.Options{LiveRestore: true}, func(_ *testing.T, r *execRig) {
		time.AfterFunc(time.Second, r.mem.Stop)
		got, err := r.within(10*time.Second, "/web", "-sleep=5s")
		r.fails("stopped meanwhile", got, err, job.Indeterminate, ReasonEngineUnavailable)
		got, err = r.within(10*time.Second, "/web", "-sleep=5s")
		r.fails("away", got, err, job.Indeterminate, ReasonEngineUnavailable)
	})
}

func TestExecInWhatDoesNotRun(t *testing.T) {
	inExecRig(t, dockertest.Options{}, func(t *testing.T, r *execRig) {
		got, err := r.Exec(t.Context(), "nothere", []string{"/web"})
		r.fails("no such container", got, err, job.Retried, ReasonContainerGone)
		if err := r.Kill(t.Context(), r.id, "SIGKILL"); err != nil {
			t.Fatal(err)
		}
		got, err = r.within(time.Second, "/web")
		r.fails("one that has ended", got, err, job.Retried, ReasonConflict)
	})
}

// TestExecOfWhatNeverBegan: the container ends between the create of the
// command and its start. The engine answers without an exit code, which the
// client shows as 0; that must not pass.
func TestExecOfWhatNeverBegan(t *testing.T) {
	s, cli, stop := newScript(t)
	defer stop()
	defer cli.Close()
	s.handle["POST /containers/c1/exec"] = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprint(w, `{"Id":"x1"}`)
	}
	s.handle["POST /exec/x1/start"] = func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = fmt.Fprint(buf, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
		_ = buf.Flush()
		_ = conn.Close()
	}
	s.handle["GET /exec/x1/json"] = func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, `{"ID":"x1","Running":false,"ExitCode":null,"Pid":0}`)
	}
	r := &execRig{t: t, Engine: New(cli, Options{}, nil, newMemory(), quietLog())}
	got, err := r.Exec(t.Context(), "c1", []string{"/web"})
	r.fails("never begun", got, err, job.Retried, ReasonConflict)
}

// TestExecOfASlowBegin: the engine says Running before there is a process. If
// the time is over then, the engine is slow and not the command.
func TestExecOfASlowBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, cli, stop := newScript(t)
		defer stop()
		defer cli.Close()
		s.handle["POST /containers/c1/exec"] = func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			_, _ = fmt.Fprint(w, `{"Id":"x1"}`)
		}
		s.handle["POST /exec/x1/start"] = func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			conn, buf, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = fmt.Fprint(buf, "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
			_ = buf.Flush()
			_, _ = conn.Read(make([]byte, 1)) // until the client closes it
		}
		s.handle["GET /exec/x1/json"] = func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprint(w, `{"ID":"x1","Running":true,"ExitCode":null,"Pid":0}`)
		}
		r := &execRig{t: t, Engine: New(cli, Options{}, nil, newMemory(), quietLog()), id: "c1"}
		got, err := r.within(2*time.Second, "/web")
		r.fails("slow begin", got, err, job.Indeterminate, ReasonCancelled)
		got, err = r.within(2*time.Second, "/web")
		r.fails("asked again", got, err, job.Indeterminate, ReasonEngineUnavailable)
		if n := s.count("POST /containers/c1/exec"); n != 1 {
			t.Errorf("%d commands were begun", n)
		}
	})
}

// TestExecTakesNoSlotOfTheWrites: checks never hold up repairs, nor are they
// held up.
func TestExecTakesNoSlotOfTheWrites(t *testing.T) {
	inExecRig(t, dockertest.Options{}, func(t *testing.T, r *execRig) {
		for range maxWrites {
			r.writes <- struct{}{}
		}
		if got, err := r.within(time.Second, "/web", "-port=none", "-exit=0"); err != nil || got.Code != 0 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestLeftExecsAreBounded(t *testing.T) {
	l := newLeftExecs()
	for i := range 3 * maxLeft {
		l.leave(execKey("c1", []string{fmt.Sprint(i)}), "x")
	}
	if len(l.ids) != maxLeft || l.left(execKey("c1", []string{fmt.Sprint(3*maxLeft - 1)})) != "x" {
		t.Errorf("%d are remembered, want %d and the newest among them", len(l.ids), maxLeft)
	}
	other := execKey("c11", []string{"a"})
	l.leave(other, "y")
	l.gone("c1")
	if len(l.ids) != 1 || l.left(other) != "y" {
		t.Errorf("after the end of c1: %v", l.ids)
	}
	if execKey("c", []string{"a", "b"}) == execKey("c", []string{"a b"}) {
		t.Error("two commands have one key")
	}
}

func TestRemoveForgetsWhatWasLeft(t *testing.T) {
	inExecRig(t, dockertest.Options{}, func(t *testing.T, r *execRig) {
		if got, err := r.within(time.Second, "/web", "-sleep=1h"); err != nil || !got.Running || len(r.execs.ids) != 1 {
			t.Fatalf("%+v, %v, %v", got, err, r.execs.ids)
		}
		if err := r.Kill(t.Context(), r.id, "SIGKILL"); err != nil {
			t.Fatal(err)
		}
		if err := r.Remove(t.Context(), r.id); err != nil || len(r.execs.ids) != 0 {
			t.Errorf("%v; remembered: %v", err, r.execs.ids)
		}
	})
}
