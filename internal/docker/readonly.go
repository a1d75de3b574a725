package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/docker/docker/client"
)

// NewReadOnlyClient returns a client that refuses every call that could change
// something on the engine, before it leaves the process: whatever a dry run
// does wrong, it does not do it to the host.
func NewReadOnlyClient(cfg ClientConfig) (*client.Client, error) {
	t, err := cfg.target()
	if err != nil {
		return nil, err
	}
	return t.client(func(c *client.Client) error {
		hc := c.HTTPClient()
		hc.Transport = onlyReads(hc.Transport)
		return client.WithHTTPClient(hc)(c)
	})
}

// onlyReads is readOnly in the form of an http.Transport, since the client
// takes the dialer of one for calls that become a raw stream (attach, exec):
// these would go around any other RoundTripper.
func onlyReads(next http.RoundTripper) *http.Transport {
	tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("raw stream: a dry run makes no write call")
	}}
	tr.RegisterProtocol("http", readOnly{next})
	tr.RegisterProtocol("https", readOnly{next})
	return tr
}

// readOnly lets only the methods pass that change nothing by the engine's API.
type readOnly struct{ next http.RoundTripper }

// RoundTrip refuses a request that is not GET or HEAD.
func (r readOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return nil, fmt.Errorf("%s %s: a dry run makes no write call", req.Method, req.URL.Path)
	}
	return r.next.RoundTrip(req)
}
