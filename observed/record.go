package observed

import (
	"time"

	"github.com/docker/go-units"

	"reconciler/internal/job"
	"reconciler/store"
)

// recorder is the part of the store that the cache writes: the containers
// table and the events. Equal records cost nothing.
type recorder interface {
	Names() []string // of all container records
	Put(name string, r store.ContainerRecord)
	Delete(name string) // one that is not there is no error
	Event(e store.Event)
}

// storeRecorder writes to the store's own tables.
type storeRecorder struct{ st *store.Store }

// Names implements recorder.
func (r storeRecorder) Names() []string { return r.st.Containers.Keys() }

// Put implements recorder.
func (r storeRecorder) Put(name string, rec store.ContainerRecord) { r.st.Containers.Put(name, rec) }

// Delete implements recorder.
func (r storeRecorder) Delete(name string) { r.st.Containers.Delete(name) }

// Event implements recorder.
func (r storeRecorder) Event(e store.Event) { r.st.Event(e) }

// Reasons of the events that the cache records.
const (
	// ReasonOOMKilled says that the kernel killed a process of a container for
	// want of memory; not always the one that the container lives by.
	ReasonOOMKilled = "OOMKilled"
	// ReasonLabelsUnreadable says that a container carries our node id and
	// labels that cannot be read; it is left alone.
	ReasonLabelsUnreadable = "LabelsUnreadable"
)

// record makes the store's record under name follow the table.
func (c *Cache) record(name string) {
	if name == "" {
		return
	}
	c.recMu.Lock()
	defer c.recMu.Unlock()
	c.mu.RLock()
	con, ok := c.tbl.named(name)
	c.mu.RUnlock()
	if !ok || !con.Ours {
		c.rec.Delete(name)
		return
	}
	c.rec.Put(name, store.ContainerRecord{
		ID: con.ID, Job: con.Identity.Job, AllocID: con.Identity.AllocID,
		Image: con.Image, ImageID: con.ImageID, State: string(con.State),
		ExitCode: con.ExitCode, OOMKilled: con.OOMKilled,
		StartedAt: con.StartedAt, FinishedAt: con.FinishedAt,
	})
}

// prune makes every record follow the table: those of containers that went
// while nobody looked are deleted.
func (c *Cache) prune() {
	for _, name := range c.rec.Names() {
		c.record(name)
	}
}

// recordOOM keeps what the oom event of a container of ours told. The
// container's own OOMKilled comes from the inspect that follows.
func (c *Cache) recordOOM(id job.Identity, name string, limit int64, at time.Time) {
	msg := "a process of the container was killed for want of memory"
	if limit > 0 {
		msg += ", its limit is " + units.BytesSize(float64(limit))
	}
	c.rec.Event(store.Event{
		Time: at.UTC(), Type: store.EventWarning, Reason: ReasonOOMKilled,
		Job: id.Job, Task: id.Task, Alloc: id.AllocID, Object: name, Message: msg,
	})
}

// warnLabels says, once per container, that its labels cannot be read.
func (c *Cache) warnLabels(con Container, err error) {
	c.log.WithError(err).WithField("container", con.Name).
		Warn("container has our node id and unreadable labels: left alone")
	c.rec.Event(store.Event{
		Time: time.Now().UTC(), Type: store.EventWarning, Reason: ReasonLabelsUnreadable, Object: con.Name,
		Message: "the container carries our node id, but its labels cannot be read; it is left alone: " + err.Error(),
	})
}
