package laws

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"reconciler/internal/dockertest"
)

// errDead is what a process that was killed gets for its calls.
var errDead = errors.New("the agent was killed")

// write is one call of the agent that may change something on the engine.
type write struct {
	at     time.Time
	what   string // method and path, without the API version
	target string // id of the container that the path names
	labels map[string]string
}

func (w write) String() string { return w.at.Format("15:04:05.000 ") + w.what }

// tap is between the docker client of one agent and the engine. It knows the
// agent's own writes, and can end the agent between two of them.
type tap struct {
	w    *world
	base *http.Transport
	dead chan struct{}

	mu    sync.Mutex
	conns map[net.Conn]bool
	now   int // writes under way, pulls aside
	most  int
}

// newClient returns a real docker client that speaks through the tap.
func newClient(w *world) (tapped, *tap) {
	t := &tap{w: w, dead: make(chan struct{}), conns: map[net.Conn]bool{}}
	cli, err := client.NewClientWithOpts(
		client.WithHost(dockertest.Host), client.WithDialContext(t.dial), client.WithAPIVersionNegotiation(),
		func(c *client.Client) error {
			hc := c.HTTPClient()
			t.base = hc.Transport.(*http.Transport)
			return client.WithHTTPClient(&http.Client{Transport: t, CheckRedirect: hc.CheckRedirect})(c)
		},
	)
	if err != nil {
		panic(err) // all options are constants
	}
	plain, err := client.NewClientWithOpts(
		client.WithHost(dockertest.Host), client.WithDialContext(t.dial), client.WithAPIVersionNegotiation(),
	)
	if err != nil {
		panic(err)
	}
	return tapped{cli, plain}, t
}

// tapped is the client of an agent. What takes over its connection asks the
// transport for one, which a tap is not.
type tapped struct {
	*client.Client
	plain *client.Client
}

// ContainerExecAttach does not pass the tap.
func (c tapped) ContainerExecAttach(ctx context.Context, id string, o container.ExecAttachOptions) (types.HijackedResponse, error) {
	return c.plain.ContainerExecAttach(ctx, id, o)
}

// Close closes both clients.
func (c tapped) Close() error { return errors.Join(c.Client.Close(), c.plain.Close()) }

func (t *tap) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if t.gone() {
		return nil, errDead
	}
	c, err := t.w.e.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns[c] = true
	return c, nil
}

func (t *tap) gone() bool {
	select {
	case <-t.dead:
		return true
	default:
		return false
	}
}

// die cuts all connections; there will be no others.
func (t *tap) die() {
	close(t.dead)
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.conns {
		_ = c.Close()
	}
}

// RoundTrip notes writes, and holds one of them if that is the crash point.
func (t *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.gone() {
		return nil, errDead
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return t.base.RoundTrip(r)
	}
	t.w.wrote(r)
	if strings.HasSuffix(r.URL.Path, "/exec") {
		return t.base.RoundTrip(r) // a check looks, and changes nothing
	}
	if !strings.Contains(r.URL.Path, "/images/create") {
		t.count(1)
		defer t.count(-1)
	}
	if t.w.strike.Load().meet(beforeWrite) {
		select {
		case <-t.dead:
			return nil, errDead
		case <-t.w.strike.Load().spared:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if !t.w.strike.Load().meets(afterWrite) {
		return t.base.RoundTrip(r)
	}
	resp, err := t.base.RoundTrip(r.WithContext(context.WithoutCancel(r.Context())))
	if t.w.strike.Load().meet(afterWrite) {
		if err == nil {
			_ = resp.Body.Close()
		}
		<-t.dead
		return nil, errDead
	}
	return resp, err
}

func (t *tap) count(d int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now += d
	t.most = max(t.most, t.now)
}

// atMost is how many writes were under way at one time.
func (t *tap) atMost() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.most
}

// wrote enters a write of the agent.
func (w *world) wrote(r *http.Request) {
	_, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/") // without /v1.41
	c := write{at: time.Now(), what: r.Method + " /" + path}
	if rest, ok := strings.CutPrefix(path, "containers/"); ok && rest != "create" {
		ref, _, _ := strings.Cut(rest, "/")
		if got, ok := w.e.Inspect(ref); ok {
			c.target, c.labels = got.ID, got.Config.Labels
			if strings.HasSuffix(rest, "/kill") {
				w.checkStop(r, got)
			}
		}
	}
	if r.URL.RawQuery != "" {
		c.what += "?" + r.URL.RawQuery
	}
	w.checkIntended(r)
	if w.guard != nil {
		w.guard(c)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.checkMine(c)
	if strings.HasSuffix(path, "/kill") {
		w.life.told(c)
	}
	if !strings.HasSuffix(path, "/exec") {
		w.writes = append(w.writes, c)
	}
}

// Crash points are counted apart for each kind of outside effect.
const (
	beforeWrite = "before a write"
	afterWrite  = "after a write, its answer lost"
	afterCommit = "after a commit"
)

// strike says where the agent is to be struck: at the n-th effect of a kind,
// from 1.
type strike struct {
	kind   string
	n      int
	struck chan struct{} // closed there
	spared chan struct{} // closed to let the call go on
	mu     sync.Mutex
	seen   int
}

func newStrike(kind string, n int) *strike {
	return &strike{kind: kind, n: n, struck: make(chan struct{}), spared: make(chan struct{})}
}

// meets reports whether effects of this kind count.
func (s *strike) meets(kind string) bool { return s != nil && s.kind == kind }

// meet counts one effect and reports whether it is the one.
func (s *strike) meet(kind string) bool {
	if !s.meets(kind) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	if s.seen != s.n {
		return false
	}
	close(s.struck)
	return true
}
