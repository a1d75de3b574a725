package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/client"
)

// script is an engine that answers as a test says, spoken to by the real
// client over a net.Pipe, so that it works in a synctest bubble.
type script struct {
	t testing.TB

	mu     sync.Mutex
	images map[string]string // reference as the API has it, or id -> id
	calls  []string          // METHOD path, of writes only
	pulls  int               // under way
	most   int               // pulls under way at the same time

	pull         func(r *http.Request, ref string, w stream)
	load         func(archive []byte, w stream)
	distribution int // status of GET /distribution
	handle       map[string]http.HandlerFunc
}

// stream writes progress messages.
type stream struct{ w http.ResponseWriter }

func (s stream) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.w, format+"\n", args...)
	_ = http.NewResponseController(s.w).Flush()
}

func (s stream) status(code int, message string) {
	s.w.Header().Set("Content-Type", "application/json")
	s.w.WriteHeader(code)
	_ = json.NewEncoder(s.w).Encode(map[string]string{"message": message})
}

// newScript starts the engine; it ends with the test or the bubble's function.
func newScript(t testing.TB) (*script, *client.Client, func()) {
	t.Helper()
	s := &script{t: t, images: map[string]string{}, distribution: http.StatusOK, handle: map[string]http.HandlerFunc{}}
	l := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
	srv := &http.Server{Handler: s}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = srv.Serve(l) }()
	tr := &http.Transport{}
	cli, err := client.NewClientWithOpts(client.WithHTTPClient(&http.Client{Transport: tr}), client.WithHost("http://engine"), client.WithDialContext(l.dial), client.WithVersion("1.41"))
	if err != nil {
		t.Fatal(err)
	}
	return s, cli, func() { tr.CloseIdleConnections(); _ = srv.Close(); <-ended }
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	a, b := net.Pipe()
	select {
	case l.conns <- b:
		return a, nil
	case <-l.done:
		return nil, &net.OpError{Op: "dial", Err: fmt.Errorf("connection refused")}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v1.41")
	if r.Method != http.MethodGet {
		s.mu.Lock()
		s.calls = append(s.calls, r.Method+" "+path)
		s.mu.Unlock()
	}
	if h := s.handle[r.Method+" "+path]; h != nil {
		h(w, r)
		return
	}
	switch {
	case path == "/images/create":
		s.servePull(w, r)
	case path == "/images/load":
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		s.load(b, stream{w})
	case path == "/images/json":
		s.serveList(w)
	case strings.HasPrefix(path, "/images/") && r.Method == http.MethodGet:
		s.serveImage(w, strings.TrimSuffix(strings.TrimPrefix(path, "/images/"), "/json"))
	case strings.HasPrefix(path, "/distribution/"):
		if s.distribution == http.StatusOK {
			_, _ = io.WriteString(w, "{}")
			return
		}
		stream{w}.status(s.distribution, "registry says no")
	case path == "/containers/json":
		_, _ = io.WriteString(w, "[]")
	default:
		stream{w}.status(http.StatusNotImplemented, "the script has no "+r.Method+" "+path)
	}
}

func (s *script) servePull(w http.ResponseWriter, r *http.Request) {
	ref := r.FormValue("fromImage") + ":" + r.FormValue("tag")
	s.mu.Lock()
	s.pulls++
	s.most = max(s.most, s.pulls)
	s.mu.Unlock()
	defer func() { s.mu.Lock(); s.pulls--; s.mu.Unlock() }()
	s.pull(r, ref, stream{w})
}

func (s *script) serveList(w http.ResponseWriter) {
	type item struct {
		ID          string   `json:"Id"`
		RepoDigests []string `json:"RepoDigests"`
	}
	list := []item{}
	s.mu.Lock()
	for ref, id := range s.images {
		i := slices.IndexFunc(list, func(i item) bool { return i.ID == id })
		if i < 0 {
			i, list = len(list), append(list, item{ID: id})
		}
		if strings.Contains(ref, "@") {
			list[i].RepoDigests = append(list[i].RepoDigests, ref)
		}
	}
	s.mu.Unlock()
	_ = json.NewEncoder(w).Encode(list)
}

func (s *script) serveImage(w http.ResponseWriter, ref string) {
	id := s.image(ref)
	if id == "" {
		stream{w}.status(http.StatusNotFound, "No such image: "+ref)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"Id": id, "Size": 42})
}

func (s *script) image(ref string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for r, id := range s.images {
		if r == ref || id == ref {
			return id
		}
	}
	return ""
}

func (s *script) setImage(ref, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.images[ref] = id
}

func (s *script) dropImage(ref string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.images, ref)
}

func (s *script) count(call string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if c == call {
			n++
		}
	}
	return n
}

const pullCall = "POST /images/create"
