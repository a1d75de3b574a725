package dockertest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/docker/docker/api/types/versions"
)

// engineRelease is the engine that spoke an API version as its newest.
type engineRelease struct {
	api, version, oldest string
}

// releases are from the engine's release notes. The oldest version is that of
// the upstream binaries.
var releases = []engineRelease{
	{"1.40", "19.03.15", "1.12"},
	{"1.41", "20.10.24", "1.12"},
	{"1.42", "23.0.6", "1.12"},
	{"1.43", "24.0.9", "1.12"},
	{"1.44", "25.0.8", "1.24"},
	{"1.45", "26.1.4", "1.24"},
	{"1.46", "27.1.2", "1.24"},
	{"1.47", "27.5.1", "1.24"},
	{"1.48", "28.0.4", "1.24"},
	{"1.49", "28.1.1", "1.24"},
	{"1.50", "28.2.2", "1.24"},
	{"1.51", "28.5.2", "1.24"},
	{"1.52", "29.0.0", "1.44"},
}

func release(api string) engineRelease {
	for _, r := range releases {
		if r.api == api {
			return r
		}
	}
	return engineRelease{api: api, version: "0.0.0-dev", oldest: "1.24"}
}

// speaks reports whether the engine is at least of that API version.
func (e *Engine) speaks(api string) bool {
	return versions.GreaterThanOrEqualTo(e.opts.APIVersion, api)
}

// splitVersion takes the version off a path, "/v1.41/info"; it is the engine's
// own if there is none.
func (e *Engine) splitVersion(path string) (version, rest string) {
	if !strings.HasPrefix(path, "/v") {
		return e.opts.APIVersion, path
	}
	version, rest, ok := strings.Cut(path[2:], "/")
	if !ok || version == "" || version[0] < '0' || version[0] > '9' {
		return e.opts.APIVersion, path
	}
	return version, "/" + rest
}

// checkVersion refuses what the engine does not speak.
func (e *Engine) checkVersion(version string) error {
	switch {
	case versions.GreaterThan(version, e.opts.APIVersion):
		return refuse(http.StatusBadRequest, "client version %s is too new. Maximum supported API version is %s", version, e.opts.APIVersion)
	case versions.LessThan(version, e.opts.MinAPIVersion):
		return refuse(http.StatusBadRequest,
			"client version %s is too old. Minimum supported API version is %s, please upgrade your client to a newer version", version, e.opts.MinAPIVersion)
	}
	return nil
}

// apiError is an answer that is no success.
type apiError struct {
	status int
	text   string
}

func (a *apiError) Error() string { return fmt.Sprintf("%d: %s", a.status, a.text) }

func refuse(status int, format string, args ...any) error {
	return &apiError{status, fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) error {
	return refuse(http.StatusNotFound, format, args...)
}

func conflict(format string, args ...any) error {
	return refuse(http.StatusConflict, format, args...)
}

func invalid(format string, args ...any) error {
	return refuse(http.StatusBadRequest, format, args...)
}

func broken(format string, args ...any) error {
	return refuse(http.StatusInternalServerError, format, args...)
}

// errAborted ends a call whose engine stopped: the connection is cut already.
var errAborted = refuse(http.StatusServiceUnavailable, "the engine was stopped")

// notModified is the answer to a start of what runs and a stop of what does
// not.
var notModified = refuse(http.StatusNotModified, "")
