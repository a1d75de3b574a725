package laws

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/go-connections/nat"
	"pgregory.net/rapid"

	"reconciler/internal/dockertest"
	"reconciler/reconcile"
)

// TestModel: whatever people, processes, dockerd, the network and crashes did,
// every law holds while it happens, and once it has stopped the host is as the
// files say, quiet, and untouched by whatever means nothing. SOAK=10m in the
// environment makes it go on for so long.
func TestModel(t *testing.T) {
	t.Parallel()
	begin, soak := time.Now(), time.Duration(0)
	if s := os.Getenv("SOAK"); s != "" {
		var err error
		if soak, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	for again := true; again && !t.Failed(); again = time.Since(begin) < soak {
		rapid.Check(t, func(rt *rapid.T) { oneStory(t, rt) })
	}
}

func oneStory(t *testing.T, rt *rapid.T) {
	s := drawStory(rt)
	wrong, story := play(t, dockertest.Options{LiveRestore: s.liveRestore, Seed: 1}, s.run)
	if len(wrong) > 0 {
		rt.Fatalf("%s\nthe story:\n%s", strings.Join(wrong, "\n"), strings.Join(story, "\n"))
	}
}

// story is everything that is drawn for one run, so that it can be shrunk and
// replayed: what it meets in its world is chosen by these numbers.
type story struct {
	liveRestore bool
	cleanup     cleanup
	first       files
	steps       []step
	last        files
	harmless    []step
}

// step is one thing that happens, and how long nothing else does then.
type step struct {
	what  string
	a, b  int
	files files
	wait  time.Duration
}

// files are the manifests of one moment.
type files map[string][]spec

// The manifests and their jobs. Those of one file are edited together.
var layout = []struct {
	file string
	jobs []string
}{
	{"a.hcl", []string{"a"}},
	{"bc.hcl", []string{"b", "c"}},
	{"d.hcl", []string{"d"}},
	{"sub/e.hcl", []string{"e", "f"}},
}

func drawStory(rt *rapid.T) story {
	return story{
		liveRestore: rapid.Bool().Draw(rt, "live-restore"),
		cleanup:     drawCleanup(rt),
		first:       lively(rt, drawFiles(rt)),
		steps:       rapid.SliceOfN(rapid.Custom(drawLivelyStep), 1, 24).Draw(rt, "steps"),
		last:        lively(rt, drawFiles(rt)).calm(),
		harmless:    rapid.SliceOfN(rapid.Custom(drawHarmless), 1, 6).Draw(rt, "harmless"),
	}
}

func drawFiles(rt *rapid.T) files {
	out := files{}
	for _, l := range layout {
		if rapid.IntRange(0, 5).Draw(rt, "absent") == 0 {
			continue
		}
		out[l.file] = drawJobs(rt, l.jobs)
	}
	if len(out) == 0 {
		out["a.hcl"] = drawJobs(rt, []string{"a"})
	}
	return out
}

func drawJobs(rt *rapid.T, names []string) []spec {
	var out []spec
	for _, n := range names {
		s := spec{
			name: n, count: rapid.IntRange(0, 2).Draw(rt, "count"),
			tag:  rapid.SampledFrom(tags).Draw(rt, "tag"),
			meta: rapid.SampledFrom([]string{"", "x", "y"}).Draw(rt, "meta"),
			arg:  rapid.SampledFrom([]string{"", "", "", "stubborn"}).Draw(rt, "arg"),
			two:  rapid.IntRange(0, 4).Draw(rt, "two") == 0,
			kill: rapid.SampledFrom([]int{0, 0, 1, 20}).Draw(rt, "kill_timeout"),
		}
		switch rapid.IntRange(0, 3).Draw(rt, "ports") {
		case 0:
			s.port = true
		case 1:
			s.count = 1
			s.static = staticOf(n, rapid.IntRange(0, 1).Draw(rt, "static"))
		}
		out = append(out, s)
	}
	return out
}

// staticOf is one of the two static ports of a job. Pairs of jobs share one,
// but never in the same files: a and b ask for 8100 or 8101.
func staticOf(name string, i int) int { return 8100 + 2*int((name[0]-'a')/2) + i }

// unclash takes a static port away that two jobs ask for: two files that do so
// are a problem of the files and have their own tests.
func (f files) unclash() files {
	seen := map[int]bool{}
	for _, l := range layout {
		for i := range f[l.file] {
			s := &f[l.file][i]
			if s.static > 0 && seen[s.static] {
				s.static = 0
			}
			seen[s.static] = true
		}
	}
	return f
}

var happenings = []string{
	"edit", "edit", "edit", "edit", "rewrite all", "break", "half", "rename file", "drop block", "empty", "remove", "remove",
	"dir away", "dir back", "crash", "crash", "oom", "pause", "stop by hand", "rm -f", "rename by hand",
	"steal name", "steal port", "take port", "free port", "rmi", "untag", "push latest",
	"engine away", "engine back", "fault", "fault", "fault", "lift", "events", "events", "silence", "cut events",
	"registry", "registry back", "restart", "restart", "kill", "kill", "lose", "down", "up", "clock", "restart job", "confirm",
}

func drawStep(rt *rapid.T) step {
	s := step{
		what: rapid.SampledFrom(happenings).Draw(rt, "what"),
		a:    rapid.IntRange(0, 1<<16).Draw(rt, "a"), b: rapid.IntRange(0, 1<<16).Draw(rt, "b"),
		wait: drawWait(rt),
	}
	switch s.what {
	case "edit":
		l := rapid.SampledFrom(layout).Draw(rt, "file")
		s.files = files{l.file: drawJobs(rt, l.jobs)}
	case "rewrite all":
		s.files = drawFiles(rt)
	}
	return s
}

// drawLivelyStep draws also what there is only in jobs with a life of their own.
func drawLivelyStep(rt *rapid.T) step {
	s := drawStep(rt)
	if rapid.IntRange(0, 2).Draw(rt, "lively") == 0 {
		s.what, s.files = rapid.SampledFrom(livelyHappenings).Draw(rt, "what else"), nil
	}
	s.files = lively(rt, s.files)
	return s
}

// drawWait is a few milliseconds as often as many seconds.
func drawWait(rt *rapid.T) time.Duration {
	ms := rapid.OneOf(rapid.IntRange(0, 400), rapid.IntRange(0, 15000), rapid.IntRange(0, 120000)).Draw(rt, "ms")
	return time.Duration(ms) * time.Millisecond
}

var nothings = []string{
	"break", "half", "reformat", "touch", "rename file", "dir away and back", "empty directory", "restart", "kill", "lose",
	"engine away and back", "blind", "events", "silence", "cut events", "stranger",
}

func drawHarmless(rt *rapid.T) step {
	return step{
		what: rapid.SampledFrom(nothings).Draw(rt, "what"),
		a:    rapid.IntRange(0, 1<<16).Draw(rt, "a"), b: rapid.IntRange(0, 1<<16).Draw(rt, "b"), wait: drawWait(rt),
	}
}

// people is a world in which a story happens.
type people struct {
	*world
	thieves   []string // strangers that hold what we want
	listeners map[int]net.Listener
	rules     []*dockertest.Rule
	pushed    int
	ahead     int64 // the most that the clock was ahead, in nanoseconds
}

func (s story) run(w *world) {
	p := &people{world: w, listeners: map[int]net.Listener{}}
	defer p.freePorts()
	stranger := w.e.AddContainer(dockertest.Stranger{Name: "stranger", Image: ref("old"), Running: true})
	p.write(s.first)
	w.say("%+v", s.cleanup)
	w.configure = s.cleanup.configure
	w.start()
	w.after(10 * time.Second)
	for _, st := range s.steps {
		w.say("%s %d %d%s", st.what, st.a, st.b, st.files)
		p.happen(st)
		w.after(st.wait)
	}
	p.heal(s.last)
	w.after(40 * time.Minute)
	p.converged()
	if len(w.wrong) > 0 {
		return
	}
	// Until the images and directories of the past have gone. What ended before
	// the clock was set back stays for so much longer.
	w.after(s.cleanup.delay + time.Hour + p.setBack())
	p.converged()
	p.images()
	if !p.keptCrashing() {
		p.quiet(time.Hour)
		p.truthful()
	}
	p.untouched(s)
	if c, ok := w.e.Inspect(stranger); !ok || s.liveRestore && !c.State.Running {
		w.bad("mine only: the stranger is gone")
	}
}

// String prints files for the story.
func (f files) String() string {
	if len(f) == 0 {
		return ""
	}
	return fmt.Sprintf(" %+v", map[string][]spec(f))
}

// write makes the directory hold these files and no others.
func (p *people) write(f files) {
	f = f.unclash()
	if p.isAway() {
		return
	}
	for _, name := range p.manifests() {
		if _, keep := f[name]; !keep {
			p.remove(name)
		}
	}
	for _, l := range layout {
		if jobs, ok := f[l.file]; ok {
			p.save(l.file, hcl(jobs...))
		}
	}
}

// manifests are the names of the files that are there, sorted.
func (p *people) manifests() []string {
	var out []string
	p.must(filepath.WalkDir(p.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(p.dir, path)
			out = append(out, name)
		}
		return err
	}))
	return out
}

func (p *people) isAway() bool {
	_, err := os.Stat(p.dir)
	return err != nil
}

// file picks one of the manifests; "" if there is none.
func (p *people) file(n int) string {
	if p.isAway() {
		return ""
	}
	return pick(p.manifests(), n)
}

func pick[T any](all []T, n int) (v T) {
	if len(all) == 0 {
		return v
	}
	return all[n%len(all)]
}

func (p *people) happen(s step) {
	p.note(s)
	switch {
	case p.onFiles(s), p.onContainers(s), p.onHost(s), p.onEngine(s), p.onAgent(s), p.onLives(s):
	default:
		p.bad("the test itself: nothing does %q", s.what)
	}
}

func (p *people) onFiles(s step) bool {
	name := p.file(s.a)
	switch s.what {
	case "edit":
		for f, jobs := range s.files {
			if !p.isAway() {
				p.save(f, hcl(jobs...))
			}
		}
	case "rewrite all":
		p.write(s.files)
	case "break":
		p.overwrite(name, "job \"a\" {\n  group {\n")
	case "half":
		p.half(name, s.b)
	case "rename file":
		if name != "" {
			p.must(os.Rename(filepath.Join(p.dir, name), filepath.Join(p.dir, "moved-"+strings.ReplaceAll(name, "/", "-"))))
		}
	case "drop block":
		if text := p.text(name); strings.Count(text, "job \"") > 1 {
			p.save(name, text[strings.LastIndex(text, "job \""):])
		}
	case "empty":
		p.overwrite(name, "")
	case "remove":
		if name != "" {
			p.remove(name)
		}
	case "dir away":
		if !p.isAway() {
			p.must(os.Rename(p.dir, p.dir+".away"))
		}
	case "dir back":
		p.dirBack()
	default:
		return false
	}
	return true
}

func (p *people) dirBack() {
	if p.isAway() {
		p.must(os.Rename(p.dir+".away", p.dir))
	}
}

func (p *people) text(name string) string {
	if name == "" {
		return ""
	}
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	p.must(err)
	return string(b)
}

func (p *people) overwrite(name, text string) {
	if name != "" {
		p.scribble(name, text)
	}
}

// half writes a file in two parts, as slow programs do.
func (p *people) half(name string, n int) {
	if text := p.text(name); text != "" {
		p.scribble(name, text[:n%len(text)])
		p.after(300 * time.Millisecond)
		p.scribble(name, text)
	}
}

func (p *people) onContainers(s step) bool {
	c := pick(p.running(""), s.a)
	ctx := p.Context()
	switch s.what {
	case "crash", "oom", "pause", "stop by hand", "rm -f", "rename by hand", "steal name":
		if c.ContainerJSONBase == nil {
			return true
		}
	}
	// What a person's call says is not of interest here: dockerd may be away.
	switch s.what {
	case "crash":
		p.e.Exit(c.ID, 1)
	case "oom":
		p.e.OOM(c.ID)
	case "pause":
		_ = p.hand.ContainerPause(ctx, c.ID)
	case "stop by hand":
		p.e.StopByHand(c.ID)
	case "rm -f":
		p.e.RemoveByHand(c.ID)
	case "rename by hand":
		_ = p.hand.ContainerRename(ctx, c.ID, fmt.Sprintf("renamed-%d", s.b))
	case "steal name":
		p.e.RemoveByHand(c.ID)
		p.after(150 * time.Millisecond)
		p.thief(dockertest.Stranger{Name: strings.TrimPrefix(c.Name, "/"), Image: ref("old")})
	case "steal port":
		port := fmt.Sprint(8100 + s.b%6)
		p.thief(dockertest.Stranger{Image: ref("old"), Running: true, Publish: nat.PortMap{
			nat.Port(port + "/tcp"): {{HostIP: p.addr, HostPort: port}},
		}})
	default:
		return false
	}
	return true
}

// thief adds a stranger, unless the engine would refuse it.
func (p *people) thief(s dockertest.Stranger) {
	defer func() {
		if r := recover(); r != nil {
			p.say("  not possible: %v", r)
		}
	}()
	p.thieves = append(p.thieves, p.e.AddContainer(s))
}

func (p *people) onHost(s step) bool {
	switch s.what {
	case "take port":
		port := 8100 + s.b%6
		l, err := (&net.ListenConfig{}).Listen(p.Context(), "tcp", fmt.Sprintf("%s:%d", p.addr, port))
		if err == nil && p.listeners[port] == nil {
			p.listeners[port] = l
			p.e.TakePort("tcp", p.addr, port)
		}
	case "free port":
		p.freePorts()
	case "clock":
		p.skew.Add(int64(time.Duration(s.a%240-120) * time.Minute))
		p.ahead = max(p.ahead, p.skew.Load())
	default:
		return false
	}
	return true
}

// setBack is how far the clock is behind where it once was.
func (p *people) setBack() time.Duration { return time.Duration(p.ahead - p.skew.Load()) }

func (p *people) freePorts() {
	for port, l := range p.listeners {
		_ = l.Close()
		p.e.FreePort("tcp", p.addr, port)
	}
	clear(p.listeners)
}

func (p *people) onEngine(s step) bool {
	switch s.what {
	case "rmi":
		p.removeImage(s.a)
	case "untag":
		p.e.UntagByHand(ref(pick(tags[1:], s.a)))
	case "push latest":
		p.pushed++
		i := image("latest")
		i.Salt = fmt.Sprint("latest ", p.pushed)
		p.e.Registry().Push(ref("latest"), i)
	case "engine away":
		p.e.Stop()
	case "engine back":
		p.e.Start()
	case "fault":
		p.fault(s.a, s.b)
	case "lift":
		p.lift()
	case "events":
		p.disturb(s.a)
	case "silence":
		p.setEvents(func(events.Message) []time.Duration { return nil })
	case "cut events":
		p.e.CloseEvents()
	case "registry":
		kinds := []string{dockertest.Denied, dockertest.Forbidden, dockertest.Unreachable, dockertest.Limited, dockertest.Broken, dockertest.Truncated, ""}
		p.e.Registry().Fail("registry.example", dockertest.RegistryFault{Kind: pick(kinds, s.a), Layer: time.Duration(s.b%20) * time.Second})
	case "registry back":
		p.e.Registry().Heal("registry.example")
	default:
		return false
	}
	return true
}

// removeImage is docker rmi -f by a person.
func (p *people) removeImage(n int) {
	tag := pick(tags[1:], n)
	for id, refs := range p.e.Images() {
		if slices.Contains(refs, ref(tag)) {
			p.mu.Lock()
			p.byHand[id] = true
			p.mu.Unlock()
		}
	}
	p.e.RemoveImageByHand(ref(tag))
}

// faults are calls that go wrong; each is one in a few, and not for ever.
var faultPlaces = []dockertest.Fault{
	{Method: "POST", Path: "/containers/create"},
	{Method: "POST", Path: "/containers/*/start"},
	{Method: "POST", Path: "/containers/*/kill"},
	{Method: "DELETE", Path: "/containers/*"},
	{Method: "POST", Path: "/containers/*/rename"},
	{Method: "POST", Path: "/containers/*/unpause"},
	{Method: "POST", Path: "/images/create"},
	{Method: "DELETE", Path: "/images/**"},
	{Method: "POST"},
	{},
	{Method: "GET", Path: "/containers/json"},
	{Method: "GET", Path: "/containers/*/json"},
	{Method: "GET", Path: "/images/**"},
	{Method: "GET", Path: "/networks/**"},
	{Method: "GET", Path: "/events"},
	{Method: "GET", Path: "/info"},
}

var faultKinds = []dockertest.Fault{
	{Status: 500, Message: "injected"},
	{Status: 500, Message: "injected"},
	{Status: 409, Message: "Conflict: injected"},
	{Status: 404, Message: "injected: not found"},
	{Hang: true},
	{Refuse: true},
	{CutAfter: 5},
	{LoseReply: true},
	{Delay: 4 * time.Second},
}

func (p *people) fault(a, b int) {
	f, kind := pick(faultPlaces, a), pick(faultKinds, b)
	if kind.Status >= 404 && kind.Status < 500 && f.Method != "POST" && f.Method != "DELETE" {
		// An engine that says of what is there that it is not is no engine.
		kind = dockertest.Fault{Status: 500, Message: "injected"}
	}
	f.Status, f.Message, f.Hang, f.Refuse = kind.Status, kind.Message, kind.Hang, kind.Refuse
	f.CutAfter, f.LoseReply, f.Delay = kind.CutAfter, kind.LoseReply, kind.Delay
	f.Every, f.Times = 1+a/16%3, 1+b/16%8
	if f.LoseReply || f.Hang || f.CutAfter > 0 || f.Refuse || f.Delay > 0 || f.Status == 404 {
		p.excuse()
	}
	p.say("  %+v", f)
	p.setFaulty(true)
	p.rules = append(p.rules, p.e.Inject(f))
}

func (p *people) lift() {
	for _, r := range p.rules {
		r.Lift()
	}
	p.rules = nil
	p.setFaulty(false)
	p.setEvents(nil)
}

// disturb loses, doubles or delays events from now on.
func (p *people) disturb(a int) {
	kinds := [][]time.Duration{nil, {0, 0}, {time.Second}, {0, 30 * time.Second}, {time.Duration(a%100) * time.Second}}
	n := 0
	p.setEvents(func(events.Message) []time.Duration {
		n++
		if n%(1+a/8%4) != 0 {
			return []time.Duration{0}
		}
		return pick(kinds, a)
	})
}

func (p *people) onAgent(s step) bool {
	switch s.what {
	case "restart":
		p.stop()
		p.start()
	case "kill":
		p.excuse()
		p.kill()
		p.start()
	case "lose":
		p.excuse()
		p.kill()
		p.lose()
		p.start()
	case "down":
		p.stop()
	case "up":
		p.up()
	case "restart job":
		if p.agent != nil {
			_ = p.agent.Controller.Ask(p.Context(), string(rune('a'+s.a%6)), reconcile.Restart)
		}
	case "confirm":
		if p.agent != nil {
			_, _ = p.agent.Watcher.ConfirmDeletions(p.Context())
		}
	default:
		return false
	}
	return true
}

func (p *people) up() {
	if p.agent == nil {
		p.start()
	}
}

// heal ends all that is wrong in the world, and writes the last files.
func (p *people) heal(last files) {
	p.say("heal%s", last)
	p.lift()
	p.dirBack()
	p.e.Registry().Heal("registry.example")
	p.e.Start()
	p.sees(false)
	p.freePorts()
	for _, id := range p.thieves {
		p.e.RemoveByHand(id)
	}
	p.rest()
	p.up()
	p.write(last)
	p.after(2 * time.Minute)
	_, err := p.agent.Watcher.ConfirmDeletions(p.Context())
	p.must(err)
	p.retried()
}

// untouched lets things happen that mean nothing, and checks that nothing is
// done: not while they happen, nor afterwards.
func (p *people) untouched(s story) {
	if !s.liveRestore && slices.ContainsFunc(s.harmless, func(st step) bool { return st.what == "engine away and back" }) {
		return // tasks die with their dockerd
	}
	before, writes := p.lives(), p.marks()
	given := p.givenUp()
	for _, st := range s.harmless {
		if st.what == "lose" && given {
			continue // that an update or a task was given up is known to the records alone
		}
		p.say("harmless: %s %d %d", st.what, st.a, st.b)
		p.nothing(st)
		p.after(st.wait)
		p.same("after "+st.what, before)
		if got := p.written(writes); len(got) > 0 {
			p.bad("after %s, which means nothing: writes %v", st.what, got)
		}
		if len(p.wrong) > 0 {
			p.say("records:\n%s", p.records())
			return
		}
	}
	p.lift()
	p.write(s.last)
	p.after(20 * time.Minute)
	p.same("in the end", before)
	p.converged()
	p.quiet(30 * time.Minute)
	p.truthful()
	if got := p.written(writes); len(got) > 0 {
		p.bad("after nothing that means anything: writes %v", got)
	}
}

func (p *people) nothing(s step) {
	name := p.file(s.a)
	switch s.what {
	case "break", "half", "rename file", "restart", "events", "silence", "cut events":
		p.happen(s)
	case "kill", "lose":
		p.happen(s)
		p.after(2 * time.Second)
	case "reformat":
		if text := p.text(name); !strings.Contains(text, "group {") {
			p.save(name, "# a comment\n"+strings.ReplaceAll(text, "  ", "\t"))
		}
	case "touch":
		p.must(os.Chtimes(filepath.Join(p.dir, name), time.Now(), time.Now()))
	case "dir away and back":
		p.must(os.Rename(p.dir, p.dir+".away"))
		p.after(s.wait)
		p.dirBack()
	case "empty directory":
		p.must(os.Rename(p.dir, p.dir+".away"))
		p.must(os.Mkdir(p.dir, 0o755))
		p.after(s.wait)
		p.must(os.Remove(p.dir))
		p.dirBack()
	case "engine away and back":
		p.e.Stop()
		p.sees(true)
		p.after(s.wait)
		p.e.Start()
		p.sees(false)
	case "blind":
		p.setFaulty(true)
		p.rules = append(p.rules, p.e.Inject(dockertest.Fault{Method: "GET", Path: "/containers/**", Every: 1 + s.a%3, Times: 1 + s.b%20, Status: 500}))
	case "stranger":
		id := p.e.AddContainer(dockertest.Stranger{Image: ref("old"), Running: true})
		p.e.RemoveByHand(id)
	}
}
