package dockertest

import (
	"context"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/strslice"
)

var validName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+$`)

func (e *Engine) handleCreate(c *call) error {
	var req container.CreateRequest
	if err := c.body(&req); err != nil {
		return err
	}
	if req.Config == nil {
		return invalid("Config cannot be empty in order to create a container")
	}
	if req.HostConfig == nil {
		req.HostConfig = &container.HostConfig{}
	}
	if err := checkHostConfig(req.HostConfig); err != nil {
		return err
	}
	// What was asked is done, also if the client has left meanwhile.
	if !pause(e.timing.Create, c.life) {
		return errAborted
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	made, err := e.create(strings.TrimPrefix(c.query("name"), "/"), req)
	if err != nil {
		return err
	}
	return c.answer(http.StatusCreated, container.CreateResponse{ID: made.id, Warnings: []string{}})
}

// leastMemory is the engine's lower bound (moby daemon: linuxMinMemory).
const leastMemory = 6 << 20

func checkHostConfig(h *container.HostConfig) error {
	if h.Memory != 0 && h.Memory < leastMemory {
		return invalid("Minimum memory limit allowed is 6MB")
	}
	if h.Memory > 0 && h.MemorySwap > 0 && h.MemorySwap < h.Memory {
		return invalid("Minimum memoryswap limit should be larger than memory limit, see usage")
	}
	if h.Memory == 0 && h.MemorySwap > 0 {
		return invalid("You should always set the Memory limit when using Memoryswap limit, see usage")
	}
	return checkRestart(h.RestartPolicy)
}

func checkRestart(p container.RestartPolicy) error {
	switch p.Name {
	case "", container.RestartPolicyDisabled, container.RestartPolicyAlways, container.RestartPolicyUnlessStopped:
		if p.MaximumRetryCount != 0 {
			return invalid("maximum retry count cannot be used with restart policy '%s'", p.Name)
		}
	case container.RestartPolicyOnFailure:
		if p.MaximumRetryCount < 0 {
			return invalid("maximum retry count cannot be negative")
		}
	default:
		return invalid("invalid restart policy '%s'", p.Name)
	}
	return nil
}

// create makes a container; the caller holds mu.
func (e *Engine) create(name string, req container.CreateRequest) (*ctr, error) {
	config, host := *req.Config, *req.HostConfig
	if config.Image == "" {
		return nil, invalid("No command specified") // there is no image to have one
	}
	image := e.image(config.Image)
	if image == nil {
		return nil, notFound("No such image: %s", withTag(config.Image))
	}
	merge(&config, image.config)
	if len(config.Entrypoint) == 0 && len(config.Cmd) == 0 {
		return nil, invalid("No command specified")
	}
	id := e.newID()
	if name == "" {
		name = "unnamed_" + short(id)
	}
	if err := e.nameFree(name); err != nil {
		return nil, err
	}
	e.defaults(&host)
	if config.Hostname == "" {
		config.Hostname = short(id)
		if host.NetworkMode.IsHost() {
			config.Hostname = "dockertest"
		}
	}
	c := &ctr{
		id: id, name: name, created: time.Now().UTC(), config: config, host: host, imageID: image.id,
		lock: newLock(), endpoints: map[string]*network.EndpointSettings{},
	}
	e.attach(c, req.NetworkingConfig)
	e.mount(c)
	e.cons[id], e.names[name] = c, id
	e.emitContainer(c, events.ActionCreate)
	return c, nil
}

// nameFree is an error if the name is taken, also by a container that is
// being removed; the caller holds mu.
func (e *Engine) nameFree(name string) error {
	if !validName.MatchString(name) {
		return invalid("Invalid container name (%s), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed", name)
	}
	if id, ok := e.names[name]; ok {
		return conflict("Conflict. The container name %q is already in use by container %q. You have to remove (or rename) that container to be able to reuse that name.", "/"+name, id)
	}
	return nil
}

// merge fills what the request leaves open from the image, as the engine does.
func merge(c *container.Config, image container.Config) {
	if len(c.Entrypoint) == 0 {
		if len(c.Cmd) == 0 {
			c.Cmd = slices.Clone(image.Cmd)
		}
		if c.Entrypoint == nil {
			c.Entrypoint = slices.Clone(image.Entrypoint)
		}
	}
	if len(c.Entrypoint) == 1 && c.Entrypoint[0] == "" {
		c.Entrypoint = strslice.StrSlice{} // docker run --entrypoint ""
	}
	for _, kv := range image.Env {
		key, _, _ := strings.Cut(kv, "=")
		if !slices.ContainsFunc(c.Env, func(s string) bool { return s == key || strings.HasPrefix(s, key+"=") }) {
			c.Env = append(c.Env, kv)
		}
	}
	if c.Env == nil {
		c.Env = []string{}
	}
	c.User, c.WorkingDir, c.StopSignal = or(c.User, image.User), or(c.WorkingDir, image.WorkingDir), or(c.StopSignal, image.StopSignal)
	c.Labels, c.ExposedPorts, c.Volumes = under(c.Labels, image.Labels), under(c.ExposedPorts, image.ExposedPorts), under(c.Volumes, image.Volumes)
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	if c.Healthcheck == nil {
		c.Healthcheck = image.Healthcheck
	}
	if c.StopTimeout == nil {
		c.StopTimeout = image.StopTimeout
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// under is over with what only below has.
func under[K comparable, V any](over, below map[K]V) map[K]V {
	if len(over) == 0 && len(below) == 0 {
		return over
	}
	out := maps.Clone(below)
	if out == nil {
		out = map[K]V{}
	}
	maps.Copy(out, over)
	return out
}

// Paths that the engine hides from, or makes read-only in, a container
// (moby oci/defaults).
var (
	maskedPaths   = []string{"/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"}
	readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

// defaults sets what an inspect shows and nobody asked for.
func (e *Engine) defaults(h *container.HostConfig) {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	cgroupns := "host"
	if e.opts.CgroupV2 {
		cgroupns = "private"
	}
	mode := "default"
	if e.speaks("1.44") {
		mode = "bridge"
		set((*string)(&h.RestartPolicy.Name), "no")
	}
	set((*string)(&h.CgroupnsMode), cgroupns)
	set((*string)(&h.IpcMode), "private")
	set((*string)(&h.NetworkMode), mode)
	if h.NetworkMode == "default" {
		h.NetworkMode = container.NetworkMode(mode)
	}
	set(&h.LogConfig.Type, "json-file")
	if h.LogConfig.Config == nil {
		h.LogConfig.Config = map[string]string{}
	}
	set(&h.Runtime, "runc")
	if h.ShmSize == 0 {
		h.ShmSize = 64 << 20
	}
	if h.OomKillDisable == nil && !e.opts.CgroupV2 {
		h.OomKillDisable = new(bool)
	}
	if h.MaskedPaths == nil && !h.Privileged {
		h.MaskedPaths, h.ReadonlyPaths = slices.Clone(maskedPaths), slices.Clone(readonlyPaths)
	}
	if h.Memory > 0 && h.MemorySwap == 0 {
		h.MemorySwap = 2 * h.Memory
	}
}

func (e *Engine) handleInspect(c *call) error {
	found, err := e.lookup(c.arg)
	if err != nil {
		return err
	}
	if err := found.lock.take(c.r.Context(), c.life); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	found.lock.give()
	if e.cons[found.id] == nil {
		return notFound("No such container: %s", c.arg)
	}
	return c.answer(http.StatusOK, e.inspect(found))
}

// hold takes the container's lock for an operation that is finished whether or
// not its client stays.
func (e *Engine) hold(c *ctr, life <-chan struct{}) error {
	return c.lock.take(context.Background(), life)
}

// take finds the container that the call names and takes its lock and the
// engine's, for a change that is made at once. It must be released.
func (e *Engine) take(c *call) (found *ctr, release func(), err error) {
	if found, err = e.lookup(c.arg); err != nil {
		return nil, nil, err
	}
	if err := e.hold(found, c.life); err != nil {
		return nil, nil, err
	}
	e.mu.Lock()
	return found, func() {
		e.mu.Unlock()
		found.lock.give()
	}, nil
}
