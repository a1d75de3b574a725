package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestProse(t *testing.T) {
	var b bytes.Buffer
	p := &prose{out: &b}
	p.step("Drop %s.", "web.hcl")
	p.came(1234*time.Millisecond, "it runs")
	p.quote("\n" + strings.Repeat("x", 200) + "\nshort\n")
	lines := strings.Split(b.String(), "\n")
	if lines[1] != "1. Drop web.hcl." {
		t.Errorf("step: %q", lines[1])
	}
	if !strings.HasPrefix(lines[2], "   -> it runs ") || !strings.HasSuffix(lines[2], "   1.23 s") {
		t.Errorf("came: %q", lines[2])
	}
	if n := len([]rune(lines[3])); n != 116 || !strings.HasSuffix(lines[3], "…") {
		t.Errorf("a long line has %d runes: %q", n, lines[3])
	}
	if lines[4] != "      short" {
		t.Errorf("a short line: %q", lines[4])
	}
}

func TestMissing(t *testing.T) {
	a, b := box{ID: "a"}, box{ID: "b"}
	if got := missing([]box{a}, []box{b, a}); got != "" {
		t.Errorf("missing %q", got)
	}
	if got := missing([]box{a, b}, []box{a}); got != "b" {
		t.Errorf("missing %q, want b", got)
	}
}

func TestStrikeOnlyItsOwn(t *testing.T) {
	s := &stage{dir: t.TempDir()}
	// Process 1 runs, and is not this stage's agent.
	if s.isAgent(1) {
		t.Error("process 1 is taken for the agent")
	}
	if err := clean(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "no folder of a demo") {
		t.Errorf("clean of any folder: %v", err)
	}
}

func TestUrl(t *testing.T) {
	var b box
	if got := b.url(); got != "" {
		t.Errorf("no port gives %q", got)
	}
	b.Ports = append(b.Ports, struct {
		IP          string
		PrivatePort int
		PublicPort  int
		Type        string
	}{"::1", 8080, 20001, "tcp"})
	if got := b.url(); got != "http://[::1]:20001" {
		t.Errorf("url %q", got)
	}
}
