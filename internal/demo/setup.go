package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// facts are what a decision about the set-up is made from.
type facts struct {
	docker    state
	socket    string
	root      bool
	debian    bool // apt-get and Debian's packages
	installed bool // there is a dockerd to start
	remote    bool // DOCKER_HOST names another place
}

// verdict is what to do about dockerd.
type verdict struct {
	install bool
	start   bool
	missing string // what a person has to do; "" if nothing
}

// decide is the whole policy: use what runs; install and start only on Debian,
// as root, where none runs; elsewhere say what is missing.
func decide(f facts) verdict {
	switch {
	case f.docker == answers:
		return verdict{}
	case f.docker == noRight:
		return verdict{missing: "dockerd listens on " + f.socket + " and this user may not use it: run as root, or join its group (sudo usermod -aG docker $USER, then log in again)."}
	case f.remote:
		return verdict{missing: "No dockerd answers on " + f.socket + ", which DOCKER_HOST names: start it or unset DOCKER_HOST."}
	case f.root && f.installed:
		return verdict{start: true}
	case f.root && f.debian:
		return verdict{install: true, start: true}
	case f.installed:
		return verdict{missing: "No dockerd runs: start it (sudo systemctl start docker), then run this again."}
	case f.debian:
		return verdict{missing: "No dockerd runs: install one (sudo apt-get install docker.io), then run this again; as root this is done for you."}
	}
	return verdict{missing: "No dockerd runs: install Docker Engine (https://docs.docker.com/engine/install/) and start it, then run this again."}
}

// setup sees to dockerd and, for the tests, to a C compiler.
func setup(ctx context.Context, tests, needDocker bool) error {
	if tests {
		if err := compiler(ctx); err != nil {
			return err
		}
	}
	err := dockerd(ctx)
	if err != nil && !needDocker {
		fmt.Printf("setup: %v\nsetup: without it the tests that need a dockerd are skipped\n", err)
		return nil
	}
	return err
}

func dockerd(ctx context.Context) error {
	e, err := newEngine(os.Getenv("DOCKER_HOST"))
	if err != nil {
		return err
	}
	st, version := e.look(ctx)
	v := decide(facts{
		docker: st, socket: e.socket, root: os.Geteuid() == 0, debian: debian(),
		installed: has("dockerd"), remote: os.Getenv("DOCKER_HOST") != "",
	})
	if v.missing != "" {
		return errors.New(v.missing)
	}
	if v.install {
		if err := apt(ctx, "docker.io", "ca-certificates"); err != nil {
			return err
		}
	}
	if v.start {
		if version, err = startDockerd(ctx, e); err != nil {
			return err
		}
	}
	fmt.Printf("setup: dockerd %s answers on %s\n", version, e.socket)
	return nil
}

// compiler sees to gcc: the race detector is linked by it.
func compiler(ctx context.Context) error {
	switch {
	case has("gcc") || has("cc") || has("clang"):
		return nil
	case os.Geteuid() == 0 && debian():
		return apt(ctx, "gcc", "libc6-dev")
	}
	return errors.New("no C compiler: the tests run with the race detector, which needs gcc and the C library's headers (Debian: sudo apt-get install gcc libc6-dev)")
}

// startDockerd tries the ways in which a machine starts its services, the
// machine's own first, and waits for an answer after each.
func startDockerd(ctx context.Context, e *engine) (string, error) {
	if v, ok := await(ctx, e, 3*time.Second); ok {
		return v, nil // the package has started it
	}
	var ways [][]string
	if exists("/run/systemd/system") {
		ways = append(ways, []string{"systemctl", "start", "docker"})
	} else if exists("/etc/init.d/docker") && has("service") {
		ways = append(ways, []string{"service", "docker", "start"})
	}
	for _, way := range ways {
		fmt.Printf("setup: %s\n", strings.Join(way, " "))
		out, err := exec.CommandContext(ctx, way[0], way[1:]...).CombinedOutput()
		if err != nil {
			fmt.Printf("setup: %v: %s\n", err, bytes.TrimSpace(out))
			continue
		}
		if v, ok := await(ctx, e, 30*time.Second); ok {
			return v, nil
		}
	}
	return daemonize(ctx, e)
}

// dockerdLog is where a dockerd without any service manager writes.
const dockerdLog = "/var/log/dockerd.log"

// daemonize starts dockerd in a session of its own, so that it outlives this
// program: a machine without a service manager, such as a container.
func daemonize(ctx context.Context, e *engine) (string, error) {
	fmt.Printf("setup: dockerd, its log in %s\n", dockerdLog)
	log, err := os.OpenFile(dockerdLog, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return "", err
	}
	defer log.Close()
	//nolint:noctx // It must not end with this program.
	cmd := exec.Command("dockerd")
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("dockerd: %w", err)
	}
	if v, ok := await(ctx, e, 30*time.Second); ok {
		return v, cmd.Process.Release()
	}
	return "", fmt.Errorf("dockerd did not answer on %s within 30 s; the end of %s:\n%s", e.socket, dockerdLog, tail(dockerdLog, 15))
}

// await waits until dockerd answers, and returns its version.
func await(ctx context.Context, e *engine, limit time.Duration) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		if st, version := e.look(ctx); st == answers {
			return version, true
		}
		select {
		case <-ctx.Done():
			return "", false
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// apt installs packages.
func apt(ctx context.Context, packages ...string) error {
	fmt.Printf("setup: apt-get install %s\n", strings.Join(packages, " "))
	install := append([]string{"install", "-y", "-q", "--no-install-recommends"}, packages...)
	for _, args := range [][]string{{"update", "-q"}, install} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w\n%s", strings.Join(args, " "), err, out)
		}
	}
	return nil
}

func debian() bool {
	b, err := os.ReadFile("/etc/os-release")
	return err == nil && isDebian(string(b)) && has("apt-get")
}

// isDebian reads os-release(5): Debian itself, or something that says that it
// is like it.
func isDebian(osRelease string) bool {
	for line := range strings.Lines(osRelease) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if key != "ID" && key != "ID_LIKE" {
			continue
		}
		for id := range strings.FieldsSeq(strings.Trim(value, `"'`)) {
			if id == "debian" {
				return true
			}
		}
	}
	return false
}

func has(program string) bool {
	_, err := exec.LookPath(program)
	return err == nil
}

// tail returns the last n lines of a file.
func tail(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
