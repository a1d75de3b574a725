package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/docker/docker/client"
)

// built are the programs that the tests drive, and why they cannot.
var built struct {
	reconciler string
	bbolt      string // the stock CLI, at the version of go.mod
	skip       string // why there are no end-to-end tests here; "" if there are
}

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if built.skip = unavailable(); built.skip != "" {
		fmt.Println("end-to-end tests are skipped:", built.skip)
		return m.Run()
	}
	// A program with the race detector sleeps for a second before it ends.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	dir, err := os.MkdirTemp("", "reconciler-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built.reconciler = filepath.Join(dir, "reconciler")
	built.bbolt = filepath.Join(dir, "bbolt")
	for _, args := range [][]string{
		{"build", "-race", "-buildvcs=false", "-o", built.reconciler, "reconciler/cmd/reconciler"},
		{"build", "-buildvcs=false", "-o", built.bbolt, "go.etcd.io/bbolt/cmd/bbolt"},
	} {
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go %v: %v\n%s", args, err, out)
			return 1
		}
	}
	return m.Run()
}

// unavailable says why no test of this package can run here, or "".
func unavailable() string {
	if testing.Short() {
		return "-short"
	}
	cli, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return err.Error()
	}
	defer cli.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if _, err := cli.Ping(ctx); err != nil {
		return "no dockerd answers: " + err.Error()
	}
	return ""
}
