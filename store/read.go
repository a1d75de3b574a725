package store

import (
	"context"
	"os"
	"path/filepath"
	"time"
)

// readWait is how long Read waits for the lock of the file: a person waits.
const readWait = 2 * time.Second

// Read returns a copy in memory of the state in dir, and the time at which
// the file was last written, for when no agent answers. It makes and changes
// nothing and needs only the right to read; puts into the copy go nowhere.
//
// The error is fs.ErrNotExist if there is no state, ErrCorrupt, ErrNewerSchema
// or ErrBusy, or one of the file system.
func Read(dir string) (*Store, time.Time, error) {
	dir, err := resolve(dir)
	if err != nil {
		return nil, time.Time{}, err
	}
	s, err := readState(dir)
	if err != nil {
		return nil, time.Time{}, err
	}
	if id := readNodeID(dir); id != "" {
		s.nodeID = id
	}
	return s, s.health.last, nil
}

// Memory returns an empty state in memory for a data directory that has none
// yet, with the node id that Open would take. It makes and changes nothing;
// puts go nowhere.
func Memory(dir string) *Store {
	if abs, err := resolve(dir); err == nil {
		dir = abs
	} else if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	s := newStore(dir, Options{}, &dbFile{path: filepath.Join(dir, fileName), open: os.OpenFile})
	s.readOnly, s.closed, s.fresh = true, true, true
	if s.nodeID = readNodeID(dir); s.nodeID == "" {
		s.nodeID = newNodeID(dir, machineID(machineIDFiles))
	}
	return s
}

func readState(dir string) (*Store, error) {
	file := &dbFile{path: filepath.Join(dir, fileName), open: os.OpenFile}
	deadline := time.Now().Add(readWait)
	for {
		s := newStore(dir, Options{}, file)
		s.readOnly, s.closed = true, true
		err := s.load(context.Background())
		if err == nil {
			return s, nil
		}
		if !again(err, deadline) {
			return nil, err
		}
	}
}
