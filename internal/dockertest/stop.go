package dockertest

import (
	"net/http"
	"strconv"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"golang.org/x/sys/unix"
)

// Patience of the engine (moby daemon/stop.go, kill.go).
const (
	defaultStopTimeout = 10 * time.Second
	killPatience       = 10 * time.Second
)

func (e *Engine) handleKill(c *call) error {
	sig := unix.SIGKILL
	if s := c.query("signal"); s != "" {
		var err error
		if sig, err = parseSignal(s); err != nil {
			return err
		}
	}
	found, err := e.lookup(c.arg)
	if err != nil {
		return notFound("Cannot kill container: %s: No such container: %s", c.arg, c.arg)
	}
	e.mu.Lock()
	running, id := found.state.running, found.id
	e.mu.Unlock()
	if !running {
		return conflict("Cannot kill container: %s: Container %s is not running", c.arg, id)
	}
	if sig == unix.SIGKILL {
		err = e.kill(found, c.life)
	} else {
		err = e.send(found, sig, c.life)
	}
	if err != nil {
		return err
	}
	return c.answer(http.StatusNoContent, nil)
}

// send signals the process. A paused one gets what ends it only when it goes
// on, so the engine makes it go on.
func (e *Engine) send(c *ctr, sig unix.Signal, life <-chan struct{}) error {
	if err := e.hold(c, life); err != nil {
		return err
	}
	defer c.lock.give()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !c.state.running {
		return conflict("Container %s is not running", c.id)
	}
	final := sig == unix.SIGKILL || sig == c.stopSignal()
	if final {
		c.byHand = true
	}
	if c.state.restarting {
		if final {
			e.stopRestarting(c)
		}
		return nil
	}
	c.tell(signal{number: sig})
	e.emitContainer(c, events.ActionKill, "signal", strconv.Itoa(int(sig)))
	if c.state.paused && final {
		e.thaw(c)
	}
	return nil
}

// stopRestarting ends the wait for a restart; the caller holds mu.
func (e *Engine) stopRestarting(c *ctr) {
	close(c.cancel)
	c.state.running, c.state.restarting = false, false
	c.listed = c.state
}

// tell passes a signal on, or keeps it while the process is frozen; the caller
// holds Engine.mu.
func (c *ctr) tell(s signal) {
	if c.state.paused && !s.fact {
		c.pending = append(c.pending, s)
		return
	}
	select {
	case c.signals <- s:
	default: // nobody reads: the process is ending
	}
}

// thaw lets a paused process go on; the caller holds mu.
func (e *Engine) thaw(c *ctr) {
	c.state.paused = false
	c.listed = c.state
	for _, s := range append(c.pending, signal{thaw: true}) {
		c.tell(s)
	}
	c.pending = nil
	e.emitContainer(c, events.ActionUnPause)
}

// kill sends SIGKILL and waits for the end.
func (e *Engine) kill(c *ctr, life <-chan struct{}) error {
	e.mu.Lock()
	exited := c.exited
	e.mu.Unlock()
	if err := e.send(c, unix.SIGKILL, life); err != nil {
		return err
	}
	ended, err := awaitExit(exited, killPatience, life)
	if err == nil && !ended {
		err = broken("tried to kill container, but did not receive an exit event")
	}
	return err
}

// awaitExit waits until the process is gone and cleaned up, and reports
// whether it is. Negative patience is without end.
func awaitExit(exited <-chan struct{}, patience time.Duration, life <-chan struct{}) (bool, error) {
	var late <-chan time.Time
	if patience >= 0 {
		t := time.NewTimer(patience)
		defer t.Stop()
		late = t.C
	}
	select {
	case <-exited:
		return true, nil
	case <-life:
		return false, errAborted
	case <-late:
		return false, nil
	}
}

func (e *Engine) handleStop(c *call) error {
	found, err := e.lookup(c.arg)
	if err != nil {
		return err
	}
	e.mu.Lock()
	running := found.state.running
	e.mu.Unlock()
	if !running {
		return notModified
	}
	if err := e.stop(found, found.patience(c.query("t")), c.life); err != nil {
		return broken("Cannot stop container: %s: %s", c.arg, err)
	}
	return c.answer(http.StatusNoContent, nil)
}

// patience is how long a stop waits before SIGKILL; negative is without end.
func (c *ctr) patience(t string) time.Duration {
	if seconds, err := strconv.Atoi(t); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if c.config.StopTimeout != nil {
		return time.Duration(*c.config.StopTimeout) * time.Second
	}
	return defaultStopTimeout
}

// stop asks the process to end, waits, and kills it. It is finished whether or
// not the client stays.
func (e *Engine) stop(c *ctr, patience time.Duration, life <-chan struct{}) error {
	e.mu.Lock()
	sig, exited := c.stopSignal(), c.exited
	c.byHand = true
	e.mu.Unlock()
	if err := e.send(c, sig, life); err != nil && !isConflict(err) {
		return err
	}
	ended, err := awaitExit(exited, patience, life)
	if err == nil && !ended {
		err = e.kill(c, life)
	}
	if err != nil && !isConflict(err) {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.emitContainer(c, events.ActionStop)
	return nil
}

func isConflict(err error) bool {
	known, ok := err.(*apiError) //nolint:errorlint // our own, never wrapped
	return ok && known.status == http.StatusConflict
}

func (e *Engine) handleRestart(c *call) error {
	found, err := e.lookup(c.arg)
	if err != nil {
		return err
	}
	e.mu.Lock()
	running := found.state.running
	e.mu.Unlock()
	if running {
		err = e.stop(found, found.patience(c.query("t")), c.life)
	}
	if err == nil {
		err = e.startContainer(found, c.life)
	}
	if err != nil {
		return broken("Cannot restart container %s: %s", c.arg, err)
	}
	e.mu.Lock()
	e.emitContainer(found, events.ActionRestart)
	e.mu.Unlock()
	return c.answer(http.StatusNoContent, nil)
}

func (e *Engine) handlePause(c *call) error {
	found, release, err := e.take(c)
	if err != nil {
		return err
	}
	defer release()
	switch {
	case !found.state.running:
		return conflict("Container %s is not running", found.id)
	case found.state.paused:
		return conflict("Container %s is already paused", found.id)
	case found.state.restarting:
		return conflict("Container %s is restarting, wait until the container is running", found.id)
	}
	found.state.paused = true
	found.listed = found.state
	e.emitContainer(found, events.ActionPause)
	return c.answer(http.StatusNoContent, nil)
}

func (e *Engine) handleUnpause(c *call) error {
	found, release, err := e.take(c)
	if err != nil {
		return err
	}
	defer release()
	if !found.state.paused {
		return broken("Container %s is not paused", found.id)
	}
	e.thaw(found)
	return c.answer(http.StatusNoContent, nil)
}

func (e *Engine) handleWait(c *call) error {
	found, err := e.lookup(c.arg)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusOK)
	if f, ok := c.w.(http.Flusher); ok {
		f.Flush()
	}
	e.mu.Lock()
	exited, live := found.exited, found.state.running
	e.mu.Unlock()
	if live || c.query("condition") == string(container.WaitConditionNextExit) {
		select {
		case <-exited:
		case <-c.r.Context().Done():
			return c.r.Context().Err()
		case <-c.life:
			return errAborted
		}
	}
	e.mu.Lock()
	code := found.state.code
	e.mu.Unlock()
	c.line(container.WaitResponse{StatusCode: int64(code)})
	return nil
}
