package gc

import "github.com/sirupsen/logrus"

// records makes one pass over directories and records of allocations, at
// most one in an interval.
func (w *Worker) records() {
	if w.cfg.Elapsed() < w.recordsAt {
		return
	}
	dirs, err := w.parts.Dirs.List()
	if err != nil {
		// Absent is not empty: without a list only records would go, and
		// their directories would be left to nobody.
		w.dirTrouble("", err)
		return
	}
	delete(w.dirErrors, "")
	containers, ok := w.parts.Observer.Containers()
	if !ok {
		return
	}
	w.recordsAt = w.cfg.Elapsed() + interval
	out := PlanRecords(RecordsInput{
		Now:    w.now(),
		Allocs: w.st.AllocSpecs.All(), Statuses: w.st.AllocStatuses.All(),
		Containers: containers, Dirs: dirs, Seen: w.seen, StateLost: w.st.Fresh(),
	})
	w.seen = out.Seen
	for _, r := range out.Reap {
		// The record goes last: without it, the directory would be unknown.
		if w.removeDir(r.AllocID) {
			w.log.WithFields(logrus.Fields{"alloc": r.AllocID, "job": r.Job}).Info("ended allocation removed")
			w.parts.Reaper.ReapAlloc(r.AllocID)
		}
	}
	for _, id := range out.Remove {
		if w.removeDir(id) {
			delete(w.seen, id)
			w.log.WithField("alloc", id).Info("directory of an unknown allocation removed")
		}
	}
}

func (w *Worker) removeDir(id string) bool {
	if err := w.parts.Dirs.Remove(id); err != nil {
		w.dirTrouble(id, err)
		return false
	}
	delete(w.dirErrors, id)
	return true
}

// dirTrouble says once per streak that a directory could not be listed or
// removed; it is tried again in the next pass.
func (w *Worker) dirTrouble(id string, err error) {
	if !w.dirErrors[id] {
		w.log.WithField("alloc", id).WithError(err).Warn("allocation directory: kept")
	}
	w.dirErrors[id] = true
}
