package observed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/go-connections/nat"
	"github.com/docker/go-units"

	"reconciler/internal/job"
)

const testNode = "node-1"

// errDown stands for a socket that nobody listens on.
var errDown = errors.New("cannot connect to the docker daemon")

// fakeEngine is a Docker engine in memory. Its faults are fields: set them
// under with.
type fakeEngine struct {
	mu      sync.Mutex
	cons    map[string]*fakeContainer
	imgs    []image.Summary
	streams map[*fakeStream]bool
	serial  int
	calls   map[string]int // by method, and "inspect ID"

	down       bool            // nothing answers
	silent     bool            // streams stay open and tell nothing
	hang       map[string]bool // inspects of these ids block
	deaf       bool            // inspects take 3 s, whatever their context says
	listErr    error
	imageErr   error
	inspectErr map[string]error
	// deliver says when an event is told, and how often: none loses it.
	deliver func() []time.Duration
	// slow is how long an answer takes before and after the engine looks.
	slow func() time.Duration
	host string
	lag  map[string]State // states that lists show although they are past
	hide map[string]bool  // containers that lists leave out
}

type fakeContainer struct {
	id, name, image, imageID string
	labels                   map[string]string
	state                    State
	code                     int
	oom                      bool
	started, finished        time.Time
	health                   string
	ports                    []PublishedPort
	networks                 map[string]string // name -> address
}

type fakeStream struct {
	mu    sync.Mutex
	queue []events.Message
	wake  chan struct{}
	cut   chan struct{}
}

func newFake() *fakeEngine {
	return &fakeEngine{
		cons: map[string]*fakeContainer{}, streams: map[*fakeStream]bool{}, calls: map[string]int{},
		hang: map[string]bool{}, inspectErr: map[string]error{}, host: "unix:///var/run/docker.sock",
	}
}

// with changes the engine under its lock.
func (f *fakeEngine) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeEngine) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[call]
}

// ours are the labels of a container of ours.
func ours(jobName string, attempt int) map[string]string {
	return job.Identity{
		NodeID: testNode, Node: "host", Job: jobName, Group: jobName, Task: "main",
		AllocID: "alloc-" + jobName, Generation: 1, Attempt: attempt, SpecHash: "v1:abc",
	}.Labels()
}

func (f *fakeEngine) create(name string, labels map[string]string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.serial++
	id := fmt.Sprintf("%064x", f.serial)
	f.cons[id] = &fakeContainer{
		id: id, name: name, image: "app:1", imageID: "sha256:app", labels: labels, state: Created,
		networks: map[string]string{"bridge": ""},
	}
	f.emit(events.ActionCreate, id)
	return id
}

func (f *fakeEngine) start(id string) {
	f.change(id, events.ActionStart, func(c *fakeContainer) {
		c.state, c.started, c.networks["bridge"] = Running, time.Now(), "172.17.0.2"
	})
}

func (f *fakeEngine) die(id string, code int) {
	f.change(id, events.ActionDie, func(c *fakeContainer) {
		c.state, c.finished, c.code, c.networks["bridge"] = Exited, time.Now(), code, ""
	})
}

func (f *fakeEngine) rename(id, name string) {
	f.change(id, events.ActionRename, func(c *fakeContainer) { c.name = name })
}

func (f *fakeEngine) remove(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.emit(events.ActionDestroy, id)
	delete(f.cons, id)
}

func (f *fakeEngine) change(id string, a events.Action, change func(*fakeContainer)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f.cons[id])
	f.emit(a, id)
}

func (f *fakeEngine) emit(a events.Action, id string) {
	c := f.cons[id]
	attrs := maps.Clone(c.labels)
	if attrs == nil {
		attrs = map[string]string{}
	}
	attrs["name"], attrs["image"] = c.name, c.image
	f.send(events.Message{Type: events.ContainerEventType, Action: a, Actor: events.Actor{ID: id, Attributes: attrs}})
}

// send tells an event to all streams. The caller holds the lock.
func (f *fakeEngine) send(m events.Message) {
	m.TimeNano = time.Now().UnixNano()
	m.Time = time.Now().Unix()
	if f.silent || f.down {
		return
	}
	delays := []time.Duration{0}
	if f.deliver != nil {
		delays = f.deliver()
	}
	for s := range f.streams {
		for _, d := range delays {
			if d == 0 {
				s.push(m)
			} else {
				time.AfterFunc(d, func() { s.push(m) })
			}
		}
	}
}

// stop is the end of dockerd: streams end, nothing answers.
func (f *fakeEngine) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = true
	f.cutStreams()
}

func (f *fakeEngine) cutStreams() {
	for s := range f.streams {
		close(s.cut)
		delete(f.streams, s)
	}
}

func (s *fakeStream) push(m events.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, m)
	poke(s.wake)
}

func (s *fakeStream) pop() (events.Message, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return events.Message{}, false
	}
	m := s.queue[0]
	s.queue = s.queue[1:]
	return m, true
}

func (s *fakeStream) run(ctx context.Context, msgs chan<- events.Message) error {
	for {
		m, ok := s.pop()
		if !ok {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-s.cut:
				return io.EOF
			case <-s.wake:
			}
			continue
		}
		select {
		case msgs <- m:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.cut:
			return io.EOF
		}
	}
}

// The API.

func (f *fakeEngine) ClientVersion() string { return "1.41" }
func (f *fakeEngine) DaemonHost() string    { return f.host }

// call counts, waits and fails as the faults say, then looks under the lock.
func (f *fakeEngine) call(ctx context.Context, name string, fault func() error, look func() error) error {
	f.mu.Lock()
	f.calls[name]++
	slow := f.slow
	f.mu.Unlock()
	if slow != nil {
		sleep(ctx, slow())
		defer func() { sleep(ctx, slow()) }()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if f.down {
		return errDown
	}
	if err := fault(); err != nil {
		return err
	}
	return look()
}

func none() error { return nil }

func (f *fakeEngine) Info(ctx context.Context) (out system.Info, err error) {
	err = f.call(ctx, "info", none, func() error {
		out = system.Info{ID: "ENGINE", ServerVersion: "20.10.24"}
		return nil
	})
	return out, err
}

func (f *fakeEngine) NetworkInspect(ctx context.Context, _ string, _ network.InspectOptions) (out network.Inspect, err error) {
	err = f.call(ctx, "network", none, func() error {
		out.IPAM.Config = []network.IPAMConfig{{Gateway: "fe80::1"}, {Gateway: "172.17.0.1"}}
		return nil
	})
	return out, err
}

func (f *fakeEngine) ContainerList(ctx context.Context, o container.ListOptions) (out []container.Summary, err error) {
	err = f.call(ctx, "list", func() error { return f.listErr }, func() error {
		for _, c := range f.cons {
			if !f.hide[c.id] && (o.All || c.state == Running) {
				s := c.summary()
				if old, ok := f.lag[c.id]; ok {
					s.State, s.Status = string(old), ""
				}
				out = append(out, s)
			}
		}
		return nil
	})
	return out, err
}

func (f *fakeEngine) ContainerInspect(ctx context.Context, id string) (out container.InspectResponse, err error) {
	f.mu.Lock()
	f.calls["inspect "+id]++
	hang, deaf := f.hang[id], f.deaf
	f.mu.Unlock()
	if deaf {
		time.Sleep(3 * time.Second)
	}
	if hang {
		<-ctx.Done()
		return out, ctx.Err()
	}
	err = f.call(ctx, "inspect", func() error { return f.inspectErr[id] }, func() error {
		c, ok := f.cons[id]
		if !ok {
			return fmt.Errorf("no such container: %w", errdefs.ErrNotFound)
		}
		out = c.inspect()
		return nil
	})
	return out, err
}

func (f *fakeEngine) ImageList(ctx context.Context, _ image.ListOptions) (out []image.Summary, err error) {
	err = f.call(ctx, "images", func() error { return f.imageErr }, func() error {
		out = slices.Clone(f.imgs)
		return nil
	})
	return out, err
}

func (f *fakeEngine) Events(ctx context.Context, _ events.ListOptions) (<-chan events.Message, <-chan error) {
	msgs, errs := make(chan events.Message), make(chan error, 1)
	s := &fakeStream{wake: make(chan struct{}, 1), cut: make(chan struct{})}
	err := f.call(ctx, "events", none, func() error {
		f.streams[s] = true
		return nil
	})
	if err != nil {
		errs <- err
		close(errs)
		return msgs, errs
	}
	go func() {
		defer close(errs)
		errs <- s.run(ctx, msgs)
		f.with(func() { delete(f.streams, s) })
	}()
	return msgs, errs
}

func (c *fakeContainer) summary() container.Summary {
	s := container.Summary{
		ID: c.id, Names: []string{"/other/alias", "/" + c.name}, Image: c.image, ImageID: c.imageID,
		Labels: c.labels, State: string(c.state), Status: c.status(),
		NetworkSettings: &container.NetworkSettingsSummary{Networks: c.endpoints()},
	}
	s.HostConfig.NetworkMode = "default"
	for _, p := range c.ports {
		s.Ports = append(s.Ports, container.Port{IP: p.HostIP, PublicPort: uint16(p.Host), PrivatePort: uint16(p.To), Type: p.Proto})
	}
	return s
}

// status is moby's container.State.String.
func (c *fakeContainer) status() string {
	switch c.state {
	case Running:
		s := "Up " + units.HumanDuration(time.Since(c.started))
		if c.health != "" {
			s += " (" + c.health + ")"
		}
		return s
	case Exited:
		return fmt.Sprintf("Exited (%d) %s ago", c.code, units.HumanDuration(time.Since(c.finished)))
	}
	return string(c.state)
}

func (c *fakeContainer) endpoints() map[string]*network.EndpointSettings {
	out := map[string]*network.EndpointSettings{}
	for name, ip := range c.networks {
		out[name] = &network.EndpointSettings{NetworkID: "net-" + name, IPAddress: ip, Aliases: []string{c.id[:12], "web"}}
	}
	return out
}

func (c *fakeContainer) inspect() container.InspectResponse {
	st := &container.State{
		Status: string(c.state), ExitCode: c.code, OOMKilled: c.oom,
		StartedAt: c.started.Format(time.RFC3339Nano), FinishedAt: c.finished.Format(time.RFC3339Nano),
	}
	if c.health != "" {
		st.Health = &container.Health{Status: c.health}
	}
	ports := nat.PortMap{}
	for _, p := range c.ports {
		key := nat.Port(fmt.Sprintf("%d/%s", p.To, p.Proto))
		ports[key] = append(ports[key], nat.PortBinding{HostIP: p.HostIP, HostPort: fmt.Sprint(p.Host)})
	}
	net := &container.NetworkSettings{Networks: c.endpoints()}
	net.Ports = ports
	return container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			ID: c.id, Name: "/" + c.name, Image: c.imageID, State: st,
			HostConfig: &container.HostConfig{
				NetworkMode: "default",
				Resources:   container.Resources{Memory: 64 << 20, MemorySwap: 64 << 20, CPUShares: 100},
			},
		},
		Config:          &container.Config{Image: c.image, Labels: c.labels, StopSignal: "SIGINT"},
		NetworkSettings: net,
	}
}
