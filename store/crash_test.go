package store

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// crashDirEnv makes the test binary a writer that runs until it is killed.
const crashDirEnv = "STORE_TEST_CRASH_DIR"

// writeUntilKilled counts up in two tables and prints each number once it is
// committed.
func writeUntilKilled(dir string) {
	s, err := Open(dir, Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() { _ = s.Run(context.Background()) }()
	last, _ := s.Jobs.Get("web")
	for n := last.Generation + 1; ; n++ {
		s.Specs.Put(SpecKey("web", n), SpecRecord{})
		s.Jobs.Put("web", JobRecord{Generation: n})
		if err := s.Sync(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(n)
	}
}

// TestKill: after SIGKILL at any moment the file is in order, holds at least
// what was reported as committed, and no later Put without an earlier one.
func TestKill(t *testing.T) {
	dir := tempDir(t)
	for round := range 5 {
		reported := runAndKill(t, dir, time.Duration(30+17*round)*time.Millisecond)
		boltCheck(t, filepath.Join(dir, fileName))
		s := mustOpen(t, dir)
		got, _ := s.Jobs.Get("web")
		if got.Generation < reported {
			t.Errorf("generation %d was committed, the file has %d", reported, got.Generation)
		}
		if n := uint64(s.Specs.Len()); n != got.Generation && n != got.Generation+1 {
			t.Errorf("%d specs with generation %d", n, got.Generation)
		}
		if len(asideFiles(t, dir, "*")) > 0 {
			t.Error("a file was moved aside")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// runAndKill returns the last number that the writer reported.
func runAndKill(t *testing.T, dir string, after time.Duration) uint64 {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), crashDirEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var kill *time.Timer
	reported := uint64(0)
	for lines.Scan() {
		if kill == nil { // counted from the first commit on
			kill = time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		}
		if reported, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Wait()
	if kill == nil {
		t.Fatal("the writer committed nothing")
	}
	return reported
}
