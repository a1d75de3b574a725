package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
)

// engine is a container engine in memory with a view of it: Runtime and
// Observer. The view follows the truth by events that take a millisecond, and
// by Refresh. It survives the controllers that work on it.
type engine struct {
	mu     sync.Mutex
	truth  map[string]*observed.Container // by id
	view   map[string]observed.Container
	status observed.Status
	images map[string]string // reference -> image id
	made   int
	shift  atomic.Int64          // of the host's clock, in nanoseconds
	groups map[string]*job.Group // what containers were made from, by id

	hint       func(observed.Hint)
	deaf       bool // no events
	blind      int  // that many refreshes fail
	dead       bool // the agent that calls is dead: nothing reaches the engine
	stubborn   bool // containers ignore SIGTERM
	rounds     bool // an update is accepted and changes nothing
	pullTime   time.Duration
	takenPorts map[int]bool // by a process that Docker meets at start
	// fail is asked before a write; an error is the write's.
	fail func(op string, c observed.Container) error
	// hang is asked before and, for "created", in the middle of a write; true
	// makes the call hang until its context ends.
	hang func(op string, c observed.Container) bool

	calls   []string        // writes, as "verb name"
	busy    map[string]bool // allocs that a write is under way for
	wrong   []string        // what must never happen
	pulling int
}

func newEngine() *engine {
	return &engine{
		truth: map[string]*observed.Container{}, view: map[string]observed.Container{},
		status: observed.Status{Connected: true, Since: time.Now()},
		images: map[string]string{refWeb: image1}, takenPorts: map[int]bool{}, busy: map[string]bool{},
		groups: map[string]*job.Group{},
		fail:   func(string, observed.Container) error { return nil },
		hang:   func(string, observed.Container) bool { return false },
	}
}

// now is the host's clock.
func (e *engine) now() time.Time { return time.Now().Add(time.Duration(e.shift.Load())) }

func (e *engine) with(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

var errAway = job.NewError(job.Indeterminate, "EngineUnavailable", errors.New("no answer"))

// write is the frame of every write call. f needs the lock.
func (e *engine) write(ctx context.Context, op string, c observed.Container, f func() error) error {
	e.mu.Lock()
	if e.dead || !e.status.Connected {
		if !e.dead {
			e.wrong = append(e.wrong, op+" while dockerd was away")
		}
		e.mu.Unlock()
		return errAway
	}
	e.calls = append(e.calls, op+" "+c.Name)
	if alloc := c.Identity.AllocID; alloc != "" {
		if e.busy[alloc] {
			e.wrong = append(e.wrong, "two writes at once for "+alloc)
		}
		e.busy[alloc] = true
		defer e.with(func() { delete(e.busy, alloc) })
	}
	if !c.Ours {
		e.wrong = append(e.wrong, op+" of the stranger "+c.Name)
	}
	hang := e.hang(op, c)
	e.mu.Unlock()
	if hang {
		<-ctx.Done()
		return errAway
	}
	time.Sleep(10 * time.Millisecond)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.fail(op, c); err != nil {
		return err
	}
	return f()
}

// changed tells the view of a change, a little later. It needs the lock.
func (e *engine) changed(id string) {
	if e.deaf {
		return
	}
	time.AfterFunc(time.Millisecond, func() { e.look(id) })
}

func (e *engine) look(id string) {
	e.mu.Lock()
	if !e.status.Connected {
		e.mu.Unlock()
		return
	}
	was := e.view[id]
	e.copy(id)
	h := observed.Hint{Job: was.Identity.Job, AllocID: was.Identity.AllocID}
	if now, ok := e.view[id]; ok {
		h = observed.Hint{Job: now.Identity.Job, AllocID: now.Identity.AllocID}
	}
	tell := e.hint
	e.mu.Unlock()
	if tell != nil {
		tell(h)
	}
}

func (e *engine) copy(id string) {
	if c, ok := e.truth[id]; ok {
		e.view[id] = *c
	} else {
		delete(e.view, id)
	}
}

func (e *engine) Check(_ context.Context, req job.ContainerRequest) error {
	if req.Task.Config.NetworkMode == "nowhere" {
		return job.NewError(job.Retried, "NetworkMissing", errors.New("no network nowhere"))
	}
	return nil
}

func (e *engine) Bring(ctx context.Context, req job.ImageRequest) (job.ImageResult, error) {
	e.mu.Lock()
	e.pulling++
	wait := e.pullTime
	e.mu.Unlock()
	defer e.with(func() { e.pulling-- })
	select {
	case <-time.After(wait):
	case <-ctx.Done():
		return job.ImageResult{}, job.NewError(job.Indeterminate, "Cancelled", ctx.Err())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dead || !e.status.Connected {
		return job.ImageResult{}, errAway
	}
	if err := e.fail("bring", observed.Container{Name: req.Ref}); err != nil {
		return job.ImageResult{}, err
	}
	id, ok := e.images[req.Ref]
	if !ok {
		return job.ImageResult{}, job.NewError(job.Retried, "ImageNotFound", fmt.Errorf("no image %s", req.Ref))
	}
	return job.ImageResult{ID: id}, nil
}

func (e *engine) Run(ctx context.Context, req job.ContainerRequest) (id string, err error) {
	name := job.ContainerName(req.Task.Name, req.Alloc.ID)
	ask := observed.Container{Name: name, Ours: true, Identity: req.Identity()}
	err = e.write(ctx, "run", ask, func() error { id, err = e.create(req, name); return err })
	if err != nil {
		return id, err
	}
	e.mu.Lock()
	hang := e.hang("created", ask)
	e.mu.Unlock()
	if hang {
		<-ctx.Done()
		return id, errAway
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dead {
		return id, errAway
	}
	return id, e.started(id)
}

func (e *engine) create(req job.ContainerRequest, name string) (string, error) {
	for id, c := range e.truth {
		if c.Name != name {
			continue
		}
		if c.State == observed.Removing {
			return "", job.NewError(job.Retried, errNameRemoving, errors.New("removing"))
		}
		if c.Ours && c.Identity.AllocID == req.Alloc.ID && c.Identity.Attempt == req.Attempt {
			return id, nil
		}
		return "", job.NewError(job.Retried, "NameTaken", fmt.Errorf("%s is taken by %s", name, id))
	}
	if !slices.Contains(slices.Collect(maps.Values(e.images)), req.ImageID) {
		return "", job.NewError(job.Retried, errImageGone, fmt.Errorf("no image %s", req.ImageID))
	}
	e.made++
	id := fmt.Sprintf("c%03d", e.made)
	res := req.Task.Resources
	e.truth[id] = &observed.Container{
		ID: id, Name: name, Image: req.Task.Config.Image, ImageID: req.ImageID, State: observed.Created, Ours: true,
		Identity: req.Identity(), RestartPolicy: "no", CPUShares: int64(res.CPU),
		MemoryBytes: int64(res.MemoryMB) << 20, MemorySwap: int64(res.MemoryMB) << 20,
	}
	e.groups[id] = req.Group
	e.changed(id)
	return id, nil
}

// beside reports whether two containers of one task may run at once: they are
// of an allocation and of its successor, and nothing forbids it.
func (e *engine) beside(a, b *observed.Container) bool {
	if a.Identity.AllocID == b.Identity.AllocID || e.groups[a.ID] == nil || e.groups[b.ID] == nil {
		return false
	}
	_, ok := job.MayRunBeside(e.groups[a.ID], e.groups[b.ID])
	return ok
}

// started lets a container run, if its ports are free, and checks that it is
// the only one of its task and of its index.
func (e *engine) started(id string) error {
	c := e.truth[id]
	switch {
	case c == nil:
		return job.NewError(job.Retried, "ContainerGone", errors.New("gone"))
	case c.Live():
		return nil
	}
	for _, p := range c.Identity.Ports {
		if e.takenPorts[p.Host] {
			c.Error = "address in use"
			e.changed(id)
			return job.NewError(job.Retried, errPortTaken, fmt.Errorf("port %d is taken", p.Host))
		}
	}
	for _, other := range e.truth {
		if other.ID == id || !other.Live() || !other.Ours {
			continue
		}
		if a, b := other.Identity, c.Identity; a.Job == b.Job && a.Group == b.Group && a.Task == b.Task && a.AllocIndex == b.AllocIndex && !e.beside(other, c) {
			e.wrong = append(e.wrong, fmt.Sprintf("%s and %s run beside each other", other.Name, c.Name))
		}
		for _, p := range c.Identity.Ports {
			if slices.ContainsFunc(other.Identity.Ports, func(q job.AllocPort) bool { return q.Host == p.Host }) {
				e.wrong = append(e.wrong, fmt.Sprintf("%s and %s share port %d", other.Name, c.Name, p.Host))
			}
		}
	}
	c.State, c.StartedAt, c.Error = observed.Running, e.now(), ""
	e.changed(id)
	return nil
}

// on runs f on an existing container as a write; one that is gone is fine.
func (e *engine) on(ctx context.Context, op, id string, f func(c *observed.Container) error) error {
	e.mu.Lock()
	c, ok := e.truth[id]
	var now observed.Container
	if ok {
		now = *c
	}
	e.mu.Unlock()
	if !ok {
		return nil
	}
	return e.write(ctx, op, now, func() error {
		c, ok := e.truth[id]
		if !ok {
			return nil
		}
		e.changed(id)
		return f(c)
	})
}

func (e *engine) Start(ctx context.Context, id string) error {
	return e.on(ctx, "start", id, func(*observed.Container) error { return e.started(id) })
}

func (e *engine) Kill(ctx context.Context, id, signal string) error {
	return e.on(ctx, "kill "+signal, id, func(c *observed.Container) error {
		if c.Live() && (signal == sigKill || !e.stubborn) {
			time.AfterFunc(50*time.Millisecond, func() { e.exit(id, 143) })
		}
		return nil
	})
}

func (e *engine) Remove(ctx context.Context, id string) error {
	return e.on(ctx, "remove", id, func(c *observed.Container) error {
		if c.Live() {
			return job.NewError(job.Retried, "ContainerLive", errors.New("it runs"))
		}
		delete(e.truth, id)
		return nil
	})
}

func (e *engine) Unpause(ctx context.Context, id string) error {
	return e.on(ctx, "unpause", id, func(c *observed.Container) error { c.State = observed.Running; return nil })
}

func (e *engine) Rename(ctx context.Context, id, name string) error {
	return e.on(ctx, "rename", id, func(c *observed.Container) error {
		for _, other := range e.truth {
			if other.Name == name && other.ID != id {
				return job.NewError(job.Retried, "NameTaken", fmt.Errorf("%s is taken by %s", name, other.ID))
			}
		}
		c.Name = name
		return nil
	})
}

func (e *engine) Update(ctx context.Context, id string, l job.Limits) error {
	return e.on(ctx, "update", id, func(c *observed.Container) error {
		if e.rounds {
			return nil
		}
		c.RestartPolicy, c.CPUShares = "no", l.CPUShares
		c.MemoryBytes, c.MemorySwap = l.MemoryBytes, l.MemoryBytes
		return nil
	})
}

// What people, processes and dockerd do.

func (e *engine) exit(id string, code int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c, ok := e.truth[id]; ok && c.Live() {
		c.State, c.ExitCode, c.FinishedAt = observed.Exited, code, e.now()
		e.changed(id)
	}
}

// rmf is docker rm -f: the die comes before the destroy.
func (e *engine) rmf(id string) {
	e.exit(id, 137)
	time.AfterFunc(70*time.Millisecond, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.truth, id)
		e.changed(id)
	})
}

// change does something to a container from outside.
func (e *engine) change(id string, f func(c *observed.Container)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(e.truth[id])
	e.changed(id)
}

func (e *engine) put(c observed.Container) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.truth[c.ID] = &c
	e.changed(c.ID)
}

// away lets dockerd go; back lets it return. What changes meanwhile is seen
// when it is back.
func (e *engine) away() { e.connect(false) }
func (e *engine) back() { e.connect(true) }

func (e *engine) connect(up bool) {
	e.mu.Lock()
	e.status = observed.Status{Connected: up, Since: e.now()}
	if up {
		clear(e.view)
		for id := range e.truth {
			e.copy(id)
		}
	}
	tell := e.hint
	e.mu.Unlock()
	tell(observed.Hint{All: true})
}

// Observer.

func (e *engine) Synced() bool { return e.Status().Connected }

func (e *engine) Status() observed.Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.status
}

func (e *engine) pick(f func(observed.Container) bool) []observed.Container {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []observed.Container
	for _, id := range slices.Sorted(maps.Keys(e.view)) {
		if c := e.view[id]; f(c) {
			out = append(out, c)
		}
	}
	return out
}

func (e *engine) Alloc(id string) []observed.Container {
	return e.pick(func(c observed.Container) bool { return c.Ours && c.Identity.AllocID == id })
}

func (e *engine) Job(name string) []observed.Container {
	return e.pick(func(c observed.Container) bool { return c.Ours && c.Identity.Job == name })
}

func (e *engine) Containers() ([]observed.Container, bool) {
	return e.pick(func(observed.Container) bool { return true }), e.Synced()
}

func (e *engine) Images() ([]observed.Image, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []observed.Image
	for ref, id := range e.images {
		out = append(out, observed.Image{ID: id, Refs: []string{ref}})
	}
	return out, e.status.Connected
}

func (e *engine) Refresh(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.blind > 0 || !e.status.Connected {
		e.blind--
		return errAway
	}
	e.copy(id)
	return nil
}

// running lists the containers of a job that run, by name.
func (e *engine) running(name string) []observed.Container {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []observed.Container
	for _, c := range e.truth {
		if c.Ours && c.Identity.Job == name && c.State == observed.Running {
			out = append(out, *c)
		}
	}
	slices.SortFunc(out, func(a, b observed.Container) int { return a.Identity.AllocIndex - b.Identity.AllocIndex })
	return out
}

// done returns the writes since the last call of done.
func (e *engine) done() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := e.calls
	e.calls = nil
	return out
}

// ports is the port table: numbers alone, no addresses.
type ports struct {
	mu      sync.Mutex
	table   map[string][]job.AllocPort
	foreign map[int]string // held by others
	next    int
	probes  int // calls of Probe
}

func newPorts() *ports {
	return &ports{table: map[string][]job.AllocPort{}, foreign: map[int]string{}, next: 20000}
}

func (p *ports) Reserve(id string, reqs []job.PortRequest) ([]job.AllocPort, error) {
	return p.reserve(id, reqs, true)
}

func (p *ports) ReserveDynamic(id string, reqs []job.PortRequest) ([]job.AllocPort, error) {
	return p.reserve(id, reqs, false)
}

func (p *ports) reserve(id string, reqs []job.PortRequest, statics bool) ([]job.AllocPort, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all, held []job.AllocPort
	for _, r := range reqs {
		port := job.AllocPort{Label: r.Label, Task: r.Task, Host: r.Static, Static: r.Static != 0}
		i := slices.IndexFunc(p.table[id], func(h job.AllocPort) bool { return h.Label == r.Label && h.Task == r.Task })
		switch {
		case i >= 0:
			port = p.table[id][i]
		case port.Static && statics:
			if err := p.free(port.Host, nil); err != nil {
				return nil, err
			}
		case !port.Static:
			for p.next++; p.free(p.next, nil) != nil; {
				p.next++
			}
			port.Host = p.next
		}
		all = append(all, port)
		if statics || !port.Static || i >= 0 {
			held = append(held, port)
		}
	}
	p.table[id] = held
	return all, nil
}

func (p *ports) free(port int, except []string) error {
	if who := p.foreign[port]; who != "" {
		return job.NewError(job.Retried, "PortBusy", fmt.Errorf("port %d is held by %s", port, who))
	}
	for id, held := range p.table {
		if !slices.Contains(except, id) && slices.ContainsFunc(held, func(h job.AllocPort) bool { return h.Host == port }) {
			return job.NewError(job.Retried, "PortBusy", fmt.Errorf("port %d is held by allocation %s", port, id))
		}
	}
	return nil
}

func (p *ports) Probe(id string, reqs []job.PortRequest, except []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.probes++
	for _, r := range reqs {
		if r.Static == 0 {
			continue
		}
		if err := p.free(r.Static, append(slices.Clone(except), id)); err != nil {
			return err
		}
	}
	return nil
}

func (p *ports) Restore(id string, held []job.AllocPort) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.table[id] = held
}

func (p *ports) Release(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.table, id)
}

func (p *ports) hold(port int, who string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.foreign[port] = who
}

// dirs makes no directories.
type dirs struct{}

func (dirs) Build(job.AllocSpec, *job.Group) error { return nil }

// short cuts the calls down to what matters: "run web", for any allocation.
func short(calls []string) []string {
	var out []string
	for _, c := range calls {
		i := strings.LastIndex(c, " ")
		name, _, _ := strings.Cut(c[i+1:], "-")
		out = append(out, c[:i]+" "+name)
	}
	return out
}
