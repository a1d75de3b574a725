package dockertest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
)

// removal are the options of a remove.
type removal struct{ force, volumes bool }

func (e *Engine) handleRemove(c *call) error {
	found, err := e.lookup(c.arg)
	if err != nil {
		return err
	}
	if err := e.remove(found, c.arg, removal{force: c.flag("force"), volumes: c.flag("v")}, c.life); err != nil {
		return err
	}
	return c.answer(http.StatusNoContent, nil)
}

// remove removes a container that does not run, or with force any. The name
// stays taken until the end. It is finished whether or not the client stays.
func (e *Engine) remove(c *ctr, called string, how removal, life <-chan struct{}) error {
	live, err := e.beginRemoval(c, called, how)
	if err != nil {
		return err
	}
	if live {
		if err := e.kill(c, life); err != nil && !isConflict(err) {
			e.mu.Lock()
			defer e.mu.Unlock()
			c.state.removing = false
			if known, ok := err.(*apiError); ok && known != errAborted { //nolint:errorlint // our own, never wrapped
				return broken("Could not kill running container %s, cannot remove - %s", c.id, known.text)
			}
			return err
		}
	}
	if err := e.hold(c, life); err != nil {
		return err
	}
	defer c.lock.give()
	e.mu.Lock()
	c.state.dead = true
	c.listed = c.state
	e.mu.Unlock()
	if !pause(e.timing.Remove, life) {
		return errAborted
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forget(c, how.volumes)
	return nil
}

// beginRemoval marks the container. It reports whether it must be killed.
func (e *Engine) beginRemoval(c *ctr, called string, how removal) (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.cons[c.id] == nil:
		return false, notFound("No such container: %s", called)
	case c.state.removing:
		return false, conflict("removal of container %s is already in progress", called)
	case c.state.running && !how.force:
		advice := "Stop the container before attempting removal or force remove"
		if c.state.paused {
			advice = "Unpause and then stop the container before attempting removal or force remove"
		}
		return false, conflict("You cannot remove a %s container %s. %s", c.state.word(), c.id, advice)
	}
	c.state.removing = true
	if c.state.restarting {
		e.stopRestarting(c)
	}
	return c.state.running, nil
}

// forget takes the container out; the caller holds mu.
func (e *Engine) forget(c *ctr, volumes bool) {
	delete(e.cons, c.id)
	delete(e.names, c.name)
	if volumes {
		for _, name := range c.anonymous {
			delete(e.volumes, name)
			e.emit(events.VolumeEventType, events.ActionDestroy, name, map[string]string{"driver": "local"})
		}
	}
	e.emitContainer(c, events.ActionDestroy)
}

func (e *Engine) handleRename(c *call) error {
	name := strings.TrimPrefix(c.query("name"), "/")
	if name == "" {
		return invalid("Neither old nor new names may be empty")
	}
	found, release, err := e.take(c)
	if err != nil {
		return err
	}
	defer release()
	if found.name == name {
		return invalid("Renaming a container with the same name as its current name")
	}
	if err := e.nameFree(name); err != nil {
		known := err.(*apiError) //nolint:errorlint // nameFree returns nothing else
		return refuse(known.status, "Error when allocating new name: %s", known.text)
	}
	old := found.name
	delete(e.names, old)
	e.names[name], found.name = found.id, name
	e.emitContainer(found, events.ActionRename, "oldName", "/"+old)
	return c.answer(http.StatusNoContent, nil)
}

func (e *Engine) handleUpdate(c *call) error {
	var req container.UpdateConfig
	if err := c.body(&req); err != nil {
		return err
	}
	if req.Memory != 0 && req.Memory < leastMemory {
		return invalid("Minimum memory limit allowed is 6MB")
	}
	if err := checkRestart(req.RestartPolicy); err != nil {
		return err
	}
	found, release, err := e.take(c)
	if err != nil {
		return err
	}
	defer release()
	if found.state.removing || found.state.dead {
		return broken("Cannot update container %s: container is marked for removal and cannot be \"update\"", found.id)
	}
	if err := updateLimits(&found.host, req); err != nil {
		return conflict("Cannot update container %s: %s", found.id, err)
	}
	if req.RestartPolicy.Name != "" {
		found.host.RestartPolicy = req.RestartPolicy
	}
	e.emitContainer(found, events.ActionUpdate)
	return c.answer(http.StatusOK, container.UpdateResponse{Warnings: []string{}})
}

// limitError is why an update is refused.
type limitError string

func (l limitError) Error() string { return string(l) }

// updateLimits changes what is set in the request; a field that is 0 stays
// (moby container/container_unix.go).
func updateLimits(h *container.HostConfig, req container.UpdateConfig) error {
	if req.Memory != 0 {
		if req.MemorySwap == 0 && h.MemorySwap >= 0 && req.Memory > h.MemorySwap {
			return limitError("Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time")
		}
		h.Memory = req.Memory
	}
	if req.MemorySwap != 0 {
		h.MemorySwap = req.MemorySwap
	}
	set := func(field *int64, v int64) {
		if v != 0 {
			*field = v
		}
	}
	set(&h.CPUShares, req.CPUShares)
	set(&h.NanoCPUs, req.NanoCPUs)
	set(&h.CPUQuota, req.CPUQuota)
	set(&h.CPUPeriod, req.CPUPeriod)
	set(&h.MemoryReservation, req.MemoryReservation)
	if req.PidsLimit != nil {
		limit := *req.PidsLimit
		h.PidsLimit = &limit
	}
	if req.CpusetCpus != "" {
		h.CpusetCpus = req.CpusetCpus
	}
	return nil
}

// mount gives a new container its mounts: binds, named volumes, and an
// anonymous volume for each path that the image declares and nothing else
// covers. The caller holds mu.
func (e *Engine) mount(c *ctr) {
	covered := map[string]bool{}
	for _, bind := range c.host.Binds {
		parts := strings.Split(bind, ":")
		if len(parts) < 2 {
			continue
		}
		m := container.MountPoint{Type: "bind", Source: parts[0], Destination: parts[1], RW: true, Propagation: "rprivate"}
		if len(parts) > 2 {
			m.Mode = parts[2]
			m.RW = !slices.Contains(strings.Split(m.Mode, ","), "ro")
		}
		if !strings.HasPrefix(m.Source, "/") {
			m.Type, m.Name, m.Driver, m.Propagation = "volume", m.Source, "local", ""
			e.addVolume(m.Name)
			m.Source = volumePath(m.Name)
		}
		covered[m.Destination] = true
		c.mounts = append(c.mounts, m)
	}
	for _, m := range c.host.Mounts {
		covered[m.Target] = true
		c.mounts = append(c.mounts, container.MountPoint{Type: m.Type, Source: m.Source, Destination: m.Target, RW: !m.ReadOnly})
	}
	for path := range c.config.Volumes {
		if covered[path] {
			continue
		}
		name := e.newID()
		e.addVolume(name)
		c.anonymous = append(c.anonymous, name)
		c.mounts = append(c.mounts, container.MountPoint{
			Type: "volume", Name: name, Source: volumePath(name), Destination: path, Driver: "local", RW: true,
		})
	}
	slices.SortFunc(c.mounts, func(a, b container.MountPoint) int { return strings.Compare(a.Destination, b.Destination) })
}

func volumePath(name string) string { return "/var/lib/docker/volumes/" + name + "/_data" }
