package docker

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
)

// bringArchive loads an archive if its image is absent or the archive holds
// another one. It never pulls.
func (e *Engine) bringArchive(ctx context.Context, req job.ImageRequest) (job.ImageResult, error) {
	f, path, err := e.openArchive(req)
	if err != nil {
		return job.ImageResult{}, err
	}
	defer f.Close()
	a, err := e.loaded.look(f, path)
	if err != nil {
		return job.ImageResult{}, retried(ReasonImageLoadFailed, "archive %s: %w", path, err)
	}
	if a.has.readable && !slices.Contains(a.has.refs(), req.Ref) {
		return job.ImageResult{}, wrongArchive(path, req.Ref, a.has.refs())
	}
	local, err := e.localImage(ctx, req.Ref)
	if err != nil {
		return job.ImageResult{}, err
	}
	if local.id != "" && e.loaded.same(req.Ref, local.id, a) {
		return e.present(req.Ref, path, local), nil
	}
	got, err := e.pulls.join(ctx, cargo{ref: req.Ref, source: path}, func(ctx context.Context, m *meter) (outcome, error) {
		return e.load(ctx, req, m)
	})
	if err != nil {
		return job.ImageResult{}, classify(ctx, "archive "+path, err)
	}
	return job.ImageResult{ID: got.id, Ours: got.ours}, nil
}

func wrongArchive(path, ref string, has []string) error {
	names := make([]string, len(has))
	for i, r := range has {
		names[i] = imageref.Familiar(r)
	}
	return refused(ReasonArchiveWithoutImage, "archive %s: it does not hold %s, but: %s",
		path, imageref.Familiar(ref), cmp.Or(strings.Join(names, ", "), "images without a name"))
}

// openArchive opens the file of load: a relative one under the task's local
// directory, which it cannot leave by links either. Its path is for people.
func (e *Engine) openArchive(req job.ImageRequest) (*os.File, string, error) {
	path := req.Load
	// A pipe must not block the open; what is no plain file is refused below.
	const flags = os.O_RDONLY | syscall.O_NONBLOCK
	var f *os.File
	var err error
	if filepath.IsAbs(path) {
		if !e.opts.VolumesEnabled {
			return nil, path, refused(ReasonArchiveRefused, "load: the path %q is absolute, %s", path, needsVolumes)
		}
		f, err = os.OpenFile(path, flags, 0)
	} else {
		local := e.dirs.Task(req.AllocID, req.Task).Local
		if !filepath.IsLocal(path) {
			return nil, path, refused(ReasonArchiveRefused, "load: %q leaves the task's local directory", path)
		}
		f, err = openInside(local, path, flags)
		path = filepath.Join(local, path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, path, refused(ReasonArchiveMissing, "load: there is no file %s", path)
	}
	if err != nil {
		return nil, path, refused(ReasonArchiveRefused, "load: %w", err)
	}
	if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
		_ = f.Close()
		return nil, path, refused(ReasonArchiveRefused, "load: %s is no plain file", path)
	}
	return f, path, nil
}

func openInside(dir, rel string, flags int) (*os.File, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.OpenFile(rel, flags, 0)
}

// load sends the archive to the engine. Other references in it are brought,
// and become ours, as well. It opens the file itself, since it may outlive the
// waiter that came first.
func (e *Engine) load(ctx context.Context, req job.ImageRequest, m *meter) (outcome, error) {
	start := e.opts.Now()
	f, path, err := e.openArchive(req)
	if err != nil {
		return outcome{}, err
	}
	defer f.Close()
	a, err := e.loaded.look(f, path)
	if err != nil {
		return outcome{}, retried(ReasonImageLoadFailed, "archive %s: %w", path, err)
	}
	ref := req.Ref
	refs := []string{ref}
	for _, r := range a.has.refs() {
		if r != ref {
			refs = append(refs, r)
		}
	}
	release, err := e.leases.holdRefs(ctx, refs...)
	if err != nil {
		return outcome{}, err
	}
	defer release()
	var said []string
	got, err := e.acquire(ctx, ref, refs, transport{source: path, goesOn: loadGoesOn, do: func() (err error) {
		said, err = e.loadStream(ctx, f, a.stat.size, m)
		if err != nil && ctx.Err() == nil && answered(err) && !errors.As(err, new(*job.Error)) {
			return job.NewError(job.Retried, ReasonImageLoadFailed, err)
		}
		return err
	}})
	if err != nil {
		return outcome{}, err
	}
	if got.id == "" {
		return outcome{}, refused(ReasonArchiveWithoutImage, "archive %s: it does not hold %s; the engine says: %s",
			path, imageref.Familiar(ref), cmp.Or(strings.Join(said, ", "), "nothing"))
	}
	e.loaded.remember(ref, got.id, a)
	e.log.WithFields(map[string]any{
		"image": imageref.Familiar(ref), "id": got.id, "archive": path,
		"duration": e.opts.Now().Sub(start).Round(time.Millisecond),
	}).Info("image loaded")
	return got, nil
}

// loadGoesOn reports whether the engine may go on with a load that ended with
// err: with an archive that it has wholly it does so whether or not we listen
// (moby image/tarexport has no context), unless it said itself what is wrong.
func loadGoesOn(err error) bool {
	return err != nil && (errors.Is(err, errCutOff) || errors.Is(err, errSilent) || !answered(err))
}

// loadStream returns what the engine said it loaded.
func (e *Engine) loadStream(ctx context.Context, f *os.File, size int64, m *meter) (said []string, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	err = e.watched(ctx, ReasonImageLoadFailed, func(ctx context.Context, moved func()) error {
		body := &countingReader{r: f, moved: func(n int64) { moved(); m.archive(n, size) }}
		resp, err := e.api.ImageLoad(ctx, body)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if !resp.JSON {
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		}
		return readStream(resp.Body, func(msg message) {
			moved()
			if s := strings.TrimSpace(msg.Stream); s != "" {
				said = append(said, s)
			}
		})
	})
	return said, err
}

// countingReader tells how much was read. It hides the file's Close and Seek,
// since the HTTP client would close it.
type countingReader struct {
	r     io.Reader
	n     int64
	moved func(n int64)
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.moved(c.n)
	return n, err
}
