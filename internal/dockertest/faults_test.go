package dockertest

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/client"
)

// bubble runs body with an engine in virtual time.
func bubble(t *testing.T, opts Options, body func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { body(t, newRig(t, opts)) })
}

func TestFaults(t *testing.T) {
	for _, tc := range []struct {
		name    string
		fault   Fault
		wantErr func(error) bool
		effect  bool // the container is there afterwards
		took    time.Duration
	}{
		{"none", Fault{Path: "/other"}, func(err error) bool { return err == nil }, true, 0},
		{"delay", Fault{Path: "/containers/create", Delay: time.Hour}, func(err error) bool { return err == nil }, true, time.Hour},
		{"status", Fault{Method: "POST", Status: 500, Message: "broken"}, errdefs.IsInternal, false, 0},
		{"conflict", Fault{Path: "/containers/**", Status: 409, Message: "busy"}, errdefs.IsConflict, false, 0},
		{"not found", Fault{Query: "name=aa", Status: 404, Message: "gone"}, errdefs.IsNotFound, false, 0},
		{"hang", Fault{Path: "/containers/create", Hang: true}, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }, false, 2 * time.Hour},
		{"refused", Fault{Path: "/containers/create", Refuse: true}, client.IsErrConnectionFailed, false, 0},
		{"reply lost", Fault{Path: "/containers/create", LoseReply: true}, client.IsErrConnectionFailed, true, 0},
		{"reply cut", Fault{Path: "/containers/create", CutAfter: 5}, func(err error) bool { return err != nil && !errdefs.IsConflict(err) }, true, 0},
		{"second call only", Fault{Path: "/containers/create", Nth: 2, Status: 500}, func(err error) bool { return err == nil }, true, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, r *rig) {
				if _, err := r.cli.Ping(t.Context()); err != nil {
					t.Fatal(err)
				}
				rule := r.Inject(tc.fault)
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
				defer cancel()
				began := time.Now()
				_, err := r.cli.ContainerCreate(ctx, &container.Config{Image: "web:1"}, nil, nil, nil, "aa")
				if !tc.wantErr(err) {
					t.Errorf("error %v", err)
				}
				if took := time.Since(began).Round(time.Minute); took != tc.took {
					t.Errorf("took %s, want %s", took, tc.took)
				}
				if _, ok := r.Inspect("aa"); ok != tc.effect {
					t.Errorf("container there: %v, want %v", ok, tc.effect)
				}
				if hit := rule.Hits() == 1; hit != (tc.fault.Path != "/other" && tc.fault.Nth == 0) {
					t.Errorf("the fault met %d calls", rule.Hits())
				}
			})
		})
	}
}

func TestFaultCounts(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		fails := func(n int) (out []int) {
			for i := range n {
				if _, err := r.cli.Info(t.Context()); err != nil {
					out = append(out, i+1)
				}
			}
			return out
		}
		r.Inject(Fault{Path: "/info", Every: 3, Times: 2, Status: 503})
		if got := fails(12); len(got) != 2 || got[0] != 3 || got[1] != 6 {
			t.Errorf("calls that failed: %v, want the 3rd and the 6th", got)
		}
		rule := r.Inject(Fault{Path: "/info", Status: 500})
		if got := fails(2); len(got) != 2 {
			t.Errorf("calls that failed: %v, want both", got)
		}
		rule.Lift()
		if got := fails(4); len(got) != 0 {
			t.Errorf("calls that failed after the fault was lifted: %v", got)
		}
	})
}

// heard collects the actions that a client hears of one container.
func (r *rig) heard(id string, during func()) []string {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	msgs, errs := r.cli.Events(ctx, events.ListOptions{})
	time.Sleep(time.Second)
	during()
	time.Sleep(time.Minute)
	var out []string
	for {
		synctest.Wait()
		select {
		case m := <-msgs:
			if m.Actor.ID == id {
				out = append(out, string(m.Action))
			}
			continue
		case err := <-errs:
			if out = append(out, "end"); err == nil {
				r.t.Error("the stream ended without an error")
			}
		default:
		}
		cancel()
		return out
	}
}

func TestEventFaults(t *testing.T) {
	late := func(a events.Action, d ...time.Duration) EventFault {
		return func(m events.Message) []time.Duration {
			if m.Action == a {
				return d
			}
			return []time.Duration{0}
		}
	}
	for _, tc := range []struct {
		name  string
		fault EventFault
		want  []string
	}{
		{"none", nil, []string{"kill", "die", "destroy"}},
		{"lost", late("die"), []string{"kill", "destroy"}},
		{"doubled", late("die", 0, 0), []string{"kill", "die", "die", "destroy"}},
		{"late", late("die", time.Second), []string{"kill", "destroy", "die"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, r *rig) {
				id := r.run("aa")
				r.SetEventFault(tc.fault)
				got := r.heard(id, func() { r.RemoveByHand("aa") })
				if !equal(got, tc.want) {
					t.Errorf("heard %q, want %q", got, tc.want)
				}
			})
		})
	}
	t.Run("closed", func(t *testing.T) {
		bubble(t, Options{}, func(t *testing.T, r *rig) {
			if got := r.heard("", r.CloseEvents); !equal(got, []string{"end"}) {
				t.Errorf("heard %q, want the end of the stream", got)
			}
		})
	})
}

func equal(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func TestReplayIsBoundedAndSlowReadersLose(t *testing.T) {
	bubble(t, Options{Timing: &Timing{}}, func(t *testing.T, r *rig) {
		since := time.Now()
		slow, _ := r.cli.Events(t.Context(), events.ListOptions{}) // nobody reads it
		time.Sleep(time.Second)
		const n = 3000
		for range n {
			r.TagByHand("web:1", "web:2")
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		msgs, errs := r.cli.Events(ctx, events.ListOptions{
			Since: since.Format(time.RFC3339Nano), Until: time.Now().Format(time.RFC3339Nano),
		})
		replayed := 0
		for done := false; !done; {
			select {
			case <-msgs:
				replayed++
			case err := <-errs:
				if done = true; !errors.Is(err, io.EOF) {
					t.Errorf("end of the replay: %v", err)
				}
			}
		}
		if replayed != ringSize {
			t.Errorf("%d events replayed, want %d", replayed, ringSize)
		}
		heard := 0
		for done := false; !done; {
			synctest.Wait()
			select {
			case <-slow:
				heard++
			default:
				done = true
			}
		}
		if heard < readerSize || heard >= n {
			t.Errorf("a slow reader heard %d of %d events, want about %d", heard, n, readerSize)
		}
	})
}
