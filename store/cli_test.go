package store

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt/cmd/bbolt/command"
)

// boltCLI runs the stock bbolt CLI in this process.
func boltCLI(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := command.NewRootCommand()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.Execute()
	return out.String(), err
}

// TestReadersBesideTheWriter: the stock CLI answers at once, with text, while
// records are written all the time, and the writer is not starved.
func TestReadersBesideTheWriter(t *testing.T) {
	s := mustOpen(t, tempDir(t))
	start(t, s)
	s.Jobs.Put("web", JobRecord{Generation: 1, File: "a\u00a0b.hcl"})
	mustSync(t, s)
	path := filepath.Join(s.Dir(), fileName)
	commands := map[string][]string{
		"jobs":                 {"buckets", path},
		"web":                  {"keys", path, "jobs"},
		`{"generation":`:       {"get", path, "jobs", "web"},
		"1":                    {"get", path, "meta", "schema_version"},
		"OK":                   {"check", path},
		"Aggregate statistics": {"stats", path},
	}
	// Until enough was written beside them, for as long as a busy machine takes.
	const enough, patience = 5, 30 * time.Second
	begun := time.Now()
	done := make(chan struct{})
	var wg sync.WaitGroup
	for want, args := range commands {
		wg.Go(func() {
			for first := true; first || !closed(done); first = false {
				begin := time.Now()
				out, err := boltCLI(args...)
				if err != nil || !strings.Contains(out, want) {
					t.Errorf("bbolt %s: %q, %v", args[0], out, err)
					return
				}
				if d := time.Since(begin); d > patience/3 {
					t.Errorf("bbolt %s took %v", args[0], d)
				}
			}
		})
	}
	commits := 0
	for n := uint64(2); time.Since(begun) < time.Second || commits < enough && time.Since(begun) < patience; n++ {
		s.Jobs.Put("web", JobRecord{Generation: n, File: "a\u00a0b.hcl"})
		s.Event(Event{Reason: "Tick", Message: fmt.Sprint(n)})
		if s.Sync(t.Context()) == nil {
			commits++
		}
	}
	close(done)
	wg.Wait()
	if commits < enough {
		t.Errorf("%d commits beside the readers", commits)
	}
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
