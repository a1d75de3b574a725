package dockertest

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync"
)

// Front is a TLS port of 127.0.0.1 in front of an engine. It passes bytes on
// and knows nothing of HTTP, so that streams and upgrades work through it as
// they do through dockerd's own port.
type Front struct {
	listener net.Listener
	dial     func(context.Context) (net.Conn, error)
	work     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	most  int
	shut  bool
}

// NewFront serves TLS until Close; dial connects with the engine.
func NewFront(cfg *tls.Config, dial func(context.Context) (net.Conn, error)) (*Front, error) {
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		return nil, err
	}
	f := &Front{listener: l, dial: dial, conns: map[net.Conn]bool{}}
	f.work.Go(f.serve)
	return f, nil
}

// Addr is HOST:PORT.
func (f *Front) Addr() string { return f.listener.Addr().String() }

// Accepted is how many connections had a handshake that the front took.
func (f *Front) Accepted() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.most
}

// Cut breaks all connections.
func (f *Front) Cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range f.conns {
		_ = c.Close()
	}
}

// Close ends the front and waits for its connections.
func (f *Front) Close() {
	f.mu.Lock()
	f.shut = true
	f.mu.Unlock()
	_ = f.listener.Close()
	f.Cut()
	f.work.Wait()
}

func (f *Front) serve() {
	for {
		c, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.work.Go(func() { f.pass(c.(*tls.Conn)) })
	}
}

// keep notes a connection, so that Cut finds it. It is false after Close.
func (f *Front) keep(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[c] = true
	return !f.shut
}

func (f *Front) drop(c net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
	_ = c.Close()
}

// pass copies both ways until both ends have said all.
func (f *Front) pass(near *tls.Conn) {
	defer f.drop(near)
	if !f.keep(near) || near.HandshakeContext(context.Background()) != nil {
		return
	}
	far, err := f.dial(context.Background())
	if err != nil {
		return
	}
	defer f.drop(far)
	if !f.keep(far) {
		return
	}
	f.mu.Lock()
	f.most++
	f.mu.Unlock()
	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(far, near)
		halfClose(far)
	})
	_, _ = io.Copy(near, far)
	_ = near.CloseWrite()
	_ = far.Close()
	_ = near.Close()
	up.Wait()
}

// halfClose says that no more will come, where the connection can.
func halfClose(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		_ = h.CloseWrite()
		return
	}
	_ = c.Close()
}
