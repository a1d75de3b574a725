package dockertest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
	"github.com/docker/go-units"
)

// ctr is one container. Its fields belong to Engine.mu; lock is held besides
// by operations that take time, as the engine's own lock: an inspect waits for
// it, a list does not.
type ctr struct {
	id, name  string
	created   time.Time
	config    container.Config
	host      container.HostConfig
	endpoints map[string]*network.EndpointSettings
	imageID   string
	mounts    []container.MountPoint
	anonymous []string // names of volumes that go with v=1

	state    state
	listed   state // what lists show: it lags behind
	restartN int   // how often the restart policy has started it
	waits    int   // for a restart, in a row, without a run that was long enough
	byHand   bool  // stopped by a call: the restart policy leaves it alone
	ports    nat.PortMap

	lock    lock
	runs    int           // starts so far
	exited  chan struct{} // closed when the present run is over and cleaned up
	signals chan signal   // to the process
	pending []signal      // sent while it was paused
	quit    chan struct{} // closed when the process ends and nobody is told
	cancel  chan struct{} // closed to end the wait for a restart
}

// state is where a container stands.
type state struct {
	running, paused, restarting, removing, dead, oom bool

	pid      int
	code     int
	message  string
	started  time.Time
	finished time.Time
	health   string
}

// live reports whether there is a process.
func (s state) live() bool { return s.running && !s.restarting }

// word is the engine's name of the state (moby container/state.go).
func (s state) word() string {
	switch {
	case s.running && s.paused:
		return container.StatePaused
	case s.running && s.restarting:
		return container.StateRestarting
	case s.running:
		return container.StateRunning
	case s.removing:
		return container.StateRemoving
	case s.dead:
		return container.StateDead
	case s.started.IsZero():
		return container.StateCreated
	}
	return container.StateExited
}

// sentence is the status that docker ps shows.
func (s state) sentence() string {
	since := func(t time.Time) string { return units.HumanDuration(time.Now().UTC().Sub(t)) }
	switch s.word() {
	case container.StatePaused:
		return "Up " + since(s.started) + " (Paused)"
	case container.StateRestarting:
		return fmt.Sprintf("Restarting (%d) %s ago", s.code, since(s.finished))
	case container.StateRunning:
		switch s.health {
		case "":
			return "Up " + since(s.started)
		case container.Starting:
			return "Up " + since(s.started) + " (health: starting)"
		}
		return "Up " + since(s.started) + " (" + s.health + ")"
	case container.StateRemoving:
		return "Removal In Progress"
	case container.StateDead:
		return "Dead"
	case container.StateCreated:
		return "Created"
	}
	return fmt.Sprintf("Exited (%d) %s ago", s.code, since(s.finished))
}

// lock is a mutex that one can stop waiting for.
type lock chan struct{}

func newLock() lock { return make(lock, 1) }

func (l lock) take(ctx context.Context, life <-chan struct{}) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-life:
		return errAborted
	}
}

func (l lock) give() { <-l }

// find looks a container up by name, id or the beginning of an id; the caller
// holds mu.
func (e *Engine) find(ref string) *ctr {
	ref = strings.TrimPrefix(ref, "/")
	if ref == "" {
		return nil
	}
	if c := e.cons[ref]; c != nil {
		return c
	}
	if c := e.cons[e.names[ref]]; c != nil {
		return c
	}
	var found *ctr
	for id, c := range e.cons {
		if strings.HasPrefix(id, ref) {
			if found != nil {
				return nil
			}
			found = c
		}
	}
	return found
}

// lookup is find with the engine's error.
func (e *Engine) lookup(ref string) (*ctr, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.find(ref); c != nil {
		return c, nil
	}
	return nil, notFound("No such container: %s", ref)
}

// sorted returns all containers, the newest first; the caller holds mu.
func (e *Engine) sorted() []*ctr {
	out := make([]*ctr, 0, len(e.cons))
	for _, c := range e.cons {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *ctr) int {
		return cmp.Or(b.created.Compare(a.created), cmp.Compare(a.id, b.id))
	})
	return out
}

// restarts reports whether the policy starts the container after its end.
func (c *ctr) restarts() bool {
	switch p := c.host.RestartPolicy; p.Name {
	case container.RestartPolicyAlways, container.RestartPolicyUnlessStopped:
		return true
	case container.RestartPolicyOnFailure:
		return c.state.code != 0 && (p.MaximumRetryCount == 0 || c.restartN < p.MaximumRetryCount)
	}
	return false
}

// short is an id as docker ps shows it.
func short(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(12, len(id))]
}
