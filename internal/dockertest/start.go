package dockertest

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
)

func (e *Engine) handleStart(c *call) error {
	found, err := e.lookup(c.arg)
	if err != nil {
		return err
	}
	if err := e.startContainer(found, c.life); err != nil {
		return err
	}
	return c.answer(http.StatusNoContent, nil)
}

// startContainer starts a process and returns when it runs. It is finished
// whether or not the client stays.
func (e *Engine) startContainer(c *ctr, life <-chan struct{}) error {
	if err := e.hold(c, life); err != nil {
		return err
	}
	defer c.lock.give()
	if err := e.mayStart(c); err != nil {
		return err
	}
	if !pause(e.timing.Start/3, life) {
		return errAborted
	}
	e.mu.Lock()
	c.byHand = false
	err := e.connect(c)
	e.mu.Unlock()
	if err != nil {
		return err
	}
	if !pause(e.timing.Start-e.timing.Start/3, life) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.disconnect(c)
		return errAborted
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.launch(c)
}

func (e *Engine) mayStart(c *ctr) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.cons[c.id] == nil:
		return notFound("No such container: %s", c.id)
	case c.state.live() && c.state.paused:
		return conflict("cannot start a paused container, try unpause instead")
	case c.state.live():
		return notModified
	case c.state.removing || c.state.dead:
		return conflict("container is marked for removal and cannot be started")
	}
	return nil
}

// launch runs the process; the caller holds mu and the container's lock.
func (e *Engine) launch(c *ctr) error {
	p := e.behaviour(c)
	if p.CannotStart != "" {
		e.disconnect(c)
		text := "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: " +
			p.CannotStart + ": unknown"
		e.startFailed(c, orInt(p.CannotStartCode, 127), text)
		return invalid("%s", text)
	}
	e.pid++
	c.runs++
	c.state.running, c.state.restarting, c.state.paused, c.state.oom = true, false, false, false
	c.state.pid, c.state.code, c.state.message, c.state.started = e.pid, 0, "", time.Now().UTC()
	c.state.health = ""
	if h := c.config.Healthcheck; h != nil && len(h.Test) > 0 && h.Test[0] != "NONE" {
		c.state.health = container.Starting
	} else {
		p.Healthy = 0
	}
	c.listed = c.state
	c.exited, c.quit, c.signals, c.pending = make(chan struct{}), make(chan struct{}), make(chan signal, 64), nil
	e.emitContainer(c, events.ActionStart)
	if !e.shut {
		e.work.Add(1)
		go e.run(c, p, c.signals, c.quit)
	}
	return nil
}

func orInt(a, b int) int {
	if a != 0 {
		return a
	}
	return b
}

// startFailed notes why; the container stays what it was. The caller holds mu.
func (e *Engine) startFailed(c *ctr, code int, text string) {
	c.state.code, c.state.message = code, text
	c.state.running, c.state.restarting, c.state.pid = false, false, 0
	c.listed = c.state
}

// connect gives the container its networks, ports and mounts; the caller holds
// mu and the container's lock.
func (e *Engine) connect(c *ctr) error {
	if other, ok := strings.CutPrefix(string(c.host.NetworkMode), "container:"); ok {
		target := e.find(other)
		if target == nil {
			return e.notConnected(c, notFound("No such container: %s", other))
		}
		if !target.state.live() {
			return e.notConnected(c, conflict("cannot join network of a non running container: %s", target.id))
		}
	}
	for name, ep := range c.endpoints {
		n := e.nets[name]
		if n == nil {
			return e.notConnected(c, notFound("network %s not found", name))
		}
		e.plug(c, n, ep)
	}
	ports, text := e.publish(c)
	if text != "" {
		e.disconnect(c)
		return e.notConnected(c, broken("driver failed programming external connectivity on endpoint %s (%s): %s", c.name, e.newID(), text))
	}
	c.ports = ports
	for name, ep := range c.endpoints {
		e.emit(events.NetworkEventType, events.ActionConnect, ep.NetworkID, map[string]string{
			"container": c.id, "name": name, "type": e.nets[name].driver,
		})
	}
	e.emitMounts(c, events.ActionMount)
	return nil
}

// failedNetwork is the exit code that a container shows after its network
// could not be set up.
const failedNetwork = 128

func (e *Engine) notConnected(c *ctr, err error) error {
	if known, ok := err.(*apiError); ok { //nolint:errorlint // made a few lines above
		e.startFailed(c, failedNetwork, known.text)
	}
	return err
}

// disconnect takes networks, ports and mounts away; the caller holds mu.
func (e *Engine) disconnect(c *ctr) {
	c.ports = nil
	for name, ep := range c.endpoints {
		if n := e.nets[name]; n != nil {
			e.emit(events.NetworkEventType, events.ActionDisconnect, n.id, map[string]string{
				"container": c.id, "name": name, "type": n.driver,
			})
		}
		ep.EndpointID, ep.IPAddress, ep.Gateway, ep.MacAddress, ep.IPPrefixLen = "", "", "", "", 0
	}
	e.emitMounts(c, events.ActionUnmount)
}

// Restart policy of the engine (moby restartmanager): the wait doubles from
// the first to the last, and begins anew after a run that was long enough.
const (
	restartFirst = 100 * time.Millisecond
	restartLast  = time.Minute
	restartLong  = 10 * time.Second
)

// ended is the end of a process that the engine notices: die, some cleaning
// up, and only then do lists show it and inspects answer.
func (e *Engine) ended(c *ctr, code int, oom bool) {
	life := e.alive()
	if life == nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.endSilently(c, code)
		return
	}
	if e.hold(c, life) != nil {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.endSilently(c, code)
		return
	}
	e.mu.Lock()
	lasted := time.Since(c.state.started)
	if oom {
		c.state.oom = true
		e.emitContainer(c, events.ActionOOM)
	}
	c.state.paused, c.state.pid, c.state.code, c.state.finished = false, 0, code, time.Now().UTC()
	c.state.health = ""
	again := c.restarts() && !c.byHand && !c.state.removing
	c.state.running, c.state.restarting = again, again
	e.emitContainer(c, events.ActionDie, "exitCode", fmt.Sprint(code))
	e.mu.Unlock()

	cleaned := pause(e.timing.Cleanup, life)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !cleaned && e.life == nil {
		c.state.running, c.state.restarting = false, false
	}
	e.disconnect(c)
	if again {
		e.scheduleRestart(c, lasted)
	}
	c.listed = c.state
	c.over()
	c.lock.give()
	if c.host.AutoRemove && !again {
		e.spawn(func(life <-chan struct{}) { _ = e.remove(c, c.id, removal{volumes: true}, life) })
	}
}

// scheduleRestart waits and starts the container again; the caller holds mu.
// Nothing is told meanwhile.
func (e *Engine) scheduleRestart(c *ctr, lasted time.Duration) {
	if lasted > restartLong {
		c.waits = 0
	}
	wait := min(restartFirst<<min(c.waits, 20), restartLast)
	c.waits++
	c.restartN++
	cancel := make(chan struct{})
	c.cancel = cancel
	e.spawn(func(life <-chan struct{}) {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
			_ = e.startContainer(c, life) // the container shows the error
		case <-cancel:
		case <-life:
		}
	})
}

// endSilently is an end that nobody is told of; the caller holds mu.
func (e *Engine) endSilently(c *ctr, code int) {
	c.state.running, c.state.restarting, c.state.paused, c.state.pid = false, false, false, 0
	c.state.code, c.state.finished, c.state.health = code, time.Now().UTC(), ""
	c.listed, c.ports = c.state, nil
	for _, ep := range c.endpoints {
		ep.EndpointID, ep.IPAddress, ep.Gateway, ep.MacAddress, ep.IPPrefixLen = "", "", "", "", 0
	}
	c.over()
}

// over ends the present run for all who wait for it; the caller holds
// Engine.mu.
func (c *ctr) over() {
	select {
	case <-c.quit:
	default:
		close(c.quit)
		close(c.exited)
	}
}
