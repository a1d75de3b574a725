package dockertest

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Call is one request that the engine got, in the order of arrival.
type Call struct {
	At     time.Time
	Method string
	Path   string // without the API version, as in "/containers/web/start"
	Query  string
	// Write is set for calls that may change containers, images, networks or
	// volumes, whether or not they did.
	Write bool
	// Target is the id of the container that the path names, at that time; ""
	// for other calls and for one that does not exist.
	Target string
	Labels map[string]string // of Target
	// Status of the answer; 0 while it is under way, or if there was none.
	Status int
}

// String is the call in one line.
func (c Call) String() string {
	s := c.Method + " " + c.Path
	if c.Query != "" {
		s += "?" + c.Query
	}
	return fmt.Sprintf("%s -> %d", s, c.Status)
}

// note enters the call into the log and returns its number.
func (e *Engine) note(c *call, rt *route) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := Call{At: time.Now(), Method: c.r.Method, Path: c.path, Query: c.r.URL.RawQuery, Write: rt != nil && rt.write}
	if target := e.find(c.arg); target != nil && len(c.path) > 12 && c.path[:12] == "/containers/" {
		n.Target, n.Labels = target.id, maps.Clone(target.config.Labels)
	}
	e.calls = append(e.calls, n)
	return len(e.calls) - 1
}

func (e *Engine) noteEnd(number, status int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if number < len(e.calls) {
		e.calls[number].Status = status
	}
}

// Calls returns all calls so far.
func (e *Engine) Calls() []Call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls)
}

// Writes returns the calls so far that may change something.
func (e *Engine) Writes() []Call {
	return slices.DeleteFunc(e.Calls(), func(c Call) bool { return !c.Write })
}
