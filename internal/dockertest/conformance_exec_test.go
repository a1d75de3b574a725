package dockertest

import (
	"bytes"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

func init() {
	conformance["exec: output, exit code and events"] = caseExec
	conformance["exec: a program that is not there"] = caseExecMissing
	conformance["exec: a lot of output"] = caseExecSpam
	conformance["exec: one that the client leaves runs on"] = caseExecLeft
	conformance["exec: ends with its container"] = caseExecEnds
	conformance["exec: what does not run"] = caseExecRefused
	conformance["exec: twice"] = caseExecTwice
}

func (f *fixture) execCreate(id string, cmd ...string) string {
	f.Helper()
	x, err := f.cli.ContainerExecCreate(f.Context(), id, container.ExecOptions{AttachStdout: true, AttachStderr: true, Cmd: cmd})
	f.must(err)
	return x.ID
}

// exec runs a command to its end.
func (f *fixture) exec(id string, cmd ...string) (stdout, stderr string, x container.ExecInspect) {
	f.Helper()
	execID := f.execCreate(id, cmd...)
	conn, err := f.cli.ContainerExecAttach(f.Context(), execID, container.ExecAttachOptions{})
	f.must(err)
	defer conn.Close()
	var out, errs bytes.Buffer
	_, err = stdcopy.StdCopy(&out, &errs, conn.Reader)
	f.must(err)
	return out.String(), errs.String(), f.execEnded(execID)
}

// execEnded waits until the engine has noticed the end.
func (f *fixture) execEnded(execID string) (x container.ExecInspect) {
	f.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var err error
		x, err = f.cli.ContainerExecInspect(f.Context(), execID)
		f.must(err)
		if !x.Running {
			return x
		}
	}
	f.Fatalf("the command runs on: %+v", x)
	return x
}

func caseExec(f *fixture) {
	id := f.run("a")
	for code, want := range map[string]int{"-exit=0": 0, "-exit=1": 1, "-exit=42": 42} {
		told := f.record(id)
		out, errs, x := f.exec(id, "/web", "-port=none", code, "-print=to stdout", "-print-err=to stderr")
		if out != "to stdout\n" || errs != "to stderr\n" || x.ExitCode != want || x.Pid == 0 || x.ContainerID != id {
			f.Errorf("%s: stdout %q, stderr %q, %+v", code, out, errs, x)
		}
		line := "/web -port=none " + code + " -print=to stdout -print-err=to stderr"
		f.told(told("exec_die "+strings.TrimPrefix(code, "-exit=")), "exec_create: "+line, "exec_start: "+line, "exec_die "+strings.TrimPrefix(code, "-exit="))
	}
	f.state(id, "running", 0)
}

func caseExecMissing(f *fixture) {
	id := f.run("a")
	for _, cmd := range []string{"/nothere", "nothere"} {
		out, _, x := f.exec(id, cmd)
		if !strings.Contains(out, "exec failed") || !strings.Contains(out, cmd) || x.ExitCode != 126 || x.Pid != 0 {
			f.Errorf("%s: stdout %q, %+v", cmd, out, x)
		}
	}
}

func caseExecSpam(f *fixture) {
	id := f.run("a")
	out, _, x := f.exec(id, "/web", "-port=none", "-exit=0", "-spam-kb=300")
	if len(out) != 300<<10 || x.ExitCode != 0 {
		f.Errorf("%d bytes, %+v", len(out), x)
	}
}

func caseExecLeft(f *fixture) {
	id := f.run("a")
	execID := f.execCreate(id, "/web", "-sleep=2s", "-exit=7")
	if x, err := f.cli.ContainerExecInspect(f.Context(), execID); err != nil || x.Running || x.Pid != 0 || x.ExitCode != 0 {
		f.Errorf("before the start: %+v, %v", x, err)
	}
	conn, err := f.cli.ContainerExecAttach(f.Context(), execID, container.ExecAttachOptions{})
	f.must(err)
	time.Sleep(500 * time.Millisecond)
	if x, err := f.cli.ContainerExecInspect(f.Context(), execID); err != nil || !x.Running || x.Pid == 0 {
		f.Errorf("meanwhile: %+v, %v", x, err)
	}
	conn.Close()
	time.Sleep(500 * time.Millisecond)
	if x, err := f.cli.ContainerExecInspect(f.Context(), execID); err != nil || !x.Running {
		f.Errorf("after the client has left: %+v, %v", x, err)
	}
	if x := f.execEnded(execID); x.ExitCode != 7 {
		f.Errorf("at the end: %+v", x)
	}
}

func caseExecEnds(f *fixture) {
	id := f.run("a")
	execID := f.execCreate(id, "/web", "-sleep=1h")
	conn, err := f.cli.ContainerExecAttach(f.Context(), execID, container.ExecAttachOptions{})
	f.must(err)
	defer conn.Close()
	time.Sleep(500 * time.Millisecond)
	f.must(f.cli.ContainerKill(f.Context(), id, "SIGKILL"))
	_, err = stdcopy.StdCopy(&bytes.Buffer{}, &bytes.Buffer{}, conn.Reader)
	f.must(err)
	if x := f.execEnded(execID); x.ExitCode != 137 {
		f.Errorf("after the end of the container: %+v", x)
	}
	f.remove(id)
	_, err = f.cli.ContainerExecInspect(f.Context(), execID)
	f.is("inspect after the removal", err, errdefs.IsNotFound)
}

func caseExecRefused(f *fixture) {
	create := func(id string, cmd ...string) error {
		_, err := f.cli.ContainerExecCreate(f.Context(), id, container.ExecOptions{Cmd: cmd})
		return err
	}
	f.is("exec in nothing", create(f.name("nothere"), "/web"), errdefs.IsNotFound)
	f.is("exec in what never ran", create(f.create("b"), "/web"), errdefs.IsConflict)
	_, err := f.cli.ContainerExecInspect(f.Context(), strings.Repeat("f", 64))
	f.is("inspect of nothing", err, errdefs.IsNotFound)

	id := f.run("a")
	f.is("exec of nothing", create(id), errdefs.IsInvalidArgument)
	execID := f.execCreate(id, "/web", "-exit=0", "-port=none")
	f.must(f.cli.ContainerPause(f.Context(), id))
	f.is("exec in what is paused", create(id, "/web"), errdefs.IsConflict)
	if _, err := f.cli.ContainerExecAttach(f.Context(), execID, container.ExecAttachOptions{}); err == nil {
		f.Error("a start in what is paused is accepted")
	}
	f.must(f.cli.ContainerUnpause(f.Context(), id))
	f.must(f.cli.ContainerKill(f.Context(), id, "SIGKILL"))
	f.is("exec in what has ended", create(id, "/web"), errdefs.IsConflict)
	if _, err := f.cli.ContainerExecAttach(f.Context(), execID, container.ExecAttachOptions{}); err == nil {
		f.Error("a start in what has ended is accepted")
	}
}

func caseExecTwice(f *fixture) {
	id := f.run("a")
	execID := f.execCreate(id, "/web", "-port=none", "-exit=3")
	for i, want := range []string{"", "has already run"} {
		conn, err := f.cli.ContainerExecAttach(f.Context(), execID, container.ExecAttachOptions{})
		f.must(err)
		var out bytes.Buffer
		_, err = stdcopy.StdCopy(&out, &out, conn.Reader)
		f.must(err)
		conn.Close()
		if !strings.Contains(out.String(), want) {
			f.Errorf("start %d: %q", i, out.String())
		}
		if x := f.execEnded(execID); x.ExitCode != 3 {
			f.Errorf("start %d: %+v", i, x)
		}
	}
}
