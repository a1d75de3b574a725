package observed

import (
	"time"

	"reconciler/internal/job"
)

// State is the engine's word for where a container stands.
type State string

// The states of a container (api/types/container.State).
const (
	Created    State = "created"
	Running    State = "running"
	Paused     State = "paused"
	Restarting State = "restarting"
	Removing   State = "removing"
	Exited     State = "exited"
	Dead       State = "dead"
)

// Container is one container on the engine. For a stranger's only the fields
// of the list are set (ID, Name, Image, ImageID, State, Ports, NetworkMode,
// Networks without details); for ours everything comes from an inspect.
//
// The maps and slices of a Container are shared with the cache: they must not
// be written to.
type Container struct {
	ID      string
	Name    string // without the leading slash
	Image   string // reference that it was created with
	ImageID string
	State   State

	// Ours is true for a container that carries our node id and whose labels
	// could be read; Identity is set only then.
	Ours     bool
	Identity job.Identity

	ExitCode   int
	OOMKilled  bool
	Error      string // the engine's word on a failed start
	StartedAt  time.Time
	FinishedAt time.Time
	Health     string // "", "starting", "healthy", "unhealthy": Docker's HEALTHCHECK

	Ports         []PublishedPort
	NetworkMode   string
	Networks      map[string]Endpoint // attached networks by name
	RestartPolicy string              // "no", "always", …
	CPUShares     int64
	MemoryBytes   int64
	MemorySwap    int64
	MemorySoft    int64 // reservation
	CPUPeriod     int64 // microseconds
	CPUQuota      int64
	PidsLimit     int64  // 0 and -1 are none
	StopSignal    string // effective: the container's, else the image's; "" is SIGTERM

	// Partial is true for a container of ours whose last inspect gave no answer
	// (one that hangs in removing can block it): ID, Name, State, Image and
	// Identity are those of a list, all else may be missing or of an earlier
	// look. In particular ExitCode 0 of a Partial one says nothing.
	Partial bool

	// AsOf is when the request began that told all this. An older answer
	// never replaces a newer one.
	AsOf time.Time
}

// Endpoint is a container's place in a network.
type Endpoint struct {
	NetworkID   string
	IPAddress   string   // IPv4, "" while the container has no process
	IPv6Address string   // global, "" if there is none
	Aliases     []string // sorted; without the short id that the engine adds
}

// PublishedPort is a host port that the engine forwards.
type PublishedPort struct {
	HostIP string
	Host   int
	Proto  string // "tcp", "udp" or "sctp"
	To     int    // port in the container
}

// Live reports whether the container has a process: it holds its ports.
func (c Container) Live() bool {
	return c.State == Running || c.State == Paused || c.State == Restarting
}

// Image is one image on the engine.
type Image struct {
	ID      string
	Refs    []string // canonical references, tags and digests, sorted; empty for a dangling image
	Size    int64    // bytes
	Created time.Time
}

// Engine is what dockerd says about itself.
type Engine struct {
	ID         string // /info ID: stays over restarts of dockerd
	Version    string
	APIVersion string // negotiated
	BridgeIP   string // gateway of the network "bridge"; "" if it is not known
}

// Status is how the cache stands with dockerd.
type Status struct {
	Connected bool      // the same as Synced
	Since     time.Time // of Connected being what it is; zero before the first attempt ended
	LastList  time.Time // when the last good list of containers began; zero before it
	Problem   string    // why the last attempt or stream ended; "" while Connected
}

// Hint names what may have changed. It says nothing about how: the reader
// looks at the cache. More than one field may be set.
type Hint struct {
	Job     string // of a container of ours, if known
	AllocID string
	Image   bool // images, or which of them are used
	All     bool // the cache was filled anew, or dockerd came or went
}
