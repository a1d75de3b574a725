package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// signals returns a context that ends with the first SIGTERM or SIGINT. The
// second calls atOnce, which ends the process: whoever sends it will not wait.
func signals(parent context.Context, atOnce func()) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, syscall.SIGTERM, syscall.SIGINT)
	go func() { // ends with the process, or with stop
		select {
		case <-ch:
			cancel()
		case <-ctx.Done():
		}
		if _, again := <-ch; again {
			atOnce()
		}
	}()
	return ctx, func() {
		signal.Stop(ch)
		cancel()
		close(ch)
	}
}
