package desired

import (
	"errors"
	"time"
)

// DirStatus is what the watcher knows of the manifest directory.
type DirStatus struct {
	Dir string `json:"dir"`
	// OK is false before the first scan, and while the directory is missing or
	// cannot be read. Nothing is added, changed or deleted then.
	OK bool `json:"ok"`
	// Problem says why, for people; it may also hold a warning while OK.
	Problem string `json:"problem,omitempty"`
	// LastScan is when the directory was last read completely; zero if never.
	LastScan time.Time `json:"last_scan,omitzero"`
}

// DirStatus returns the state of the manifest directory.
func (w *Watcher) DirStatus() DirStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// pass reads the directory once, decides, records, and returns when to look
// again at the latest.
func (w *Watcher) pass() time.Time {
	defer w.once.Do(func() { close(w.scanned) })
	w.notify.begin()
	t, err := scanTree(w.cfg.Dir, w.notify.watch)
	now := w.now().UTC()
	if err != nil {
		w.lost(err, now)
		return now.Add(w.timing.retry)
	}
	w.armed(w.notify.end())
	w.arrived(t.id, now)
	manifests, again := w.files.read(t, now)

	v := w.view(t, manifests, now)
	d := decide(v)
	w.record(v, d)
	w.first = w.first && !v.ready
	if v.ready {
		w.knew.Do(func() { close(w.decided) })
	}
	w.prune(now)
	return w.nextLook(now, d.wake, again)
}

func (w *Watcher) nextLook(now, wake time.Time, again bool) time.Time {
	next := now.Add(w.timing.rescan)
	if w.cfg.Poll > 0 {
		next = now.Add(w.cfg.Poll)
	}
	if w.polling {
		next = earliest(next, now.Add(w.timing.poll))
	}
	if again {
		next = earliest(next, now.Add(w.timing.retry))
	}
	return earliest(next, wake)
}

// view gathers what the rules look at.
func (w *Watcher) view(t tree, manifests map[string]manifest, now time.Time) view {
	jobs, live := w.running.RunningJobs()
	if live {
		w.ran, w.ready = jobs, true
	}
	v := view{
		now: now, grace: w.cfg.Grace, allow: w.cfg.AllowMassDeletion,
		first: w.first, files: manifests, dark: t.dark, loops: t.loops,
		running: w.ran, ready: w.ready, live: live,
		jobs: w.st.Jobs.All(), manifests: w.st.Manifests.All(), allocs: map[string]uint64{},
	}
	for _, a := range w.st.AllocSpecs.All() {
		v.allocs[a.Job] = max(v.allocs[a.Job], a.Generation)
	}
	return v
}

// lost notes that the directory cannot be read: everything stays as it is.
func (w *Watcher) lost(err error, now time.Time) {
	reason, message := dirProblem(w.cfg.Dir, err)
	// What comes back may be another one, or not yet filled.
	w.first = true
	if w.setStatus(func(s *DirStatus) { s.OK, s.Problem = false, message }) {
		w.tell([]change{{reason: reason, warn: true, file: w.cfg.Dir, message: message}}, now)
	}
}

// arrived notes that the directory was read, and whether it is another one
// than before.
func (w *Watcher) arrived(id dirID, now time.Time) {
	was := w.DirStatus()
	replaced := w.id != (dirID{}) && w.id != id
	w.first = w.first || replaced
	w.id = id
	w.setStatus(func(s *DirStatus) { s.OK, s.Problem, s.LastScan = true, w.limits(), now })
	switch {
	case !was.OK && was.Problem != "":
		w.tell([]change{{reason: "DirectoryFound", file: w.cfg.Dir, message: "the manifest directory can be read again"}}, now)
	case replaced:
		w.tell([]change{{reason: "DirectoryReplaced", warn: true, file: w.cfg.Dir, message: "another directory has taken the place of the manifest directory; it is read as after a start"}}, now)
	}
}

// setStatus changes the status and reports whether its problem is a new one.
func (w *Watcher) setStatus(f func(*DirStatus)) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.status.Problem
	f(&w.status)
	return w.status.Problem != before
}

// armed notes whether inotify watches all folders. While it has no room the
// directory is polled, with one warning.
func (w *Watcher) armed(err error) {
	was := w.polling
	w.polling = err != nil
	switch {
	case w.polling && !was:
		w.log.WithError(err).WithField("reason", "WatchLimit").
			Warnf("inotify has no room for the manifest directory; it is read every %s instead (see fs.inotify.max_user_watches and max_user_instances)", w.timing.poll)
	case was && !w.polling:
		w.log.WithField("reason", "WatchRestored").Info("inotify watches the manifest directory again")
	}
}

// limits is the warning in the status while the directory is polled.
func (w *Watcher) limits() string {
	if !w.polling {
		return ""
	}
	return "inotify has no room for us; changes are found every " + w.timing.poll.String()
}

// errHeld is what ConfirmDeletions answers while the directory is away.
var errHeld = errors.New("nothing can be confirmed while the manifest directory cannot be read")

// release carries out a confirmation, right after a pass.
func (w *Watcher) release() confirmation {
	if s := w.DirStatus(); !s.OK {
		return confirmation{err: errHeld}
	}
	now := w.now().UTC()
	jobs := w.st.Jobs.All()
	next, changes := confirm(jobs, now)
	w.putJobs(jobs, next)
	w.tell(changes, now)
	var names []string
	for _, c := range changes {
		names = append(names, c.job)
	}
	return confirmation{names: names}
}

// tell makes an event and a log line of each change.
func (w *Watcher) tell(changes []change, now time.Time) {
	for _, c := range changes {
		w.st.Event(c.event(now))
		c.log(w.log)
	}
}
