package dockertest

import (
	"context"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
)

// pipeListener hands the server the ends of pipes.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

// Accept waits for a dial.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *pipeListener) Close() error { l.close(); return nil }
func (l *pipeListener) close()       { l.once.Do(func() { close(l.done) }) }

// Addr is where nothing listens.
func (l *pipeListener) Addr() net.Addr { return addr{} }

type addr struct{}

// Network is that of Host.
func (addr) Network() string { return "unix" }
func (addr) String() string  { return "/dockertest/docker.sock" }

// refusedError is what a dial gets where nobody listens.
func refusedError() error {
	return &net.OpError{Op: "dial", Net: "unix", Addr: addr{}, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
}

// Dial connects with the engine, whatever network and address are. It is for
// clients that are not made by Client.
func (e *Engine) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	e.once.Do(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.shut {
			return
		}
		e.work.Go(func() { _ = e.server.Serve(e.listen) })
	})
	life := e.alive()
	if life == nil {
		return nil, refusedError()
	}
	ours, theirs := net.Pipe()
	select {
	case e.listen.conns <- &conn{Conn: ours, engine: e}:
		return theirs, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-life:
		return nil, refusedError()
	}
}

// conn is the engine's end of a connection. It is noted while it is open, so
// that Stop can cut it.
type conn struct {
	net.Conn
	engine *Engine
}

// Close forgets the connection.
func (c *conn) Close() error {
	c.engine.mu.Lock()
	delete(c.engine.conns, c.Conn)
	c.engine.mu.Unlock()
	return c.Conn.Close()
}

// cut ends all connections; the caller holds mu.
func (e *Engine) cut() {
	for c := range e.conns {
		_ = c.Close()
		delete(e.conns, c)
	}
}

func (e *Engine) newServer() *http.Server {
	return &http.Server{
		Handler: http.HandlerFunc(e.serve),
		ConnState: func(nc net.Conn, s http.ConnState) {
			c, ok := nc.(*conn)
			if !ok || s != http.StateNew {
				return
			}
			e.mu.Lock()
			defer e.mu.Unlock()
			if e.life == nil {
				_ = c.Conn.Close()
				return
			}
			e.conns[c.Conn] = true
		},
	}
}
