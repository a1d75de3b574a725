package observed

import (
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"reconciler/store"
)

// Cache is what is known of the engine's containers and images. All methods
// but OnChange are safe for concurrent use.
type Cache struct {
	api    API
	nodeID string
	rec    recorder
	log    logrus.FieldLogger
	hooks  []func(Hint)
	// sameClock is true if the engine's times can be compared with ours.
	sameClock bool
	again     chan struct{} // 1-slot: list the containers now

	mu        sync.RWMutex
	tbl       *table
	images    []Image
	imageSeq  uint64 // the request that told images
	imagesErr error  // why they are not known; nil if the last list of them was good
	engine    Engine
	status    Status
	session   uint64 // number of the running session

	recMu sync.Mutex // makes the records follow the table one at a time

	attempted     chan struct{}
	attemptedOnce sync.Once
}

// New returns a cache that is empty and not synced until Run fills it. The
// containers whose label says nodeID are ours; their records go to st.
func New(api API, nodeID string, st *store.Store, log logrus.FieldLogger) *Cache {
	return newCache(api, nodeID, storeRecorder{st}, log)
}

func newCache(api API, nodeID string, rec recorder, log logrus.FieldLogger) *Cache {
	return &Cache{
		api: api, nodeID: nodeID, rec: rec, log: log, sameClock: local(api.DaemonHost()),
		again: make(chan struct{}, 1), tbl: newTable(), attempted: make(chan struct{}),
	}
}

// OnChange registers f to be called after each change of the cache, with what
// it touched, outside all locks of the cache and from several goroutines. f
// must not block. OnChange must be called before Run.
func (c *Cache) OnChange(f func(Hint)) { c.hooks = append(c.hooks, f) }

// Synced reports whether the cache follows the engine: false before the first
// good list and while dockerd is away.
func (c *Cache) Synced() bool { return c.Status().Connected }

// Status tells how the cache stands with dockerd.
func (c *Cache) Status() Status {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.status
}

// Engine is what dockerd said about itself when it was last connected to.
func (c *Cache) Engine() Engine {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.engine
}

// Attempted is closed once the first fill has succeeded or failed.
func (c *Cache) Attempted() <-chan struct{} { return c.attempted }

// Containers returns all containers on the engine, strangers' too, by name.
// ok is Synced: if it is false, this is what was last seen.
func (c *Cache) Containers() (all []Container, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.tbl.all(), c.status.Connected
}

// Alloc returns our containers of an allocation, by task and attempt.
func (c *Cache) Alloc(allocID string) []Container {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.tbl.pick(c.tbl.allocs[allocID])
}

// Job returns our containers of a job, by allocation, task and attempt.
func (c *Cache) Job(name string) []Container {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.tbl.pick(c.tbl.jobs[name])
}

// ByName returns the container, ours or a stranger's, that has the name.
func (c *Cache) ByName(name string) (Container, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.tbl.named(name)
}

// Images returns all images on the engine, by id. ok is false while the cache
// is not Synced, and while the engine cannot list them: this is what was last
// seen then. The slice must not be written to.
func (c *Cache) Images() (all []Image, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.images, c.status.Connected && c.imagesErr == nil
}

// begin opens a request to the engine; who calls it must call end.
func (c *Cache) begin() ticket {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tbl.begin(time.Now())
}

func (c *Cache) end(t ticket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tbl.end(t)
}

// tell gives h to everybody who wants to know.
func (c *Cache) tell(h Hint) {
	if h == (Hint{}) {
		return
	}
	for _, f := range c.hooks {
		f(h)
	}
}
