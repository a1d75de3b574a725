package docker

import (
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
)

// Run makes the container of req and starts it, as one step. The id is set
// also with an error, if the container exists.
//
// It may be repeated: a container of the same name that is ours and of the
// same task, allocation, attempt and spec hash is taken as the one that an
// earlier call made. It is started if it never ran; one that has ended
// already is left as it is, for the caller to see.
func (e *Engine) Run(ctx context.Context, req job.ContainerRequest) (containerID string, err error) {
	cr, err := e.build(req, e.dirs)
	if err != nil {
		return "", err
	}
	id, start, err := e.create(ctx, req, cr)
	if err != nil || !start {
		return id, err
	}
	return id, e.Start(ctx, id)
}

// Check reports, as an error, what of req could not be made a container on
// this engine: an option that the agent's config forbids or the engine does
// not know, a file or a network that is missing. It changes nothing but what
// Dirs.Resolve does.
func (e *Engine) Check(ctx context.Context, req job.ContainerRequest) error {
	return e.check(ctx, req, e.dirs)
}

func (e *Engine) check(ctx context.Context, req job.ContainerRequest, dirs Dirs) error {
	cr, err := e.build(req, dirs)
	if err != nil {
		return err
	}
	return e.NetworkExists(ctx, string(cr.HostConfig.NetworkMode))
}

func (e *Engine) build(req job.ContainerRequest, dirs Dirs) (CreateRequest, error) {
	opts := e.opts
	if opts.APIVersion == "" {
		opts.APIVersion = e.api.ClientVersion()
	}
	return Build(req, opts, dirs)
}

// create makes the container or finds it. The image is leased from the look
// at it until the container, which holds it from then on, exists.
func (e *Engine) create(ctx context.Context, req job.ContainerRequest, cr CreateRequest) (id string, start bool, err error) {
	release, err := e.leases.hold(ctx, idKey(req.ImageID))
	if err != nil {
		return "", false, classify(ctx, "create "+cr.Name, err)
	}
	defer release()
	if cr.Config.Image, err = e.imageName(ctx, cr.Config.Image, req.ImageID); err != nil {
		return "", false, err
	}
	var resp container.CreateResponse
	err = e.write(ctx, createDeadline, func(ctx context.Context) (err error) {
		resp, err = e.api.ContainerCreate(ctx, cr.Config, cr.HostConfig, cr.NetworkingConfig, nil, cr.Name)
		return err
	})
	switch {
	case err == nil:
		for _, w := range resp.Warnings {
			e.log.WithField("container", cr.Name).Warn(w)
		}
		return resp.ID, true, nil
	case errdefs.IsConflict(err):
		return e.adopt(ctx, req, cr.Name)
	case errdefs.IsNotFound(err):
		return "", false, e.missing(ctx, req.ImageID, cr, err)
	}
	return "", false, classify(ctx, "create "+cr.Name, err)
}

// imageName is what the container is created from: the reference while it
// means the wanted id, which people like to see, else the id.
func (e *Engine) imageName(ctx context.Context, ref, id string) (string, error) {
	local, err := e.localImage(ctx, ref)
	if err != nil || local.id == id {
		return ref, err
	}
	if local, err = e.localImage(ctx, id); err != nil {
		return "", err
	}
	if local.id == "" {
		return "", gone(ref, id)
	}
	return id, nil
}

func gone(ref, id string) error {
	return retried(ReasonImageGone, "image %s (%s) is not there any more", imageref.Familiar(ref), id)
}

// missing says what a create did not find: the engine answers 404 for an
// image and for a network alike.
func (e *Engine) missing(ctx context.Context, imageID string, cr CreateRequest, err error) error {
	if local, lookErr := e.localImage(ctx, imageID); lookErr == nil && local.id == "" {
		return gone(cr.Config.Image, imageID)
	}
	if netErr := e.NetworkExists(ctx, string(cr.HostConfig.NetworkMode)); netErr != nil {
		return netErr
	}
	return classify(ctx, "create "+cr.Name, err)
}

// adopt looks at the container that has our name. It goes by the list, since
// an inspect of a container that is being removed can block.
func (e *Engine) adopt(ctx context.Context, req job.ContainerRequest, name string) (id string, start bool, err error) {
	c, err := e.byName(ctx, name)
	if err != nil {
		return "", false, err
	}
	if c == nil || c.State == container.StateRemoving {
		return "", false, retried(ReasonNameRemoving, "the name %s is not free yet: a container is being removed", name)
	}
	if !same(c.Labels, req) {
		return "", false, retried(ReasonNameTaken, "the name %s is taken by container %s (image %s, %s)",
			name, shortID(c.ID), c.Image, c.State)
	}
	return c.ID, c.State == container.StateCreated, nil
}

// byName returns the container of that name, or nil.
func (e *Engine) byName(ctx context.Context, name string) (*container.Summary, error) {
	var list []container.Summary
	err := within(ctx, listDeadline, func(ctx context.Context) (err error) {
		list, err = e.api.ContainerList(ctx, container.ListOptions{
			All: true, Filters: filters.NewArgs(filters.Arg("name", "^/?"+regexp.QuoteMeta(name)+"$")),
		})
		return err
	})
	if err != nil {
		return nil, classify(ctx, "containers", err)
	}
	for i := range list {
		if slices.Contains(list[i].Names, "/"+name) {
			return &list[i], nil
		}
	}
	return nil, nil
}

// same reports whether labels are those of the container that req asks for.
func same(labels map[string]string, req job.ContainerRequest) bool {
	id, ours, err := job.ParseLabels(labels)
	want := req.Identity()
	return err == nil && ours && id.NodeID == want.NodeID && id.AllocID == want.AllocID &&
		id.Task == want.Task && id.Attempt == want.Attempt && id.SpecHash == want.SpecHash
}

// Start starts a container that exists; one that runs already is fine.
func (e *Engine) Start(ctx context.Context, id string) error {
	err := e.write(ctx, startDeadline, func(ctx context.Context) error {
		return e.api.ContainerStart(ctx, id, container.StartOptions{})
	})
	if err == nil {
		return nil
	}
	if reason := e.whyNotStarted(ctx, id, err); reason != nil {
		return reason
	}
	return classify(ctx, "start "+shortID(id), err)
}

// whyNotStarted finds the cause that the engine's status does not tell: a
// network that is missing, a port that is taken. nil if it is neither.
func (e *Engine) whyNotStarted(ctx context.Context, id string, err error) error {
	if ctx.Err() != nil || !answered(err) || errdefs.IsInvalidArgument(err) || errdefs.IsConflict(err) {
		return nil
	}
	var c container.InspectResponse
	lookErr := within(ctx, inspectDeadline, func(ctx context.Context) (err error) {
		c, err = e.api.ContainerInspect(ctx, id)
		return err
	})
	if lookErr != nil || c.ContainerJSONBase == nil || c.HostConfig == nil {
		return nil
	}
	if netErr := e.NetworkExists(ctx, string(c.HostConfig.NetworkMode)); netErr != nil {
		return netErr
	}
	if holder := e.portHolder(ctx, id, c.HostConfig.PortBindings); holder != "" {
		return job.NewError(job.Retried, ReasonPortTaken, fmt.Errorf("%s: %w", holder, err))
	}
	return nil
}

// shortID is an id as docker ps shows it.
func shortID(id string) string {
	if len(id) > 12 {
		return id[:12]
	}
	return id
}
