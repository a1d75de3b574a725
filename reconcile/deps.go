package reconcile

import (
	"context"
	"time"

	"reconciler/internal/job"
	"reconciler/observed"
)

// Observer is the view of the engine that the controllers plan on.
type Observer interface {
	// Synced is false before the first good list and while dockerd is away.
	Synced() bool
	// Status tells, among others, since when the engine has been in sight.
	Status() observed.Status
	// Alloc returns the containers of an allocation, sorted by attempt.
	Alloc(allocID string) []observed.Container
	// Job returns the containers of a job.
	Job(name string) []observed.Container
	// Containers returns every container, strangers' too. ok is Synced.
	Containers() (all []observed.Container, ok bool)
	// Images returns the images of the engine. ok is false if no list is known.
	Images() (all []observed.Image, ok bool)
	// Refresh looks at one container now, so that the caller's own write is
	// seen by its next plan. A container that is gone leaves the view.
	Refresh(ctx context.Context, containerID string) error
}

// Runtime is the write half of the engine. Every method may be repeated: a
// container that is already as asked for, or already gone, is no error. None
// blocks longer than the deadline of its call, but for Bring, which waits for
// a pull; it ends when ctx does.
//
// Errors carry a job.Kind and a reason (see job.NewError).
type Runtime interface {
	// Bring makes the image of a task available and says which it is.
	Bring(ctx context.Context, req job.ImageRequest) (job.ImageResult, error)
	// Check reports, as an error, what would keep the container of req from
	// being made: a refused option, a missing file or network. It makes none.
	Check(ctx context.Context, req job.ContainerRequest) error
	// Run creates and starts a container. If the name is held by the very
	// container that is asked for, that one is started.
	Run(ctx context.Context, req job.ContainerRequest) (containerID string, err error)
	Start(ctx context.Context, containerID string) error
	// Kill sends a signal. A container that does not run is no error.
	Kill(ctx context.Context, containerID, signal string) error
	// Remove removes a dead container with its anonymous volumes.
	Remove(ctx context.Context, containerID string) error
	Unpause(ctx context.Context, containerID string) error
	Rename(ctx context.Context, containerID, name string) error
	// Update sets the limits and the restart policy "no".
	Update(ctx context.Context, containerID string, limits job.Limits) error
}

// Foresight tells what would keep a task from getting what it needs.
type Foresight interface {
	// Foresee reports, as an error, what Runtime.Check would find wrong and, if
	// req names no image yet, Runtime.Bring with an archive. It changes nothing
	// anywhere, and ends when ctx does. An error of the kind job.Indeterminate
	// says that nobody knows.
	Foresee(ctx context.Context, req job.ContainerRequest) error
}

// Ports is the one owner of the host's ports.
type Ports interface {
	// Reserve takes all ports or none. What the allocation has already stays.
	Reserve(allocID string, reqs []job.PortRequest) ([]job.AllocPort, error)
	// ReserveDynamic takes the dynamic ports alone; the static ones come back
	// with their number and are neither taken nor tested.
	ReserveDynamic(allocID string, reqs []job.PortRequest) ([]job.AllocPort, error)
	// Probe reports, as an error, the first port that could not be reserved for
	// the allocation even if those of the allocations in except were free. It
	// takes nothing.
	Probe(allocID string, reqs []job.PortRequest, except []string) error
	// Restore enters ports that an allocation holds, without a test.
	Restore(allocID string, ports []job.AllocPort)
	// Release gives back whatever the allocation holds.
	Release(allocID string)
}

// Dirs makes allocation directories. Build may be repeated.
type Dirs interface {
	Build(alloc job.AllocSpec, g *job.Group) error
}

// Artifacts fetches what tasks ask for into their directories.
type Artifacts interface {
	// Fetch brings the artifacts of one task of an allocation, whose directories
	// are there, in their order. Runtime names in them are resolved. What was
	// fetched before for the same allocation, task and artifact is not fetched
	// again. It ends when ctx does; errors are job.Errors.
	Fetch(ctx context.Context, allocID, task string, artifacts []job.Artifact) error
}

// Checks runs the health checks of allocations.
type Checks interface {
	// Set makes the checks of an allocation these; nil ends them all. A check
	// that runs already with an equal target goes on undisturbed. It never
	// blocks.
	Set(allocID string, targets []job.CheckTarget)
	// States returns where the checks of an allocation stand, by key.
	States(allocID string) map[string]job.CheckState
}

// Auth knows what tasks log in to their registries with. It is not in the
// specs, since those are stored.
type Auth interface {
	// Auth returns the credentials of a task as its manifest has them now,
	// with runtime names in them. ok is false if nobody knows any.
	Auth(jobName, group, task string) (a job.Auth, ok bool)
	// AuthChanged returns when the credentials of a job changed; zero if they
	// are those that every pull has used.
	AuthChanged(jobName string) time.Time
}
