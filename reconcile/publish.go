package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"reconciler/internal/job"
	"reconciler/internal/taskenv"
	"reconciler/store"
)

// publish makes the instances of services of an allocation those of want.
func (c *Controller) publish(allocID string, want map[string]store.ServiceRecord) {
	for _, key := range c.swapPublished(allocID, slices.Sorted(maps.Keys(want))) {
		if _, still := want[key]; !still {
			c.Store.Services.Delete(key)
		}
	}
	for key, rec := range want {
		c.Store.Services.Put(key, rec)
	}
}

// swapPublished notes which keys an allocation has in the table, and returns
// those that it had before. The first look reads the table: another process
// may have written it.
func (c *Controller) swapPublished(allocID string, keys []string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.published == nil {
		c.published = map[string][]string{}
		for key, rec := range c.Store.Services.All() {
			c.published[rec.Alloc] = append(c.published[rec.Alloc], key)
		}
	}
	had := c.published[allocID]
	if len(keys) == 0 {
		delete(c.published, allocID)
	} else {
		c.published[allocID] = keys
	}
	return had
}

// sweepServices removes the instances of allocations that nobody knows any
// more: the state file came back from a backup.
func (c *Controller) sweepServices() {
	for key, rec := range c.Store.Services.All() {
		if !c.knownAlloc(rec.Alloc) {
			c.Store.Services.Delete(key)
		}
	}
}

// fetch brings the artifacts of a task.
func (c *Controller) fetch(ctx context.Context, in AllocInput, task *job.Task) error {
	if len(task.Artifacts) == 0 {
		return nil
	}
	env := taskenv.New(taskenv.Input{Node: c.Node(), Job: in.Job, Group: in.Group, Task: task, Alloc: in.Spec})
	artifacts := resolvedArtifacts(env, task)
	if err := c.Artifacts.Fetch(ctx, in.Spec.ID, task.Name, artifacts); err != nil {
		return fmt.Errorf("artifact: %w", err)
	}
	return nil
}

// resolvedArtifacts returns the artifacts of a task with the runtime names in
// them replaced. The one that the task loads its image from stays an archive.
func resolvedArtifacts(env *taskenv.Env, task *job.Task) []job.Artifact {
	artifacts := make([]job.Artifact, len(task.Artifacts))
	for i, a := range task.Artifacts {
		a.Source, a.Destination = env.Replace(a.Source), env.Replace(a.Destination)
		a.Options = maps.Clone(a.Options)
		for k, v := range a.Options {
			a.Options[k] = env.Replace(v)
		}
		artifacts[i] = a
	}
	return job.KeepLoaded(artifacts, env.Replace(task.Config.Load))
}

// allocServices lists the services of an allocation with their runtime names
// resolved: the group's first, then those of its tasks.
func allocServices(node job.Node, in AllocInput) []AllocService {
	if in.Group == nil {
		return nil
	}
	var out []AllocService
	add := func(owner string, task *job.Task, services []job.Service) {
		if len(services) == 0 {
			return
		}
		env := taskenv.New(taskenv.Input{Node: node, Job: in.Job, Group: in.Group, Task: task, Alloc: in.Spec})
		for _, s := range services {
			out = append(out, AllocService{Service: resolved(env, s), Task: owner})
		}
	}
	add("", &in.Group.Tasks[0], in.Group.Services)
	for i := range in.Group.Tasks {
		t := &in.Group.Tasks[i]
		add(t.Name, t, t.Services)
	}
	return out
}

// resolved returns a service with the runtime names in its strings replaced.
func resolved(env *taskenv.Env, s job.Service) job.Service {
	s.Name, s.Tags = env.Replace(s.Name), replaceAll(env, s.Tags)
	s.Checks = slices.Clone(s.Checks)
	for i := range s.Checks {
		c := &s.Checks[i]
		c.Name, c.Method, c.Path = env.Replace(c.Name), env.Replace(c.Method), env.Replace(c.Path)
		c.Command, c.Args = env.Replace(c.Command), replaceAll(env, c.Args)
		header := make(map[string][]string, len(c.Header))
		for k, v := range c.Header {
			header[k] = replaceAll(env, v)
		}
		if len(header) > 0 {
			c.Header = header
		}
	}
	return s
}

func replaceAll(env *taskenv.Env, list []string) []string {
	var out []string
	for _, v := range list {
		out = append(out, env.Replace(v))
	}
	return out
}

// noChecks runs none: what has checks never becomes healthy.
type noChecks struct{}

// Set does nothing.
func (noChecks) Set(string, []job.CheckTarget) {}

// States returns nothing.
func (noChecks) States(string) map[string]job.CheckState { return nil }
