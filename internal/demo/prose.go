package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// width is where the times stand.
const width = 74

// prose prints the story.
type prose struct {
	out   io.Writer
	steps int
}

func (p *prose) line(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }

// step prints what was done, numbered, before it has come true.
func (p *prose) step(format string, args ...any) {
	p.steps++
	p.line("\n%d. %s", p.steps, fmt.Sprintf(format, args...))
}

// came prints what came of it, and how long that took.
func (p *prose) came(took time.Duration, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	p.line("   %-*s %6.2f s", width, "-> "+text, took.Seconds())
}

// quote prints text of a program or a file, indented and cut to the screen.
func (p *prose) quote(text string) {
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		p.line("      %s", shorten(strings.TrimRight(line, "\n"), 110))
	}
}

// shorten cuts text to n runes and says so.
func shorten(text string, n int) string {
	r := []rune(text)
	if len(r) <= n {
		return text
	}
	return string(r[:n-1]) + "…"
}
