package laws

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/sirupsen/logrus"

	"reconciler/internal/config"
	"reconciler/internal/dockertest"
	"reconciler/internal/job"
)

// worlds counts worlds, so that each has an address for the ports of its tasks
// that nobody else on this machine uses.
var worlds atomic.Int32

// world is a host with people on it.
type world struct {
	t     *testing.T // for its context and directories; failures go to wrong
	e     *dockertest.Engine
	hand  *client.Client // of people
	addr  string         // of the host's ports
	dir   string         // manifests
	data  string
	agent *process // nil while none runs
	log   *logrus.Logger

	strike atomic.Pointer[strike]
	skew   atomic.Int64 // of the agent's clock, nanoseconds
	node0  atomic.Value // string: our node id, once there is one

	mu     sync.Mutex
	writes []write
	lines  []string // of the log above debug
	wrong  []string
	story  []string
	theirs map[string]bool // ids of images that were there before us
	byHand map[string]bool // ids of images that people removed
	events dockertest.EventFault
	builds map[string]int  // by alloc id, see countedDirs
	sick   map[string]bool // jobs whose checks fail
	rack   string          // meta.rack of the host; another at the agent's next start
	// configure is what else the operator's file says, from the agent's next start on.
	configure func(*config.Config)
	cleanup   cleanup            // as the agent has it that was started last
	archives  map[string]archive // by path
	guard     func(write)        // looks at each write of the agent before it is made

	live       atomic.Pointer[process] // the agent, for the witness
	life       lives
	faulty     bool // calls may go wrong
	engineAway bool
	seeing     time.Time // since when there is nothing that keeps the agent from seeing what is
	noticed    chan struct{}
	sight      sight
}

func (w *world) Context() context.Context { return w.t.Context() }

// Levels makes the world a hook of the agent's log.
func (w *world) Levels() []logrus.Level { return logrus.AllLevels }

// Fire keeps a line above debug.
func (w *world) Fire(e *logrus.Entry) error {
	if e.Level >= logrus.DebugLevel {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, fmt.Sprintf("%s %s %v", e.Level, e.Message, e.Data))
	return nil
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.skew.Load())) }

// play runs a story in a bubble and returns what was wrong in it, with the
// story. The witness looks at the engine after each of its events.
func play(t *testing.T, opts dockertest.Options, f func(w *world)) (wrong, story []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		base, n := t.TempDir(), worlds.Add(1)
		w := &world{
			t: t, addr: fmt.Sprintf("127.77.%d.%d", n/250%250, 1+n%250), dir: filepath.Join(base, "manifests"), data: filepath.Join(base, "data"),
			log: logrus.New(), theirs: map[string]bool{}, byHand: map[string]bool{}, builds: map[string]int{},
			sick: map[string]bool{}, rack: home, life: newLives(), seeing: time.Now(),
			noticed: make(chan struct{}, 1),
		}
		w.log.SetOutput(io.Discard)
		w.log.SetLevel(logrus.TraceLevel)
		w.log.AddHook(w)
		w.must(os.Mkdir(w.dir, 0o755))
		if opts.Behave == nil {
			opts.Behave = program
		}
		opts.Exec = w.probe
		w.e = dockertest.New(opts)
		w.hand = w.e.Client()
		w.e.SetEventFault(w.tell)
		w.theirs[w.e.AddImage(image("old"))] = true
		for _, tag := range tags {
			w.e.Registry().Push(ref(tag), image(tag))
		}
		w.e.Registry().Push(ref(beat), beatImage())
		ctx, cancel := context.WithCancel(t.Context())
		var witness sync.WaitGroup
		witness.Go(func() { w.witness(ctx) })
		defer func() {
			w.stop()
			cancel()
			witness.Wait()
			_ = w.hand.Close()
			w.e.Close()
			wrong, story = w.wrong, w.story
		}()
		f(w)
	})
	return wrong, story
}

// tell runs a story as a test of its own.
func tell(t *testing.T, f func(w *world)) {
	t.Helper()
	wrong, story := play(t, dockertest.Options{LiveRestore: true}, f)
	for _, s := range wrong {
		t.Error(s)
	}
	if len(wrong) > 0 {
		t.Log("the story:\n" + strings.Join(story, "\n"))
	}
}

// tags are in the registry; "old" is also on the host from the beginning.
var tags = []string{"old", "1", "2", "3", "latest"}

func ref(tag string) string {
	if strings.Contains(tag, "@") {
		return byDigest(tag)
	}
	return repo + ":" + tag
}

func image(tag string) dockertest.Image {
	return dockertest.Image{
		Refs: []string{ref(tag)}, Salt: tag, Config: container.Config{Entrypoint: []string{"/app"}},
	}
}

func (w *world) bad(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.badLocked(format, args...)
}

func (w *world) badLocked(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if len(w.wrong) < 20 && !slices.Contains(w.wrong, s) {
		w.wrong = append(w.wrong, s)
		w.story = append(w.story, clock()+"WRONG: "+s)
	}
}

// excuse: an agent ended, or did not hear the answer, in the middle of a
// create: that one may show late, beside another.
func (w *world) excuse() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sight.excused = true
}

func (w *world) must(err error) {
	if err != nil {
		w.bad("the test itself: %v", err)
	}
}

func (w *world) say(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.story = append(w.story, clock()+fmt.Sprintf(format, args...))
}

func clock() string { return time.Now().UTC().Format("15:04:05.000 ") }

// after lets time pass, and what happens in it be done.
func (w *world) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// save writes a manifest as careful programs do: beside it, and renamed.
func (w *world) save(name, text string) {
	path := filepath.Join(w.dir, name)
	w.must(os.MkdirAll(filepath.Dir(path), 0o755))
	w.must(os.WriteFile(path+".tmp", []byte(text), 0o644))
	w.must(os.Rename(path+".tmp", path))
}

// scribble writes a manifest in place.
func (w *world) scribble(name, text string) {
	w.must(os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o644))
}

func (w *world) remove(name string) { w.must(os.RemoveAll(filepath.Join(w.dir, name))) }

// spec is what the tests vary in a job of one group.
type spec struct {
	name   string
	tag    string // or a digest, see byDigest
	load   string // path of the archive that has the image
	arg    string
	count  int
	static int  // a static port; 0 is none
	port   bool // a dynamic port
	two    bool // a second task
	meta   string
	kill   int // kill_timeout in seconds; 0 is the default
	life   life
}

// hcl prints jobs as people write them.
func hcl(jobs ...spec) string {
	var b strings.Builder
	for _, s := range jobs {
		fmt.Fprintf(&b, "job %q {\n", s.name)
		if s.life.Batch {
			b.WriteString("  type = \"batch\"\n")
		}
		fmt.Fprintf(&b, "  group \"g\" {\n    count = %d\n    update {\n      min_healthy_time = \"2s\"\n%s    }\n%s", s.count, s.life.Update, s.life.head())
		b.WriteString(s.task("main"))
		if s.two {
			b.WriteString(s.side().task("side"))
		}
		b.WriteString("  }\n}\n")
	}
	return b.String()
}

// side is what the second task is made from: it has no ports and no service, and
// beside a leader it runs until it is stopped.
func (s spec) side() spec {
	s.static, s.port, s.life.Check = 0, false, ""
	if s.life.Leader && !strings.Contains(s.arg, "stubborn") {
		s.arg = ""
	}
	return s
}

func (s spec) task(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "    task %q {\n      driver = \"docker\"\n      config {\n        image = %q\n", name, ref(s.tag))
	if s.load != "" {
		fmt.Fprintf(&b, "        load = %q\n", s.load)
	}
	if s.arg != "" {
		fmt.Fprintf(&b, "        args = [%q]\n", s.arg)
	}
	if s.life.Batch {
		b.WriteString("        labels {\n          law.batch = \"yes\"\n        }\n")
	}
	if s.life.Volume {
		fmt.Fprintf(&b, "        volumes = [\"/srv/%s:/data\"]\n", s.name)
	}
	if s.life.Joins && name == "side" {
		b.WriteString("        network_mode = \"container:main\"\n")
	}
	b.WriteString("      }\n")
	if s.life.Leader && name == "main" {
		b.WriteString("      leader = true\n")
	}
	b.WriteString(s.life.service())
	if s.meta != "" {
		fmt.Fprintf(&b, "      env {\n        META = %q\n      }\n", s.meta)
	}
	if s.kill > 0 {
		fmt.Fprintf(&b, "      kill_timeout = \"%ds\"\n", s.kill)
	}
	switch {
	case s.static > 0:
		fmt.Fprintf(&b, "      resources {\n        network {\n          port \"p\" {\n            static = %d\n          }\n        }\n      }\n", s.static)
	case s.port:
		b.WriteString("      resources {\n        network {\n          port \"p\" {}\n        }\n      }\n")
	}
	b.WriteString("    }\n")
	return b.String()
}

// app is the plain job.
func app(name, tag string) spec { return spec{name: name, tag: tag, count: 1} }

// nodeID is the label of what is ours.
func (w *world) nodeID() string {
	if id, ok := w.node0.Load().(string); ok {
		return id
	}
	id, err := os.ReadFile(filepath.Join(w.data, "node-id"))
	if err != nil {
		return ""
	}
	w.node0.Store(strings.TrimSpace(string(id)))
	return strings.TrimSpace(string(id))
}

// ours returns our containers, the oldest first.
func (w *world) ours() []container.InspectResponse {
	id := w.nodeID()
	var out []container.InspectResponse
	for _, c := range slices.Backward(w.e.Containers()) {
		if id != "" && c.Config.Labels[job.LabelNodeID] == id {
			out = append(out, c)
		}
	}
	return out
}

// running are the containers of a job that run, or of all jobs for "".
func (w *world) running(name string) []container.InspectResponse {
	return slices.DeleteFunc(w.ours(), func(c container.InspectResponse) bool {
		return !c.State.Running || name != "" && c.Config.Labels["reconciler.job"] != name
	})
}

// one is the only running container of a job.
func (w *world) one(name string) container.InspectResponse {
	all := w.running(name)
	if len(all) != 1 {
		w.bad("%d containers of %s run, want 1; writes %v", len(all), name, w.written(0))
		return container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{State: &container.State{}}, Config: &container.Config{}}
	}
	return all[0]
}

// lives is what runs, and since when: equal before and after if nothing was
// touched.
func (w *world) lives() map[string]string {
	out := map[string]string{}
	for _, c := range w.running("") {
		out[c.ID] = c.Name + " " + c.State.StartedAt + " " + c.State.Status
	}
	return out
}

// same fails if what runs is not what ran before.
func (w *world) same(law string, before map[string]string) {
	if now := w.lives(); !maps.Equal(before, now) {
		w.bad("%s: what ran was touched: before %v, now %v", law, before, now)
	}
}

// written are the agent's writes from the n-th on.
func (w *world) written(n int) []write {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.writes[n:])
}

func (w *world) marks() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.writes)
}
