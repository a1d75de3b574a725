package dockertest

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sys/unix"
)

// Launch is a process about to be started.
type Launch struct {
	ID, Name string
	Image    string // reference that the container was created with
	ImageID  string
	Args     []string // entrypoint and command
	Env      []string
	Labels   map[string]string
	Memory   int64 // limit in bytes; 0 is none
	Run      int   // 1 for the container's first start
	// Healthcheck is that of the container or of its image; nil is none.
	Healthcheck *container.HealthConfig
}

// Process is what a process does. The zero value runs until it is told to end
// and then exits with code 0.
type Process struct {
	// CannotStart makes the start fail with this text.
	CannotStart string
	// CannotStartCode is the exit code shown after that, 127 if 0.
	CannotStartCode int

	Ends  bool // it ends by itself: after After, with Code
	After time.Duration
	Code  int
	OOM   bool // that end is the kernel's, for memory: oom, then die with 137

	IgnoreTerm bool          // SIGTERM, SIGINT, SIGHUP and SIGQUIT do nothing
	TermCode   int           // exit code after one of them
	TermDelay  time.Duration // how long it takes to end after one of them, besides Timing.Signal
	// Immortal survives SIGKILL, as a process that hangs in the kernel.
	Immortal bool
	// Healthy is when a container with a HEALTHCHECK becomes healthy; 0 is
	// never by itself, see SetHealth.
	Healthy time.Duration
}

// WebProgram is the program of internal/testimage: it reads the same flags and
// the same environment. Its first health check succeeds.
func WebProgram(l Launch) Process {
	var p Process
	if len(l.Args) == 0 {
		return p
	}
	if l.Healthcheck != nil {
		p.Healthy = max(l.Healthcheck.Interval, time.Nanosecond)
	}
	f, ok := readWebFlags(l.Args[1:], l.Env)
	if !ok {
		return Process{Ends: true, Code: badWebFlags}
	}
	p.IgnoreTerm = f.ignoreTerm
	switch {
	case l.Memory > 0 && f.allocMB<<20 > l.Memory:
		p.Ends, p.OOM, p.Code, p.After = true, true, 137, 100*time.Millisecond
	case f.sleep > 0:
		p.Ends, p.After, p.Code = true, f.sleep, max(f.exit, 0)
	case f.exit >= 0:
		p.Ends, p.After, p.Code = true, f.after, f.exit
	}
	return p
}

// behaviour asks what the process of a container does; the caller holds mu.
func (e *Engine) behaviour(c *ctr) Process {
	path, args := c.command()
	i := e.images[c.imageID]
	if i != nil && i.files != nil && strings.HasPrefix(path, "/") && !i.files[path[1:]] {
		return Process{CannotStart: fmt.Sprintf("exec: %q: stat %s: no such file or directory", path, path)}
	}
	l := Launch{
		ID: c.id, Name: c.name, Image: c.config.Image, ImageID: c.imageID, Args: append([]string{path}, args...),
		Env: slices.Clone(c.config.Env), Labels: maps.Clone(c.config.Labels), Memory: c.host.Memory, Run: c.runs + 1,
		Healthcheck: c.config.Healthcheck,
	}
	return e.opts.Behave(l)
}

// signal is what a process is told.
type signal struct {
	number unix.Signal // 0 for the others

	fact bool // it has ended, with code
	code int
	oom  bool

	thaw bool // it was unpaused
}

// run is the life of one process. It ends with the process or the engine. It
// reads its channels from the arguments: the container may have others by then.
func (e *Engine) run(c *ctr, p Process, signals <-chan signal, quit <-chan struct{}) {
	defer e.work.Done()
	var end, healthy <-chan time.Time
	code, oom, late, killed := p.Code, p.OOM, false, false
	if p.Ends {
		end = time.After(p.After)
	}
	if p.Healthy > 0 {
		healthy = time.After(p.Healthy)
	}
	for {
		select {
		case <-e.closed:
			return
		case <-quit:
			return
		case <-healthy:
			e.SetHealth(c.id, container.Healthy)
		case <-end:
			if late = e.frozen(c); !late {
				e.ended(c, code, oom)
				return
			}
			end = nil
		case s := <-signals:
			wait, exit, ends := p.reaction(s.number)
			switch {
			case s.fact, s.thaw && late:
				if s.fact {
					code, oom = s.code, s.oom
				}
				e.ended(c, code, oom)
				return
			case ends && !killed:
				killed = s.number == unix.SIGKILL
				code, oom, late, end = exit, false, false, time.After(e.timing.Signal+wait)
			}
		}
	}
}

// reaction is what a signal does to the process: after how long it ends, and
// with which code. The kernel spares the first process of a container from
// signals that it does not handle.
func (p Process) reaction(s unix.Signal) (wait time.Duration, code int, ends bool) {
	switch s {
	case unix.SIGKILL:
		return 0, 137, !p.Immortal
	case unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT:
		return p.TermDelay, p.TermCode, !p.IgnoreTerm && !p.Immortal
	}
	return 0, 0, false
}

func (e *Engine) frozen(c *ctr) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return c.state.paused
}

// parseSignal reads "SIGTERM", "TERM" and "15".
func parseSignal(s string) (unix.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil {
		if n <= 0 || n > 64 {
			return 0, invalid("Invalid signal: %s", s)
		}
		return unix.Signal(n), nil
	}
	n := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(s), "SIG"))
	if n == 0 {
		return 0, invalid("Invalid signal: %s", s)
	}
	return n, nil
}

// stopSignal is what a stop sends.
func (c *ctr) stopSignal() unix.Signal {
	if s, err := parseSignal(c.config.StopSignal); err == nil {
		return s
	}
	return unix.SIGTERM
}
