package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"reconciler/internal/job"
)

const (
	// maxExecOutput is how much is kept of what a command prints, in bytes; the
	// rest is read and dropped, so that the command never waits for us.
	maxExecOutput = 4 << 10
	// lastLook bounds the inspect that finds out, when the time of a command is
	// over, whether it is the command or the engine that takes long.
	lastLook = time.Second
	// execPollFirst and execPollMost are between two looks at a command that
	// has closed its output: nearly all have ended by then.
	execPollFirst = 5 * time.Millisecond
	execPollMost  = 500 * time.Millisecond
)

// Exec runs cmd in a container that runs, as its user and with its
// environment, and returns how it ended. The caller names containers of ours
// alone.
//
// ctx bounds it, and writeDeadline does. A command that has begun and not ended
// by the deadline is no error: the result is Running. The engine cannot end
// such a command, so while it runs the same command is not begun again in that
// container, and the result is Running at once. A cancelled ctx is an error, as
// is everything that leaves unknown how the command ended: the engine does not
// answer, the container is gone or does not run.
//
// It takes none of the slots of the writes: a command may run for as long as
// its check allows, and what checks do must not hold up repairs. Who calls it
// bounds how many run.
func (e *Engine) Exec(ctx context.Context, containerID string, cmd []string) (job.ExecResult, error) {
	bounded, cancel := context.WithTimeout(ctx, writeDeadline)
	defer cancel()
	doing := "exec in " + shortID(containerID)
	key := execKey(containerID, cmd)
	if running, err := e.stillRuns(bounded, key); err != nil || running {
		return job.ExecResult{Running: running}, classify(ctx, doing, err)
	}
	created, err := e.api.ContainerExecCreate(bounded, containerID, container.ExecOptions{
		AttachStdout: true, AttachStderr: true, Cmd: cmd,
	})
	if err != nil {
		return job.ExecResult{}, classify(ctx, doing, err)
	}
	out, err := e.attend(bounded, created.ID)
	var res job.ExecResult
	if err == nil {
		res, err = e.outcome(bounded, created.ID)
	}
	if err != nil && bounded.Err() != nil {
		e.execs.leave(key, created.ID)
		if errors.Is(bounded.Err(), context.DeadlineExceeded) {
			res.Running, err = e.unfinished(ctx, created.ID, err)
		}
	}
	res.Output = out
	return res, classify(ctx, doing, err)
}

// attend starts the command and reads what it prints until it closes its
// output or ctx is done.
func (e *Engine) attend(ctx context.Context, execID string) (output string, err error) {
	conn, err := e.attach(ctx, execID)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, conn.Close)
	defer stop()
	out := &head{max: maxExecOutput}
	if _, err = stdcopy.StdCopy(out, out, conn.Reader); ctx.Err() != nil {
		err = ctx.Err()
	}
	return out.String(), err
}

// attach is ContainerExecAttach, which does not look at ctx between its
// request and the engine's answer: that can outlast ctx if the engine hangs
// just then.
func (e *Engine) attach(ctx context.Context, execID string) (*types.HijackedResponse, error) {
	type answer struct {
		conn types.HijackedResponse
		err  error
	}
	got, left := make(chan answer), make(chan struct{})
	defer close(left)
	go func() {
		var a answer
		a.conn, a.err = e.api.ContainerExecAttach(ctx, execID, container.ExecAttachOptions{})
		select {
		case got <- a:
		case <-left:
			if a.err == nil {
				a.conn.Close()
			}
		}
	}()
	select {
	case a := <-got:
		return &a.conn, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// outcome is how a command ended that has closed its output. The engine may
// take a moment to notice the end, and a command may go on without output.
func (e *Engine) outcome(ctx context.Context, execID string) (job.ExecResult, error) {
	for wait := execPollFirst; ; wait = min(2*wait, execPollMost) {
		x, err := e.inspectExec(ctx, execID, inspectDeadline)
		switch {
		case err != nil:
			return job.ExecResult{}, err
		case !x.Running && x.Pid == 0 && x.ExitCode == 0:
			return job.ExecResult{}, retried(ReasonConflict, "the container does not run any more")
		case !x.Running:
			return job.ExecResult{Code: x.ExitCode}, nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return job.ExecResult{}, ctx.Err()
		}
	}
}

// unfinished tells, of a command whose time is over, whether it runs. late is
// the error if that cannot be known.
func (e *Engine) unfinished(ctx context.Context, execID string, late error) (bool, error) {
	x, err := e.inspectExec(context.WithoutCancel(ctx), execID, lastLook)
	switch {
	case err != nil:
		return false, fmt.Errorf("%w; the engine does not tell whether it runs: %w", late, err)
	case !begun(x):
		return false, late // the engine took so long
	}
	return true, nil
}

// stillRuns reports whether the same command, given up earlier, runs on.
func (e *Engine) stillRuns(ctx context.Context, key string) (bool, error) {
	id := e.execs.left(key)
	if id == "" {
		return false, nil
	}
	x, err := e.inspectExec(ctx, id, inspectDeadline)
	if err != nil && !errdefs.IsNotFound(err) {
		return false, err
	}
	if err == nil && x.Running {
		if !begun(x) {
			return false, job.NewError(job.Indeterminate, ReasonEngineUnavailable, errNotBegun)
		}
		return true, nil
	}
	e.execs.forget(key)
	return false, nil
}

// errNotBegun is of an engine that has taken a command on and made no process
// of it for longer than one may take.
var errNotBegun = errors.New("the engine has not begun the run before")

// begun reports whether there is a process: the engine says Running from when
// it took the command on.
func begun(x container.ExecInspect) bool { return x.Running && x.Pid != 0 }

func (e *Engine) inspectExec(ctx context.Context, execID string, deadline time.Duration) (x container.ExecInspect, err error) {
	err = within(ctx, deadline, func(ctx context.Context) (err error) {
		x, err = e.api.ContainerExecInspect(ctx, execID)
		return err
	})
	return x, err
}

func execKey(containerID string, cmd []string) string {
	return containerID + "\x00" + strings.Join(cmd, "\x00")
}

// head keeps the begin of what is written to it.
type head struct {
	kept strings.Builder
	max  int
}

// Write never fails and is never short, whatever is kept.
func (h *head) Write(b []byte) (int, error) {
	h.kept.Write(b[:min(len(b), h.max-h.kept.Len())])
	return len(b), nil
}

func (h *head) String() string { return h.kept.String() }
