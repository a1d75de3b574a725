package docker

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"reconciler/internal/job"
)

// containerList makes the script list one container.
func (s *script) containerList(id, name, imageID, state string, labels map[string]string) {
	s.handle["GET /containers/json"] = func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode([]map[string]any{{
			"Id": id, "Names": []string{"/" + name}, "Image": "img", "ImageID": imageID, "State": state, "Labels": labels,
			"Ports": []map[string]any{{"PrivatePort": 80, "PublicPort": 4711, "Type": "udp", "IP": "0.0.0.0"}},
		}})
	}
}

// containerHere makes the script answer an inspect.
func (s *script) inspects(id, mode string, ports map[string]any) {
	s.handle["GET /containers/"+id+"/json"] = func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{
			"Id": id, "HostConfig": map[string]any{"NetworkMode": mode, "PortBindings": ports},
		})
	}
}

func (s *script) answers(call string, code int) {
	s.handle[call] = func(w http.ResponseWriter, _ *http.Request) {
		if code == http.StatusNoContent {
			w.WriteHeader(code)
			return
		}
		stream{w}.status(code, "the engine says so")
	}
}

const (
	createCall = "POST /containers/create"
	startCall  = "POST /containers/c1/start"
)

func (s *script) creates(used *string) {
	s.handle[createCall] = func(w http.ResponseWriter, r *http.Request) {
		var c struct{ Image string }
		_ = json.NewDecoder(r.Body).Decode(&c)
		*used = c.Image
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"Id":"c1","Warnings":["a warning"]}`)
	}
}

// The create names the reference while it means the wanted id, else the id.
func TestRunNamesReferenceOrID(t *testing.T) {
	for _, tc := range []struct {
		name   string
		images map[string]string
		uses   string
		reason string
	}{
		{"the reference", map[string]string{"redis:7": "sha256:11"}, "redis:7", ""},
		{"the tag moved on", map[string]string{"redis:7": "sha256:22", "old": "sha256:11"}, "sha256:11", ""},
		{"the tag is gone", map[string]string{"old": "sha256:11"}, "sha256:11", ""},
		{"the image is gone", map[string]string{"redis:7": "sha256:22"}, "", ReasonImageGone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
				s.images = tc.images
				var used string
				s.creates(&used)
				s.answers(startCall, http.StatusNoContent)
				id, err := e.Run(t.Context(), request(nil))
				if _, reason := job.KindOf(err); err != nil && reason != tc.reason || err == nil && tc.reason != "" {
					t.Fatalf("%v", err)
				}
				if used != tc.uses || tc.uses != "" && id != "c1" {
					t.Errorf("created %q from %q", id, used)
				}
			})
		})
	}
}

func TestLaw_ReplaySafe_Run(t *testing.T) {
	ours := request(nil).Identity().Labels()
	with := func(k, v string) map[string]string { m := maps.Clone(ours); m[k] = v; return m }
	for _, tc := range []struct {
		name   string
		state  string // "" lists nothing
		labels map[string]string
		id     string
		starts int
		reason string
	}{
		{"ours, created", "created", ours, "c1", 1, ""},
		{"ours, runs", "running", ours, "c1", 0, ""},
		{"ours, paused", "paused", ours, "c1", 0, ""},
		{"ours, ended already", "exited", ours, "c1", 0, ""},
		{"ours, going", "removing", ours, "", 0, ReasonNameRemoving},
		{"gone by now", "", nil, "", 0, ReasonNameRemoving},
		{"ours, another attempt", "exited", with(job.LabelAttempt, "2"), "", 0, ReasonNameTaken},
		{"ours, another spec", "created", with(job.LabelSpecHash, "v1:other"), "", 0, ReasonNameTaken},
		{"another agent's", "created", with(job.LabelNodeID, "node-2"), "", 0, ReasonNameTaken},
		{"a stranger", "running", map[string]string{"a": "b"}, "", 0, ReasonNameTaken},
		{"labels that cannot be read", "created", with(job.LabelAttempt, "x"), "", 0, ReasonNameTaken},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
				s.setImage("redis:7", "sha256:11")
				s.answers(createCall, http.StatusConflict)
				s.answers(startCall, http.StatusNoContent)
				if tc.state != "" {
					s.containerList("c1", "web-"+testAlloc, "sha256:11", tc.state, tc.labels)
				}
				id, err := e.Run(t.Context(), request(nil))
				kind, reason := job.KindOf(err)
				if err == nil {
					kind, reason = job.Retried, ""
				}
				if id != tc.id || kind != job.Retried || reason != tc.reason || s.count(startCall) != tc.starts {
					t.Errorf("id %q, %d starts, %s %s: %v", id, s.count(startCall), kind, reason, err)
				}
				if tc.reason == ReasonNameTaken && !strings.Contains(err.Error(), "c1") {
					t.Errorf("the message does not name the holder: %v", err)
				}
			})
		})
	}
}

func TestCreateErrors(t *testing.T) {
	for _, tc := range []struct {
		name    string
		code    int
		mode    string
		network int // status of the network's inspect
		rmImage bool
		kind    job.Kind
		reason  string
	}{
		{"bad config", 400, "", 0, false, job.WaitsForUser, ReasonInvalidConfig},
		{"engine error", 500, "", 0, false, job.Retried, ReasonEngineError},
		{"unavailable", 503, "", 0, false, job.Retried, ReasonEngineError},
		{"odd status", 418, "", 0, false, job.Retried, ReasonEngineError},
		{"image went meanwhile", 404, "", 0, true, job.Retried, ReasonImageGone},
		{"network missing", 404, "lan", 404, false, job.Retried, ReasonNetworkMissing},
		{"something else missing", 404, "", 0, false, job.Retried, ReasonContainerGone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
				s.setImage("redis:7", "sha256:11")
				s.handle[createCall] = func(w http.ResponseWriter, _ *http.Request) {
					if tc.rmImage {
						s.mu.Lock()
						clear(s.images)
						s.mu.Unlock()
					}
					stream{w}.status(tc.code, "no")
				}
				s.answers("GET /networks/lan", tc.network)
				_, err := e.Run(t.Context(), request(func(r *job.ContainerRequest) { r.Task.Config.NetworkMode = tc.mode }))
				if kind, reason := job.KindOf(err); kind != tc.kind || reason != tc.reason {
					t.Errorf("%s %s: %v", kind, reason, err)
				}
			})
		})
	}
}

// A container that was made and cannot start is told to the caller by its id.
func TestStartErrors(t *testing.T) {
	for _, tc := range []struct {
		name   string
		code   int
		mode   string
		kind   job.Kind
		reason string
	}{
		{"no such command", 400, "bridge", job.WaitsForUser, ReasonInvalidConfig},
		{"network missing", 404, "lan", job.Retried, ReasonNetworkMissing},
		{"container gone", 404, "bridge", job.Retried, ReasonContainerGone},
		{"engine error", 500, "bridge", job.Retried, ReasonEngineError},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
				s.setImage("redis:7", "sha256:11")
				var used string
				s.creates(&used)
				s.answers(startCall, tc.code)
				s.answers("GET /networks/lan", 404)
				s.inspects("c1", tc.mode, nil)
				id, err := e.Run(t.Context(), request(nil))
				if kind, reason := job.KindOf(err); id != "c1" || kind != tc.kind || reason != tc.reason {
					t.Errorf("%q %s %s: %v", id, kind, reason, err)
				}
			})
		})
	}
}

func TestStartSaysWhoHoldsThePort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	busyPort := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	for _, tc := range []struct{ name, inside, ip, port, says string }{
		{"a process", "80/tcp", "127.0.0.1", busyPort, "a process outside Docker"},
		{"a container", "80/udp", "127.0.0.1", "4711", "container other"},
		{"nobody", "80/tcp", "127.0.0.1", "0", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, cli, stop := newScript(t)
			defer stop()
			e := New(cli, Options{}, testDirs{}, newMemory(), quietLog())
			s.answers(startCall, 500)
			s.containerList("c2", "other", "", "running", nil)
			s.inspects("c1", "bridge", map[string]any{tc.inside: []map[string]string{{"HostIp": tc.ip, "HostPort": tc.port}}})
			err := e.Start(t.Context(), "c1")
			_, reason := job.KindOf(err)
			if tc.says == "" && reason != ReasonEngineError ||
				tc.says != "" && (reason != ReasonPortTaken || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("%s: %v", reason, err)
			}
		})
	}
}

func TestLaw_ReplaySafe_Actions(t *testing.T) {
	labels := map[string]string{}
	for _, tc := range []struct {
		name, call string
		code       int
		holder     string // id of the container that the list shows
		state      string
		do         func(t *testing.T, e *Engine) error
		reason     string // "" is no error
	}{
		{"kill", "POST /containers/c1/kill", 204, "", "", kill, ""},
		{"kill what is gone", "POST /containers/c1/kill", 404, "", "", kill, ""},
		{"kill what does not run", "POST /containers/c1/kill", 409, "", "", kill, ""},
		{"kill, engine error", "POST /containers/c1/kill", 500, "", "", kill, ReasonEngineError},
		{"remove", "DELETE /containers/c1", 204, "", "", remove, ""},
		{"remove what is gone", "DELETE /containers/c1", 404, "", "", remove, ""},
		{"remove what is going", "DELETE /containers/c1", 409, "c1", "removing", remove, ""},
		{"remove what went", "DELETE /containers/c1", 409, "", "", remove, ""},
		{"remove what runs", "DELETE /containers/c1", 409, "c1", "running", remove, ReasonContainerLive},
		{"remove, odd conflict", "DELETE /containers/c1", 409, "c1", "exited", remove, ReasonConflict},
		{"rename", "POST /containers/c1/rename", 204, "", "", rename, ""},
		{"rename again", "POST /containers/c1/rename", 400, "c1", "running", rename, ""},
		{"rename to a stranger's", "POST /containers/c1/rename", 409, "c2", "running", rename, ReasonNameTaken},
		{"rename to one that goes", "POST /containers/c1/rename", 409, "c2", "removing", rename, ReasonNameRemoving},
		{"rename what is gone", "POST /containers/c1/rename", 404, "", "", rename, ReasonContainerGone},
		{"unpause", "POST /containers/c1/unpause", 204, "", "", unpause, ""},
		{"unpause what runs", "POST /containers/c1/unpause", 500, "c1", "running", unpause, ""},
		{"unpause, error", "POST /containers/c1/unpause", 500, "c1", "paused", unpause, ReasonEngineError},
		{"network", "GET /networks/lan", 404, "", "", networkExists, ReasonNetworkMissing},
		{"update what is gone", "POST /containers/c1/update", 404, "", "", updateLimits, ReasonContainerGone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
				s.answers(tc.call, tc.code)
				if tc.holder != "" {
					s.containerList(tc.holder, "new", "", tc.state, labels)
				}
				err := tc.do(t, e)
				if _, reason := job.KindOf(err); (err == nil) != (tc.reason == "") || err != nil && reason != tc.reason {
					t.Errorf("%s: %v", reason, err)
				}
			})
		})
	}
}

func kill(t *testing.T, e *Engine) error          { return e.Kill(t.Context(), "c1", "SIGTERM") }
func remove(t *testing.T, e *Engine) error        { return e.Remove(t.Context(), "c1") }
func rename(t *testing.T, e *Engine) error        { return e.Rename(t.Context(), "c1", "new") }
func unpause(t *testing.T, e *Engine) error       { return e.Unpause(t.Context(), "c1") }
func networkExists(t *testing.T, e *Engine) error { return e.NetworkExists(t.Context(), "lan") }
func updateLimits(t *testing.T, e *Engine) error {
	return e.Update(t.Context(), "c1", job.Limits{CPUShares: 2, MemoryBytes: 1 << 20})
}

func TestNetworkModesThatAlwaysExist(t *testing.T) {
	bubble(t, func(t *testing.T, _ *script, e *Engine, _ *memory) {
		for _, mode := range []string{"", "bridge", "host", "none", "default", "container:x"} {
			if err := e.NetworkExists(t.Context(), mode); err != nil { // the script knows no network
				t.Errorf("%q: %v", mode, err)
			}
		}
	})
}

// Law 11: at most maxWrites writes at the same time, and each with a deadline.
func TestLaw_OneAtATime_Writes(t *testing.T) {
	bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
		hang := make(chan struct{})
		for i := range 20 {
			s.handle[fmt.Sprintf("POST /containers/c%d/kill", i)] = func(http.ResponseWriter, *http.Request) { <-hang }
		}
		errs := make(chan error, 20)
		for i := range 20 {
			go func() { errs <- e.Kill(t.Context(), fmt.Sprintf("c%d", i), "") }()
		}
		synctest.Wait()
		s.mu.Lock()
		n := len(s.calls)
		s.mu.Unlock()
		if n != maxWrites {
			t.Errorf("%d writes at the same time", n)
		}
		for range 20 {
			if kind, _ := job.KindOf(<-errs); kind != job.Indeterminate {
				t.Errorf("a write that hangs ended as %s", kind)
			}
		}
		close(hang)
	})
}
