package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"time"

	"reconciler/internal/job"
	"reconciler/store"
)

// ErrNoAgent is returned when no agent answers on the control socket.
var ErrNoAgent = errors.New("no agent answers")

// clientTimeout bounds a question; every answer comes from memory or one scan
// of a directory.
const clientTimeout = 5 * time.Second

// Client asks the agent of one data directory.
type Client struct {
	dir  string
	http *http.Client
}

// NewClient returns a client for the agent of a data directory. It does not
// connect.
func NewClient(dir string) *Client {
	tr := &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, dir) },
		DisableKeepAlives: true,
	}
	return &Client{dir: dir, http: &http.Client{Transport: tr, Timeout: clientTimeout}}
}

// Status asks for the state of everything.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.do(ctx, http.MethodGet, "/v1/status", &s)
}

// Events asks for what happened, oldest first.
func (c *Client) Events(ctx context.Context) ([]store.Event, error) {
	var out []store.Event
	return out, c.do(ctx, http.MethodGet, "/v1/events", &out)
}

// Services asks for the instances of all services, sorted by name and
// allocation.
func (c *Client) Services(ctx context.Context) ([]store.ServiceRecord, error) {
	out := []store.ServiceRecord{}
	return out, c.do(ctx, http.MethodGet, "/v1/services", &out)
}

// Plan asks what would be done from here.
func (c *Client) Plan(ctx context.Context) ([]job.Forecast, error) {
	out := []job.Forecast{}
	return out, c.do(ctx, http.MethodGet, "/v1/plan", &out)
}

// ConfirmDeletions releases the held deletions and names the jobs.
func (c *Client) ConfirmDeletions(ctx context.Context) ([]string, error) {
	var out Confirmed
	return out.Jobs, c.do(ctx, http.MethodPost, "/v1/confirm-deletions", &out)
}

// Ask asks something of a job.
func (c *Client) Ask(ctx context.Context, jobName string, r Request) error {
	return c.do(ctx, http.MethodPost, "/v1/jobs/"+url.PathEscape(jobName)+"/"+string(r), &struct{}{})
}

func (c *Client) do(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://agent"+path, http.NoBody)
	if err != nil {
		return fmt.Errorf("control request: %w", err)
	}
	resp, err := c.http.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w on the control socket in %s; is it running, and is --data-dir right?", ErrNoAgent, c.dir)
	case os.IsTimeout(err):
		return fmt.Errorf("%w on the control socket in %s within %s", ErrNoAgent, c.dir, clientTimeout)
	case err != nil:
		return fmt.Errorf("control socket in %s: %w", c.dir, cause(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		var f failure
		if json.NewDecoder(resp.Body).Decode(&f) != nil || f.Error == "" {
			f.Error = resp.Status
			if resp.StatusCode == http.StatusNotFound {
				f.Error = "the running agent does not know this request: it is of another version"
			}
		}
		return errors.New(f.Error)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("control answer: %w", err)
	}
	return nil
}

// cause is what the system said of a socket, where that is known: the layers
// above it tell of HTTP, which is no business of who reads the error.
func cause(err error) error {
	if no := syscall.Errno(0); errors.As(err, &no) {
		return no
	}
	return err
}
