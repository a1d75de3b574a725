package allocdir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/go-getter/v2"
)

// Bounds of a request until its body begins. The body has limits.idle.
const (
	dialTimeout   = 30 * time.Second // a SYN is sent five times in it
	tlsTimeout    = 30 * time.Second
	headerTimeout = 2 * time.Minute // for servers that make the archive when asked
	maxRedirects  = 10              // as the standard library and browsers, more or less
)

// newTransport makes what speaks HTTP. Connections are not kept: an artifact
// is one request, and the next is days away.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 proxy,
		DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout:   tlsTimeout,
		ResponseHeaderTimeout: headerTimeout,
		ForceAttemptHTTP2:     true,
		DisableKeepAlives:     true,
		DisableCompression:    true, // an archive is what it was packed as, and so is its checksum
	}
}

// proxy hides the standard library's error, which quotes the proxy's password.
func proxy(req *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(req)
	if err != nil {
		return nil, errors.New("the proxy of the agent's environment is no URL")
	}
	return u, nil
}

// download brings a file of a server to path.
func (f *fetcher) download(ctx context.Context, u *url.URL, path string) error {
	web := &getter.HttpGetter{
		Client:                &http.Client{Transport: f.watched(), CheckRedirect: checkRedirect},
		DoNotCheckHeadFirst:   true, // there is nothing to go on from
		XTerraformGetDisabled: true, // a server may not name another getter
	}
	client := &getter.Client{
		Getters:         []getter.Getter{web},
		Decompressors:   map[string]getter.Decompressor{}, // see unpack
		DisableSymlinks: true,
	}
	_, err := client.Get(ctx, &getter.Request{Src: u.String(), Dst: path, GetMode: getter.ModeFile})
	return withoutURL(err)
}

// checkRedirect follows to other places of the web only.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return refused("the server redirects more than %d times", maxRedirects)
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return refused("the server redirects to something else than http or https")
	}
	req.Header.Del("Referer") // it would hand the source's parameters to the next server
	return nil
}

// watched gives the transport's answers bounds.
func (f *fetcher) watched() http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		ctx, cancel := context.WithCancelCause(req.Context())
		resp, err := f.transport.RoundTrip(req.WithContext(ctx))
		if err != nil {
			cancel(nil)
			return nil, err
		}
		if err := f.unfit(resp); err != nil {
			_ = resp.Body.Close() // nobody reads it
			cancel(nil)
			return nil, err
		}
		resp.Body = f.bound(resp.Body, func(cause error) { cancel(cause) }, func() error { return context.Cause(ctx) })
		return resp, nil
	})
}

// unfit says why an answer cannot lead to the artifact.
func (f *fetcher) unfit(resp *http.Response) error {
	if resp.StatusCode >= 400 {
		return statusError(resp.StatusCode)
	}
	if resp.ContentLength > f.limits.bytes {
		return f.budget().take(resp.ContentLength) // which is more than there is
	}
	// The client's own error would quote the place with its parameters.
	if _, err := resp.Location(); err != nil && !errors.Is(err, http.ErrNoLocation) {
		return refused("the server redirects to what is no URL")
	}
	return nil
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip is http.RoundTripper's.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// body is an answer that ends with an error if it is too long or too slow.
type body struct {
	io.ReadCloser
	idle  *time.Timer
	wait  time.Duration
	left  *budget
	end   func(error)
	cause func() error
}

func (f *fetcher) bound(b io.ReadCloser, end func(error), cause func() error) io.ReadCloser {
	return &body{
		ReadCloser: b, wait: f.limits.idle, left: f.budget(), end: end, cause: cause,
		idle: time.AfterFunc(f.limits.idle, func() { end(errIdle) }),
	}
}

// Read resets the clock with every byte.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.idle.Reset(b.wait)
	}
	if over := b.left.take(int64(n)); over != nil {
		return 0, over
	}
	if err != nil && !errors.Is(err, io.EOF) {
		if cause := b.cause(); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return n, &networkError{err}
	}
	return n, err
}

// Close ends the request.
func (b *body) Close() error {
	b.idle.Stop()
	err := b.ReadCloser.Close()
	b.end(nil)
	return err
}
