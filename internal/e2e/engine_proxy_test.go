package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log" //nolint:depguard // net/http takes no other logger, and this one writes nowhere
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// fault is what a proxy does to one call.
type fault struct {
	name   string
	delay  time.Duration // before anything else
	status int           // answered in the engine's place; the call has no effect
	hang   bool          // no effect; the connection breaks after the delay, or when the faults are lifted
	lost   bool          // has its effect; the answer is lost with the connection
	cut    bool          // has its effect; the answer breaks in its middle
	mute   bool          // the answer begins and tells nothing until the faults are lifted
}

// rule says which calls a fault meets: from the nth one of this kind and job
// on, as many as times says (0 is all).
type rule struct {
	kind       string // see kindOf
	job        string // "" is any
	nth, times int
	fault
	seen, hits int
}

// faultProxy stands between an agent and an engine, on a unix socket.
type faultProxy struct {
	t        *testing.T
	endpoint string
	forward  *httputil.ReverseProxy

	mu      sync.Mutex
	rules   []*rule
	lifted  chan struct{}     // closed by lift
	dropped chan struct{}     // closed by dropStreams
	jobs    map[string]string // container id -> job
	writes  []string          // "METHOD path?query" of every call that is no GET
}

// proxied makes a world without an agent, whose agent will speak to the
// machine's own engine through a proxy.
func proxied(t *testing.T, options ...string) (*world, *faultProxy) {
	t.Helper()
	w := newWorld(t, options...)
	socket, err := socketOf(w.cli)
	if err != nil {
		t.Skip("no proxy: " + err.Error())
	}
	p := newFaultProxy(t, socket)
	w.options = append(w.options, "--docker-endpoint", p.endpoint)
	return w, p
}

func newFaultProxy(t *testing.T, upstream string) *faultProxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "rec-proxy-") //nolint:usetesting // the path of a socket has 107 characters at most
	must(t, err)
	socket := filepath.Join(dir, "d.sock")
	l, err := net.Listen("unix", socket)
	must(t, err)
	silent := log.New(io.Discard, "", 0)
	p := &faultProxy{
		t: t, endpoint: "unix://" + socket, jobs: map[string]string{},
		lifted: make(chan struct{}), dropped: make(chan struct{}),
	}
	transport := &http.Transport{
		DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", upstream)
		},
	}
	p.forward = &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker" },
		Transport:      transport,
		FlushInterval:  -1, // pulls and events are streams
		ErrorLog:       silent,
		ModifyResponse: p.answer,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	srv := &http.Server{Handler: p, ErrorLog: silent}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() {
		p.lift()
		_ = srv.Close()
		<-done
		transport.CloseIdleConnections()
		must(t, os.RemoveAll(dir))
	})
	return p
}

// set replaces the rules.
func (p *faultProxy) set(rules ...*rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = rules
}

// lift ends all faults, those of calls that hang included.
func (p *faultProxy) lift() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
	close(p.lifted)
	p.lifted = make(chan struct{})
}

// dropStreams breaks the streams of events that are open.
func (p *faultProxy) dropStreams() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.dropped)
	p.dropped = make(chan struct{})
}

// wrote returns the writes so far.
func (p *faultProxy) wrote() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.writes...)
}

// struck is how often each fault met each kind of call, by "kind fault".
func (p *faultProxy) struck(rules []*rule) map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]int{}
	for _, r := range rules {
		out[r.kind+" "+r.name] += r.hits
	}
	return out
}

type faultKey struct{}

func (p *faultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, lifted, dropped := p.meet(r)
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), faultKey{}, f))
	defer cancel()
	if kindOf(r) == "events" {
		go func() {
			select {
			case <-dropped:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	if f.hang && f.delay == 0 {
		f.delay = time.Hour
	}
	if f.delay > 0 {
		select {
		case <-time.After(f.delay):
		case <-lifted:
		case <-ctx.Done():
		}
	}
	switch {
	case f.hang:
		panic(http.ErrAbortHandler)
	case f.status != 0:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": "a fault of the test: " + f.name})
	case f.mute:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		select {
		case <-lifted:
		case <-ctx.Done():
		}
		panic(http.ErrAbortHandler)
	default:
		p.forward.ServeHTTP(w, r.WithContext(ctx))
	}
}

// meet notes a call and returns the fault that it meets, if any.
func (p *faultProxy) meet(r *http.Request) (f fault, lifted, dropped <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		p.writes = append(p.writes, r.Method+" "+r.URL.RequestURI())
	}
	kind, job := kindOf(r), p.jobOf(r)
	for _, rule := range p.rules {
		if rule.kind != kind || rule.job != "" && rule.job != job {
			continue
		}
		rule.seen++
		if rule.seen < rule.nth || rule.times > 0 && rule.seen >= rule.nth+rule.times {
			continue
		}
		rule.hits++
		return rule.fault, p.lifted, p.dropped
	}
	return fault{}, p.lifted, p.dropped
}

// errFault ends a call whose answer is lost.
var errFault = errors.New("a fault of the test")

// answer does to an answer of the engine what the fault of its call says. It
// learns the ids of containers from those to create.
func (p *faultProxy) answer(resp *http.Response) error {
	r := resp.Request
	f, _ := r.Context().Value(faultKey{}).(fault)
	kind := kindOf(r)
	stream := kind == "events" || kind == "pull"
	if f.cut && stream {
		resp.Body = &torn{r: io.LimitReader(resp.Body, 60), c: resp.Body}
		return nil
	}
	if resp.StatusCode == http.StatusSwitchingProtocols || (kind != "create" && !f.lost && !f.cut) {
		return nil
	}
	body, err := io.ReadAll(resp.Body) // of a pull, too: it has its effect
	_ = resp.Body.Close()
	if err != nil {
		return err
	}
	if kind == "create" {
		p.learn(r, body)
	}
	switch {
	case f.lost, f.cut && len(body) < 2:
		return errFault
	case f.cut:
		resp.Body = &torn{r: bytes.NewReader(body[:len(body)/2]), c: io.NopCloser(nil)}
	default:
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}
	return nil
}

func (p *faultProxy) learn(r *http.Request, body []byte) {
	var created struct{ ID string }
	if json.Unmarshal(body, &created) != nil || created.ID == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jobs[created.ID] = jobOfName(r.URL.Query().Get("name"))
}

// torn is a body that ends in the middle.
type torn struct {
	r io.Reader
	c io.Closer
}

func (t *torn) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (t *torn) Close() error { return t.c.Close() }

// calls are the kinds of calls that faults can meet.
var calls = []struct {
	kind string
	re   *regexp.Regexp
}{
	{"create", regexp.MustCompile(`^POST /containers/create$`)},
	{"start", regexp.MustCompile(`^POST /containers/([^/]+)/start$`)},
	{"kill", regexp.MustCompile(`^POST /containers/([^/]+)/(?:kill|stop)$`)},
	{"remove", regexp.MustCompile(`^DELETE /containers/([^/]+)$`)},
	{"inspect", regexp.MustCompile(`^GET /containers/([^/]+)/json$`)},
	{"list", regexp.MustCompile(`^GET /containers/json$`)},
	{"events", regexp.MustCompile(`^GET /events$`)},
	{"pull", regexp.MustCompile(`^POST /images/create$`)},
	{"images", regexp.MustCompile(`^GET /images/json$`)},
	{"rmi", regexp.MustCompile(`^DELETE /images/(.+)$`)},
	{"info", regexp.MustCompile(`^GET /info$`)},
}

var apiVersion = regexp.MustCompile(`^/v[0-9.]+`)

func line(r *http.Request) string {
	return r.Method + " " + apiVersion.ReplaceAllString(r.URL.Path, "")
}

func kindOf(r *http.Request) string {
	for _, c := range calls {
		// "/containers/json" is no container of that name.
		if c.re.MatchString(line(r)) && (c.kind != "inspect" || !strings.HasSuffix(r.URL.Path, "/containers/json")) {
			return c.kind
		}
	}
	return ""
}

// jobOf returns the job that a call is about. The tests give each job an image
// repository of its name.
func (p *faultProxy) jobOf(r *http.Request) string {
	q := r.URL.Query()
	for _, c := range calls {
		m := c.re.FindStringSubmatch(line(r))
		switch {
		case m == nil:
		case c.kind == "create":
			return jobOfName(q.Get("name"))
		case c.kind == "pull":
			return jobOfImage(q.Get("fromImage"))
		case c.kind == "rmi":
			return jobOfImage(m[1])
		case len(m) > 1:
			if job, ok := p.jobs[m[1]]; ok {
				return job
			}
			return jobOfName(m[1])
		}
	}
	return ""
}

// jobOfName takes the job out of a container's name: the task, which is called
// as its job, and the allocation's id, a UUID.
func jobOfName(name string) string {
	const uuid = 36
	if i := strings.LastIndex(name, "-"); len(name) > i+1 && len(name)-i-1 < 12 {
		name = name[:i] // the attempt of one that is kept dead
	}
	if len(name) <= uuid+1 {
		return ""
	}
	return name[:len(name)-uuid-1]
}

func jobOfImage(ref string) string {
	ref = ref[strings.LastIndex(ref, "/")+1:]
	ref, _, _ = strings.Cut(ref, "@")
	ref, _, _ = strings.Cut(ref, ":")
	return ref
}
