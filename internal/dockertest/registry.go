package dockertest

import (
	"fmt"
	"net/http"
	"time"

	"reconciler/internal/imageref"
)

// Registry is all registries that the engine can reach. What is not in it is
// not found.
type Registry struct {
	engine *Engine
	repos  map[string]Image         // by canonical reference
	faults map[string]RegistryFault // by reference or host, as given
	pulls  int
}

// Registry returns the registries of the engine.
func (e *Engine) Registry() *Registry { return e.registry }

// Fault kinds of a registry.
const (
	// Denied is a registry that wants other credentials: 401.
	Denied = "denied"
	// Forbidden is one that does not let us: 403.
	Forbidden = "forbidden"
	// Unreachable is one that nobody answers for.
	Unreachable = "unreachable"
	// Limited is one that says that we ask too often: 429.
	Limited = "limited"
	// Broken is one that answers with 500.
	Broken = "broken"
	// Truncated is one whose last layer breaks off: the error comes inside the
	// stream, after HTTP 200.
	Truncated = "truncated"
)

// RegistryFault is how a registry behaves.
type RegistryFault struct {
	Kind string // one of the kinds; "" only slows down
	// Layer is how long each layer takes.
	Layer time.Duration
	// Stall sends progress of the first layer and then nothing more.
	Stall bool
	// Times is how many pulls it concerns; 0 is all.
	Times int
}

// Push puts an image under a reference.
func (r *Registry) Push(ref string, i Image) {
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	r.repos[mustCanonical(ref)] = i
}

// Delete takes a reference away.
func (r *Registry) Delete(ref string) {
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	delete(r.repos, mustCanonical(ref))
}

// Fail makes pulls of a reference ("web:1"), or of all of a host
// ("docker.io", "registry.example:5000"), behave so.
func (r *Registry) Fail(where string, f RegistryFault) {
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	r.faults[where] = f
}

// Heal ends what Fail began for where.
func (r *Registry) Heal(where string) {
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	delete(r.faults, where)
}

// Pulls is how many pulls were asked for.
func (r *Registry) Pulls() int {
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	return r.pulls
}

// fault finds what concerns a reference; the caller holds mu. With use, one of
// its times is used up.
func (r *Registry) fault(full string, use bool) RegistryFault {
	for where, f := range r.faults {
		if c, err := canonical(where); (err != nil || c != full) && where != imageref.Domain(full) {
			continue
		}
		if use && f.Times > 0 {
			f.Times--
			r.faults[where] = f
			if f.Times == 0 {
				delete(r.faults, where)
			}
		}
		return f
	}
	return RegistryFault{}
}

// ask is the manifest of a reference, or the engine's words for why there is
// none; the caller holds mu.
func (r *Registry) ask(full string, f RegistryFault) (Image, error) {
	switch host := imageref.Domain(full); f.Kind {
	case Unreachable:
		return Image{}, broken("Get \"https://%s/v2/\": dial tcp: connect: connection refused", host)
	case Limited:
		return Image{}, broken("toomanyrequests: the registry says so")
	case Broken:
		return Image{}, broken("received unexpected HTTP status: 500 Internal Server Error")
	case Denied:
		return Image{}, broken("unauthorized: the registry says so")
	case Forbidden:
		return Image{}, notFound("pull access denied for %s, repository does not exist or may require 'docker login': denied: the registry says so", familiar(repository(full)))
	}
	if i, ok := r.repos[full]; ok {
		return i, nil
	}
	for ref, i := range r.repos {
		if repository(ref)+"@"+i.Digest() == full {
			return i, nil
		}
	}
	return Image{}, notFound("manifest for %s not found: manifest unknown", familiar(full))
}

// asked is ask for the manifest alone, whose errors have other statuses.
func (r *Registry) asked(full string) (Image, error) {
	f := r.fault(full, false)
	switch f.Kind {
	case Denied:
		return Image{}, refuse(http.StatusUnauthorized, "unauthorized: the registry says so")
	case Forbidden:
		return Image{}, refuse(http.StatusForbidden, "denied: the registry says so")
	case Limited:
		return Image{}, refuse(http.StatusTooManyRequests, "toomanyrequests: the registry says so")
	case Truncated:
		f.Kind = ""
	}
	return r.ask(full, f)
}

func (e *Engine) handleDistribution(c *call) error {
	full, err := canonical(c.arg)
	if err != nil {
		return invalid("%s", err)
	}
	if err := c.wait(e.timing.Registry); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	i, err := e.registry.asked(full)
	if err != nil {
		return err
	}
	return c.answer(http.StatusOK, map[string]any{
		"Descriptor": map[string]any{
			"mediaType": "application/vnd.docker.distribution.manifest.v2+json", "digest": i.Digest(), "size": 500,
		},
		"Platforms": []map[string]string{{"architecture": "amd64", "os": "linux"}},
	})
}

// progress is one line of a pull's stream.
type progress struct {
	Status string          `json:"status,omitempty"`
	Stream string          `json:"stream,omitempty"`
	Detail *progressDetail `json:"progressDetail,omitempty"`
	ID     string          `json:"id,omitempty"`
	Error  *streamError    `json:"errorDetail,omitempty"`
	Text   string          `json:"error,omitempty"`
}

type progressDetail struct {
	Current int64 `json:"current,omitempty"`
	Total   int64 `json:"total,omitempty"`
}

type streamError struct {
	Code    int    `json:"code,omitempty"`
	Message string `json:"message"`
}

func inStream(format string, args ...any) progress {
	text := fmt.Sprintf(format, args...)
	return progress{Error: &streamError{Message: text}, Text: text}
}
