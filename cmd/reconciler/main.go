// Command reconciler runs containers on one host from files: it keeps the
// Docker engine at what the HCL manifests in a directory say.
//
// The package owns the wiring of the rooms and the command line. Each verb
// stands in a file of its own.
package main

import (
	"context"
	"fmt"
	"os"
)

func main() { os.Exit(run()) }

// run is main with an exit code, so that deferred calls are made.
func run() int {
	ctx, stop := signals(context.Background(), func() { os.Exit(1) })
	defer stop()
	if err := NewRootCommand().ExecuteContext(ctx); err != nil {
		if text := err.Error(); text != "" {
			fmt.Fprintln(os.Stderr, "reconciler: "+text)
		}
		return 1
	}
	return 0
}
