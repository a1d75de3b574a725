package desired

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// notifier watches directories and turns whatever happens in them into one
// dirty flag. It is told at each scan what to watch: adding a watch that is
// there costs one system call, and a directory that was removed and made again
// has lost its watch without a word.
type notifier struct {
	// changed has one slot: any number of events may become one.
	changed chan struct{}
	off     bool // nothing is watched: the directory is polled on purpose

	fs      *fsnotify.Watcher // nil until inotify gave us an instance
	add     func(dir string) error
	loops   sync.WaitGroup
	seen    map[string]map[string]bool // of this scan: directory -> names that count, nil for all
	failure error                      // of this scan

	mu    sync.Mutex
	names map[string]map[string]bool // of the last scan
}

func newNotifier(off bool) *notifier { return &notifier{changed: make(chan struct{}, 1), off: off} }

// begin starts the list of what a scan wants to be watched.
func (n *notifier) begin() {
	n.seen, n.failure = map[string]map[string]bool{}, nil
	if n.fs != nil || n.off {
		return
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		n.failure = err
		return
	}
	n.fs = w
	if n.add == nil {
		n.add = w.Add
	}
	n.loops.Go(func() { n.loop(w) })
}

// watch watches dir; if only is given, events of other names in it count for
// nothing.
func (n *notifier) watch(dir, only string) {
	names, listed := n.seen[dir]
	switch {
	case only == "":
		n.seen[dir] = nil
	case !listed:
		n.seen[dir] = map[string]bool{only: true}
	case names != nil:
		names[only] = true
	}
	n.arm(dir)
}

func (n *notifier) arm(dir string) {
	if n.fs == nil {
		return
	}
	err := n.add(dir)
	// What cannot be opened is told by the scan itself.
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.ENOTDIR) {
		n.failure = err
	}
}

// end drops the watches that this scan did not ask for. Its error means that
// events will be missed: the limits of inotify are reached.
func (n *notifier) end() error {
	n.mu.Lock()
	n.names = n.seen
	n.mu.Unlock()
	if n.fs != nil && n.dropStale() {
		// A watch belongs to an inode: the one of a folder that was moved hung on
		// under the old path, and went with it. Events may have been missed since.
		for dir := range n.seen {
			n.arm(dir)
		}
		n.signal()
	}
	return n.failure
}

func (n *notifier) dropStale() (dropped bool) {
	for _, dir := range n.fs.WatchList() {
		if _, wanted := n.seen[dir]; !wanted {
			_ = n.fs.Remove(dir) // gone already, or never mind
			dropped = true
		}
	}
	return dropped
}

// loop runs until the watcher is closed. An error is an overflow of the
// queue or something as blind: it counts as an event.
func (n *notifier) loop(w *fsnotify.Watcher) {
	for {
		select {
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			if n.counts(e.Name) {
				n.signal()
			}
		case _, ok := <-w.Errors:
			if !ok {
				return
			}
			n.signal()
		}
	}
}

func (n *notifier) counts(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	names := n.names[filepath.Dir(name)]
	return names == nil || names[filepath.Base(name)]
}

func (n *notifier) signal() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// close ends the watching and waits for its goroutines.
func (n *notifier) close() {
	if n.fs != nil {
		_ = n.fs.Close() // nothing was written to it
	}
	n.loops.Wait()
}
