package docker

import (
	"context"
	"io"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/registry"
	"github.com/docker/docker/client"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sirupsen/logrus"

	"reconciler/internal/job"
)

// Deadlines of the calls, one for each class (law 11 of ARCHITECTURE.md).
// Pulls and loads end by silence instead.
const (
	listDeadline        = 10 * time.Second
	inspectDeadline     = 5 * time.Second
	createDeadline      = 60 * time.Second
	startDeadline       = 120 * time.Second
	killDeadline        = 10 * time.Second
	removeDeadline      = 60 * time.Second
	removeImageDeadline = 5 * time.Minute
	writeDeadline       = 60 * time.Second
)

// Bounds on what runs at the same time; fixed, as the spec says.
const (
	maxWrites = 8 // writes to containers and images
	maxPulls  = 3 // pulls and loads
)

// DefaultPullActivityTimeout is docker.pull.activity_timeout when unset.
const DefaultPullActivityTimeout = 2 * time.Minute

// API is what the Engine asks of the Docker client. *client.Client has it.
type API interface {
	containerAPI
	execAPI
	imageAPI
	ClientVersion() string // negotiated
	NetworkInspect(ctx context.Context, network string, opts network.InspectOptions) (network.Inspect, error)
}

type containerAPI interface {
	ContainerList(ctx context.Context, opts container.ListOptions) ([]container.Summary, error)
	ContainerInspect(ctx context.Context, id string) (container.InspectResponse, error)
	ContainerCreate(ctx context.Context, c *container.Config, h *container.HostConfig, n *network.NetworkingConfig,
		p *ocispec.Platform, name string) (container.CreateResponse, error)
	ContainerStart(ctx context.Context, id string, opts container.StartOptions) error
	ContainerKill(ctx context.Context, id, signal string) error
	ContainerRemove(ctx context.Context, id string, opts container.RemoveOptions) error
	ContainerUnpause(ctx context.Context, id string) error
	ContainerRename(ctx context.Context, id, name string) error
	ContainerUpdate(ctx context.Context, id string, c container.UpdateConfig) (container.UpdateResponse, error)
}

type execAPI interface {
	ContainerExecCreate(ctx context.Context, id string, opts container.ExecOptions) (container.ExecCreateResponse, error)
	ContainerExecAttach(ctx context.Context, execID string, opts container.ExecAttachOptions) (types.HijackedResponse, error)
	ContainerExecInspect(ctx context.Context, execID string) (container.ExecInspect, error)
}

type imageAPI interface {
	ImageList(ctx context.Context, opts image.ListOptions) ([]image.Summary, error)
	ImageInspect(ctx context.Context, ref string, opts ...client.ImageInspectOption) (image.InspectResponse, error)
	ImagePull(ctx context.Context, ref string, opts image.PullOptions) (io.ReadCloser, error)
	ImageLoad(ctx context.Context, archive io.Reader, opts ...client.ImageLoadOption) (image.LoadResponse, error)
	ImageRemove(ctx context.Context, ref string, opts image.RemoveOptions) ([]image.DeleteResponse, error)
	DistributionInspect(ctx context.Context, ref, auth string) (registry.DistributionInspect, error)
}

// Options are the agent's settings that containers and pulls depend on.
type Options struct {
	// VolumesEnabled is docker.volumes.enabled: absolute host paths are allowed.
	VolumesEnabled bool
	// SELinuxLabel is docker.volumes.selinuxlabel, "z" or "Z"; empty sets none.
	SELinuxLabel string
	// PrivilegedEnabled is docker.privileged.enabled: privileged containers,
	// namespaces of the host and of containers outside the group.
	PrivilegedEnabled bool
	// CapsAllowlist is docker.caps.allowlist, as job.NormalCapability has it:
	// what a task may add to the engine's default capabilities.
	CapsAllowlist []string
	// DevicesAllowlist is docker.devices.allowlist: patterns of path.Match for
	// the devices that a task may have; empty allows all.
	DevicesAllowlist []string
	// APIVersion is what the engine speaks, as in "1.41"; empty is the newest.
	// The Engine asks its client.
	APIVersion string
	// Logging is docker.logging.*; nil is json-file with 3 files of 10 MB.
	Logging *job.Logging
	// PullActivityTimeout is the silence after which a pull or load is given
	// up; 0 is DefaultPullActivityTimeout.
	PullActivityTimeout time.Duration
	// AuthConfig is docker.auth.config, the path of a file of registry
	// credentials; it is read anew for each pull. Empty is none.
	AuthConfig string
	// AuthHelper is docker.auth.helper, the NAME of a docker-credential-NAME
	// that is asked when the file has no credentials. Empty is none.
	AuthHelper string
	// Now is the clock of Progress; nil is time.Now.
	Now func() time.Time
}

// Engine executes. It is safe for concurrent use.
type Engine struct {
	api    API
	opts   Options
	dirs   Dirs
	prov   Provenance
	log    logrus.FieldLogger
	leases *leases
	pulls  *flights
	loaded *loadedArchives
	logins logins
	execs  *leftExecs
	writes chan struct{} // a slot for each write under way
}

// New returns an Engine that speaks through api. It makes no call.
func New(api API, opts Options, dirs Dirs, prov Provenance, log logrus.FieldLogger) *Engine {
	if opts.PullActivityTimeout <= 0 {
		opts.PullActivityTimeout = DefaultPullActivityTimeout
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Engine{
		api: api, opts: opts, dirs: dirs, prov: prov, log: log,
		leases: newLeases(),
		pulls:  newFlights(maxPulls, opts.Now),
		loaded: newLoadedArchives(),
		logins: logins{file: opts.AuthConfig, helper: opts.AuthHelper},
		execs:  newLeftExecs(),
		writes: make(chan struct{}, maxWrites),
	}
}

// write runs one write call in one of the maxWrites slots. The deadline
// counts from when it has the slot.
func (e *Engine) write(ctx context.Context, deadline time.Duration, call func(context.Context) error) error {
	select {
	case e.writes <- struct{}{}:
		defer func() { <-e.writes }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return within(ctx, deadline, call)
}

// within runs call with a deadline.
func within(ctx context.Context, deadline time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	return call(ctx)
}
