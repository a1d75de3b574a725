package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

func (s *stage) actBreak(ctx context.Context) error {
	s.prose.step("Break the file: imge instead of image.")
	before, err := s.exactly(ctx, 3)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := s.write(s.spec(3, "imge")); err != nil {
		return err
	}
	var problem string
	err = s.until(ctx, func(ctx context.Context) error {
		out, err := s.command(ctx, s.binary(), "status", "--data-dir", s.data())
		if err != nil {
			return err
		}
		problem = lineWith(out, "imge")
		if problem == "" {
			return errors.New("status shows no problem")
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.prose.came(time.Since(begin), "status shows it; a file counts as broken once it has been still for 1 s")
	s.prose.quote(problem)
	if err := s.undisturbed(ctx, before, deleteGrace+time.Second); err != nil {
		return err
	}
	s.prose.line("   -> all three containers run on, the last good spec stands")
	if err := s.write(s.spec(3, "image")); err != nil {
		return err
	}
	err = s.until(ctx, func(ctx context.Context) error {
		out, err := s.command(ctx, s.binary(), "status", "--data-dir", s.data())
		if err == nil && lineWith(out, "imge") != "" {
			err = errors.New("the problem is still shown")
		}
		return err
	})
	if err != nil {
		return err
	}
	s.prose.line("   -> mended, and the problem is gone")
	return s.undisturbed(ctx, before, time.Second)
}

// undisturbed demands for d that exactly these containers run.
func (s *stage) undisturbed(ctx context.Context, want []box, d time.Duration) error {
	for begin := time.Now(); time.Since(begin) < d; time.Sleep(100 * time.Millisecond) {
		up, err := s.exactly(ctx, len(want))
		if err != nil {
			return err
		}
		if missing(want, up) != "" {
			return errors.New("a container was replaced")
		}
	}
	return ctx.Err()
}

func lineWith(text, word string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

func (s *stage) actBolt(ctx context.Context) error {
	s.prose.step("Look into the state file with the stock bbolt CLI while the agent runs.")
	for _, args := range [][]string{{"buckets"}, {"keys", "allocs"}, {"get", "jobs", "web"}} {
		full := append([]string{args[0], s.path("data", "state.db")}, args[1:]...)
		begin := time.Now()
		out, err := s.command(ctx, s.bbolt(), full...)
		if err != nil {
			return err
		}
		if strings.TrimSpace(out) == "" {
			return fmt.Errorf("bbolt %s says nothing", args[0])
		}
		show := "bbolt " + args[0] + " data/state.db " + strings.Join(args[1:], " ")
		s.prose.line("   $ %-*s %6.2f s", width-2, show, time.Since(begin).Seconds())
		if args[0] == "buckets" {
			out = strings.Join(strings.Fields(out), "  ")
		}
		s.prose.quote(out)
	}
	return nil
}

func (s *stage) actStatus(ctx context.Context) error {
	s.prose.step("Ask the agent.")
	s.prose.line("   $ reconciler status --data-dir data")
	var out string
	err := s.until(ctx, func(ctx context.Context) (err error) {
		out, err = s.command(ctx, s.binary(), "status", "--data-dir", s.data())
		if err == nil && !strings.Contains(out, "3/3") {
			err = errors.New("status does not show 3 of 3")
		}
		return err
	})
	if err != nil {
		return err
	}
	s.prose.quote(out)
	return nil
}

func (s *stage) actRemove(ctx context.Context) error {
	s.prose.step("Remove the file.")
	begin := time.Now()
	if err := os.Remove(s.manifest()); err != nil {
		return err
	}
	err := s.until(ctx, func(ctx context.Context) error {
		left, err := s.engine.boxes(ctx, s.nodeID())
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%d containers are left", len(left))
		}
		return err
	})
	if err != nil {
		return err
	}
	s.prose.came(time.Since(begin), "the containers are gone (%s of it is the deletion grace)", deleteGrace)
	return nil
}

func (s *stage) actImage(ctx context.Context) error {
	s.prose.step("Wait for the image's turn.")
	begin := time.Now()
	if there, err := s.engine.hasImage(ctx, s.image); err != nil || !there {
		return errors.Join(err, errors.New("the image went before its delay"))
	}
	err := s.until(ctx, func(ctx context.Context) error {
		there, err := s.engine.hasImage(ctx, s.image)
		if err == nil && there {
			err = errors.New("the image is still there")
		}
		return err
	})
	if err != nil {
		return err
	}
	s.prose.came(time.Since(begin), "the image is gone too (docker.cleanup.image.delay is %s here)", imageDelay)
	return nil
}

// actAgain leaves something to look at.
func (s *stage) actAgain(ctx context.Context) error {
	s.prose.step("KEEP=1: put the file back.")
	begin := time.Now()
	if err := s.write(s.spec(3, "image")); err != nil {
		return err
	}
	err := s.until(ctx, func(ctx context.Context) error {
		_, err := s.exactly(ctx, 3)
		return err
	})
	if err != nil {
		return err
	}
	s.prose.came(time.Since(begin), "three containers run")
	return nil
}
