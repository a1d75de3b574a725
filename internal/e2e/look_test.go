package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"reconciler/internal/job"
)

// get asks for a page, once. Anything but 200 is an error.
func get(url string) (string, error) {
	resp, err := browser.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, b)
	}
	return string(b), err
}

// answers waits until the program at an address answers a path with want.
func (w *world) answers(address, path, want string) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("%s%s answers %q", address, path, want), func() error {
		got, err := get("http://" + address + path)
		if err == nil && got != want {
			err = fmt.Errorf("it answers %q", got)
		}
		return err
	})
}

// address is where a port of the container is on the host; "" if there is no
// such label.
func (b box) address(label string) string {
	i := slices.IndexFunc(b.Who.Ports, func(p job.AllocPort) bool { return p.Label == label })
	if i < 0 {
		return ""
	}
	return net.JoinHostPort(b.Who.Ports[i].HostIP, strconv.Itoa(b.Who.Ports[i].Host))
}

func (w *world) inspect(id string) container.InspectResponse {
	w.t.Helper()
	ctx, cancel := w.ctx()
	defer cancel()
	in, err := w.cli.ContainerInspect(ctx, id)
	must(w.t, err)
	return in
}

// awaitComplete waits until a batch job is complete, and returns the container
// that is kept of its one task.
func (w *world) awaitComplete(name string) box {
	w.t.Helper()
	w.awaitPhase(name, "complete")
	got := w.all(name)
	if len(got) != 1 || got[0].State != "exited" {
		w.t.Fatalf("job %s is complete, and has %s", name, brief(got))
	}
	return got[0]
}

// awaitPhase waits until status shows this phase of a job, and returns the job.
func (w *world) awaitPhase(name, phase string) jobStatus {
	w.t.Helper()
	var j jobStatus
	eventually(w.t, "job "+name+" is "+phase, func() error {
		s, err := w.status()
		if err != nil {
			return err
		}
		if j, _ = s.job(name); j.Phase != phase {
			return fmt.Errorf("it is %s: %+v", j.Phase, j.Conditions)
		}
		return nil
	})
	return j
}

// condition demands that status shows a condition of a job that is true, with
// the reason, and all the words in its message.
func (w *world) condition(name, typ, reason string, words ...string) error {
	w.t.Helper()
	s, err := w.status()
	if err != nil {
		return err
	}
	j, _ := s.job(name)
	for _, c := range j.Conditions {
		if c.Type == typ && c.Status == "True" && c.Reason == reason && containsAll(c.Message, words...) {
			return nil
		}
	}
	return fmt.Errorf("no %s %s with %q in %+v", typ, reason, words, j.Conditions)
}

func (w *world) awaitCondition(name, typ, reason string, words ...string) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("job %s is %s for %s", name, typ, reason), func() error {
		return w.condition(name, typ, reason, words...)
	})
}

// ask runs a verb of the CLI that must succeed.
func (w *world) ask(verb ...string) {
	w.t.Helper()
	if r := w.run(append(verb, "--data-dir", w.data)...); r.code != 0 {
		w.t.Fatalf("%v: exit %d: %s", verb, r.code, r.err)
	}
}

// oneOf waits until exactly one container of a job runs that ok accepts.
func (w *world) oneOf(name, what string, ok func(box) error) box {
	w.t.Helper()
	var b box
	eventually(w.t, "job "+name+": "+what, func() error {
		got := w.running(name)
		if len(got) != 1 {
			return errors.New(brief(w.all(name)))
		}
		b = got[0]
		return ok(b)
	})
	return b
}

// env writes lines of an env block.
func env(pairs ...string) string {
	var b strings.Builder
	for _, p := range pairs {
		key, value, _ := strings.Cut(p, "=")
		fmt.Fprintf(&b, "        %s = %q\n", key, value)
	}
	return b.String()
}

// printed demands what a container that has ended wrote to its log.
func (w *world) printed(b box, want string) {
	w.t.Helper()
	if got := w.follow(b)(); got != want {
		w.t.Errorf("%s has printed %q, want %q", b.Name, got, want)
	}
}

// follow begins to read what a container prints; the function it returns waits
// for the container's end.
func (w *world) follow(b box) func() string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	logs, err := w.cli.ContainerLogs(ctx, b.ID, container.LogsOptions{ShowStdout: true, ShowStderr: true, Follow: true})
	must(w.t, err)
	text := make(chan string, 1)
	go func() {
		defer cancel()
		defer logs.Close()
		var out bytes.Buffer
		_, _ = stdcopy.StdCopy(&out, &out, logs)
		text <- out.String()
	}()
	return func() string { return <-text }
}
