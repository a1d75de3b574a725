package docker

import (
	"context"
	"strings"
	"testing"
	"time"

	"reconciler/internal/job"
	"reconciler/internal/testimage"
)

// TestDockerd_Exec runs commands in a container of a real engine: what ends,
// what prints too much, what does not end.
func TestDockerd_Exec(t *testing.T) {
	d := realDockerd(t)
	addr, _, _ := d.registry()
	ref := addr + "/exec:1"
	d.push(ref, d.image("", testimage.Options{}))
	res, err := d.Bring(t.Context(), job.ImageRequest{Ref: ref})
	if err != nil {
		t.Fatal(err)
	}
	id, err := d.Run(t.Context(), d.request(ref, res, func(r *job.ContainerRequest) {
		r.Task.Config.Args = []string{"-port", "none"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	within := func(limit time.Duration, cmd ...string) job.ExecResult {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		got, err := d.Exec(ctx, id, cmd)
		if err != nil {
			t.Errorf("%q: %v", cmd, err)
		}
		return got
	}
	if got, want := within(10*time.Second, "/web", "-port=none", "-exit=1", "-print=hello"), (job.ExecResult{Code: 1, Output: "hello\n"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := within(10*time.Second, "/web", "-port=none", "-exit=0", "-spam-kb=2000"); got.Code != 0 || len(got.Output) != maxExecOutput {
		t.Errorf("a lot of output: code %d, %d bytes kept", got.Code, len(got.Output))
	}
	if got := within(10*time.Second, "nothere"); got.Code != 126 && got.Code != 127 || !strings.Contains(got.Output, "nothere") {
		t.Errorf("a program that is not there: %+v", got)
	}
	began := time.Now()
	if got := within(time.Second, "/web", "-sleep=3s", "-print=so far"); !got.Running || got.Output != "so far\n" || time.Since(began) > 2*time.Second {
		t.Errorf("one that does not end, after %s: %+v", time.Since(began), got)
	}
	if got := within(time.Second, "/web", "-sleep=3s", "-print=so far"); !got.Running || got.Output != "" {
		t.Errorf("while it runs: %+v", got)
	}
	time.Sleep(3 * time.Second)
	if got := within(10*time.Second, "/web", "-sleep=3s", "-print=so far"); got.Running || got.Code != 0 {
		t.Errorf("once it has ended: %+v", got)
	}
}
