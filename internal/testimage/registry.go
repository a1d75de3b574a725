package testimage

import (
	"fmt"
	"io"
	"log" //nolint:depguard // the registry takes no other logger, and writes nowhere
	"net"
	"net/http"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// StartRegistry serves an empty registry on 127.0.0.1, which dockerd speaks
// plain HTTP with, and returns its address (host:port) and the function that
// ends it. wrap, if any, are put around its handler, the first outermost: to
// ask for a password, to be slow, to answer 429.
func StartRegistry(wrap ...func(http.Handler) http.Handler) (addr string, stop func(), err error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return "", nil, fmt.Errorf("test registry: %w", err)
	}
	h := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	for _, w := range slices.Backward(wrap) {
		h = w(h)
	}
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	return l.Addr().String(), func() {
		_ = srv.Close()
		<-done
	}, nil
}

// Push puts img into a registry of StartRegistry under ref, as in
// addr + "/web:1".
func Push(ref string, img v1.Image) error {
	tag, err := name.NewTag(ref, name.Insecure)
	if err != nil {
		return fmt.Errorf("test push: %w", err)
	}
	tr := http.DefaultTransport.(*http.Transport).Clone()
	defer tr.CloseIdleConnections()
	if err := remote.Write(tag, img, remote.WithTransport(tr)); err != nil {
		return fmt.Errorf("test push: %w", err)
	}
	return nil
}
