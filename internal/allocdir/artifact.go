package allocdir

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"reconciler/internal/job"
)

// recordsName is the directory of an allocation that remembers what was
// fetched into it: a file without content for each artifact. No standard bind
// shows it to a container, and it goes with the allocation. The names of tasks
// begin otherwise, so this one is free.
const recordsName = ".artifacts"

// fetchSlots is how many artifacts are fetched at once, in all: as many as
// images are pulled.
const fetchSlots = 3

// limits bound what one artifact may cost.
type limits struct {
	bytes int64         // what is downloaded, and again what is written after unpacking
	files int           // entries of an archive or a directory
	total time.Duration // for one artifact, waiting for its turn aside
	idle  time.Duration // without a byte from the server
}

// defaultLimits leave room for what people hand out in archives (a model, a
// game, an image of a disk) and end what would fill a disk: ten times the size
// of a large image, more files than a large node_modules, and the time and the
// silence that Nomad and a pull allow.
var defaultLimits = limits{bytes: 10 << 30, files: 100_000, total: 30 * time.Minute, idle: 2 * time.Minute}

// fetcher is what the artifacts of all allocations share.
type fetcher struct {
	limits    limits
	local     bool // sources may be files of the host
	slots     chan struct{}
	transport http.RoundTripper
	room      func() (int64, error) // bytes that may be written to the disk
}

func newFetcher(root string) fetcher {
	return fetcher{limits: defaultLimits, slots: make(chan struct{}, fetchSlots), transport: newTransport(), room: room(root)}
}

// Option changes what New makes.
type Option func(*Dirs)

// LocalSources says whether artifacts may come from files of the host, which
// the agent reads with its own rights: the option docker.volumes.enabled.
// Without this Option they may not.
func LocalSources(allowed bool) Option {
	return func(d *Dirs) { d.fetcher.local = allowed }
}

// Fetch brings the artifacts of a task into its directory, in their order. The
// allocation must have been built, and runtime names in the artifacts be
// resolved. One that was fetched before for the same allocation and task, and
// is written in the same way, is left as the task has it since.
//
// An artifact that fails leaves nothing in the task's directory unless it
// failed while it was put there. Errors are job.Errors, and no password or
// token of a source is in their text.
func (d *Dirs) Fetch(ctx context.Context, allocID, task string, artifacts []job.Artifact) error {
	if err := checkNames(allocID, task); err != nil {
		return err
	}
	for _, a := range artifacts {
		if err := d.fetchOnce(ctx, allocID, task, a); err != nil {
			return artifactError(a, err)
		}
	}
	return nil
}

// fetchOnce fetches an artifact of which there is no record, and makes it.
func (d *Dirs) fetchOnce(ctx context.Context, allocID, task string, a job.Artifact) error {
	src, err := parseSource(a, d.fetcher.local)
	if err != nil {
		return err
	}
	alloc, err := d.openAlloc(allocID)
	if err != nil {
		return err
	}
	defer func() { _ = alloc.Close() }() // opened to find things by
	record := filepath.Join(recordsName, recordName(task, a))
	if _, err := alloc.Lstat(record); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	release, err := d.fetcher.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := context.WithTimeoutCause(ctx, d.fetcher.limits.total, errTotal)
	defer cancel()
	if err := d.fetchInto(ctx, alloc, taskDir(task), src); err != nil {
		return because(ctx, err)
	}
	return d.makeRecord(alloc, record)
}

// acquire waits for one of the slots.
func (f *fetcher) acquire(ctx context.Context) (release func(), err error) {
	select {
	case f.slots <- struct{}{}:
		return func() { <-f.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// fetchInto downloads, checks and unpacks beside all allocations, and then
// moves the result where it belongs.
func (d *Dirs) fetchInto(ctx context.Context, alloc *os.Root, task string, src source) error {
	stage, err := d.newStage()
	if err != nil {
		return err
	}
	defer stage.remove()
	if err := d.fetcher.bring(ctx, stage, src); err != nil {
		return err
	}
	dir, err := openDir(alloc, task)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }() // what was put there has told its error
	return d.place(ctx, stage, dir, src)
}

// recordName is the same for the same task and an artifact that is written in
// the same way. The digest keeps passwords out of names.
func recordName(task string, a job.Artifact) string {
	text, err := json.Marshal(struct {
		Task     string
		Artifact job.Artifact
	}{task, a})
	if err != nil {
		panic(fmt.Sprintf("an artifact is strings: %v", err))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func (d *Dirs) makeRecord(alloc *os.Root, path string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := makeDir(alloc, dir{recordsName, secretsMode, noOwner, noOwner}); err != nil {
		return err
	}
	f, err := alloc.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}
