package main

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"reconciler/desired"
	"reconciler/gc"
	"reconciler/internal/allocdir"
	"reconciler/internal/config"
	"reconciler/internal/docker"
	"reconciler/internal/host"
	"reconciler/internal/job"
	"reconciler/observed"
	"reconciler/store"
)

// runningJobs tells desired which jobs have containers of ours.
type runningJobs struct{ view containerView }

// containerView is what is known of the engine's containers.
type containerView interface {
	Containers() ([]observed.Container, bool)
}

// RunningJobs reads the labels of our containers.
func (r runningJobs) RunningJobs() (map[string]desired.RunningJob, bool) {
	all, ok := r.view.Containers()
	if !ok {
		return nil, false
	}
	out := map[string]desired.RunningJob{}
	for _, c := range all {
		if !c.Ours {
			continue
		}
		id, j := c.Identity, out[c.Identity.Job]
		switch {
		case j.Hashes == nil || id.Generation > j.Generation:
			j = desired.RunningJob{Generation: id.Generation, Hashes: map[string]string{id.Group: id.SpecHash}}
		case id.Generation == j.Generation:
			j.Hashes[id.Group] = id.SpecHash
		}
		out[id.Job] = j
	}
	return out, true
}

// publishedPorts tells host which ports running containers have.
type publishedPorts struct{ cache *observed.Cache }

func (p publishedPorts) list() []host.PublishedPort {
	all, _ := p.cache.Containers()
	var out []host.PublishedPort
	for _, c := range all {
		for _, port := range c.Ports {
			out = append(out, host.PublishedPort{HostIP: port.HostIP, Host: port.Host, AllocID: c.Identity.AllocID, Container: c.Name})
		}
	}
	return out
}

// dockerDirs shows the allocation directories to the docker room in its own
// types.
type dockerDirs struct{ dirs *allocdir.Dirs }

// Task returns the directories of a task.
func (d dockerDirs) Task(allocID, task string) docker.Paths {
	p := d.dirs.Task(allocID, task)
	return docker.Paths{Alloc: p.Alloc, Local: p.Local, Secrets: p.Secrets, Dir: p.Dir}
}

// Resolve returns the absolute path of a relative bind source.
func (d dockerDirs) Resolve(allocID, task, rel string) (string, error) {
	return d.dirs.Resolve(allocID, task, rel)
}

// provenance is the puller's memory in the store.
type provenance struct {
	st  *store.Store
	now func() time.Time
	mu  sync.Mutex // two pulls of one image may end together
}

// Intend writes the intent and waits for its commit.
func (p *provenance) Intend(ctx context.Context, ref, source string) error {
	p.st.Intents.Put(store.IntentKey(ref), store.ImageIntent{Ref: ref, Source: source, At: p.now().UTC()})
	return p.st.Sync(ctx)
}

// Done ends the intent and, if the image is ours now, enters it.
func (p *provenance) Done(ref, id string, ours bool, size int64) {
	intent, had := p.st.Intents.Get(store.IntentKey(ref))
	if id != "" && ours {
		source := docker.SourcePull
		if had {
			source = intent.Source
		}
		p.Adopt(id, store.ImageProvenance{Refs: []string{ref}, Source: source, Size: size, At: p.now().UTC()})
	}
	p.st.Intents.Delete(store.IntentKey(ref))
}

// Known reports whether an image is ours.
func (p *provenance) Known(id string) bool {
	_, ok := p.st.Provenance.Get(id)
	return ok
}

// Intended reports whether an intent for ref is open.
func (p *provenance) Intended(ref string) bool {
	_, ok := p.st.Intents.Get(store.IntentKey(ref))
	return ok
}

// Adopt merges what is known of an image of ours.
func (p *provenance) Adopt(id string, add store.ImageProvenance) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old, had := p.st.Provenance.Get(id)
	if had {
		add = gc.MergeProvenance(old, add)
	}
	p.st.Provenance.Put(id, add)
}

// Forget deletes the record of an image that is gone.
func (p *provenance) Forget(id string) { p.st.Provenance.Delete(id) }

// DropIntent deletes an intent that an earlier process left.
func (p *provenance) DropIntent(ref string) { p.st.Intents.Delete(store.IntentKey(ref)) }

// nodeInfo is this host as job.Node; the engine's attributes follow it.
type nodeInfo struct {
	cfg   config.Config
	id    string
	cache *observed.Cache
	attrs map[string]string
}

func newNodeInfo(cfg config.Config, id, addr string, cache *observed.Cache) *nodeInfo {
	attrs := host.Attributes()
	attrs[host.AttrHostAddress] = addr
	return &nodeInfo{cfg: cfg, id: id, cache: cache, attrs: attrs}
}

func (n *nodeInfo) get() job.Node {
	attrs := maps.Clone(n.attrs)
	if e := n.cache.Engine(); e.Version != "" {
		attrs["driver.docker"] = "1"
		attrs["driver.docker.version"] = e.Version
		if e.BridgeIP != "" {
			attrs["driver.docker.bridge_ip"] = e.BridgeIP
		}
	}
	return host.Node(n.id, n.cfg.Name, n.cfg.Datacenter, n.cfg.Region, n.cfg.Client.Meta, attrs)
}

func clientConfig(cfg config.Config) docker.ClientConfig {
	return docker.ClientConfig{
		Endpoint: cfg.Client.Docker.Endpoint,
		TLSCert:  cfg.Client.Docker.TLS.Cert, TLSKey: cfg.Client.Docker.TLS.Key, TLSCA: cfg.Client.Docker.TLS.CA,
	}
}

func engineOptions(cfg config.Config) docker.Options {
	d := cfg.Client.Docker
	return docker.Options{
		VolumesEnabled: d.VolumesEnabled, SELinuxLabel: d.SELinuxLabel,
		PrivilegedEnabled: d.PrivilegedEnabled, CapsAllowlist: d.CapsAllowlist, DevicesAllowlist: d.DevicesAllowlist,
		Logging:             &job.Logging{Type: d.LogType, Config: d.LogConfig},
		PullActivityTimeout: d.PullActivityTimeout,
		AuthConfig:          d.AuthConfig, AuthHelper: d.AuthHelper,
	}
}

func portOptions(cfg config.Config, addr string) host.PortOptions {
	return host.PortOptions{Address: addr, Min: cfg.Client.MinDynamicPort, Max: cfg.Client.MaxDynamicPort}
}

// livePulls are the pulls under way, oldest first.
func livePulls(e *docker.Engine) []docker.PullProgress {
	return slices.SortedFunc(slices.Values(e.Progress()), func(a, b docker.PullProgress) int { return a.Since.Compare(b.Since) })
}
