package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"reconciler/internal/job"
)

// Store is the state of the agent: typed tables in memory, and the recorder
// that keeps DATA_DIR/state.db equal to them.
type Store struct {
	Manifests     *Table[ManifestRecord]   // by file name relative to the manifest directory; desired writes
	Jobs          *Table[JobRecord]        // by job name; desired writes
	Specs         *Table[SpecRecord]       // by SpecKey; desired writes
	Deployments   *Table[DeploymentRecord] // by job name; the jobs controller writes
	AllocSpecs    *Table[job.AllocSpec]    // by alloc id; the jobs controller writes
	AllocStatuses *Table[job.AllocStatus]  // by alloc id; the allocs controller writes
	Containers    *Table[ContainerRecord]  // by container name; observed writes
	Provenance    *Table[ImageProvenance]  // by image id; the puller writes
	Clocks        *Table[ImageClock]       // by image id; gc writes
	Intents       *Table[ImageIntent]      // by IntentKey(ref); the puller writes
	Services      *Table[ServiceRecord]    // by ServiceKey; the allocs controller writes

	aside   *Table[asideRecord]
	ring    *ring
	changes *changes
	spaces  []keyspace
	log     logrus.FieldLogger
	now     func() time.Time

	dir      string
	nodeID   string
	version  string // of the agent
	fresh    bool
	readOnly bool
	instance io.Closer // the lock of the directory

	urgent  chan struct{} // of one slot: somebody waits in Sync
	health  health
	backoff time.Duration // the recorder's

	writing sync.Mutex // guards what follows, and the file
	file    *dbFile
	all     bool // write every record: the file is not ours any more, or has what we cannot read
	closed  bool
	created time.Time
}

// Options are what Open needs to know besides the directory. All are optional.
type Options struct {
	Log     logrus.FieldLogger // default: nothing is logged
	Now     func() time.Time   // default: time.Now
	Version string             // of the agent, for meta/agent_version; default: from the build
}

// Open takes the data directory dir, which is made if it is not there, and
// loads its state. It waits a few seconds for a reader that holds the file.
//
// A file that cannot be used is moved aside with an error line in the log, and
// Fresh is true then. The error is ErrLocked if another agent runs on dir, else
// one of the file system. Nothing is written to the file before Run.
func Open(dir string, opts Options) (*Store, error) {
	return open(dir, opts, os.OpenFile)
}

func open(dir string, opts Options, openFile openFunc) (*Store, error) {
	dir, err := makeDir(dir)
	if err != nil {
		return nil, err
	}
	instance, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	s, err := openState(dir, opts, &dbFile{path: filepath.Join(dir, fileName), open: openFile})
	if err == nil {
		s.instance = instance
		err = s.takeNodeID()
	}
	if err != nil {
		_ = instance.Close()
		return nil, err
	}
	return s, nil
}

// openWait is how long Open waits for the lock of the file.
const openWait = 10 * time.Second

// openState loads the file into a new store. A file that cannot be used is
// moved aside, and what it may have given before it broke is dropped.
func openState(dir string, opts Options, file *dbFile) (*Store, error) {
	deadline := time.Now().Add(openWait)
	for {
		s := newStore(dir, opts, file)
		err := s.load(context.Background())
		switch {
		case err == nil:
			return s, nil
		case errors.Is(err, fs.ErrNotExist):
			s.fresh = true
			return s, nil
		case s.setAside(err), again(err, deadline):
		default:
			return nil, err
		}
	}
}

// again reports whether a load that ended in err may end otherwise if it is
// repeated: bbolt has stumbled for the first time, and the structure is looked
// at next, or somebody has the lock of the file and deadline is not over.
func again(err error, deadline time.Time) bool {
	if errors.Is(err, ErrCorrupt) {
		return false
	}
	return errors.Is(err, errFault) || errors.Is(err, ErrBusy) && time.Now().Before(deadline)
}

func makeDir(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	return resolve(dir)
}

// resolve returns the one name of a directory, on which the node id depends.
func resolve(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	return dir, nil
}

func newStore(dir string, opts Options, file *dbFile) *Store {
	c := newChanges()
	s := &Store{
		Manifests:     newTable[ManifestRecord](bucketManifests, "", c),
		Jobs:          newTable[JobRecord](bucketJobs, "", c),
		Specs:         newTable[SpecRecord](bucketSpecs, "", c),
		Deployments:   newTable[DeploymentRecord](bucketDeployments, "", c),
		AllocSpecs:    newTable[job.AllocSpec](bucketAllocs, "spec", c),
		AllocStatuses: newTable[job.AllocStatus](bucketAllocs, "status", c),
		Containers:    newTable[ContainerRecord](bucketContainers, "", c),
		Provenance:    newTable[ImageProvenance](bucketImages, "provenance", c),
		Clocks:        newTable[ImageClock](bucketImages, "clock", c),
		Intents:       newTable[ImageIntent](bucketImages, "", c),
		Services:      newTable[ServiceRecord](bucketServices, "", c),

		aside:   newTable[asideRecord](bucketQuarantine, "", c),
		ring:    newRing(newTable[Event](bucketEvents, "", c)),
		changes: c,
		log:     opts.Log, now: opts.Now, version: opts.Version,
		dir: dir, urgent: make(chan struct{}, 1),
		health: health{progress: make(chan struct{})},
		file:   file,
	}
	s.spaces = s.keyspaces()
	s.fillDefaults()
	return s
}

func (s *Store) fillDefaults() {
	if s.log == nil {
		quiet := logrus.New()
		quiet.SetOutput(io.Discard)
		s.log = quiet
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.version == "" {
		if info, ok := debug.ReadBuildInfo(); ok {
			s.version = info.Main.Version
		}
	}
}

func (s *Store) keyspaces() []keyspace {
	return []keyspace{
		{bucket: bucketImages, prefix: intentPrefix, columns: []column{s.Intents}},
		{bucket: bucketImages, columns: []column{s.Provenance, s.Clocks}},
		{bucket: bucketAllocs, columns: []column{s.AllocSpecs, s.AllocStatuses}},
		{bucket: bucketManifests, columns: []column{s.Manifests}},
		{bucket: bucketJobs, columns: []column{s.Jobs}},
		{bucket: bucketSpecs, columns: []column{s.Specs}},
		{bucket: bucketDeployments, columns: []column{s.Deployments}},
		{bucket: bucketContainers, columns: []column{s.Containers}},
		{bucket: bucketServices, columns: []column{s.Services}},
		{bucket: bucketEvents, columns: []column{s.ring.table}},
		{bucket: bucketQuarantine, columns: []column{s.aside}},
	}
}

// Fresh reports that there was no usable state file at Open: this is the first
// run, or the state was lost.
func (s *Store) Fresh() bool { return s.fresh }

// NodeID returns the id that says which containers are ours.
func (s *Store) NodeID() string { return s.nodeID }

// Dir returns the data directory, absolute and with links resolved.
func (s *Store) Dir() string { return s.dir }

// LastCommit returns when the file was last written, and the error of the last
// attempt, nil if that went well. The time is zero if there is no file yet.
func (s *Store) LastCommit() (time.Time, error) {
	s.health.mu.Lock()
	defer s.health.mu.Unlock()
	return s.health.last, s.health.err
}

// Close writes what is dirty, frees the data directory for another agent, and
// returns the error of the write. Run must have returned, or never been
// called. After Close nothing reaches the file any more.
func (s *Store) Close() error {
	if s.readOnly {
		return nil
	}
	err := s.flush(context.Background())
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return errors.Join(err, s.instance.Close())
}
