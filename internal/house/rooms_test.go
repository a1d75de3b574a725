package house

// room is one folder with Go files and what it may import. Tests of a room
// may import more: see testRooms and testModules.
type room struct {
	ours    []string // folders of this module; "*" is all of them
	outside []string // modules or packages, by prefix
	why     string   // why it may import no more
}

const (
	bolt        = "go.etcd.io/bbolt"
	cobra       = "github.com/spf13/cobra"
	cty         = "github.com/zclconf/go-cty"
	hcl         = "github.com/hashicorp/hcl/v2"
	logrus      = "github.com/sirupsen/logrus"
	errdefs     = "github.com/containerd/errdefs"
	xsync       = "golang.org/x/sync"
	xsys        = "golang.org/x/sys"
	reference   = "github.com/distribution/reference"
	dockerMod   = "github.com/docker/docker"
	connections = "github.com/docker/go-connections"
	units       = "github.com/docker/go-units"
	imageSpec   = "github.com/opencontainers/image-spec"
)

var (
	docker = []string{dockerMod, connections, units, imageSpec}
	// everywhere are the modules that every room may use that is not pure.
	everywhere = []string{errdefs, logrus, xsync, xsys}
)

// rooms is the table of ARCHITECTURE.md.
var rooms = map[string]room{
	"cmd/reconciler": {
		ours: []string{"desired", "internal/agent", "internal/config", "internal/control", "internal/job", "store"}, outside: []string{cobra},
		why: "a verb reads flags and prints; the rooms are wired in internal/agent, so that tests run the same agent",
	},
	"internal/agent": {
		ours: []string{"*"}, outside: []string{"github.com/coreos/go-systemd"},
		why: "all the wiring is here, and what a part does is in the part's room",
	},
	"desired": {
		ours: []string{"internal/job", "internal/hclx", "internal/imageref", "store"}, outside: []string{hcl, cty, "github.com/fsnotify/fsnotify", "github.com/hashicorp/go-version"},
		why: "what should run is read from files alone; what runs comes in through desired's own interface, so that a list that fails can never look like an edit",
	},
	"observed": {
		ours: []string{"internal/job", "internal/imageref", "store"}, outside: docker,
		why: "the cache says what is and knows nothing of what should be",
	},
	"reconcile": {
		ours: []string{"internal/job", "internal/imageref", "internal/taskenv", "observed", "store"}, outside: []string{"k8s.io/client-go/util/workqueue"},
		why: "the controllers act through interfaces of their own, so that the plans are tested without Docker",
	},
	"gc": {
		ours: []string{"internal/job", "internal/imageref", "observed", "store"},
		why:  "gc decides what may go from records and the cache; who deletes it is behind an interface",
	},
	"store": {
		ours: []string{"internal/job"}, outside: []string{bolt},
		why: "records are plain data: a store that knew its users could not be read by all of them",
	},
	"internal/job": {
		why: "the vocabulary is shared by all rooms: standard library only",
	},
	"internal/imageref": {
		outside: []string{reference},
		why:     "a reference has one canonical form, made by one pure function",
	},
	"internal/hclx": {
		outside: []string{hcl, cty, "github.com/agext/levenshtein"},
		why:     "the guard and the normaliser serve manifests and the agent's config alike and know neither",
	},
	"internal/taskenv": {
		ours: []string{"internal/job"}, outside: []string{"github.com/hashicorp/go-version"},
		why: "a container's environment is a pure function of its allocation",
	},
	"internal/docker": {
		ours:    []string{"internal/job", "internal/imageref", "internal/taskenv"},
		outside: append([]string{reference, "github.com/docker/docker-credential-helpers"}, docker...),
		why:     "every write call to Docker is here; when to make it is decided elsewhere",
	},
	"internal/allocdir": {
		ours: []string{"internal/job"}, outside: []string{"github.com/hashicorp/go-getter"},
		why: "directories and their escape checks need nothing but a path, and artifacts nothing but a source",
	},
	"internal/host": {
		ours: []string{"internal/job"},
		why:  "this machine's facts and ports; who publishes ports in Docker comes in as a function",
	},
	"internal/check": {
		ours: []string{"internal/job"},
		why:  "a probe says healthy or not; what follows from it is the controller's",
	},
	"internal/config": {
		ours: []string{"internal/hclx", "internal/job"}, outside: []string{hcl, cty},
		why: "the agent's options are read once and handed to the rooms by internal/agent",
	},
	"internal/control": {
		ours: []string{"internal/imageref", "internal/job", "store"}, outside: []string{"github.com/prometheus/client_golang"},
		why: "the socket shows records and live extras that are handed in, and references as people write them; it reaches into no room",
	},
	"internal/dockertest": {
		ours: []string{"*"}, outside: docker,
		why: "the engine in memory is for tests and speaks Docker's types",
	},
	"internal/testimage": {
		outside: []string{"github.com/google/go-containerregistry"},
		why:     "test images are made from our own programs, without the network and without the rooms that they test",
	},
	"internal/testimage/web": {
		why: "the program of the test images lies alone in an empty file system: standard library only",
	},
	"internal/demo": {
		ours: []string{"internal/testimage"},
		why:  "the demo drives the binary as a person does, by its CLI, its files and Docker, and proves nothing if it reaches inside",
	},
	"internal/e2e": {why: "the package has tests only"},
	"internal/laws": {
		ours: []string{"*"}, outside: docker,
		why: "the whole agent, as internal/agent wires it, over the engine in memory",
	},
	"internal/house": {why: "the package has tests only"},
	"manifests":      {why: "examples that a person can copy, and the test that runs them"},
}

// pureRooms decide and compute only: no log, no I/O, no clock.
var pureRooms = []string{"internal/job", "internal/imageref", "internal/hclx", "internal/taskenv"}

// impure are the packages of the standard library that a pure room has no use
// for.
var impure = []string{"crypto/rand", "database", "log", "math/rand", "net", "os", "syscall"}

// purely are exceptions to impure: they are plain data.
var purely = []string{"net/netip", "net/url", "net/textproto"}

// text are the names of package net that only take texts apart or put them
// together.
var text = map[string]bool{
	"JoinHostPort": true, "SplitHostPort": true, "ParseIP": true, "ParseCIDR": true, "ParseMAC": true,
	"IP": true, "IPNet": true, "IPMask": true, "HardwareAddr": true,
}

// testRooms may be imported by every room's tests.
var testRooms = []string{"internal/testimage", "internal/dockertest", "internal/job"}

// testModules may be imported by every room's tests.
var testModules = []string{
	"github.com/google/go-cmp", "go.uber.org/goleak", "pgregory.net/rapid",
	errdefs, logrus, xsync, xsys,
}

// extraTestModules are needed by the tests of single rooms.
var extraTestModules = map[string][]string{
	"cmd/reconciler":  {"github.com/rogpeppe/go-internal/testscript", bolt + "/cmd/bbolt/command"},
	"internal/e2e":    append([]string{bolt + "/cmd/bbolt/command", "github.com/google/go-containerregistry"}, docker...),
	"internal/house":  {"golang.org/x/tools"},
	"internal/docker": {"github.com/google/go-containerregistry"},
}

// extraTestRooms are needed by the tests of single rooms.
var extraTestRooms = map[string][]string{
	"manifests":    {"desired", "store"},
	"desired":      {"internal/config"}, // the driver's documentation shows both files
	"internal/e2e": {"store"},           // the records that a verb prints as JSON
}

// home says where a module belongs that may not be imported elsewhere, and
// why. It is told before the table's own reason.
var home = []struct {
	module string
	rooms  []string
	why    string
}{
	{bolt, []string{"store"}, "bbolt only in store: it opens the state file per transaction, so that the bbolt CLI always gets its lock"},
	{dockerMod, []string{"observed", "internal/docker", "internal/dockertest"}, "Docker is read in observed and written in internal/docker, so that every write call is found in one room"},
	{connections, []string{"observed", "internal/docker", "internal/dockertest"}, "Docker's types stay in its rooms; others use internal/job"},
	{units, []string{"observed", "internal/docker", "internal/dockertest"}, "Docker's types stay in its rooms; others use internal/job"},
	{imageSpec, []string{"observed", "internal/docker", "internal/dockertest"}, "Docker's types stay in its rooms; others use internal/job"},
}
