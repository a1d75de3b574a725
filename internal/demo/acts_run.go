package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

func (s *stage) actBuild(ctx context.Context) error {
	s.prose.step("Build the binary, and a small web image from our own Go program (the first time takes longer).")
	begin := time.Now()
	if err := s.build(ctx); err != nil {
		return err
	}
	s.prose.came(time.Since(begin), "bin/reconciler and image.tar, no registry needed")
	return nil
}

func (s *stage) actAgent(ctx context.Context) error {
	s.prose.step("Start the agent.")
	s.prose.line("   $ reconciler agent --manifests manifests --data-dir data --delete-grace %s --image-delay %s", deleteGrace, imageDelay)
	begin := time.Now()
	if err := s.start(); err != nil {
		return err
	}
	err := s.until(ctx, func(ctx context.Context) error {
		if !exists(s.path("data", "reconciler.sock")) || s.nodeID() == "" {
			return errors.New("it has no control socket yet")
		}
		_, err := s.command(ctx, s.binary(), "status", "--data-dir", s.data())
		return err
	})
	if err != nil {
		return err
	}
	s.prose.came(time.Since(begin), "it answers on its control socket")
	return nil
}

func (s *stage) actDrop(ctx context.Context) error {
	text := s.spec(1, "image")
	s.prose.step("Drop manifests/web.hcl:")
	s.prose.quote(text)
	begin := time.Now()
	if err := s.write(text); err != nil {
		return err
	}
	var url, reply string
	err := s.until(ctx, func(ctx context.Context) error {
		up, err := s.exactly(ctx, 1)
		if err != nil {
			return err
		}
		url = up[0].url()
		reply, err = get(ctx, url+"/text")
		return err
	})
	if err != nil {
		return err
	}
	s.prose.came(time.Since(begin), "GET %s: %q", url, reply)
	return nil
}

// exactly returns the running containers if there are n, with ports.
func (s *stage) exactly(ctx context.Context, n int) ([]box, error) {
	up, err := s.running(ctx)
	if err != nil {
		return nil, err
	}
	if len(up) != n {
		return nil, fmt.Errorf("%d containers run, want %d", len(up), n)
	}
	if i := slices.IndexFunc(up, func(b box) bool { return b.url() == "" }); i >= 0 {
		return nil, fmt.Errorf("%s publishes no port", up[i].name())
	}
	return up, nil
}

func (s *stage) actScale(ctx context.Context) error {
	s.prose.step("Edit the file: count = 3.")
	before, err := s.exactly(ctx, 1)
	if err != nil {
		return err
	}
	begin := time.Now()
	if err := s.write(s.spec(3, "image")); err != nil {
		return err
	}
	var replies []string
	err = s.until(ctx, func(ctx context.Context) error {
		up, err := s.exactly(ctx, 3)
		if err != nil {
			return err
		}
		if missing(before, up) != "" {
			return errors.New("the first container was replaced")
		}
		replies = nil
		for _, b := range up {
			r, err := get(ctx, b.url()+"/text")
			if err != nil {
				return err
			}
			replies = append(replies, strings.TrimPrefix(r, "hello from "))
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(replies)
	s.prose.came(time.Since(begin), "%s answer; the first was not touched", strings.Join(replies, ", "))
	return nil
}

func (s *stage) actKill(ctx context.Context) error {
	before, err := s.exactly(ctx, 3)
	if err != nil {
		return err
	}
	victim, others := before[0], before[1:]
	s.prose.step("Kill one from outside.")
	s.prose.line("   $ docker kill %s", victim.name())
	begin := time.Now()
	if err := s.engine.kill(ctx, victim.ID); err != nil {
		return err
	}
	err = s.until(ctx, func(ctx context.Context) error {
		up, err := s.exactly(ctx, 3)
		switch {
		case err != nil:
			return err
		case missing([]box{victim}, up) == "":
			return errors.New("the killed container still runs")
		case missing(others, up) != "":
			return errors.New("another container was touched")
		}
		for _, b := range up {
			if _, err := get(ctx, b.url()+"/text"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.prose.came(time.Since(begin), "it is back, on the same port; the others were not touched")
	return nil
}

// missing returns the id of the first of want that is not in got, or "".
func missing(want, got []box) string {
	for _, w := range want {
		if !slices.ContainsFunc(got, func(g box) bool { return g.ID == w.ID }) {
			return w.ID
		}
	}
	return ""
}
