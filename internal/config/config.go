package config

import (
	"os"
	"time"
)

// DefaultPath is where the agent looks for its file if no other is named.
const DefaultPath = "/etc/reconciler/agent.hcl"

// Log formats.
const (
	FormatText = "text"
	FormatJSON = "json"
)

// Config is the configuration of the agent. The zero value is no good one:
// start from Default.
type Config struct {
	Name        string // of this node, for people: label reconciler.node
	Datacenter  string
	Region      string
	ManifestDir string // directory of the manifests
	DataDir     string // state file, sockets, allocation directories
	LogLevel    string // trace, debug, info, warn or error
	LogFormat   string // FormatText or FormatJSON
	HTTP        string // host:port of the read-only part of the control API; "" is off

	// DeleteGrace is how long a manifest must be gone before its jobs are
	// deleted.
	DeleteGrace time.Duration
	// AllowMassDeletion (mass_deletion = "allow") deletes also when most
	// manifests go at once.
	AllowMassDeletion bool

	Client Client
}

// Client is what the agent knows and decides about this node.
type Client struct {
	Meta             map[string]string // ${meta.…} and constraints
	NetworkIP        string            // address that ports are published on; "" looks at NetworkInterface
	NetworkInterface string            // its first address is taken; "" is the default route's
	MinDynamicPort   int               // of the range of dynamic ports, both ends in it
	MaxDynamicPort   int

	Docker Docker
}

// Docker are the docker.* options of client { options { } }.
type Docker struct {
	// Endpoint is where dockerd listens, as unix:///var/run/docker.sock. If it
	// is "", DOCKER_HOST and its friends decide, then the default socket; if
	// it is set, the environment is not read.
	Endpoint string
	TLS      TLS // used with an Endpoint only

	CleanupImage      bool          // images of ours that nothing needs are removed
	CleanupImageDelay time.Duration // after being unused for so long

	AuthConfig string // file of registry credentials in Docker's form; "" is none
	AuthHelper string // NAME of the docker-credential-NAME to ask; "" is none

	VolumesEnabled bool   // absolute bind sources, volume_driver and absolute load paths
	SELinuxLabel   string // added to the modes of binds: "z", "Z" or ""

	PrivilegedEnabled bool     // privileged containers and namespaces of the host
	CapsAllowlist     []string // capabilities beyond the engine's default, upper case without CAP_; "ALL" is all
	DevicesAllowlist  []string // patterns of path.Match for devices; none allows every device

	LogType   string            // log driver of containers that name none
	LogConfig map[string]string // its options

	// PullActivityTimeout ends a pull or load that has moved no byte for so
	// long.
	PullActivityTimeout time.Duration
}

// TLS are the paths of PEM files for a TLS connection to dockerd.
type TLS struct {
	Cert, Key string // the client's; both or none
	CA        string // the server's authority; "" is the system's
}

// Set reports whether any file is named.
func (t TLS) Set() bool { return t != TLS{} }

// Default is the configuration of an agent without a file.
func Default() Config {
	return Config{
		Name:        hostName(),
		Datacenter:  "dc1",
		Region:      "global",
		ManifestDir: "/etc/reconciler/manifests",
		DataDir:     "/var/lib/reconciler",
		LogLevel:    "info",
		LogFormat:   FormatText,
		DeleteGrace: 5 * time.Second,
		Client: Client{
			Meta:           map[string]string{},
			MinDynamicPort: 20000, // Nomad's range
			MaxDynamicPort: 32000,
			Docker: Docker{
				CleanupImage:      true,
				CleanupImageDelay: 3 * time.Minute,
				VolumesEnabled:    true,
				// Without limits a container's log fills the disk.
				LogType:             logJSONFile,
				LogConfig:           map[string]string{"max-size": "10m", "max-file": "3"},
				PullActivityTimeout: 2 * time.Minute,
			},
		},
	}
}

// logJSONFile is the log driver that the default limits belong to.
const logJSONFile = "json-file"

// hostName names a host that does not know its own name "localhost": the name
// is for people, and nothing depends on it.
func hostName() string {
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return "localhost"
}
