package dockertest

import (
	"encoding/hex"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/docker/docker/client"
)

// Options say what the engine is like. The zero value is Engine 20.10.24 with
// API 1.41 whose processes behave as the program of internal/testimage.
type Options struct {
	// APIVersion is the newest version that the engine speaks, "1.41" if empty.
	APIVersion string
	// MinAPIVersion is the oldest; empty is that of the engine which had
	// APIVersion.
	MinAPIVersion string
	// Timing is how long things take; nil is Measured.
	Timing *Timing
	// Behave says what the process of a container does; nil is WebProgram.
	Behave func(Launch) Process
	// Exec says what a command that is run in a container does; nil is
	// WebCommand. It is called with the engine's mutex held: it may not ask the
	// engine.
	Exec func(Command) Outcome
	// LiveRestore keeps containers running while the engine is stopped.
	LiveRestore bool
	// ContainerdStore names images by their manifest, as Engine 29 does.
	ContainerdStore bool
	// CgroupV2 changes the defaults that depend on it.
	CgroupV2 bool
	// Seed is what ids are made from.
	Seed uint64
}

// Timing is how long the engine takes.
type Timing struct {
	Create    time.Duration // a create
	Start     time.Duration // a start, with the network
	Signal    time.Duration // from a signal to the end of the process
	Cleanup   time.Duration // from die until lists show it and inspects answer
	Remove    time.Duration // from then, or from the call, to destroy
	Subscribe time.Duration // from the answer to /events to listening
	Registry  time.Duration // one round trip with a registry
	Load      time.Duration // an image of an archive, once all of it was read
}

// Measured is what Engine 20.10 took on a small machine.
func Measured() Timing {
	return Timing{
		Create: 30 * time.Millisecond, Start: 280 * time.Millisecond, Signal: 30 * time.Millisecond,
		Cleanup: 70 * time.Millisecond, Remove: 100 * time.Millisecond, Subscribe: time.Millisecond,
		Registry: 20 * time.Millisecond, Load: 50 * time.Millisecond,
	}
}

// Engine is the double. It is safe for concurrent use. Close it.
type Engine struct {
	opts   Options
	timing Timing
	server *http.Server
	listen *pipeListener
	once   sync.Once      // the server runs
	work   sync.WaitGroup // the engine's own goroutines, and the calls under way
	closed chan struct{}

	mu       sync.Mutex
	rand     *rand.Rand
	life     chan struct{} // closed when the engine stops; nil while it is stopped
	shut     bool          // Close was called
	conns    map[net.Conn]bool
	cons     map[string]*ctr // by id
	execs    map[string]*execution
	names    map[string]string
	images   map[string]*img // by id
	refs     map[string]string
	nets     map[string]*netw // by name
	volumes  map[string]*volume
	outside  map[string]bool // host ports that other processes have
	bus      bus
	registry *Registry
	faults   []*Rule
	calls    []Call
	pid      int
}

// Host is the endpoint that clients of the engine name. Nothing listens there.
const Host = "unix:///dockertest/docker.sock"

// New returns an engine that runs, with the images none and the networks
// bridge, host and none. Nothing is started before the first call.
func New(opts Options) *Engine {
	if opts.APIVersion == "" {
		opts.APIVersion = "1.41"
	}
	if opts.MinAPIVersion == "" {
		opts.MinAPIVersion = release(opts.APIVersion).oldest
	}
	if opts.Behave == nil {
		opts.Behave = WebProgram
	}
	if opts.Exec == nil {
		opts.Exec = WebCommand
	}
	e := &Engine{
		opts: opts, timing: Measured(), closed: make(chan struct{}), listen: newPipeListener(),
		rand: rand.New(rand.NewPCG(opts.Seed, 1)), life: make(chan struct{}), conns: map[net.Conn]bool{},
		cons: map[string]*ctr{}, execs: map[string]*execution{}, names: map[string]string{}, images: map[string]*img{}, refs: map[string]string{},
		nets: map[string]*netw{}, volumes: map[string]*volume{}, outside: map[string]bool{}, pid: 1000,
	}
	if opts.Timing != nil {
		e.timing = *opts.Timing
	}
	e.registry = &Registry{engine: e, repos: map[string]Image{}, faults: map[string]RegistryFault{}}
	for _, name := range []string{"bridge", "host", "none"} {
		e.addNetwork(name, name, nil)
	}
	e.server = e.newServer()
	return e
}

// Client returns a new client of the engine that negotiates the API version.
func (e *Engine) Client() *client.Client {
	cli, err := client.NewClientWithOpts(
		client.WithHost(Host), client.WithDialContext(e.Dial), client.WithAPIVersionNegotiation(),
	)
	if err != nil {
		panic("dockertest: client: " + err.Error()) // Host is a constant
	}
	return cli
}

// Close ends the engine and all its connections, and waits until nothing of
// it runs. Clients are left with connections that are closed.
func (e *Engine) Close() {
	e.mu.Lock()
	if e.shut {
		e.mu.Unlock()
		return
	}
	e.shut = true
	if e.life != nil {
		close(e.life)
		e.life = nil
	}
	close(e.closed)
	e.cut()
	e.mu.Unlock()
	_ = e.server.Close()
	e.listen.close()
	e.work.Wait()
}

// Stop is the end of dockerd: connections are cut, dials are refused, events
// so far are forgotten. With Options.LiveRestore containers run on, else their
// processes die; nobody is told.
func (e *Engine) Stop() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.life == nil {
		return
	}
	close(e.life)
	e.life = nil
	e.bus.ring = nil
	e.cut()
	for _, c := range e.cons {
		if !e.opts.LiveRestore && c.state.live() {
			e.endSilently(c, 137)
		}
	}
}

// Start is the start of dockerd after Stop. Containers with a restart policy
// that have died meanwhile are started.
func (e *Engine) Start() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.life != nil || e.shut {
		return
	}
	e.life = make(chan struct{})
	for _, c := range e.sorted() {
		c.state.removing = false
		if c.state.restarting {
			c.state.restarting, c.state.running = false, false
		}
		c.listed = c.state
		if !c.state.running && c.state.started.IsZero() {
			continue
		}
		if !c.state.live() && c.restarts() && !c.byHand {
			e.spawn(func(life <-chan struct{}) { _ = e.startContainer(c, life) })
		}
	}
}

// alive returns the channel that is closed when this run of the engine ends,
// or nil if it does not run.
func (e *Engine) alive() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.life == nil {
		return nil
	}
	return e.life
}

// spawn runs f beside; the caller holds mu.
func (e *Engine) spawn(f func(life <-chan struct{})) {
	if e.shut || e.life == nil {
		return
	}
	life := e.life
	e.work.Go(func() { f(life) })
}

// pause waits for d. It reports whether the engine still runs.
func pause(d time.Duration, life <-chan struct{}) bool {
	if d <= 0 {
		select {
		case <-life:
			return false
		default:
			return true
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-life:
		return false
	}
}

// newID makes 64 hexadecimal digits; the caller holds mu.
func (e *Engine) newID() string {
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(e.rand.Uint32())
	}
	b[0] |= 0xa0 // a short id that is all digits reads like a number
	return hex.EncodeToString(b)
}
