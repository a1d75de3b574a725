package docker

import (
	"context"
	"errors"
	"path/filepath"

	"reconciler/internal/job"
)

// Foresee reports, as an error, what Bring and Check would find wrong with a
// task before they change anything: a network or a file that is missing, an
// option that is refused, and the archive, if req names no image yet. It is a
// pure read, also of the disk, so that a dry run may ask. What the task itself
// is still to fetch is taken for good. An error of the kind job.Indeterminate
// says that nobody knows.
func (e *Engine) Foresee(ctx context.Context, req job.ContainerRequest) error {
	if err := e.check(ctx, req, unmade{e.dirs}); err != nil && !fetched(req, err) {
		return err
	}
	if req.Task.Config.Load == "" || req.ImageID != "" {
		return nil
	}
	f, _, err := e.openArchive(job.ImageRequest{Load: req.Task.Config.Load, AllocID: req.Alloc.ID, Task: req.Task.Name})
	switch {
	case err == nil:
		return f.Close()
	case fetched(req, err) && !filepath.IsAbs(req.Task.Config.Load):
		return nil
	}
	return err
}

// fetched reports whether a file that is missing may be among the artifacts
// that the task fetches before it is looked for.
func fetched(req job.ContainerRequest, err error) bool {
	_, reason := job.KindOf(err)
	return len(req.Task.Artifacts) > 0 && (reason == ReasonArchiveMissing || reason == ReasonProfileRefused)
}

// unmade are directories of which none is made: the sources of an allocation
// that may not exist yet.
type unmade struct{ Dirs }

// Resolve names the path. Whether links in it leave the allocation is seen
// once it is made.
func (d unmade) Resolve(allocID, task, rel string) (string, error) {
	dir := d.Task(allocID, task).Dir
	if !filepath.IsLocal(filepath.Join(filepath.Base(dir), rel)) {
		return "", errors.New("it leaves the allocation's directory")
	}
	return filepath.Join(dir, rel), nil
}
