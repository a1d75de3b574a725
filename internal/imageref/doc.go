// Package imageref makes the one canonical form of an image reference, which
// authentication, pull, inspect and garbage collection all use, so that
// "redis", "docker.io/redis" and "https://redis:latest" are one image.
//
// The package is pure. It works on references without runtime names: callers
// resolve ${...} before they call Parse.
package imageref
