// Command reconciler runs containers on one host from files: it keeps the
// Docker engine at what the HCL manifests in a directory say.
//
// The package owns the command line: flags, the configuration, signals and the
// log. Each verb stands in a file of its own; internal/agent wires the rooms.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

func main() { os.Exit(run()) }

// run is main with an exit code, so that deferred calls are made.
func run() int {
	ctx, stop := signals(context.Background(), func() { os.Exit(1) })
	defer stop()
	if err := NewRootCommand().ExecuteContext(ctx); err != nil {
		if code := exitCode(0); errors.As(err, &code) {
			return int(code)
		}
		if text := explained(err, os.Geteuid()); text != "" {
			fmt.Fprintln(os.Stderr, "reconciler: "+text)
		}
		return 1
	}
	return 0
}

// exitCode is the error of a verb that has said everything and ends with a
// code of its own.
type exitCode int

// Error is empty: there is nothing more to say.
func (c exitCode) Error() string { return "" }
