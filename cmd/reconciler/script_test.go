package main

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	bbolt "go.etcd.io/bbolt/cmd/bbolt/command"
)

// TestMain lets scripts call two programs: our own, and the stock bbolt CLI.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"reconciler": main,
		"bbolt": func() {
			if err := bbolt.NewRootCommand().Execute(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		},
	})
}

// TestScript runs the scripts in testdata/script: each is a session of the
// command line, to be read as an example of it.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// A script starts with an empty environment.
			env.Setenv("DOCKER_HOST", os.Getenv("DOCKER_HOST"))
			// A program with the race detector sleeps for a second before it ends.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
		Condition: condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"eventually": eventually,
			"quickly":    quickly,
			"services":   services,
		},
	})
}

// condition knows [docker]: a dockerd answers, and this is no -short run.
func condition(name string) (bool, error) {
	if name != "docker" {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	if testing.Short() {
		return false, nil
	}
	socket := strings.TrimPrefix(cmp.Or(os.Getenv("DOCKER_HOST"), "unix:///var/run/docker.sock"), "unix://")
	conn, err := net.DialTimeout("unix", socket, time.Second)
	if err != nil {
		return false, nil
	}
	return true, conn.Close()
}

// eventually is `eventually PATTERN PROGRAM [ARG…]`: the program is run until
// it succeeds and prints what PATTERN matches, for 30 s at most.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN PROGRAM [ARG...]")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	begin := time.Now()
	for {
		err := ts.Exec(args[1], args[2:]...)
		out := ts.ReadFile("stdout")
		if err == nil && pattern.MatchString(out) {
			return
		}
		if time.Since(begin) > 30*time.Second {
			ts.Fatalf("no %q within 30 s: %v\n%s%s", args[0], err, out, ts.ReadFile("stderr"))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// quickly is `quickly PROGRAM [ARG…]`: the program succeeds within a second.
func quickly(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: quickly PROGRAM [ARG...]")
	}
	begin := time.Now()
	err := ts.Exec(args[0], args[1:]...)
	took := time.Since(begin)
	ts.Logf("%s: %s", args, took)
	ts.Check(err)
	if took > time.Second {
		ts.Fatalf("%s took %s, more than a second", args, took)
	}
}
