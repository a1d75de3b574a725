package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"golang.org/x/sys/unix"
)

// ownEngine is a dockerd of the test's own, which may be stopped and killed.
// It has its own directories, its own containerd (which outlives it, as under
// systemd) and its own network namespace: in that of the machine a second
// dockerd removes the docker0 of the first.
type ownEngine struct {
	t        *testing.T
	dir      string
	endpoint string
	live     bool // --live-restore
	cli      *client.Client
	inside   chan func() // run on the thread that has the namespace

	containerd *daemon
	dockerd    *daemon // nil while it is away
	machine    string  // what docker0 of the machine was like before
}

// daemon is a process that the test started.
type daemon struct {
	cmd  *exec.Cmd
	log  *logBuffer
	done chan struct{} // closed when it has ended
}

// newOwnEngine starts a dockerd, or skips the test and says why. Everything
// that belongs to it is gone when the test ends.
func newOwnEngine(t *testing.T, liveRestore bool) *ownEngine {
	t.Helper()
	if built.skip != "" {
		t.Skip("end-to-end tests are skipped: " + built.skip)
	}
	if os.Geteuid() != 0 {
		t.Skip("a dockerd of its own needs root")
	}
	for _, program := range []string{"dockerd", "containerd", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("a dockerd of its own needs %s: %v", program, err)
		}
	}
	dir, err := os.MkdirTemp("", "rec-own-") //nolint:usetesting // the path of a socket has 107 characters at most
	must(t, err)
	e := &ownEngine{
		t: t, dir: dir, live: liveRestore, endpoint: "unix://" + filepath.Join(dir, "d.sock"),
		inside: make(chan func()), machine: docker0(),
	}
	t.Cleanup(e.end)
	if err := e.namespace(); err != nil {
		t.Skipf("no network namespace for a dockerd of its own: %v", err)
	}
	e.cli, err = client.NewClientWithOpts(client.WithHost(e.endpoint), client.WithAPIVersionNegotiation())
	must(t, err)
	must(t, e.configure())
	e.containerd, err = e.run("containerd", "--config", filepath.Join(dir, "containerd.toml"))
	must(t, err)
	if err := e.start(); err != nil {
		t.Skipf("a dockerd of its own does not start here: %v", err)
	}
	return e
}

// namespace makes the network namespace, which lives as long as a thread of
// this process and the processes started from it.
func (e *ownEngine) namespace() error {
	made := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine and takes with it
		// what it started (Pdeathsig), should the test not get to its cleanup.
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			if out, lerr := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); lerr != nil {
				err = fmt.Errorf("%w: %s", lerr, out)
			}
		}
		made <- err
		for f := range e.inside {
			f()
		}
	}()
	return <-made
}

// configure writes the configuration of both daemons. Nothing of it comes from
// the machine's own.
func (e *ownEngine) configure() error {
	ctr := fmt.Sprintf(`version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = %q
[ttrpc]
address = %q
`, e.path("ctr"), e.path("ctr-state"), e.path("c.sock"), e.path("t.sock"))
	if err := os.WriteFile(e.path("containerd.toml"), []byte(ctr), 0o600); err != nil {
		return err
	}
	conf, err := json.Marshal(map[string]any{
		"hosts":        []string{e.endpoint},
		"data-root":    e.path("root"),
		"exec-root":    e.path("exec"),
		"pidfile":      e.path("pid"),
		"containerd":   e.path("c.sock"),
		"live-restore": e.live,
		// Works wherever there is a file system, and leaves neither mounts nor
		// processes behind.
		"storage-driver": "vfs",
		// Nothing leaves the namespace, so there is nothing to route.
		"bridge": "none", "iptables": false, "ip-forward": false,
	})
	if err != nil {
		return err
	}
	return os.WriteFile(e.path("daemon.json"), conf, 0o600)
}

func (e *ownEngine) path(name string) string { return filepath.Join(e.dir, name) }

// run starts a program in the namespace.
func (e *ownEngine) run(name string, args ...string) (*daemon, error) {
	d := &daemon{cmd: exec.Command(name, args...), log: &logBuffer{}, done: make(chan struct{})}
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	// A container's process inherits the pipe of the log: no waiting for it.
	d.cmd.WaitDelay = time.Second
	started := make(chan error, 1)
	e.inside <- func() { started <- d.cmd.Start() }
	if err := <-started; err != nil {
		return nil, err
	}
	go func() {
		defer close(d.done)
		_ = d.cmd.Wait()
	}()
	return d, nil
}

// start starts dockerd and waits until it answers.
func (e *ownEngine) start() error {
	d, err := e.run("dockerd", "--config-file", e.path("daemon.json"))
	if err != nil {
		return err
	}
	for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		select {
		case <-d.done:
			return errors.New("it ended: " + d.log.tail(5))
		default:
		}
		if e.answers() {
			e.dockerd = d
			return nil
		}
	}
	_ = d.cmd.Process.Kill()
	<-d.done
	return errors.New("it does not answer: " + d.log.tail(5))
}

func (e *ownEngine) answers() bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.t.Context()), time.Second)
	defer cancel()
	_, err := e.cli.Ping(ctx)
	return err == nil
}

// up is start for an engine that has been there before.
func (e *ownEngine) up() {
	e.t.Helper()
	must(e.t, e.start())
}

// down ends dockerd with a signal and waits for its end.
func (e *ownEngine) down(sig os.Signal) {
	e.t.Helper()
	must(e.t, e.dockerd.cmd.Process.Signal(sig))
	select {
	case <-e.dockerd.done:
	case <-time.After(60 * time.Second):
		e.t.Fatalf("dockerd did not end: %s", e.dockerd.log.tail(10))
	}
	e.dockerd = nil
}

// world makes a world whose agent is on this engine.
func (e *ownEngine) world(options ...string) *world {
	e.t.Helper()
	w := &world{t: e.t, cli: e.cli, images: newImages(e.t, e.cli, nil)}
	w.furnish(append(options, "--docker-endpoint", e.endpoint))
	// The cleanup of the world and of its images asks the engine.
	e.t.Cleanup(func() {
		if e.dockerd == nil {
			e.up()
		}
	})
	return w
}

// load brings an image out of an archive and returns its reference.
func (e *ownEngine) load(w *world) string {
	e.t.Helper()
	ref := "rec-e2e-own:" + w.images.mark
	f, err := os.Open(w.images.archive(e.dir, ref))
	must(e.t, err)
	defer f.Close()
	ctx, cancel := w.ctx()
	defer cancel()
	resp, err := e.cli.ImageLoad(ctx, f)
	must(e.t, err)
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if strings.Contains(lines.Text(), "errorDetail") {
			e.t.Fatal(lines.Text())
		}
	}
	return ref
}

// end ends what the test started, by process id, and removes its files.
func (e *ownEngine) end() {
	if e.dockerd != nil {
		e.removeAll()
		e.down(syscall.SIGTERM)
	}
	e.reap()
	if e.containerd != nil {
		_ = e.containerd.cmd.Process.Signal(syscall.SIGTERM)
		<-e.containerd.done
	}
	close(e.inside)
	if e.cli != nil {
		_ = e.cli.Close()
	}
	for _, m := range mountsUnder(e.dir) {
		if err := unix.Unmount(m, unix.MNT_DETACH); err != nil {
			e.t.Errorf("cleanup: unmount %s: %v", m, err)
		}
	}
	if err := os.RemoveAll(e.dir); err != nil {
		e.t.Errorf("cleanup: %v", err)
	}
	if is := docker0(); is != e.machine {
		e.t.Errorf("docker0 of the machine is %q, was %q", is, e.machine)
	}
}

// removeAll removes every container: the engine is the test's own.
func (e *ownEngine) removeAll() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.t.Context()), time.Minute)
	defer cancel()
	list, err := e.cli.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		e.t.Errorf("cleanup: %v", err)
	}
	for _, c := range list {
		if err := e.cli.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true}); err != nil {
			e.t.Errorf("cleanup: %v", err)
		}
	}
}

// reap kills the containers that outlived their engine: the children of the
// shims that were started with this containerd's address, and those.
func (e *ownEngine) reap() {
	shims, parents := map[int]bool{}, map[int]int{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		cmdline, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		if args := strings.Split(string(cmdline), "\x00"); strings.Contains(args[0], "containerd-shim") && slices.Contains(args, e.path("c.sock")) {
			shims[pid] = true
		}
		stat, _ := os.ReadFile(filepath.Join(dir, "stat"))
		if _, rest, ok := strings.Cut(string(stat), ") "); ok {
			if f := strings.Fields(rest); len(f) > 1 {
				parents[pid], _ = strconv.Atoi(f[1])
			}
		}
	}
	for pid, parent := range parents {
		if shims[parent] {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	for pid := range shims {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// mountsUnder lists the mount points under dir, the innermost first.
func mountsUnder(dir string) []string {
	text, _ := os.ReadFile("/proc/self/mountinfo")
	var out []string
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], dir+"/") {
			out = append(out, f[4])
		}
	}
	slices.Sort(out)
	slices.Reverse(out)
	return out
}

// docker0 says what the bridge of the machine's own engine is like.
func docker0() string {
	i, err := net.InterfaceByName("docker0")
	if err != nil {
		return err.Error()
	}
	addrs, _ := i.Addrs()
	return fmt.Sprintf("%d %s %v", i.Index, i.HardwareAddr, slices.DeleteFunc(addrs, func(a net.Addr) bool {
		return strings.HasPrefix(a.String(), "fe80:") // comes with the first container
	}))
}

// socketOf returns the path of the unix socket that a client speaks to.
func socketOf(cli *client.Client) (string, error) {
	u, err := url.Parse(cli.DaemonHost())
	if err != nil {
		return "", err
	}
	if u.Scheme != "unix" {
		return "", fmt.Errorf("%s is no unix socket", cli.DaemonHost())
	}
	return u.Path, nil
}

// TestOwnEngine: the dockerd that the tests start leaves the machine's own
// alone, and leaves nothing behind.
func TestOwnEngine(t *testing.T) {
	w := newWorld(t)
	ref, _ := w.images.push("theirs:1", "theirs")
	w.pull(ref)
	s := w.stranger(fmt.Sprintf("stranger-%d", time.Now().UnixNano()), ref, nil, true)
	ctx, cancel := w.ctx()
	defer cancel()
	before, err := w.cli.Info(ctx)
	must(t, err)

	var dir string
	t.Run("engine", func(t *testing.T) {
		e := newOwnEngine(t, true)
		dir = e.dir
		other := e.world()
		c := other.stranger("alone", e.load(other), nil, true)
		e.down(syscall.SIGKILL)
		e.up()
		other.untouched(c)
		if list, err := e.cli.ContainerList(t.Context(), container.ListOptions{All: true}); err != nil || len(list) != 1 {
			t.Errorf("its containers are %v, %v", list, err)
		}
	})
	if _, err := os.Stat(dir); dir != "" && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
	w.untouched(s)
	after, err := w.cli.Info(ctx)
	must(t, err)
	if before.ID != after.ID || before.DockerRootDir != after.DockerRootDir {
		t.Errorf("the machine's engine is %s %s, was %s %s", after.ID, after.DockerRootDir, before.ID, before.DockerRootDir)
	}
}
