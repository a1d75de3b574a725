package dockertest

import (
	"maps"
	"slices"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/go-connections/nat"
)

// Stranger is a container that somebody else has made.
type Stranger struct {
	Name    string
	Image   string // reference or id of an image that is there
	Cmd     []string
	Labels  map[string]string
	Publish nat.PortMap
	Network string // "" is the default
	Restart string // restart policy
	Running bool
}

// AddContainer makes a container without a call, at once, and returns its id.
// It panics if an engine would refuse it.
func (e *Engine) AddContainer(s Stranger) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	exposed := nat.PortSet{} // as docker run -p does
	for p := range s.Publish {
		exposed[p] = struct{}{}
	}
	c, err := e.create(s.Name, container.CreateRequest{
		Config: &container.Config{Image: s.Image, Cmd: s.Cmd, Labels: s.Labels, ExposedPorts: exposed},
		HostConfig: &container.HostConfig{
			PortBindings: s.Publish, NetworkMode: container.NetworkMode(s.Network),
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyMode(s.Restart)},
		},
	})
	if err == nil && s.Running {
		if err = e.connect(c); err == nil {
			err = e.launch(c)
		}
	}
	if err != nil {
		panic("dockertest: AddContainer: " + err.Error())
	}
	return c.id
}

// Exit ends the process of a container by itself. Reports whether there was
// one.
func (e *Engine) Exit(ref string, code int) bool {
	return e.happen(ref, signal{fact: true, code: code})
}

// OOM is the kernel that kills the process of a container for memory: oom,
// then die with 137. Reports whether there was one.
func (e *Engine) OOM(ref string) bool {
	return e.happen(ref, signal{fact: true, code: 137, oom: true})
}

// ChildOOM is the kernel that kills another process in the container: oom, and
// the container runs on.
func (e *Engine) ChildOOM(ref string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.find(ref)
	if c == nil || !c.state.live() {
		return false
	}
	c.state.oom = true
	e.emitContainer(c, events.ActionOOM)
	return true
}

func (e *Engine) happen(ref string, s signal) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.find(ref)
	if c == nil || !c.state.live() || c.state.pid == 0 {
		return false
	}
	c.tell(s)
	return true
}

// SetHealth is the container's HEALTHCHECK that has come to a new result:
// container.Healthy or container.Unhealthy.
func (e *Engine) SetHealth(ref, status string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.find(ref)
	if c == nil || !c.state.live() || c.state.health == status {
		return
	}
	c.state.health = status
	c.listed = c.state
	e.emitContainer(c, events.Action("health_status: "+status))
}

// RemoveByHand is docker rm -f: it begins at once and ends by itself. Reports
// whether there is such a container.
func (e *Engine) RemoveByHand(ref string) bool {
	return e.byHand(ref, func(c *ctr, life <-chan struct{}) {
		_ = e.remove(c, ref, removal{force: true, volumes: true}, life)
	})
}

// StopByHand is docker stop: it begins at once and ends by itself. Reports
// whether there is such a container.
func (e *Engine) StopByHand(ref string) bool {
	return e.byHand(ref, func(c *ctr, life <-chan struct{}) {
		e.mu.Lock()
		running := c.state.running
		e.mu.Unlock()
		if running {
			_ = e.stop(c, c.patience(""), life)
		}
	})
}

// StartByHand is docker start: it begins at once and ends by itself. Reports
// whether there is such a container.
func (e *Engine) StartByHand(ref string) bool {
	return e.byHand(ref, func(c *ctr, life <-chan struct{}) { _ = e.startContainer(c, life) })
}

func (e *Engine) byHand(ref string, do func(*ctr, <-chan struct{})) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.find(ref)
	if c == nil {
		return false
	}
	e.spawn(func(life <-chan struct{}) { do(c, life) })
	return true
}

// Inspect is what an inspect would answer now, without a call. ok is false if
// there is no such container.
func (e *Engine) Inspect(ref string) (r container.InspectResponse, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.find(ref)
	if c == nil {
		return r, false
	}
	return e.inspect(c), true
}

// Containers are all containers in their true state, without a call, the
// newest first.
func (e *Engine) Containers() []container.InspectResponse {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []container.InspectResponse
	for _, c := range e.sorted() {
		out = append(out, e.inspect(c))
	}
	return out
}

// Names are the names of all containers, sorted.
func (e *Engine) Names() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(maps.Keys(e.names))
}

// Volumes are the names of all volumes, sorted.
func (e *Engine) Volumes() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Sorted(maps.Keys(e.volumes))
}

// AddNetwork makes a network of the bridge driver, as docker network create.
func (e *Engine) AddNetwork(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.addNetwork(name, "bridge", nil)
	e.emit(events.NetworkEventType, events.ActionCreate, n.id, map[string]string{"name": name, "type": "bridge"})
}
