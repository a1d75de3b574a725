package check

import (
	"context"
	"fmt"
	"io"
	"log" //nolint:depguard // net/http asks for one
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"reconciler/internal/job"
)

const secret = "s3cr3t-token"

// site answers what the checks of the tests ask for.
func site() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "the body")
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s host=%s token=%d query=%s agent=%s",
			r.Method, r.Host, len(r.Header["X-Token"]), r.URL.RawQuery, r.UserAgent())
	})
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.FormValue("url"), http.StatusFound)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/binary", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte{0xff, 0, 'o', 'k', '\n', '!'}) })
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Large", strings.Repeat("x", 2*maxHeaders))
	})
	return mux
}

// at is a check of srv.
func at(t *testing.T, srv *httptest.Server, path string, change func(c *job.Check)) job.CheckTarget {
	t.Helper()
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(u.Port())
	c := job.Check{Type: job.CheckHTTP, Path: path, Protocol: u.Scheme, Timeout: job.Duration(5 * time.Second)}
	if change != nil {
		change(&c)
	}
	return job.CheckTarget{Key: "web", Check: c, Address: u.Hostname(), Port: port}
}

// look runs one look as the Runner does.
func look(t *testing.T, exec Execer, target job.CheckTarget) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout(target.Check))
	defer cancel()
	r := looker(exec)(ctx, target)
	r.output = line(r.output)
	return r
}

func TestHTTP(t *testing.T) {
	srv := httptest.NewServer(site())
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	token := func(c *job.Check) { c.Header = map[string][]string{"x-token": {secret, "two"}} }
	named := func(c *job.Check) { c.Header = map[string][]string{"host": {"web.example"}, "X-Token": {secret}} }
	for _, tc := range []struct {
		name, path string
		change     func(c *job.Check)
		want       job.CheckStatus
		output     string // part of it
	}{
		{"200", "/status/200", nil, job.CheckPassing, "200 OK: the body"},
		{"no slash", "status/200", nil, job.CheckPassing, "200 OK"},
		{"204", "/status/204", nil, job.CheckPassing, "204 No Content"},
		{"299", "/status/299", nil, job.CheckPassing, "299"},
		{"429", "/status/429", nil, job.CheckWarning, "429 Too Many Requests: the body"},
		{"304", "/status/304", nil, job.CheckCritical, "304 Not Modified"},
		{"404", "/status/404", nil, job.CheckCritical, "404 Not Found: the body"},
		{"503", "/status/503", nil, job.CheckCritical, "503 Service Unavailable: the body"},
		{"no path", "", nil, job.CheckCritical, "404"},
		{"two slashes", "//status/200", nil, job.CheckPassing, "200 OK"},
		{"method and query", "/echo?a=b", func(c *job.Check) { c.Method = "PUT" }, job.CheckPassing, "PUT host=" + host + " token=0 query=a=b agent=reconciler-check"},
		{"default method", "/echo", nil, job.CheckPassing, "GET host="},
		{"headers", "/echo", token, job.CheckPassing, "token=2"},
		{"host header", "/echo", named, job.CheckPassing, "host=web.example token=1"},
		{"own agent", "/echo", func(c *job.Check) { c.Header = map[string][]string{"User-Agent": {"mine"}} }, job.CheckPassing, "agent=mine"},
		{"redirect to a path", "/to?url=/echo", named, job.CheckPassing, "host=web.example token=1"},
		{"redirect to the own address", "/to?url=http://" + host + "/echo", token, job.CheckPassing, "token=2"},
		{"redirect to the own name", "/to?url=http://web.example/echo", named, job.CheckPassing, "host=web.example"},
		{"redirect to elsewhere", "/to?url=http://other.example/login?token=abc", named, job.CheckCritical, "302 Found: the redirect to http://other.example is not followed"},
		{"redirect to another port", "/to?url=http://127.0.0.1:1/", nil, job.CheckCritical, "302 Found: the redirect to http://127.0.0.1:1 is not followed"},
		{"redirect to another protocol", "/to?url=https://" + host + "/echo", nil, job.CheckCritical, "302 Found: the redirect to https://"},
		{"redirects without end", "/loop", nil, job.CheckCritical, "302 Found"},
		{"endless body", "/endless", nil, job.CheckPassing, "200 OK"},
		{"binary body", "/binary", nil, job.CheckPassing, "200 OK: \uFFFD ok !"},
		{"body that is cut", "/cut", nil, job.CheckPassing, "200 OK: half"},
		{"large headers", "/headers", nil, job.CheckCritical, "exceeded"},
		{"hangs", "/hang", func(c *job.Check) { c.Timeout = job.Duration(50 * time.Millisecond) }, job.CheckCritical, "no answer within 50ms"},
		{"bad path", "/%zz", nil, job.CheckCritical, "request: invalid URL escape"},
		{"bad method", "/", func(c *job.Check) { c.Method = "A B" }, job.CheckCritical, "invalid method"},
		{"bad header", "/", func(c *job.Check) { c.Header = map[string][]string{"X-Token": {secret + "\n"}} }, job.CheckCritical, "invalid header"},
		{"https of what speaks http", "/", func(c *job.Check) { c.Protocol = "https" }, job.CheckCritical, "HTTP"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := look(t, nil, at(t, srv, tc.path, tc.change))
			if got.status != tc.want || !strings.Contains(got.output, tc.output) {
				t.Errorf("got %s %q, want %s %q", got.status, got.output, tc.want, tc.output)
			}
			if strings.Contains(got.output, secret) || strings.Contains(got.output, "token=abc") {
				t.Errorf("a secret is in the output: %q", got.output)
			}
		})
	}
}

// TestHTTPKeepsNoConnection: each look ends the connection that it made.
func TestHTTPKeepsNoConnection(t *testing.T) {
	var open, made atomic.Int32
	srv := httptest.NewUnstartedServer(site())
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			made.Add(1)
			open.Add(1)
		case http.StateClosed, http.StateHijacked:
			open.Add(-1)
		}
	}
	srv.Start()
	defer srv.Close()
	for range 5 {
		for _, path := range []string{"/status/200", "/status/503", "/endless", "/to?url=/echo"} {
			look(t, nil, at(t, srv, path, nil))
		}
	}
	for end := time.Now().Add(5 * time.Second); open.Load() > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	if open.Load() != 0 || made.Load() < 20 {
		t.Errorf("%d connections were made, %d are still open", made.Load(), open.Load())
	}
}

// TestHTTPHasNoProxy: the environment's proxy is for the agent's own requests.
func TestHTTPHasNoProxy(t *testing.T) {
	srv := httptest.NewServer(site())
	defer srv.Close()
	tr := transport(at(t, srv, "/", nil), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/", http.NoBody))
	if tr.Proxy != nil {
		t.Error("the transport asks for a proxy")
	}
}

func TestHTTPS(t *testing.T) {
	var name atomic.Value
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { name.Store(r.TLS.ServerName) }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	srv.StartTLS()
	defer srv.Close()
	if got := look(t, nil, at(t, srv, "/", nil)); got.status != job.CheckCritical || !strings.Contains(got.output, "certificate") {
		t.Errorf("an unknown certificate: %+v", got)
	}
	got := look(t, nil, at(t, srv, "/", func(c *job.Check) {
		c.TLSSkipVerify, c.Header = true, map[string][]string{"Host": {"web.example:8443"}}
	}))
	if got.status != job.CheckPassing || name.Load() != "web.example" {
		t.Errorf("with tls_skip_verify: %+v; asked for %v", got, name.Load())
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	target := job.CheckTarget{Address: "127.0.0.1", Port: port}
	target.Check.Type = job.CheckTCP
	if got := look(t, nil, target); got.status != job.CheckPassing || got.output != "connected" {
		t.Errorf("somebody listens: %+v", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, typ := range []job.CheckType{job.CheckTCP, job.CheckHTTP} {
		target.Check.Type, target.Check.Path = typ, "/?token=abc"
		got := look(t, nil, target)
		if got.status != job.CheckCritical || !strings.Contains(got.output, "connection refused") || strings.Contains(got.output, "abc") {
			t.Errorf("%s: %+v", typ, got)
		}
	}
	target.Address = "::1"
	target.Check.Type = job.CheckTCP
	if got := look(t, nil, target); got.status != job.CheckCritical || strings.Contains(got.output, "too many colons") {
		t.Errorf("IPv6: %+v", got)
	}
}

// TestRequestOfAnyAddress: what stands in the URL can be sent for every form of
// an address.
func TestRequestOfAnyAddress(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.1": "http://10.0.0.1:80/a?b=c", "web.example": "http://web.example:80/a?b=c",
		"fd00::1": "http://[fd00::1]:80/a?b=c", "fe80::1%eth0": "http://[fe80::1%25eth0]:80/a?b=c",
	} {
		req, err := request(t.Context(), job.CheckTarget{Address: address, Port: 80, Check: job.Check{Path: "/a?b=c"}})
		if err != nil || req.URL.String() != want {
			t.Errorf("%s: %v, %v; want %s", address, req, err, want)
		}
	}
}

func TestUnknownType(t *testing.T) {
	if got := look(t, nil, job.CheckTarget{Check: job.Check{Type: "grpc"}}); got.status != job.CheckCritical || got.output != `no check is of type "grpc"` {
		t.Errorf("got %+v", got)
	}
}
