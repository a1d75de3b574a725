package docker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
)

const (
	// helperPrefix begins the name of every credential helper's program.
	helperPrefix = "docker-credential-"
	// helperDeadline bounds one answer of a helper.
	helperDeadline = 10 * time.Second
	// helperDrain is how long a helper's output is waited for once it ended or
	// was killed: a child of it may keep the pipe open.
	helperDrain = 500 * time.Millisecond
	// maxHelperOutput and maxHelperWords bound what is read of a helper's
	// answer, and what is told of its stderr, in bytes.
	maxHelperOutput = 64 << 10
	maxHelperWords  = 400
	// tokenUser is the user name that says that the secret is a token for the
	// engine to exchange (docker/cli credentials/native_store.go).
	tokenUser = "<token>"
)

// askHelper asks docker-credential-NAME for the credentials for a registry.
// option says who named it. No credentials are no error.
//
// A helper is asked by the registry's host. For Docker Hub it is then asked by
// the name under which `docker login` has it.
func askHelper(ctx context.Context, name, option, host string) (login, error) {
	program, err := exec.LookPath(helperPrefix + name)
	if err != nil || strings.ContainsRune(name, '/') {
		return login{}, refused(ReasonCredentialHelperMissing,
			"%s%s (%s) is not in the agent's PATH, or not executable", helperPrefix, name, option)
	}
	l, err := askProgram(ctx, program, name, host)
	if err == nil && l.anonymous() && host == imageref.Hub {
		l, err = askProgram(ctx, program, name, imageref.HubLogin)
	}
	return l, err
}

func askProgram(ctx context.Context, program, name, server string) (login, error) {
	ctx, cancel := context.WithTimeout(ctx, helperDeadline)
	defer cancel()
	run := &helperRun{}
	got, err := client.Get(func(args ...string) client.Program {
		run.cmd = exec.CommandContext(ctx, program, args...)
		return run
	}, server)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return login{}, retried(ReasonCredentialHelperFailed, "%s%s did not answer for %s within %s", helperPrefix, name, server, helperDeadline)
	case ctx.Err() != nil:
		return login{}, ctx.Err()
	case credentials.IsErrCredentialsNotFound(err), err != nil && run.err == nil && run.blank:
		return login{}, nil
	case run.err != nil:
		return login{}, retried(ReasonCredentialHelperFailed, "%s%s for %s: %w%s", helperPrefix, name, server, run.err, run.words())
	case err != nil:
		return login{}, retried(ReasonCredentialHelperFailed, "%s%s for %s: its answer is not the JSON that the protocol asks for", helperPrefix, name, server)
	case got.Username == "" && got.Secret == "":
		return login{}, nil
	case got.Username == tokenUser:
		return login{identity: job.NewSecret(got.Secret), server: server}, nil
	case got.Username == "" || got.Secret == "":
		return login{}, retried(ReasonCredentialHelperFailed, "%s%s for %s: its answer has no Username or no Secret", helperPrefix, name, server)
	}
	return login{username: got.Username, password: job.NewSecret(got.Secret), server: server}, nil
}

// helperRun is one call of a helper, as the protocol's client wants it.
type helperRun struct {
	cmd    *exec.Cmd
	err    error // how it ended, or nil
	blank  bool  // its answer was empty
	stderr cutBuffer
}

// Input sets what the helper reads.
func (h *helperRun) Input(in io.Reader) { h.cmd.Stdin = in }

// Output runs the helper and returns its answer. Of a helper that failed
// nothing comes back but the one message that means "I have none": the client
// puts what it gets into its error, and a helper's stdout holds secrets.
func (h *helperRun) Output() ([]byte, error) {
	cmd := h.cmd
	// A shell script's children must end with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = helperDrain
	stdout := cutBuffer{limit: maxHelperOutput}
	h.stderr.limit = maxHelperWords
	cmd.Stdout, cmd.Stderr = &stdout, &h.stderr
	h.err = cmd.Run()
	if errors.Is(h.err, exec.ErrWaitDelay) {
		h.err = nil // it ended well; a daemon that it started keeps the pipe
	}
	out := stdout.kept
	h.blank = len(bytes.TrimSpace(out)) == 0
	if h.err != nil && !credentials.IsErrCredentialsNotFoundMessage(string(out)) {
		out = nil
	}
	return out, h.err
}

// words is what the helper said on stderr, in one line, to go behind a
// message.
func (h *helperRun) words() string {
	text := strings.Join(strings.Fields(string(h.stderr.kept)), " ")
	if text == "" {
		return ""
	}
	return "; it says: " + text
}

// cutBuffer keeps the first limit bytes and drops the rest. It embeds no
// bytes.Buffer, whose ReadFrom would take all.
type cutBuffer struct {
	kept  []byte
	limit int
}

// Write never fails: a program that says too much is not to be killed for it.
func (b *cutBuffer) Write(p []byte) (int, error) {
	if room := b.limit - len(b.kept); room > 0 {
		b.kept = append(b.kept, p[:min(room, len(p))]...)
	}
	return len(p), nil
}
