package check

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"reconciler/internal/job"
)

const (
	// maxBody is how much of an answer is read: what can be shown of it.
	maxBody = 2 * job.MaxCheckOutput
	// maxHeaders bounds the headers of an answer.
	maxHeaders = 64 << 10
	// maxRedirects is as net/http has it.
	maxRedirects = 10
)

func lookHTTP(ctx context.Context, t job.CheckTarget) result {
	req, err := request(ctx, t)
	if err != nil {
		return failed("request: %s", bare(err))
	}
	tr := transport(t, req)
	defer tr.CloseIdleConnections()
	client := http.Client{Transport: tr, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects || !ownAddress(next.URL, via[0]) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	resp, err := client.Do(req)
	if err != nil {
		if late(ctx) {
			return failed("no answer within %s", patience(t))
		}
		return failed("%s", bare(err))
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxBody)) // the status has told; this is for people
	return result{verdict(resp.StatusCode), describe(resp, body)}
}

// verdict is Consul's: 2xx, 429, and the rest.
func verdict(code int) job.CheckStatus {
	switch {
	case code >= 200 && code < 300:
		return job.CheckPassing
	case code == http.StatusTooManyRequests:
		return job.CheckWarning
	}
	return job.CheckCritical
}

func describe(resp *http.Response, body []byte) string {
	if to, err := resp.Location(); err == nil && verdict(resp.StatusCode) == job.CheckCritical {
		// The body of a redirect is its target once more.
		return fmt.Sprintf("%s: the redirect to %s://%s is not followed", resp.Status, to.Scheme, to.Host)
	}
	if len(body) > 0 {
		return resp.Status + ": " + string(body)
	}
	return resp.Status
}

// request builds what is sent. Runtime names in it are resolved already.
func request(ctx context.Context, t job.CheckTarget) (*http.Request, error) {
	scheme, method := t.Check.Protocol, t.Check.Method
	if scheme == "" {
		scheme = "http"
	}
	if method == "" {
		method = job.DefaultCheckMethod
	}
	path := t.Check.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	u, err := url.ParseRequestURI(path)
	if err != nil {
		return nil, err
	}
	u.Scheme, u.Host = scheme, hostPort(t)
	req, err := http.NewRequestWithContext(ctx, method, u.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "reconciler-check")
	req.Header.Set("Accept", "text/plain, text/*, */*")
	for name, values := range t.Check.Header {
		if strings.EqualFold(name, "Host") {
			if len(values) > 0 {
				req.Host = values[0]
			}
			continue
		}
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	return req, nil
}

// transport dials the check's address whatever the URL says, and keeps no
// connection.
func transport(t job.CheckTarget, req *http.Request) *http.Transport {
	cfg := &tls.Config{InsecureSkipVerify: t.Check.TLSSkipVerify} //nolint:gosec // the manifest asks for it
	if req.Host != req.URL.Host {
		cfg.ServerName = hostname(req.Host)
	}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, hostPort(t))
		},
		TLSClientConfig: cfg, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeaders,
	}
}

// ownAddress reports whether a redirect stays with the instance: the same
// protocol, and its address or the name by which it was asked.
func ownAddress(to *url.URL, first *http.Request) bool {
	if to.Scheme != first.URL.Scheme {
		return false
	}
	if first.Host != first.URL.Host && to.Hostname() == hostname(first.Host) {
		return true
	}
	return to.Hostname() == first.URL.Hostname() && portOf(to) == portOf(first.URL)
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// hostname is the name of a Host header, without a port.
func hostname(header string) string {
	return (&url.URL{Host: header}).Hostname()
}

func hostPort(t job.CheckTarget) string { return net.JoinHostPort(t.Address, strconv.Itoa(t.Port)) }

// bare takes the method and the URL, which may hold a secret, off an error.
func bare(err error) error {
	if known := new(url.Error); errors.As(err, &known) {
		return known.Err
	}
	return err
}
