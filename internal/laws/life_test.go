package laws

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"pgregory.net/rapid"

	"reconciler/internal/dockertest"
	"reconciler/internal/job"
)

// life is what a job says of the life of its allocations. The zero value says
// nothing.
type life struct {
	Batch   bool
	Restart *restartBlock
	Leader  bool // the first task leads; there is a second
	Joins   bool // the second task shares the network of the first
	Drain   int  // shutdown_delay of the group in seconds
	Update  updateBlock
	Check   string // "": none, "good", "bad": one that always fails
	Every   int    // its interval in seconds
	Limit   int    // of its check_restart; 0 is none
	Need    string // the rack that its constraint asks for; "" is none
	Volume  bool   // a directory of the host, mounted writable
}

// restartBlock is a restart block; times are in seconds.
type restartBlock struct {
	Attempts, Delay, Interval int
	Mode                      job.RestartMode
}

// updateBlock is an update block; times are in seconds, 0 is left out.
type updateBlock struct {
	MaxParallel, Healthy, Progress int
	Revert                         bool
}

// beat is an image with a HEALTHCHECK.
const beat = "beat"

// home is the rack of the host in the beginning and in the end.
const home = "r1"

func drawLife(rt *rapid.T) life {
	l := life{
		Batch: rapid.IntRange(0, 3).Draw(rt, "batch") == 0,
		Drain: rapid.SampledFrom([]int{0, 0, 0, 2, 8}).Draw(rt, "shutdown_delay"),
		Check: rapid.SampledFrom([]string{"", "", "good", "good", "bad"}).Draw(rt, "check"),
		Need:  rapid.SampledFrom([]string{"", "", "", home, home, "r2"}).Draw(rt, "rack"),
		Update: updateBlock{
			MaxParallel: rapid.SampledFrom([]int{1, 1, 2}).Draw(rt, "max_parallel"),
			Healthy:     rapid.SampledFrom([]int{0, 10, 40}).Draw(rt, "healthy_deadline"),
			Progress:    rapid.SampledFrom([]int{0, 60, 120}).Draw(rt, "progress_deadline"),
			Revert:      rapid.Bool().Draw(rt, "auto_revert"),
		},
		Volume: rapid.IntRange(0, 5).Draw(rt, "volume") == 0,
	}
	l.Leader = rapid.IntRange(0, 3).Draw(rt, "leader") == 0
	l.Joins = rapid.IntRange(0, 3).Draw(rt, "joins") == 0
	if l.Check != "" {
		l.Every = rapid.SampledFrom([]int{4, 30}).Draw(rt, "interval")
		l.Limit = rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(rt, "limit")
	}
	if rapid.Bool().Draw(rt, "restart") {
		l.Restart = &restartBlock{
			Attempts: rapid.IntRange(0, 3).Draw(rt, "attempts"), Delay: rapid.SampledFrom([]int{0, 1, 12}).Draw(rt, "delay"),
			Interval: rapid.SampledFrom([]int{60, 300}).Draw(rt, "interval"),
			Mode:     rapid.SampledFrom([]job.RestartMode{job.RestartFail, job.RestartFail, job.RestartDelay}).Draw(rt, "mode"),
		}
		if l.Restart.Mode == job.RestartDelay {
			l.Restart.Attempts = max(1, l.Restart.Attempts)
		}
	}
	return l
}

// lively gives some of the jobs a life of their own.
func lively(rt *rapid.T, f files) files {
	for _, l := range layout {
		for i := range f[l.file] {
			if rapid.Bool().Draw(rt, "life") {
				f[l.file][i].enliven(rt)
			}
		}
	}
	return f
}

func (s *spec) enliven(rt *rapid.T) {
	s.life = drawLife(rt)
	args := []string{"", "", "stubborn", "flaky", "crash"}
	if s.life.Batch {
		args = []string{"done", "done", "work", "flaky", "crash", ""}
	}
	s.arg = rapid.SampledFrom(args).Draw(rt, "arg")
	s.two = s.life.Leader || s.life.Joins
	if s.life.Volume {
		s.port, s.static = false, 0
	}
	if s.life.Check == "" && rapid.IntRange(0, 3).Draw(rt, "beat") == 0 {
		s.tag = beat
	}
}

// calm makes the jobs such that they come to an end by themselves: what crashes
// or fails its check again and again does so under a block that gives up.
func (f files) calm() files {
	for _, l := range layout {
		for i := range f[l.file] {
			s := &f[l.file][i]
			s.life.Every = 30 // hours follow
			restless := s.arg == "crash" || s.arg == "done" && !s.life.Batch || s.life.Check == "bad" && s.life.Limit > 0
			if !restless {
				continue
			}
			if s.life.Restart == nil {
				s.life.Restart = &restartBlock{Attempts: 1, Delay: 1, Interval: 300}
			}
			r := *s.life.Restart
			r.Mode, r.Interval = job.RestartFail, 300
			s.life.Restart = &r
		}
	}
	return f
}

// head prints what stands before the tasks of the group.
func (l life) head() string {
	var b strings.Builder
	if l.Need != "" {
		fmt.Fprintf(&b, "    constraint {\n      attribute = \"${meta.rack}\"\n      value     = %q\n    }\n", l.Need)
	}
	if l.Drain > 0 {
		fmt.Fprintf(&b, "    shutdown_delay = \"%ds\"\n", l.Drain)
	}
	if r := l.Restart; r != nil {
		fmt.Fprintf(&b, "    restart {\n      attempts = %d\n      delay = \"%ds\"\n      interval = \"%ds\"\n      mode = %q\n    }\n", r.Attempts, r.Delay, r.Interval, r.Mode)
	}
	return b.String()
}

// update prints what the update block says besides min_healthy_time.
func (u updateBlock) String() string {
	var b strings.Builder
	if u.MaxParallel > 0 {
		fmt.Fprintf(&b, "      max_parallel = %d\n", u.MaxParallel)
	}
	if u.Healthy > 0 {
		fmt.Fprintf(&b, "      healthy_deadline = \"%ds\"\n", u.Healthy)
	}
	if u.Progress > 0 && u.Healthy > 0 { // else it is below the default of the other
		fmt.Fprintf(&b, "      progress_deadline = \"%ds\"\n", u.Progress)
	}
	if u.Revert {
		b.WriteString("      auto_revert = true\n")
	}
	return b.String()
}

// service prints the service of the first task.
func (l life) service() string {
	if l.Check == "" {
		return ""
	}
	restart := ""
	if l.Limit > 0 {
		restart = fmt.Sprintf("          check_restart {\n            limit = %d\n            grace = \"3s\"\n          }\n", l.Limit)
	}
	return fmt.Sprintf("      service {\n        address_mode = \"driver\"\n        check {\n          type = \"script\"\n          command = \"/check\"\n          args = [%q]\n          interval = \"%ds\"\n%s        }\n      }\n", l.Check, l.Every, restart)
}

// probe runs a check's script: it fails if it is a bad one, or its job is sick.
// The engine's lock is held.
func (w *world) probe(c dockertest.Command) dockertest.Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	if slices.Contains(c.Args, "bad") || w.sick[c.Labels[job.LabelJob]] {
		return dockertest.Outcome{Code: 2, Stdout: "out of order\n"}
	}
	return dockertest.Outcome{}
}

// program is what the tests' programs do by their argument: "done" ends well
// after a few seconds, "work" after a minute, "crash" and "flaky" end badly, and
// the latter goes on from the third attempt.
func program(l dockertest.Launch) (p dockertest.Process) {
	if l.Healthcheck != nil {
		p.Healthy = 2 * time.Second
	}
	ends := func(after time.Duration, code int) { p.Ends, p.After, p.Code = true, after, code }
	attempt, _ := strconv.Atoi(l.Labels[job.LabelAttempt])
	batch := l.Labels["law.batch"] != ""
	switch {
	case slices.Contains(l.Args, "stubborn"):
		p.IgnoreTerm = true
	case slices.Contains(l.Args, "immortal"):
		p.Immortal = true
	case slices.Contains(l.Args, "crash"):
		ends(time.Second, 1)
	case slices.Contains(l.Args, "flaky") && attempt <= 2:
		ends(2*time.Second, 3)
	case slices.Contains(l.Args, "done"), slices.Contains(l.Args, "flaky") && batch:
		ends(3*time.Second, 0)
	case slices.Contains(l.Args, "work"):
		ends(time.Minute, 0)
	}
	return p
}

func beatImage() dockertest.Image {
	return dockertest.Image{
		Refs: []string{ref(beat)}, Salt: beat, Config: container.Config{
			Entrypoint:  []string{"/app"},
			Healthcheck: &container.HealthConfig{Test: []string{"CMD", "/beat"}, Interval: time.Second},
		},
	}
}
