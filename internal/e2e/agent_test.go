package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// agent is a running `reconciler agent`.
type agent struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *logBuffer
	done chan struct{} // closed when the process has ended
}

// up starts the agent of the world and waits until it is ready.
func (w *world) up() {
	w.t.Helper()
	if w.agent != nil {
		w.t.Fatal("an agent runs already")
	}
	a := w.spawn()
	w.agent = a
	eventually(w.t, "the agent is ready", func() error {
		select {
		case <-a.done:
			return fmt.Errorf("the agent ended: %s", a.log.tail(20))
		default:
		}
		s, err := w.status()
		switch {
		case err != nil:
			return err
		case !s.live():
			return errors.New("status comes from the file, no daemon answers")
		case !s.connected():
			return errors.New("the agent has no list of containers yet")
		}
		return nil
	})
	w.nodeID()
}

// spawn starts an agent over the world's directories and does not wait.
func (w *world) spawn() *agent {
	w.t.Helper()
	args := append([]string{
		"agent", "--manifests", w.manifests, "--data-dir", w.data, "--name", "e2e",
		"--log-format", "json", "--log-level", "debug",
	}, w.options...)
	a := &agent{t: w.t, cmd: exec.Command(built.reconciler, args...), log: &logBuffer{}, done: make(chan struct{})}
	a.cmd.Stdout, a.cmd.Stderr = a.log, a.log
	a.cmd.Env = append(os.Environ(), w.env...)
	// An agent must not outlive a test run that was killed: it would go on
	// making containers. The signal comes when the thread that started it
	// ends, so this goroutine keeps its thread until the process has ended.
	a.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer close(a.done)
		err := a.cmd.Start()
		started <- err
		if err == nil {
			_ = a.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		w.t.Fatal(err)
	}
	w.spawned = append(w.spawned, a)
	return a
}

// kill ends the agent as a power cut would.
func (a *agent) kill() {
	_ = a.cmd.Process.Kill()
	<-a.done
}

// crash is kill -9 of the world's agent.
func (w *world) crash() {
	w.agent.kill()
	w.agent = nil
}

// stop ends the agent with SIGTERM and waits for it.
func (w *world) stop() {
	w.t.Helper()
	must(w.t, w.agent.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-w.agent.done:
	case <-time.After(20 * time.Second):
		w.t.Fatal("the agent did not end within 20 s of SIGTERM")
	}
	w.agent = nil
}

// verdict fails the test for what no agent may ever log, and shows the log of
// a test that failed.
func (a *agent) verdict() {
	text := a.log.String()
	for _, bad := range []string{"DATA RACE", "panic:", "fatal error:"} {
		if strings.Contains(text, bad) {
			a.t.Errorf("the agent's log says %q", bad)
		}
	}
	if a.t.Failed() {
		a.t.Logf("log of agent %d:\n%s", a.cmd.Process.Pid, a.log.tail(150))
	}
}

// entry is one line of the agent's log.
type entry struct {
	Level string `json:"level"`
	Msg   string `json:"msg"`
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Len()
}

// tail returns the last n lines.
func (l *logBuffer) tail(n int) string {
	lines := strings.Split(strings.TrimSpace(l.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// loud returns the lines above debug that were written from byte offset on.
func (l *logBuffer) loud(offset int) []string {
	var out []string
	for line := range strings.Lines(l.String()[offset:]) {
		var e entry
		if json.Unmarshal([]byte(line), &e) != nil || e.Level != "debug" && e.Level != "trace" {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

// result is what a command of the CLI said.
type result struct {
	out  string // stdout
	err  string // stderr
	code int
	took time.Duration
}

// run runs the CLI with a time limit.
func (w *world) run(args ...string) result {
	w.t.Helper()
	return command(w.t, built.reconciler, args...)
}

// bolt runs the stock bbolt CLI.
func (w *world) bolt(args ...string) result {
	w.t.Helper()
	return command(w.t, built.bbolt, args...)
}

func command(t *testing.T, name string, args ...string) result {
	t.Helper()
	// Not t.Context: the cleanup asks for the status, too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	begin := time.Now()
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return result{out: out.String(), err: errs.String(), code: cmd.ProcessState.ExitCode(), took: time.Since(begin)}
}
