package dockertest

import (
	"net/http"
	"path"
	"strings"
	"time"
)

// Fault says which calls go wrong, and how. Several effects may be set; they
// apply in the order of the fields.
type Fault struct {
	Method string // "" is any
	// Path is a pattern of path.Match over the path without the API version,
	// with ** for any number of segments at its end: "/containers/*/start",
	// "/images/**". "" is any.
	Path string
	// Query must be part of the raw query.
	Query string

	Nth   int // only the n-th matching call, from 1; 0 is all
	Every int // only each so manieth matching call; 0 is all
	Times int // at most so often; 0 is without end

	Delay time.Duration // before anything happens
	Hang  bool          // no answer until the client leaves or the engine stops; no effect
	// Refuse cuts the connection before anything happens.
	Refuse bool
	// Status answers so, with Message, and without effect.
	Status  int
	Message string
	// LoseReply cuts the connection after the effect, without an answer.
	LoseReply bool
	// CutAfter cuts the connection after so many bytes of the answer's body,
	// at least one.
	CutAfter int
}

// Rule is a fault that was injected.
type Rule struct {
	fault  Fault
	engine *Engine
	seen   int
	hits   int
	off    bool
}

// Inject makes a fault happen from now on. The first rule that applies to a
// call is the one that counts.
func (e *Engine) Inject(f Fault) *Rule {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := &Rule{fault: f, engine: e}
	e.faults = append(e.faults, r)
	return r
}

// Lift ends the fault. Calls that hang because of it go on hanging.
func (r *Rule) Lift() {
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	r.off = true
}

// Hits says how many calls the fault has met.
func (r *Rule) Hits() int {
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	return r.hits
}

// LiftFaults ends all faults of calls and of events.
func (e *Engine) LiftFaults() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.faults = nil
	e.bus.fault, e.bus.silent = nil, false
}

// fault returns the fault that the call meets, or nil.
func (e *Engine) fault(c *call) *Fault {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.faults {
		if r.meets(c) {
			return &r.fault
		}
	}
	return nil
}

// meets counts the call if it matches and reports whether the fault applies.
func (r *Rule) meets(c *call) bool {
	f := r.fault
	if r.off || f.Method != "" && f.Method != c.r.Method || !matchPath(f.Path, c.path) ||
		!strings.Contains(c.r.URL.RawQuery, f.Query) || f.Times > 0 && r.hits >= f.Times {
		return false
	}
	r.seen++
	if f.Nth > 0 && r.seen != f.Nth || f.Every > 0 && r.seen%f.Every != 0 {
		return false
	}
	r.hits++
	return true
}

func matchPath(pattern, p string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "**"); ok {
		return strings.HasPrefix(p, prefix)
	}
	ok, err := path.Match(pattern, p)
	return pattern == "" || err == nil && ok
}

// through runs the call with the fault that it meets.
func (e *Engine) through(c *call, rt *route) {
	f := e.fault(c)
	if f == nil {
		e.do(c, rt)
		return
	}
	if f.Delay > 0 && c.wait(f.Delay) != nil {
		panic(http.ErrAbortHandler)
	}
	switch {
	case f.Hang:
		select {
		case <-c.r.Context().Done():
		case <-c.life:
		}
		panic(http.ErrAbortHandler)
	case f.Refuse:
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		c.fail(f.Status, f.Message)
	case f.LoseReply:
		c.w = nowhere{}
		e.do(c, rt)
		panic(http.ErrAbortHandler)
	case f.CutAfter > 0:
		c.w = &cutWriter{ResponseWriter: c.w, left: f.CutAfter}
		e.do(c, rt)
	default:
		e.do(c, rt)
	}
}

// nowhere takes an answer that is lost.
type nowhere struct{}

// Header is one that nobody reads.
func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader does nothing.
func (nowhere) WriteHeader(int) {}

// cutWriter passes the first bytes on and then cuts the connection.
type cutWriter struct {
	http.ResponseWriter
	left int
}

// WriteHeader says that there is more to come, so that the client sees a body
// that ends early.
func (w *cutWriter) WriteHeader(status int) {
	w.Header().Set("Content-Length", "1000000")
	w.ResponseWriter.WriteHeader(status)
}

// Write cuts once the bytes are used up.
func (w *cutWriter) Write(b []byte) (int, error) {
	if len(b) < w.left {
		w.left -= len(b)
		return w.ResponseWriter.Write(b)
	}
	_, _ = w.ResponseWriter.Write(b[:w.left])
	w.Flush()
	panic(http.ErrAbortHandler)
}

// Flush sends what was written so far.
func (w *cutWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}
