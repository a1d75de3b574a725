package observed

import (
	"context"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"
)

// API is the reading half of the Docker client: the part of client.APIClient
// that the cache uses. All calls must honour their context and be safe for
// concurrent use; errors are told apart by containerd/errdefs.
type API interface {
	// ClientVersion is the API version in use; negotiated after the first call.
	ClientVersion() string
	// DaemonHost is the endpoint, "unix:///var/run/docker.sock".
	DaemonHost() string
	Info(ctx context.Context) (system.Info, error)
	NetworkInspect(ctx context.Context, id string, options network.InspectOptions) (network.Inspect, error)
	ContainerList(ctx context.Context, options container.ListOptions) ([]container.Summary, error)
	// ContainerInspect answers NotFound for a container that is gone. It can
	// block for one that is being removed.
	ContainerInspect(ctx context.Context, id string) (container.InspectResponse, error)
	ImageList(ctx context.Context, options image.ListOptions) ([]image.Summary, error)
	// Events returns once the engine has answered. The stream ends with an
	// error, or with its context.
	Events(ctx context.Context, options events.ListOptions) (<-chan events.Message, <-chan error)
}

var _ API = (*client.Client)(nil)

// Deadlines of the calls (the table of classes in ARCHITECTURE.md).
const (
	listTimeout    = 10 * time.Second
	inspectTimeout = 5 * time.Second
	// subscribeTimeout bounds the wait for the first answer on the events
	// stream; the stream itself has no end.
	subscribeTimeout = 10 * time.Second
)

// Rhythm of the cache.
const (
	relistEvery  = 60 * time.Second // containers
	relistImages = 5 * time.Minute
	inspectEvery = 5 * time.Minute        // all of ours: limits and aliases stand in no list
	jitter       = 0.2                    // each wait is up to this part longer or shorter
	imageSettle  = 100 * time.Millisecond // a pull or load makes several events
	lateEvent    = 2 * time.Second        // an event later than this after a list is lost
	// lookAgain is how soon a container is inspected again whose inspect after an
	// event gave no answer.
	lookAgain        = time.Second
	backoffFirst     = 100 * time.Millisecond
	backoffMax       = 5 * time.Second
	inspectsAtOnce   = 8                    // more make dockerd slower, not faster
	clockGranularity = 2 * time.Millisecond // leeway in comparing an event's time with ours
)
