package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// show sets the stage, plays every step and strikes the stage again.
func show(ctx context.Context, keep bool) (err error) {
	e, err := newEngine(os.Getenv("DOCKER_HOST"))
	if err != nil {
		return err
	}
	st, version := e.look(ctx)
	if st != answers {
		return errors.New("no dockerd answers on " + e.socket + ": run `make demo`, which sees to it")
	}
	s, err := newStage(e)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.prose.line("\nThe agent's log (its end):")
			s.prose.line("%s", tail(s.log(), 40))
		}
		if err == nil && keep {
			s.howToGoOn()
			return
		}
		err = errors.Join(err, s.strike())
	}()
	s.prose.line("reconciler on dockerd %s; everything of this demo is in %s", version, s.dir)
	for _, act := range s.acts(keep) {
		if err := act(ctx); err != nil {
			return fmt.Errorf("step %d did not come true: %w", s.prose.steps, err)
		}
	}
	s.prose.line("\nAll %d steps came true.", s.prose.steps)
	return nil
}

// acts are the steps of the demo in order.
func (s *stage) acts(keep bool) []func(context.Context) error {
	acts := []func(context.Context) error{
		s.actBuild, s.actAgent, s.actDrop, s.actScale, s.actKill, s.actBreak, s.actBolt, s.actStatus, s.actRemove, s.actImage,
	}
	if keep {
		acts = append(acts, s.actAgain)
	}
	return acts
}

// spec is the job of the demo; imageKey is "image" in a good one.
func (s *stage) spec(count int, imageKey string) string {
	return fmt.Sprintf(`job "web" {
  group "web" {
    count = %d
    update { min_healthy_time = "1s" }
    task "web" {
      driver = "docker"
      config {
        %s = %q
        load  = %q
        port_map { http = 8080 }
      }
      env { WEB_TEXT = "hello from ${NOMAD_ALLOC_NAME}" }
      resources {
        memory = 64
        network {
          port "http" {}
        }
      }
    }
  }
}
`, count, imageKey, s.image, s.archive())
}
