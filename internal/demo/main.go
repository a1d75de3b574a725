package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		args = []string{"run"}
	}
	switch args[0] {
	case "setup":
		fs := flag.NewFlagSet("demo setup", flag.ContinueOnError)
		tests := fs.Bool("tests", false, "for the tests: a C compiler too (the race detector needs it); dockerd is optional")
		require := fs.Bool("require", false, "with -tests: dockerd is not optional")
		if err := fs.Parse(args[1:]); err != nil {
			return err
		}
		return setup(ctx, *tests, !*tests || *require)
	case "run":
		return show(ctx, os.Getenv("KEEP") == "1")
	case "clean":
		if len(args) != 2 {
			return fmt.Errorf("usage: demo clean DIR")
		}
		return clean(ctx, args[1])
	}
	return fmt.Errorf("unknown command %q: setup, run or clean", args[0])
}
