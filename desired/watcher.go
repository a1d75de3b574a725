package desired

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"reconciler/store"
)

// Config is what the watcher is told by the agent's config.
type Config struct {
	// Dir is the manifest directory. It need not exist.
	Dir string
	// Grace is how long a job must be missing from the files before it is
	// deleted.
	Grace time.Duration
	// AllowMassDeletion lets any number of deletions pass: for those who
	// rebuild the directory. A directory that is missing or cannot be read
	// deletes nothing even so.
	AllowMassDeletion bool
	// Poll is how often the directory is read if inotify is not to be used: on
	// NFS and other file systems that do not tell what other hosts write. 0
	// watches by inotify, and reads the directory now and then anyway.
	Poll time.Duration
}

// timing holds the watcher's rhythm; tests shorten it.
type timing struct {
	settle    time.Duration // after the last event
	settleMax time.Duration // after the first event, under constant writing
	rescan    time.Duration // without any event
	retry     time.Duration // while the directory cannot be read, or a file keeps changing
	poll      time.Duration // while inotify has no room for us
}

func defaultTiming() timing {
	return timing{
		settle: 20 * time.Millisecond, settleMax: 500 * time.Millisecond,
		rescan: 20 * time.Second, retry: time.Second, poll: 2 * time.Second,
	}
}

// Watcher keeps the store's jobs equal to what the manifest directory says.
// Its exported methods are safe for concurrent use.
type Watcher struct {
	cfg     Config
	st      *store.Store
	running Running
	log     logrus.FieldLogger
	now     func() time.Time
	timing  timing
	files   *files

	nudge    chan struct{}
	scanned  chan struct{}
	decided  chan struct{}
	requests chan confirmRequest
	auth     *credentials
	onAuth   []func(job string)

	mu     sync.Mutex
	status DirStatus

	// What follows belongs to the goroutine in Run.
	notify  *notifier
	polling bool                  // inotify has no room
	id      dirID                 // of the directory at the last good scan
	first   bool                  // no scan has decided on deletions since the start, or since the directory was away
	ready   bool                  // running has answered once
	ran     map[string]RunningJob // its last answer
	unused  map[string]time.Time  // keys of specs that nothing needs -> since when
	once    sync.Once             // closes scanned
	knew    sync.Once             // closes decided
}

// New returns a watcher of cfg.Dir that writes the manifests, jobs and specs
// of st. It does nothing before Run.
func New(cfg Config, st *store.Store, running Running, log logrus.FieldLogger) *Watcher {
	return &Watcher{
		cfg: cfg, st: st, running: running, log: log,
		now: time.Now, timing: defaultTiming(), files: newFiles(Parse),
		nudge: make(chan struct{}, 1), scanned: make(chan struct{}), decided: make(chan struct{}), requests: make(chan confirmRequest),
		auth:   newCredentials(),
		status: DirStatus{Dir: cfg.Dir},
		notify: newNotifier(cfg.Poll > 0), first: true, ran: map[string]RunningJob{}, unused: map[string]time.Time{},
	}
}

// Nudge says that what runs, or which allocations there are, may have changed.
// Calls may coalesce.
func (w *Watcher) Nudge() {
	select {
	case w.nudge <- struct{}{}:
	default:
	}
}

// Scanned is closed after the first scan: either all manifests were read, or
// the directory turned out to be missing or unreadable, and is waited for.
func (w *Watcher) Scanned() <-chan struct{} { return w.scanned }

// Decided is closed after the first scan that read the directory and knew what
// runs. Before it the store may hold what was wanted in an earlier run.
func (w *Watcher) Decided() <-chan struct{} { return w.decided }

// Run watches until ctx ends, and then returns nil. It must be called once.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.notify.close()
	var asked *confirmRequest
	for {
		next := w.pass()
		if asked != nil {
			asked.reply <- w.release()
			asked = nil
		}
		var stop bool
		if asked, stop = w.wait(ctx, next); stop {
			return nil
		}
	}
}

// wait blocks until the next pass is due: at the given time, or once things
// are quiet after an event, or at once for a person who asks.
func (w *Watcher) wait(ctx context.Context, due time.Time) (asked *confirmRequest, stop bool) {
	timer := time.NewTimer(due.Sub(w.now()))
	defer timer.Stop()
	var latest time.Time // for the settling
	for {
		select {
		case <-ctx.Done():
			return nil, true
		case <-timer.C:
			return nil, false
		case r := <-w.requests:
			return &r, false
		case <-w.notify.changed:
		case <-w.nudge:
		}
		now := w.now()
		if latest.IsZero() {
			latest = earliest(due, now.Add(w.timing.settleMax))
		}
		timer.Reset(earliest(latest, now.Add(w.timing.settle)).Sub(now))
	}
}

// earliest returns the earlier of two times; zero times do not count.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// confirmRequest is a call of ConfirmDeletions, handed to the goroutine in Run.
type confirmRequest struct {
	reply chan confirmation // of one slot
}

type confirmation struct {
	names []string
	err   error
}

// ConfirmDeletions lets go of all jobs whose deletion is held, orphans
// included, and returns their names, sorted. It looks at the directory first:
// what has come back is not deleted. It is an error if the directory cannot be
// read, and ctx's error if the watcher does not answer before ctx ends.
func (w *Watcher) ConfirmDeletions(ctx context.Context) ([]string, error) {
	r := confirmRequest{reply: make(chan confirmation, 1)}
	select {
	case w.requests <- r:
	case <-ctx.Done():
		return nil, fmt.Errorf("confirm deletions: %w", ctx.Err())
	}
	select {
	case c := <-r.reply:
		return c.names, c.err
	case <-ctx.Done():
		return nil, fmt.Errorf("confirm deletions: %w", ctx.Err())
	}
}
