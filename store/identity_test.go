package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestLockedDirectory(t *testing.T) {
	s := mustOpen(t, tempDir(t))
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(s.Dir(), link))
	for _, dir := range []string{s.Dir(), link} {
		_, err := Open(dir, Options{})
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) {
			t.Errorf("%v", err)
		}
	}
	must(t, os.Truncate(filepath.Join(s.Dir(), lockName), 0))
	if _, err := Open(s.Dir(), Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("without a pid in the file: %v", err)
	}
	must(t, s.Close())
	must(t, mustOpen(t, link).Close())
}

// The process id in the lock is a courtesy: without room for it the agent runs.
func TestLockOnAFullDisk(t *testing.T) {
	dir := tempDir(t)
	must(t, os.Symlink("/dev/full", filepath.Join(dir, lockName)))
	s, err := Open(dir, Options{})
	must(t, err)
	must(t, s.Close())
}

func TestNodeIDSurvives(t *testing.T) {
	if machineID(machineIDFiles) == "" {
		swap(t, &machineIDFiles, []string{machineIDFile(t, "0123456789abcdef")})
	}
	dir := filepath.Join(t.TempDir(), "data")
	open := func() *Store {
		s, err := Open(dir, Options{})
		must(t, err)
		return s
	}
	first := open()
	first.Jobs.Put("web", JobRecord{})
	must(t, first.Close())
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(first.NodeID()) {
		t.Errorf("node id %q", first.NodeID())
	}
	for name, damage := range map[string]func() error{
		"nothing":       func() error { return nil },
		"the directory": func() error { return os.RemoveAll(dir) },
		"node-id":       func() error { return os.RemoveAll(filepath.Join(dir, nodeIDName)) },
		"its text":      func() error { return os.WriteFile(filepath.Join(dir, nodeIDName), []byte("\x00\n"), 0o644) },
	} {
		must(t, damage())
		s := open()
		diff(t, "node id after the loss of "+name, first.NodeID(), s.NodeID())
		must(t, s.Close())
		diff(t, "file", first.NodeID(), readNodeID(dir))
	}
}

// TestNodeIDComesFromTheStateFile: the directory was moved and node-id lost;
// a new id would make strangers of all containers.
func TestNodeIDComesFromTheStateFile(t *testing.T) {
	base := t.TempDir()
	s := mustOpen(t, filepath.Join(base, "old"))
	s.Jobs.Put("web", JobRecord{})
	must(t, s.Close())
	must(t, os.Rename(filepath.Join(base, "old"), filepath.Join(base, "new")))
	must(t, os.Remove(filepath.Join(base, "new", nodeIDName)))
	diff(t, "node id", s.NodeID(), mustOpen(t, filepath.Join(base, "new")).NodeID())
}

func TestNodeIDDiffers(t *testing.T) {
	a, b := newNodeID("/a", "m"), newNodeID("/b", "m")
	if a == b || a == newNodeID("/a", "n") || a != newNodeID("/a", "m") {
		t.Error("node ids do not depend on machine and directory alone")
	}
	if first, second := newNodeID("/a", ""), newNodeID("/a", ""); first == second {
		t.Error("without a machine id the node id is not random")
	}
	for _, id := range []string{a, b, newNodeID("/a", "")} {
		if !validNodeID(id) {
			t.Errorf("%q", id)
		}
	}
}

func TestNodeIDOfAPerson(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, nodeIDName), []byte("prod-1\n"), 0o644))
	diff(t, "node id", "prod-1", mustOpen(t, dir).NodeID())
}

func TestMachineID(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, tt := range []struct{ text, want string }{{"abc\n", "abc"}, {"", ""}, {"uninitialized\n", ""}} {
		diff(t, tt.text, tt.want, machineID([]string{none, machineIDFile(t, tt.text)}))
	}
}

func machineIDFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "machine-id")
	must(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func swap[T any](t *testing.T, place *T, value T) {
	t.Helper()
	old := *place
	*place = value
	t.Cleanup(func() { *place = old })
}

func TestRead(t *testing.T) {
	dir := tempDir(t)
	if _, _, err := Read(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
	s := mustOpen(t, dir)
	s.Jobs.Put("web", JobRecord{Generation: 7})
	s.Event(Event{Reason: "R"})
	mustCommit(t, s)
	got, at, err := Read(dir) // beside the agent
	must(t, err)
	diff(t, "contents", contents(s), contents(got))
	diff(t, "node id", s.NodeID(), got.NodeID())
	diff(t, "events", s.Events(), got.Events())
	fi, err := os.Stat(s.file.path)
	must(t, err)
	diff(t, "written", fi.ModTime().UTC(), at)
	got.Jobs.Put("x", JobRecord{})
	if err := got.Run(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Run of a copy: %v", err)
	}
	must(t, got.Close())
	diff(t, "jobs in the file", 1, len(dump(t, dir)[bucketJobs]))
	must(t, os.WriteFile(s.file.path, []byte("garbage"), 0o600))
	if _, _, err := Read(dir); !errors.Is(err, ErrCorrupt) {
		t.Errorf("of garbage: %v", err)
	}
	diff(t, "moved aside by a reader", 0, len(asideFiles(t, dir, "*")))
	must(t, os.Remove(s.file.path))
}
