package docker

import (
	"cmp"
	"context"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"reconciler/internal/job"
)

// DefaultStopSignal is what a container without a stop signal of its own or of
// its image is stopped with (moby daemon/container: defaultStopSignal).
const DefaultStopSignal = "SIGTERM"

// Kill sends a signal, DefaultStopSignal if signal is empty. A container that
// does not run or is gone is fine: there is nothing left to signal.
func (e *Engine) Kill(ctx context.Context, id, signal string) error {
	err := e.write(ctx, killDeadline, func(ctx context.Context) error {
		return e.api.ContainerKill(ctx, id, cmp.Or(signal, DefaultStopSignal))
	})
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return classify(ctx, "kill "+shortID(id), err)
}

// Remove removes a container that does not run, with its anonymous volumes.
// One that is gone or going is fine; one that runs stays, with an error.
func (e *Engine) Remove(ctx context.Context, id string) error {
	err := e.write(ctx, removeDeadline, func(ctx context.Context) error {
		return e.api.ContainerRemove(ctx, id, container.RemoveOptions{RemoveVolumes: true})
	})
	if err == nil || errdefs.IsNotFound(err) {
		e.execs.gone(id)
	}
	switch {
	case errdefs.IsNotFound(err):
		return nil
	case errdefs.IsConflict(err):
		return e.removeConflict(ctx, id, err)
	}
	return classify(ctx, "remove "+shortID(id), err)
}

// removeConflict tells the two 409s apart: "removal already in progress", and
// "it runs".
func (e *Engine) removeConflict(ctx context.Context, id string, err error) error {
	c, lookErr := e.byID(ctx, id)
	switch {
	case lookErr != nil:
		return lookErr
	case c == nil || c.State == container.StateRemoving || c.State == container.StateDead:
		return nil
	case c.State == container.StateRunning || c.State == container.StatePaused || c.State == container.StateRestarting:
		return retried(ReasonContainerLive, "container %s is %s and is not removed", shortID(id), c.State)
	}
	return classify(ctx, "remove "+shortID(id), err)
}

// byID returns the container of that id, or nil. It goes by the list, see
// adopt.
func (e *Engine) byID(ctx context.Context, id string) (*container.Summary, error) {
	var list []container.Summary
	err := within(ctx, listDeadline, func(ctx context.Context) (err error) {
		list, err = e.api.ContainerList(ctx, container.ListOptions{All: true})
		return err
	})
	if err != nil {
		return nil, classify(ctx, "containers", err)
	}
	for i := range list {
		if list[i].ID == id {
			return &list[i], nil
		}
	}
	return nil, nil
}

// Unpause lets a paused container go on.
func (e *Engine) Unpause(ctx context.Context, id string) error {
	err := e.write(ctx, writeDeadline, func(ctx context.Context) error { return e.api.ContainerUnpause(ctx, id) })
	if err == nil {
		return nil
	}
	if c, lookErr := e.byID(ctx, id); lookErr == nil && c != nil && c.State == container.StateRunning {
		return nil // somebody was faster
	}
	return classify(ctx, "unpause "+shortID(id), err)
}

// Rename gives a container the name name; it is fine if it has it already.
func (e *Engine) Rename(ctx context.Context, id, name string) error {
	err := e.write(ctx, writeDeadline, func(ctx context.Context) error { return e.api.ContainerRename(ctx, id, name) })
	if err == nil {
		return nil
	}
	if !answered(err) || errdefs.IsNotFound(err) {
		return classify(ctx, "rename "+shortID(id), err)
	}
	holder, lookErr := e.byName(ctx, name)
	switch {
	case lookErr != nil:
		return lookErr
	case holder != nil && holder.ID == id:
		return nil
	case holder != nil && holder.State != container.StateRemoving:
		return retried(ReasonNameTaken, "the name %s is taken by container %s (image %s, %s)",
			name, shortID(holder.ID), holder.Image, holder.State)
	case errdefs.IsConflict(err):
		return retried(ReasonNameRemoving, "the name %s is not free yet: a container is being removed", name)
	}
	return classify(ctx, "rename "+shortID(id), err)
}

// Update sets what can be changed on a container that exists: its limits, and
// that the engine does not restart it.
func (e *Engine) Update(ctx context.Context, id string, l job.Limits) error {
	cfg := container.UpdateConfig{RestartPolicy: noRestart}
	setLimits(&cfg.Resources, l)
	err := e.write(ctx, writeDeadline, func(ctx context.Context) error {
		_, err := e.api.ContainerUpdate(ctx, id, cfg)
		return err
	})
	return classify(ctx, "update "+shortID(id), err)
}

// NetworkExists reports, as an error, that a network mode names a network that
// the engine does not have. The engine's own modes and those of another
// container always exist.
func (e *Engine) NetworkExists(ctx context.Context, mode string) error {
	if m := container.NetworkMode(mode); !m.IsUserDefined() || m == "" {
		return nil
	}
	err := within(ctx, inspectDeadline, func(ctx context.Context) error {
		_, err := e.api.NetworkInspect(ctx, mode, network.InspectOptions{})
		return err
	})
	if errdefs.IsNotFound(err) {
		return retried(ReasonNetworkMissing, "the network %q does not exist; docker network create makes it", mode)
	}
	return classify(ctx, "network "+mode, err)
}
