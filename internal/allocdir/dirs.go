package allocdir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"reconciler/internal/job"
)

// Names of directories.
const (
	rootName    = "alloc" // in the data directory
	sharedName  = "alloc" // in an allocation's
	localName   = "local"
	secretsName = "secrets"
	// A task's name begins with a letter or a digit, so this one is free.
	taskNamedAlloc = ".alloc"
)

// Modes of directories.
const (
	rootMode    fs.FileMode = 0o711 // who does not know an id finds nothing
	plainMode   fs.FileMode = 0o755
	openMode    fs.FileMode = 0o777 // images with a USER can write
	secretsMode fs.FileMode = 0o700
)

// Reasons of the errors of this package.
const (
	ReasonIO      = "AllocDir"      // the file system said no; retried
	ReasonName    = "InvalidName"   // an id or a task that names no directory; waits for the user
	ReasonEscape  = "VolumeEscapes" // a volume outside the allocation's directory; waits for the user
	ReasonInvalid = "VolumeInvalid" // a volume that is no path; waits for the user
)

// Dirs is the allocation directories under one data directory.
type Dirs struct {
	root string // DATA_DIR/alloc, absolute

	mu sync.Mutex // held while directories are made

	fetcher fetcher
}

// Paths are the directories of one task, absolute on the host.
type Paths struct {
	Dir     string // what a relative volume is relative to
	Alloc   string // mounted at /alloc
	Local   string // mounted at /local
	Secrets string // mounted at /secrets
}

// New makes the owner of dataDir/alloc. It touches no file.
func New(dataDir string, options ...Option) *Dirs {
	root := filepath.Join(dataDir, rootName)
	if abs, err := filepath.Abs(root); err == nil { // else the working directory is gone, and so is root
		root = abs
	}
	d := &Dirs{root: root, fetcher: newFetcher(root)}
	for _, o := range options {
		o(d)
	}
	return d
}

// Task returns where the directories of a task are, made or not. The names
// are those of an allocation that Build accepts.
func (d *Dirs) Task(allocID, task string) Paths {
	alloc := filepath.Join(d.root, allocID)
	dir := filepath.Join(alloc, taskDir(task))
	return Paths{
		Dir:     dir,
		Alloc:   filepath.Join(alloc, sharedName),
		Local:   filepath.Join(dir, localName),
		Secrets: filepath.Join(dir, secretsName),
	}
}

// List returns the ids of the allocations that have a directory, sorted. A
// data directory without any has none.
func (d *Dirs) List() ([]string, error) {
	entries, err := os.ReadDir(d.root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("allocation directories: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && job.CheckName(e.Name()) == nil {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

func taskDir(task string) string {
	if task == sharedName {
		return taskNamedAlloc
	}
	return task
}

// checkNames refuses what could name another directory than its own.
func checkNames(allocID string, tasks ...string) error {
	if err := job.CheckName(allocID); err != nil {
		return job.NewError(job.WaitsForUser, ReasonName, fmt.Errorf("allocation id: %w", err))
	}
	for _, t := range tasks {
		if err := job.CheckName(t); err != nil {
			return job.NewError(job.WaitsForUser, ReasonName, fmt.Errorf("task: %w", err))
		}
	}
	return nil
}

// openAlloc opens the directory of an allocation. It must be one: a link in
// its place is refused even if it stays within the data directory.
func (d *Dirs) openAlloc(allocID string) (*os.Root, error) {
	root, err := os.OpenRoot(d.root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // opened to read only
	return openDir(root, allocID)
}

// openDir opens a directory and no link to one.
func openDir(root *os.Root, name string) (*os.Root, error) {
	info, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return nil, notDir(name)
	}
	return root.OpenRoot(name)
}
