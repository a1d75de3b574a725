package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// engine is the little that the demo asks of dockerd, over its socket. It
// stands for the person who looks with `docker ps` and does damage with
// `docker kill`; that a docker CLI is installed is not taken for granted.
type engine struct {
	socket string
	http   *http.Client
}

// defaultSocket is where dockerd listens unless DOCKER_HOST says otherwise.
const defaultSocket = "/var/run/docker.sock"

// newEngine takes the socket from DOCKER_HOST. A remote engine is refused: the
// demo's containers bind directories of this machine and answer on its ports.
func newEngine(host string) (*engine, error) {
	socket := defaultSocket
	if host != "" {
		path, ok := strings.CutPrefix(host, "unix://")
		if !ok {
			return nil, fmt.Errorf("DOCKER_HOST is %s: the demo needs the engine of this machine; unset it", host)
		}
		socket = path
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &engine{socket: socket, http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DialContext: dial}}}, nil
}

// errNotFound is the engine's 404.
var errNotFound = errors.New("not found")

// call sends one request and decodes its answer into out, if any.
func (e *engine) call(ctx context.Context, method, path string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://docker"+path, nil)
	if err != nil {
		return err
	}
	resp, err := e.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusNotFound:
		return errNotFound
	case resp.StatusCode >= 400:
		return fmt.Errorf("dockerd: %s: %s", resp.Status, strings.TrimSpace(string(body)))
	case out == nil:
		return nil
	}
	return json.Unmarshal(body, out)
}

// state says whether dockerd answers, and if not, what is in the way.
type state int

const (
	answers    state = iota
	noRight          // the socket is there and this user may not use it
	noListener       // nobody answers
)

// look asks dockerd for its version.
func (e *engine) look(ctx context.Context) (state, string) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var v struct{ Version string }
	err := e.call(ctx, http.MethodGet, "/version", &v)
	switch {
	case err == nil:
		return answers, v.Version
	case errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EACCES):
		return noRight, ""
	}
	return noListener, ""
}

// box is one container of the demo's agent.
type box struct {
	ID     string
	Names  []string
	State  string
	Labels map[string]string
	Ports  []struct {
		IP          string
		PrivatePort int
		PublicPort  int
		Type        string
	}
}

func (b box) name() string {
	if len(b.Names) == 0 {
		return b.ID
	}
	return strings.TrimPrefix(b.Names[0], "/")
}

// url is where port 8080 of the container is published on this machine.
func (b box) url() string {
	for _, p := range b.Ports {
		if p.PrivatePort == 8080 && p.Type == "tcp" && p.PublicPort != 0 {
			return "http://" + net.JoinHostPort(p.IP, fmt.Sprint(p.PublicPort))
		}
	}
	return ""
}

// boxes lists the containers of one node id, in any state.
func (e *engine) boxes(ctx context.Context, nodeID string) ([]box, error) {
	filter, err := json.Marshal(map[string][]string{"label": {"reconciler.node_id=" + nodeID}})
	if err != nil {
		return nil, err
	}
	var out []box
	return out, e.call(ctx, http.MethodGet, "/containers/json?all=1&filters="+url.QueryEscape(string(filter)), &out)
}

// kill does what `docker kill` does.
func (e *engine) kill(ctx context.Context, id string) error {
	return e.call(ctx, http.MethodPost, "/containers/"+id+"/kill", nil)
}

// hasImage reports whether an image is there.
func (e *engine) hasImage(ctx context.Context, ref string) (bool, error) {
	err := e.call(ctx, http.MethodGet, "/images/"+ref+"/json", nil)
	if errors.Is(err, errNotFound) {
		return false, nil
	}
	return err == nil, err
}

// sweep removes the containers of a node id and one image: what is left of a
// demo that did not come to its end.
func (e *engine) sweep(ctx context.Context, nodeID, ref string) error {
	boxes, err := e.boxes(ctx, nodeID)
	if err != nil {
		return err
	}
	var errs []error
	for _, b := range boxes {
		errs = append(errs, e.call(ctx, http.MethodDelete, "/containers/"+b.ID+"?force=1&v=1", nil))
	}
	errs = append(errs, e.call(ctx, http.MethodDelete, "/images/"+ref, nil))
	for i, err := range errs {
		if errors.Is(err, errNotFound) {
			errs[i] = nil
		}
	}
	return errors.Join(errs...)
}

// exists reports whether a file is there.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
