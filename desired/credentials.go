package desired

import (
	"maps"
	"slices"
	"sync"
	"time"

	"reconciler/internal/job"
	"reconciler/store"
)

// credentials are what tasks log in to registries with, as the manifests say
// now. They are in memory only, and beside the specs: a password that alone
// changed makes no new spec, and must be used for the next pull all the same.
// A spec that was read back from the state file has none until its manifest
// was read.
type credentials struct {
	mu   sync.Mutex
	jobs map[string]jobAuth
	// missed are the jobs whose credentials were asked for and not known.
	missed map[string]bool
}

type jobAuth struct {
	tasks   map[string]job.Auth // by job.AuthKey
	changed time.Time           // since somebody could have used others; zero if nobody could
}

func newCredentials() *credentials {
	return &credentials{jobs: map[string]jobAuth{}, missed: map[string]bool{}}
}

// Auth returns the credentials of a task. ok is false if its manifest has none,
// or has not been readable since the start.
func (w *Watcher) Auth(jobName, group, task string) (a job.Auth, ok bool) {
	c := w.auth
	c.mu.Lock()
	defer c.mu.Unlock()
	known, read := c.jobs[jobName]
	if !read {
		c.missed[jobName] = true
	}
	a, ok = known.tasks[job.AuthKey(group, task)]
	return a, ok
}

// AuthChanged returns when the credentials of a job became others than a pull
// may have used; zero if they did not. A pull that failed before may succeed
// now.
func (w *Watcher) AuthChanged(jobName string) time.Time {
	w.auth.mu.Lock()
	defer w.auth.mu.Unlock()
	return w.auth.jobs[jobName].changed
}

// OnAuth registers f to be called with each job whose credentials changed. f
// must not block; OnAuth must be called before Run.
func (w *Watcher) OnAuth(f func(job string)) { w.onAuth = append(w.onAuth, f) }

// replace takes over what the manifests say, forgets the jobs that are not in
// known, and returns, sorted, the jobs whose credentials changed.
func (c *credentials) replace(next map[string]map[string]job.Auth, known map[string]store.JobRecord, now time.Time) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(next)) {
		old, had := c.jobs[name]
		if had && maps.EqualFunc(old.tasks, next[name], job.Auth.Equal) {
			continue
		}
		a := jobAuth{tasks: next[name]}
		if had || c.missed[name] {
			a.changed = now
			changed = append(changed, name)
		}
		c.jobs[name] = a
		delete(c.missed, name)
	}
	gone := func(name string) bool { _, ok := known[name]; return !ok }
	maps.DeleteFunc(c.jobs, func(name string, _ jobAuth) bool { return gone(name) })
	maps.DeleteFunc(c.missed, func(name string, _ bool) bool { return gone(name) })
	return changed
}

// renewals tells of the jobs whose credentials changed and nothing else: no
// other change speaks of them.
func renewals(old, next map[string]store.JobRecord, names []string) []change {
	var out []change
	for _, name := range names {
		if rec := next[name]; rec.Generation == old[name].Generation {
			out = append(out, change{
				reason: "CredentialsChanged", job: name, file: rec.File, generation: rec.Generation,
				message: "registry credentials are others from the next pull on",
			})
		}
	}
	return out
}
