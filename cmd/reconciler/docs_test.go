package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	flagRow = regexp.MustCompile("^\\| `--([^`]*)` \\| (?:`([^`]*)`)? ?\\|")
	// flagName begins a line of the usage.
	flagName = regexp.MustCompile(`(?m)^ +(?:-\w, +)?--([a-z-]+)`)
	keyRow   = regexp.MustCompile("^\\| `([^`-][^`]*)` \\| (?:`([^`]*)`)?")
)

// TestAgentPageHasEveryFlag: every flag of the agent has a row in the page of
// the agent, names a key of the file, and has the default of that key.
func TestAgentPageHasEveryFlag(t *testing.T) {
	page, err := os.ReadFile("../../docs/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	flags, defaults := map[string]string{}, map[string]string{}
	var have []string
	for line := range strings.Lines(string(page)) {
		if m := flagRow.FindStringSubmatch(line); m != nil {
			have, flags[m[1]] = append(have, m[1]), m[2]
		} else if m := keyRow.FindStringSubmatch(line); m != nil && defaults[m[1]] == "" {
			defaults[m[1]] = m[2]
		}
	}
	cmd, _, err := NewRootCommand().Find([]string{"agent"})
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	usage := cmd.LocalFlags().FlagUsages() + cmd.InheritedFlags().FlagUsages()
	for _, m := range flagName.FindAllStringSubmatch(usage, -1) {
		f := cmd.Flag(m[1])
		if f.Name == "help" {
			continue
		}
		known = append(known, f.Name)
		if f.Name == "config" || f.DefValue == "" {
			continue
		}
		if got := strings.Trim(defaults[flags[f.Name]], `"`); got != f.DefValue && !sameDuration(got, f.DefValue) {
			t.Errorf("docs/agent.md: %s, in the file %q, has the default %q there and %q in the code", f.Name, flags[f.Name], got, f.DefValue)
		}
	}
	slices.Sort(have)
	slices.Sort(known)
	if diff := cmp.Diff(known, have); diff != "" {
		t.Errorf("docs/agent.md: one row for each flag (-the code +the page):\n%s", diff)
	}
	for flag, key := range flags {
		if _, ok := defaults[key]; !ok && flag != "config" {
			t.Errorf("docs/agent.md: %s says that it is %q in the file, which has no row", flag, key)
		}
	}
}

func sameDuration(a, b string) bool {
	x, errX := time.ParseDuration(a)
	y, errY := time.ParseDuration(b)
	return errX == nil && errY == nil && x == y
}
