package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestOperatingPage: every verb, every phase of a job and a task, and every
// reason for a hold stands in the page on operating, in a row of its own.
func TestOperatingPage(t *testing.T) {
	page := read(t, "../../docs/operating.md")
	rows := map[string]bool{}
	for line := range strings.Lines(page) {
		if first, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |"); ok {
			for _, m := range regexp.MustCompile("`([^` ]+)[^`]*`").FindAllStringSubmatch(first, -1) {
				rows[m[1]] = true
			}
		}
	}
	for _, cmd := range NewRootCommand().Commands() {
		if name := cmd.Name(); !rows[name] && name != "agent" && name != "version" {
			t.Errorf("docs/operating.md has no row for the verb %q", name)
		}
	}
	for file, words := range map[string]string{
		"../../internal/job/alloc.go":       `Phase\w+ +Phase = "(\w+)"`,
		"../../reconcile/job_conditions.go": `Phase\w+ += "(\w+)"`,
		"../../store/records.go":            `Held\w+ += "(\w+)"`,
		"../../internal/job/condition.go":   `Cond(?:SpecValid|Progressing|Degraded|Held) += "(\w+)"`,
		"../../internal/control/status.go":  `phase\w+ += "(\w+)"`,
	} {
		found := regexp.MustCompile(words).FindAllStringSubmatch(read(t, file), -1)
		if len(found) < 2 {
			t.Errorf("%s: %d words of the form %s", file, len(found), words)
		}
		for _, m := range found {
			if !rows[m[1]] {
				t.Errorf("docs/operating.md has no row for %q, of %s", m[1], file)
			}
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
