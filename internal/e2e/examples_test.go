package e2e

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/containerd/errdefs"
)

// folder is where the examples are.
const folder = "../../manifests"

// stage is what the examples run on: a world, a directory in the place of
// /srv, and a registry that asks for a password.
type stage struct {
	*world
	srv      string
	private  string // address of the registry with a password
	pinned   string // an image in it, by digest
	pinnedID string
}

// example is a file of manifests/, and what makes it run here.
type example struct {
	file string
	job  string
	// swaps are what cannot be the same on a test machine: text of the file and
	// what takes its place. All else is run as it stands.
	swaps map[string]string
	// works looks at whether the example does what its comment says.
	works func()
}

// examples lists every file of manifests/. The images that stand in listen
// where, and leave behind what, the originals would.
func (s *stage) examples() []example {
	redisPort, hostPort := freePort(s.t), freePort(s.t)
	return []example{
		{file: "archive.hcl", job: "archive", works: s.archive, swaps: map[string]string{
			"example/app:1.0":     s.images.addr + "/archive/app:1.0",
			"/srv/images/app.tar": s.images.archive(s.dir("images"), s.images.addr+"/archive/app:1.0"),
		}},
		{file: "backup.hcl", job: "backup", works: s.backup, swaps: map[string]string{
			"alpine:3.20": s.image("backup/alpine:3.20",
				"WEB_PORT=none", "WEB_EXIT=0", "WEB_NEED=/data/index.html", "WEB_WRITE=/backup/www.tar.gz=packed"),
			"/srv/www":    s.dir("www"),
			"/srv/backup": s.dir("backup"),
		}},
		{file: "gpu.hcl", job: "models", works: s.gpu, swaps: map[string]string{
			"ollama/ollama:0.5.4": s.image("gpu/ollama:0.5.4", "WEB_PORT=11434"),
			"/srv/models":         s.dir("models"),
		}},
		{file: "host.hcl", job: "node-exporter", works: s.hostNetwork, swaps: map[string]string{
			"prom/node-exporter:v1.8.2": s.image("host/node-exporter:1.8", "WEB_PORT="+hostPort, "WEB_TEXT=metrics"),
			"static = 9100":             "static = " + hostPort,
		}},
		{file: "private.hcl", job: "private", works: s.privateImages, swaps: map[string]string{
			"registry.example.com/team/app:1.4": s.private + "/team/app:1.4",
			"registry.example.com/team/app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08": s.pinned,
			`"registry.example.com"`: strconv.Quote(s.private),
			`"deploy"`:               strconv.Quote(canaryUser),
			`"correct-horse"`:        strconv.Quote(canaryGood),
		}},
		{file: "redis.hcl", job: "redis", works: s.redis, swaps: map[string]string{
			"redis:7":       s.image("redis/redis:7", "WEB_PORT="+redisPort, "WEB_WRITE=/data/appendonly.aof=kept"),
			"/srv/redis":    s.dir("redis"),
			"static = 6379": "static = " + redisPort,
		}},
		{file: "shop.hcl", job: "shop", works: s.shop, swaps: map[string]string{
			"redis:7":          s.image("shop/redis:7", "WEB_PORT=6379", "WEB_TEXT=redis"),
			"example/shop:1.0": s.image("shop/shop:1.0", "WEB_PORT=8080", "WEB_TEXT=shop"),
		}},
		{file: "volumes.hcl", job: "volumes", works: s.volumes, swaps: map[string]string{
			"nginx:1.27":          s.image("volumes/nginx:1.27", "WEB_PORT=80", "WEB_WRITE=/uploads/cat.png=cat"),
			"example/uploads:1.0": s.image("volumes/uploads:1.0", "WEB_PORT=8081"),
			"/srv/www":            s.dir("www"),
			"volumes-uploads":     s.volume("volumes-uploads"),
		}},
		{file: "web.hcl", job: "web", works: s.web, swaps: map[string]string{
			"nginx:1.27": s.image("web/nginx:1.27", "WEB_PORT=80"),
		}},
	}
}

// TestExamples: every example that people are given runs as it stands, but for
// the swaps, beside all the others; it does what its comment says, and is gone
// when its file is.
func TestExamples(t *testing.T) {
	s := newStage(t)
	all := s.examples()
	files, err := filepath.Glob(filepath.Join(folder, "*.hcl"))
	must(t, err)
	for _, path := range files {
		if !slices.ContainsFunc(all, func(ex example) bool { return ex.file == filepath.Base(path) }) {
			t.Errorf("nobody runs %s", path)
		}
	}
	for _, ex := range all {
		s.drop(ex.file, s.read(ex))
	}
	for _, ex := range all {
		ex.works()
	}
	for _, ex := range all {
		s.take(ex.file)
	}
	for _, ex := range all {
		s.awaitNone(ex.job)
	}
	s.kept()
}

func newStage(t *testing.T) *stage {
	t.Helper()
	// They all go at once at the end.
	config := filepath.Join(t.TempDir(), "agent.hcl")
	must(t, os.WriteFile(config, []byte("mass_deletion = \"allow\"\n"), 0o600))
	s := &stage{world: newWorld(t, "--config", config), srv: t.TempDir()}
	var locked atomic.Bool
	s.private = s.images.registry(guard(&locked))
	s.images.standIn(s.private + "/team/app:1.4")
	s.pinned, s.pinnedID = s.images.standIn(s.private + "/team/app:pinned")
	locked.Store(true)
	must(t, os.WriteFile(filepath.Join(s.dir("www"), "index.html"), []byte("welcome"), 0o644))
	s.up()
	return s
}

// image makes a stand-in and returns the reference to pull.
func (s *stage) image(name string, env ...string) string {
	s.t.Helper()
	ref := s.images.addr + "/" + name
	s.images.standIn(ref, env...)
	return ref
}

// dir makes a directory in the place of one below /srv.
func (s *stage) dir(name string) string {
	s.t.Helper()
	path := filepath.Join(s.srv, name)
	must(s.t, os.MkdirAll(path, 0o755))
	return path
}

// volume returns the name of a volume that is this test's alone.
func (s *stage) volume(name string) string {
	name += "-" + s.images.mark
	s.leftovers = append(s.leftovers, func() {
		ctx, cancel := s.ctx()
		defer cancel()
		if err := s.cli.VolumeRemove(ctx, name, true); err != nil && !errdefs.IsNotFound(err) {
			s.t.Errorf("cleanup: %v", err)
		}
	})
	return name
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	must(t, err)
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// elsewhere finds what of a manifest belongs to the machine that it was written
// for.
var elsewhere = map[string]*regexp.Regexp{
	"image":       regexp.MustCompile(`\bimage\s*=\s*"[^"]+"`),
	"source":      regexp.MustCompile(`\b(source|load)\s*=\s*"[^"]+"|"[^":\n]+:/[^/]`),
	"static port": regexp.MustCompile(`\bstatic\s*=\s*\d+`),
	"credential":  regexp.MustCompile(`\b(username|password|server_address)\s*=\s*"[^"]*"`),
}

// anywhere are the sources that every host has, or the allocation brings.
var anywhere = []string{`"/proc:/`, `"/sys:/`, `"cache:/`, `"../alloc/logs:/`}

// read reads an example with its swaps made. It fails if the file has
// something of another machine that no swap names, and if it does not have
// what a swap names.
func (s *stage) read(ex example) string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(folder, ex.file))
	must(s.t, err)
	for _, complaint := range misfits(string(b), ex.swaps) {
		s.t.Errorf("%s: %s", ex.file, complaint)
	}
	var pairs []string
	for _, was := range slices.Sorted(maps.Keys(ex.swaps)) {
		pairs = append(pairs, was, ex.swaps[was])
	}
	return strings.NewReplacer(pairs...).Replace(string(b))
}

// misfits compares the text of an example with its swaps.
func misfits(text string, swaps map[string]string) []string {
	var out []string
	for was := range swaps {
		if !strings.Contains(text, was) {
			out = append(out, fmt.Sprintf("it has no %q", was))
		}
	}
	for what, pattern := range elsewhere {
		for _, found := range pattern.FindAllString(text, -1) {
			names := func(known string) bool { return strings.Contains(found, known) }
			if !slices.ContainsFunc(slices.Collect(maps.Keys(swaps)), names) && !slices.ContainsFunc(anywhere, names) {
				out = append(out, fmt.Sprintf("no swap for the %s in %s", what, found))
			}
		}
	}
	return out
}

// TestMisfits: an image, a path, a port or a password that nobody swaps is
// noticed, and so is a swap that nothing needs.
func TestMisfits(t *testing.T) {
	for text, want := range map[string]string{
		`image = "redis:7"`:                   "no swap for the image",
		`volumes = ["/srv/redis:/data:ro"]`:   "no swap for the source",
		`volumes = ["named:/data"]`:           "no swap for the source",
		`source = "named"`:                    "no swap for the source",
		`load   = "/srv/app.tar"`:             "no swap for the source",
		`static = 6379`:                       "no swap for the static port",
		`password = "secret"`:                 "no swap for the credential",
		`nothing that "is:8080" of a machine`: "",
		`url = "redis://127.0.0.1:6379"`:      "",
	} {
		if got := strings.Join(misfits(text, nil), "; "); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	swaps := map[string]string{"redis:7": "x"}
	if got := misfits(`image = "redis:7"`, swaps); len(got) != 0 {
		t.Errorf("a swapped image: %q", got)
	}
	if got := misfits(`image = "redis:8"`, swaps); len(got) != 2 {
		t.Errorf("another image than the swapped one: %q", got)
	}
}
