package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// howToGoOn says what one can do with an agent that KEEP=1 left running.
func (s *stage) howToGoOn() {
	s.prose.line(`
The agent runs on (process %d). Look around:

  cd %s
  bin/reconciler status --data-dir data         what runs, and why
  $EDITOR manifests/web.hcl                     edit, break, mend, remove
  bin/bbolt get data/state.db jobs web          the state file
  tail -f agent.log                             what the agent does
  docker ps --filter label=reconciler.node=demo

When done, in the clone:

  go run ./internal/demo clean %s`, s.agent.Process.Pid, s.dir, s.dir)
}

// clean ends the agent that a demo with KEEP=1 left in dir, and removes what
// is left of it.
func clean(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	ref, err := os.ReadFile(filepath.Join(dir, "image"))
	if err != nil {
		return fmt.Errorf("%s is no folder of a demo: %w", dir, err)
	}
	e, err := newEngine(os.Getenv("DOCKER_HOST"))
	if err != nil {
		return err
	}
	s := &stage{dir: dir, engine: e, image: strings.TrimSpace(string(ref)), prose: &prose{out: os.Stdout}}
	if err := s.endAgent(ctx); err != nil {
		return err
	}
	if err := s.strike(); err != nil {
		return err
	}
	s.prose.line("The agent, its containers, its image and %s are gone.", dir)
	return nil
}

// endAgent ends the process that the demo wrote down, if it is still that
// process.
func (s *stage) endAgent(ctx context.Context) error {
	text, err := os.ReadFile(s.path("pid"))
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%s: %w", s.path("pid"), err)
	}
	if !s.isAgent(pid) {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return err
	}
	for begin := time.Now(); s.isAgent(pid); time.Sleep(50 * time.Millisecond) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Since(begin) > 15*time.Second {
			return errors.Join(syscall.Kill(pid, syscall.SIGKILL), errors.New("the agent did not end within 15 s and was killed: run this again"))
		}
	}
	return nil
}

// isAgent reports whether a process runs this stage's binary: a number may
// have been given to another process since.
func (s *stage) isAgent(pid int) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && exe == s.binary()
}
