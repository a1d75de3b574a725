package e2e

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/client"
)

// world is one test's host: a manifest directory, a data directory, a
// registry, and an agent over them.
type world struct {
	t         *testing.T
	cli       *client.Client
	manifests string
	data      string
	options   []string // flags of the agent besides the directories
	env       []string // of the agent, besides that of the tests
	images    *images
	agent     *agent   // nil while none runs
	spawned   []*agent // every one, for the end
	leftovers []func() // removes what the test made besides, once the containers are gone
	node      string   // node id, kept for the cleanup after the directory is gone
}

// newWorld makes a world without an agent. options are further flags of the
// agent; the defaults suit a test: short graces, images kept.
func newWorld(t *testing.T, options ...string) *world {
	t.Helper()
	return newWorldBehind(t, nil, options...)
}

// newWorldBehind makes a world whose registry stands behind wrap.
func newWorldBehind(t *testing.T, wrap func(http.Handler) http.Handler, options ...string) *world {
	t.Helper()
	if built.skip != "" {
		t.Skip("end-to-end tests are skipped: " + built.skip)
	}
	t.Parallel()
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	must(t, err)
	t.Cleanup(func() { _ = cli.Close() })
	w := &world{t: t, cli: cli, images: newImages(t, cli, wrap)}
	w.furnish(options)
	return w
}

// beside starts an agent with other directories beside the one of w, on the
// same engine and registry.
func beside(w *world) *world {
	w.t.Helper()
	b := &world{t: w.t, cli: w.cli, images: w.images}
	b.furnish(nil)
	b.up()
	return b
}

// furnish makes the directories and arranges for their end.
func (w *world) furnish(options []string) {
	w.t.Helper()
	// Not t.TempDir: the test's name in it makes it too long for a unix socket.
	dir, err := os.MkdirTemp("", "rec-")
	must(w.t, err)
	w.manifests, w.data = filepath.Join(dir, "manifests"), filepath.Join(dir, "data")
	w.options = append([]string{"--delete-grace", "500ms", "--image-delay", "10m"}, options...)
	must(w.t, os.Mkdir(w.manifests, 0o755))
	w.t.Cleanup(func() {
		w.end()
		must(w.t, os.RemoveAll(dir))
	})
}

// start makes a world with an agent that is ready.
func start(t *testing.T, options ...string) *world {
	t.Helper()
	w := newWorld(t, options...)
	w.up()
	return w
}

// end stops the agents and removes what the test made, whatever happened.
func (w *world) end() {
	if w.t.Failed() && w.agent != nil {
		w.t.Logf("status:\n%s", w.run("status", "--data-dir", w.data, "--json").out)
	}
	for _, a := range w.spawned {
		a.kill()
		a.verdict()
	}
	w.removeContainers()
	for _, remove := range w.leftovers {
		remove()
	}
}

// drop puts a manifest into the directory as an editor does: a temporary file,
// then a rename.
func (w *world) drop(name, text string) {
	w.t.Helper()
	tmp := filepath.Join(w.manifests, "."+name+".tmp")
	must(w.t, os.WriteFile(tmp, []byte(text), 0o644))
	must(w.t, os.Rename(tmp, filepath.Join(w.manifests, name)))
}

// take removes a manifest.
func (w *world) take(name string) {
	w.t.Helper()
	must(w.t, os.Remove(filepath.Join(w.manifests, name)))
}

// state is the path of the state file.
func (w *world) state() string { return filepath.Join(w.data, "state.db") }

// nodeID reads the node id that the agent made.
func (w *world) nodeID() string {
	b, err := os.ReadFile(filepath.Join(w.data, "node-id"))
	if err == nil {
		w.node = strings.TrimSpace(string(b))
	}
	return w.node
}

// spec is a manifest with one job, one group and one task of the same name.
type spec struct {
	Job     string
	Count   int // 0 leaves it out
	Image   string
	Text    string // what the program answers at /text
	Env     string // further lines of the env block
	Config  string // further lines of the config block
	Task    string // further lines of the task block
	Group   string // further lines of the group block
	Head    string // further lines of the job block
	Update  string // lines of the update block; "" is one in which it is healthy soon
	Check   string // lines of a check block; with it the task offers its port as a service of the job's name
	Port    bool   // ask for a dynamic port that is mapped to the program's
	Comment string
}

// String is the manifest as a person would write it.
func (s spec) String() string {
	var b strings.Builder
	if s.Comment != "" {
		fmt.Fprintf(&b, "# %s\n", s.Comment)
	}
	fmt.Fprintf(&b, "job %q {\n%s  group %q {\n", s.Job, s.Head, s.Job)
	if s.Count > 0 {
		fmt.Fprintf(&b, "    count = %d\n", s.Count)
	}
	// The default is 10 s.
	fmt.Fprintf(&b, "    update {\n%s    }\n", cmp.Or(s.Update, "      min_healthy_time = \"500ms\"\n"))
	b.WriteString(s.Group)
	fmt.Fprintf(&b, "    task %q {\n      driver = \"docker\"\n", s.Job)
	fmt.Fprintf(&b, "      config {\n        image = %q\n", s.Image)
	if s.Port {
		b.WriteString("        port_map {\n          http = 8080\n        }\n")
	}
	b.WriteString(s.Config)
	fmt.Fprintf(&b, "      }\n      env {\n        WEB_TEXT = %q\n%s      }\n", s.Text, s.Env)
	b.WriteString("      resources {\n        cpu    = 50\n        memory = 32\n")
	if s.Port {
		b.WriteString("        network {\n          port \"http\" {}\n        }\n")
	}
	b.WriteString("      }\n")
	if s.Check != "" {
		fmt.Fprintf(&b, "      service {\n        name = %q\n        port = \"http\"\n        check {\n%s        }\n      }\n", s.Job, s.Check)
	}
	b.WriteString(s.Task + "    }\n  }\n}\n")
	return b.String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
