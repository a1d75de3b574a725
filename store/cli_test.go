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
	end := time.Now().Add(1500 * time.Millisecond)
	var wg sync.WaitGroup
	for want, args := range commands {
		wg.Go(func() {
			for time.Now().Before(end) {
				begin := time.Now()
				out, err := boltCLI(args...)
				if err != nil || !strings.Contains(out, want) {
					t.Errorf("bbolt %s: %q, %v", args[0], out, err)
					return
				}
				if d := time.Since(begin); d > time.Second {
					t.Errorf("bbolt %s took %v", args[0], d)
				}
			}
		})
	}
	commits := 0
	for n := uint64(2); time.Now().Before(end); n++ {
		s.Jobs.Put("web", JobRecord{Generation: n, File: "a\u00a0b.hcl"})
		s.Event(Event{Reason: "Tick", Message: fmt.Sprint(n)})
		if s.Sync(t.Context()) == nil {
			commits++
		}
	}
	wg.Wait()
	if commits < 5 {
		t.Errorf("%d commits beside the readers", commits)
	}
	t.Logf("%d commits", commits)
}
