package dockertest

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/pkg/stdcopy"
)

// Command is a command about to be run in a container.
type Command struct {
	ID, Name string // of the container
	Args     []string
	Env      []string          // of the container
	Labels   map[string]string // of the container
}

// Outcome is what a command does. The zero value ends at once with code 0.
type Outcome struct {
	// CannotStart makes it end with this text and CannotStartCode, 126 if that
	// is 0.
	CannotStart     string
	CannotStartCode int

	Stdout, Stderr string        // printed at once
	After          time.Duration // how long it runs
	Code           int           // exit code
}

// execution is one command in one container; Engine.mu guards it.
type execution struct {
	id      string
	con     *ctr
	opts    container.ExecOptions
	running bool
	began   bool
	code    *int // nil before the end
	pid     int
	done    chan struct{} // closed at the end
}

// handleExecCreate makes a command known; nothing runs yet.
func (e *Engine) handleExecCreate(c *call) error {
	var opts container.ExecOptions
	if err := c.body(&opts); err != nil {
		return err
	}
	found, err := e.lookup(c.arg)
	if err != nil {
		return err
	}
	if len(opts.Cmd) == 0 {
		return invalid("No exec command specified")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := found.mayExec(); err != nil {
		return err
	}
	x := &execution{id: e.newID(), con: found, opts: opts, done: make(chan struct{})}
	e.execs[x.id] = x
	e.emitContainer(found, x.action(events.ActionExecCreate), "execID", x.id)
	return c.answer(http.StatusCreated, container.ExecCreateResponse{ID: x.id})
}

// mayExec is why nothing can be run in the container; the caller holds
// Engine.mu.
func (c *ctr) mayExec() error {
	switch {
	case !c.state.running:
		return conflict("Container %s is not running", c.id)
	case c.state.paused:
		return conflict("Container %s is paused, unpause the container before exec", c.id)
	case c.state.restarting:
		return conflict("Container %s is restarting, wait until the container is running", c.id)
	}
	return nil
}

// action is an event's action, which carries the command.
func (x *execution) action(a events.Action) events.Action {
	return a + events.Action(": "+strings.Join(x.opts.Cmd, " "))
}

// execution looks one up; those of a container that is gone are gone. The
// caller holds mu.
func (e *Engine) execution(id string) (*execution, error) {
	x := e.execs[id]
	if x == nil || e.cons[x.con.id] != x.con {
		delete(e.execs, id)
		return nil, notFound("No such exec instance: %s", id)
	}
	return x, nil
}

// handleExecStart takes over the connection, as the engine does before it
// looks whether the command can be run: what goes wrong then is output.
func (e *Engine) handleExecStart(c *call) error {
	var opts container.ExecStartOptions
	if err := c.body(&opts); err != nil {
		return err
	}
	e.mu.Lock()
	x, err := e.execution(c.arg)
	if err == nil {
		err = x.con.mayExec()
	}
	e.mu.Unlock()
	if err != nil {
		return err
	}
	if opts.Detach {
		if _, err := e.beginExec(x); err != nil {
			return err
		}
		return c.answer(http.StatusOK, nil)
	}
	_, _ = io.Copy(io.Discard, c.r.Body) // a client on a pipe may still be writing its end
	conn, buf, err := http.NewResponseController(c.w).Hijack()
	if err != nil {
		return errAborted // a fault is on this connection
	}
	defer conn.Close()
	stream := "application/vnd.docker.raw-stream"
	if versions.GreaterThanOrEqualTo(c.api, "1.42") {
		stream = types.MediaTypeMultiplexedStream
	}
	_, _ = fmt.Fprintf(buf, "HTTP/1.1 101 UPGRADED\r\nContent-Type: %s\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n", stream)
	_ = buf.Flush()
	stdout, stderr := stdcopy.NewStdWriter(conn, stdcopy.Stdout), stdcopy.NewStdWriter(conn, stdcopy.Stderr)
	out, err := e.beginExec(x)
	if err != nil {
		_, _ = fmt.Fprintf(stdout, "%s\r\n", err.(*apiError).text) //nolint:errorlint // our own, never wrapped
		return nil
	}
	if x.opts.AttachStdout {
		_, _ = io.WriteString(stdout, out.Stdout+out.CannotStart)
	}
	if x.opts.AttachStderr {
		_, _ = io.WriteString(stderr, out.Stderr)
	}
	select {
	case <-x.done:
	case <-c.life:
	}
	return nil
}

// beginExec starts the command. It ends by itself, with its container or with
// the engine, and never because a client leaves.
func (e *Engine) beginExec(x *execution) (Outcome, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := x.con.mayExec(); err != nil {
		return Outcome{}, err
	}
	if x.began {
		return Outcome{}, conflict("Error: Exec command %s has already run", x.id)
	}
	x.began = true
	e.emitContainer(x.con, x.action(events.ActionExecStart), "execID", x.id)
	out := e.opts.Exec(Command{
		ID: x.con.id, Name: x.con.name, Args: slices.Clone(x.opts.Cmd),
		Env: slices.Clone(x.con.config.Env), Labels: maps.Clone(x.con.config.Labels),
	})
	if out.CannotStart != "" {
		out.Code = orInt(out.CannotStartCode, 126)
		out.CannotStart = "OCI runtime exec failed: exec failed: unable to start container process: " + out.CannotStart + ": unknown\r\n"
		x.end(out.Code)
		return out, nil
	}
	e.pid++
	x.running, x.pid = true, e.pid
	quit := x.con.quit
	e.spawn(func(life <-chan struct{}) {
		code := out.Code
		t := time.NewTimer(out.After)
		defer t.Stop()
		select {
		case <-t.C:
		case <-quit:
			code = 137
		case <-life:
			code = 137
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		x.end(code)
		e.emitContainer(x.con, events.ActionExecDie, "execID", x.id, "exitCode", fmt.Sprint(code))
	})
	return out, nil
}

// end notes the exit code; the caller holds Engine.mu.
func (x *execution) end(code int) {
	x.running, x.code = false, &code
	close(x.done)
}

func (e *Engine) handleExecInspect(c *call) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	x, err := e.execution(c.arg)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, map[string]any{
		"ID": x.id, "ContainerID": x.con.id, "Running": x.running, "ExitCode": x.code, "Pid": x.pid,
		"OpenStdout": x.opts.AttachStdout, "OpenStderr": x.opts.AttachStderr, "CanRemove": false,
		"ProcessConfig": map[string]any{"tty": x.opts.Tty, "entrypoint": x.opts.Cmd[0], "arguments": x.opts.Cmd[1:]},
	})
}
