package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"reconciler/internal/testimage"
)

// Times of the demo: shorter than the agent's defaults, so that nobody waits.
const (
	deleteGrace = time.Second     // before a removed file counts; default 5 s
	imageDelay  = 5 * time.Second // before an unused image goes; default 3 m
	patience    = 60 * time.Second
)

// stage is one temporary directory with everything in it: the binaries, the
// manifests, the agent's data and log.
type stage struct {
	dir    string
	engine *engine
	image  string // reference, of this demo alone
	agent  *exec.Cmd
	ended  chan struct{} // closed when the agent has ended
	prose  *prose
}

func (s *stage) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}
func (s *stage) binary() string    { return s.path("bin", "reconciler") }
func (s *stage) bbolt() string     { return s.path("bin", "bbolt") }
func (s *stage) manifests() string { return s.path("manifests") }
func (s *stage) manifest() string  { return s.path("manifests", "web.hcl") }
func (s *stage) data() string      { return s.path("data") }
func (s *stage) log() string       { return s.path("agent.log") }
func (s *stage) archive() string   { return s.path("image.tar") }

// newStage makes the directory.
func newStage(e *engine) (*stage, error) {
	dir, err := os.MkdirTemp("", "reconciler-demo-")
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir, engine: e, prose: &prose{out: os.Stdout}}
	// A reference of its own: an image that was there before is never the
	// agent's to delete.
	s.image = "reconciler-demo:" + strings.TrimPrefix(filepath.Base(dir), "reconciler-demo-")
	for _, d := range []string{s.manifests(), s.path("bin")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return nil, err
		}
	}
	// For `demo clean`, which has nothing else to know it from.
	return s, os.WriteFile(s.path("image"), []byte(s.image), 0o644)
}

// build makes the binary, the stock bbolt CLI and the image archive.
func (s *stage) build(ctx context.Context) error {
	for _, b := range [][2]string{{s.binary(), "./cmd/reconciler"}, {s.bbolt(), "go.etcd.io/bbolt/cmd/bbolt"}} {
		cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", b[0], b[1])
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go build %s: %w\n%s", b[1], err, out)
		}
	}
	_, err := testimage.Build(s.dir, testimage.Options{Refs: []string{s.image}, Salt: s.image})
	return err
}

// start runs the agent. It keeps running when the demo ends only if nobody
// calls stop; Ctrl-C goes to the demo, which stops it in order.
func (s *stage) start() error {
	log, err := os.Create(s.log())
	if err != nil {
		return err
	}
	defer log.Close()
	//nolint:noctx // With KEEP=1 it outlives this program.
	s.agent = exec.Command(s.binary(), "agent", "--manifests", s.manifests(), "--data-dir", s.data(),
		"--name", "demo", "--delete-grace", deleteGrace.String(), "--image-delay", imageDelay.String())
	s.agent.Stdout, s.agent.Stderr = log, log
	s.agent.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := s.agent.Start(); err != nil {
		return err
	}
	s.ended = make(chan struct{})
	go func() {
		defer close(s.ended)
		_ = s.agent.Wait()
	}()
	return os.WriteFile(s.path("pid"), []byte(strconv.Itoa(s.agent.Process.Pid)), 0o644)
}

// strike stops the agent and removes what is left of the demo.
func (s *stage) strike() error {
	if s.agent != nil && s.agent.Process != nil {
		_ = s.agent.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.ended:
		case <-time.After(15 * time.Second):
			_ = s.agent.Process.Kill()
			<-s.ended
		}
	}
	// Not the demo's context: this is what Ctrl-C leads to.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	if id := s.nodeID(); id != "" {
		err = s.engine.sweep(ctx, id, s.image)
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// nodeID is the agent's, which its containers carry; "" before it has one.
func (s *stage) nodeID() string {
	b, err := os.ReadFile(filepath.Join(s.data(), "node-id"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// running lists the containers of the agent that run.
func (s *stage) running(ctx context.Context) ([]box, error) {
	all, err := s.engine.boxes(ctx, s.nodeID())
	var out []box
	for _, b := range all {
		if b.State == "running" {
			out = append(out, b)
		}
	}
	return out, err
}

// write puts a manifest into the directory, by a rename as editors do.
func (s *stage) write(text string) error {
	tmp := s.path("manifests", ".web.hcl.tmp")
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, s.manifest())
}

// command runs one of the programs and returns what it printed.
func (s *stage) command(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var errs bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", filepath.Base(name), args[0], err, bytes.TrimSpace(errs.Bytes()))
	}
	return string(out), nil
}

// get asks a container for its text.
func get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(resp.Status)
	}
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

// until waits for check to return nil, or the agent's end.
func (s *stage) until(ctx context.Context, check func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var last error
	for {
		if last = check(ctx); last == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (waited %s)", last, patience)
		case <-s.ended:
			return errors.New("the agent has ended")
		case <-time.After(20 * time.Millisecond):
		}
	}
}
