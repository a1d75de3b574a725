package dockertest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

// call is one request on its way through the engine.
type call struct {
	w    http.ResponseWriter
	r    *http.Request
	life <-chan struct{}
	path string // without the version
	api  string // the version that the client speaks
	arg  string // what the route's pattern caught: a name, an id, a reference

	// The answer of a handler is written after it has returned: a client that
	// does not read must not hold the engine's mutex.
	status int
	reply  []byte
}

func (c *call) query(key string) string { return c.r.URL.Query().Get(key) }

func (c *call) flag(key string) bool {
	v := c.query(key)
	return v != "" && v != "0" && v != "false"
}

// body decodes the request. An empty body is no error.
func (c *call) body(into any) error {
	err := json.NewDecoder(c.r.Body).Decode(into)
	if err != nil && !errors.Is(err, io.EOF) {
		return broken("%s", err) // 20.10 says 500, newer ones 400
	}
	return nil
}

// answer is the handler's answer, v as JSON; nil is an empty body.
func (c *call) answer(status int, v any) error {
	c.status = status
	if v == nil {
		return nil
	}
	b, err := json.Marshal(v)
	if err != nil {
		return broken("%s", err)
	}
	c.reply = append(b, '\n')
	return nil
}

// send writes the answer, unless the handler wrote one itself.
func (c *call) send() {
	if c.status == 0 {
		return
	}
	if c.reply != nil {
		c.w.Header().Set("Content-Type", "application/json")
	}
	c.w.WriteHeader(c.status)
	if c.reply != nil {
		_, _ = c.w.Write(c.reply)
	}
}

// route is one call of the API. Its pattern catches at most one argument.
type route struct {
	method  string
	pattern *regexp.Regexp
	write   bool // changes containers, images, networks or volumes
	do      func(*Engine, *call) error
}

func get(pattern string, do func(*Engine, *call) error) route {
	return route{http.MethodGet, regexp.MustCompile("^" + pattern + "$"), false, do}
}

func write(method, pattern string, do func(*Engine, *call) error) route {
	return route{method, regexp.MustCompile("^" + pattern + "$"), true, do}
}

func post(pattern string, do func(*Engine, *call) error) route {
	return write(http.MethodPost, pattern, do)
}

func reading(r route) route {
	r.write = false
	return r
}

var routes = []route{
	get("/_ping", (*Engine).handlePing),
	get("/version", (*Engine).handleVersion),
	get("/info", (*Engine).handleInfo),
	get("/events", (*Engine).handleEvents),
	get("/containers/json", (*Engine).handleList),
	get("/containers/([^/]+)/json", (*Engine).handleInspect),
	post("/containers/create", (*Engine).handleCreate),
	post("/containers/([^/]+)/start", (*Engine).handleStart),
	post("/containers/([^/]+)/kill", (*Engine).handleKill),
	post("/containers/([^/]+)/stop", (*Engine).handleStop),
	post("/containers/([^/]+)/restart", (*Engine).handleRestart),
	post("/containers/([^/]+)/pause", (*Engine).handlePause),
	post("/containers/([^/]+)/unpause", (*Engine).handleUnpause),
	post("/containers/([^/]+)/rename", (*Engine).handleRename),
	post("/containers/([^/]+)/update", (*Engine).handleUpdate),
	reading(post("/containers/([^/]+)/wait", (*Engine).handleWait)),
	// What runs in a container is its own affair: an exec changes none of what
	// the engine has.
	reading(post("/containers/([^/]+)/exec", (*Engine).handleExecCreate)),
	reading(post("/exec/([^/]+)/start", (*Engine).handleExecStart)),
	get("/exec/([^/]+)/json", (*Engine).handleExecInspect),
	write(http.MethodDelete, "/containers/([^/]+)", (*Engine).handleRemove),
	get("/images/json", (*Engine).handleImageList),
	get("/images/(.+)/json", (*Engine).handleImageInspect),
	get("/distribution/(.+)/json", (*Engine).handleDistribution),
	post("/images/create", (*Engine).handlePull),
	post("/images/load", (*Engine).handleLoad),
	post("/images/(.+)/tag", (*Engine).handleTag),
	write(http.MethodDelete, "/images/(.+)", (*Engine).handleImageRemove),
	get("/networks", (*Engine).handleNetworkList),
	post("/networks/create", (*Engine).handleNetworkCreate),
	get("/networks/([^/]+)", (*Engine).handleNetworkInspect),
	write(http.MethodDelete, "/networks/([^/]+)", (*Engine).handleNetworkRemove),
	get("/volumes", (*Engine).handleVolumeList),
}

// serve answers one request: faults, version, route.
func (e *Engine) serve(w http.ResponseWriter, r *http.Request) {
	life := e.alive()
	if life == nil {
		panic(http.ErrAbortHandler)
	}
	e.mu.Lock()
	if e.shut {
		e.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	e.work.Add(1)
	e.mu.Unlock()
	defer e.work.Done()
	c := &call{w: w, r: r, life: life}
	c.api, c.path = e.splitVersion(r.URL.Path)
	head := w.Header()
	head.Set("Api-Version", e.opts.APIVersion)
	head.Set("Docker-Experimental", "false")
	head.Set("Ostype", "linux")
	head.Set("Server", "Docker/"+release(e.opts.APIVersion).version+" (linux)")

	rt, arg := find(r.Method, c.path)
	c.arg = arg
	rec := e.note(c, rt)
	sw := &statusWriter{ResponseWriter: w}
	c.w = sw
	defer func() { e.noteEnd(rec, sw.status) }()
	e.through(c, rt)
}

// find looks up the route and what its pattern caught.
func find(method, path string) (*route, string) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for i := range routes {
		if routes[i].method != method {
			continue
		}
		if m := routes[i].pattern.FindStringSubmatch(path); m != nil {
			if len(m) == 1 {
				return &routes[i], ""
			}
			arg, err := url.PathUnescape(m[1])
			if err != nil {
				arg = m[1]
			}
			return &routes[i], arg
		}
	}
	return nil, ""
}

// do runs the route and writes its error, if any.
func (e *Engine) do(c *call, rt *route) {
	err := e.checkVersion(c.api)
	switch {
	case err != nil:
	case rt == nil:
		err = notFound("page not found")
	default:
		err = rt.do(e, c)
	}
	if err == nil {
		c.send()
		return
	}
	var known *apiError
	if !errors.As(err, &known) {
		known = &apiError{http.StatusInternalServerError, err.Error()}
	}
	if errors.Is(err, errAborted) || c.r.Context().Err() != nil {
		panic(http.ErrAbortHandler)
	}
	c.fail(known.status, known.text)
}

func (c *call) fail(status int, text string) {
	if status == http.StatusNotModified {
		c.w.WriteHeader(status)
		return
	}
	_ = c.answer(status, map[string]string{"message": text})
	c.send()
}

// statusWriter remembers the status and passes flushes on.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader notes the status.
func (s *statusWriter) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) Write(b []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

// Unwrap lets a handler take the connection over.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// Flush sends what was written so far.
func (s *statusWriter) Flush() {
	if f, ok := s.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

// line writes one JSON message of a stream and sends it at once.
func (c *call) line(v any) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		panic("dockertest: message: " + err.Error()) // plain maps and structs only
	}
	_, _ = c.w.Write(bytes.TrimRight(b.Bytes(), "\n"))
	_, _ = io.WriteString(c.w, "\r\n")
	if f, ok := c.w.(http.Flusher); ok {
		f.Flush()
	}
}

// wait waits in the name of a client: it ends early when the client has gone
// or the engine stops.
func (c *call) wait(d time.Duration) error {
	if d <= 0 {
		return c.r.Context().Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-c.r.Context().Done():
		return c.r.Context().Err()
	case <-c.life:
		return errAborted
	}
}
