package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"reconciler/store"
)

func TestWithoutSecret(t *testing.T) {
	for in, want := range map[string]string{
		`password = hunter2`:                  `password = …`,
		`passwrd: "hunter2"`:                  `passwrd: …`,
		`DB_PASSWORD = "hunter2"`:             `DB_PASSWORD = …`,
		`API_TOKEN = "hunter2"`:               `API_TOKEN = …`,
		`client-secret = "hunter2"`:           `client-secret = …`,
		`auth = { password = "hunter2" }`:     `auth = …`,
		`"password" = "hunter2"`:              `"password" = …`,
		`{ username = "u", password = "x" }`:  `{ username = "u", password = …`,
		`image = "r.example/authentic:1"`:     `image = "r.example/authentic:1"`,
		`path = "/pass"`:                      `path = "/pass"`,
		`auth_soft_fail = "sometimes"`:        `auth_soft_fail = "sometimes"`,
		`command = "run --password=hunter2x"`: `command = "run --password= …`,
		`source = "https://u:pw@h.example/a"`: `source = "https://…@h.example/a"`,
		`image = "h.example/web@sha256:ab"`:   `image = "h.example/web@sha256:ab"`,
		`path = "//x/y" # a@b`:                `path = "//x/y" # a@b`,
	} {
		if got := withoutSecret(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[31m\tb\u0085\xff ü"); got != "a.[31m b.\ufffd ü" {
		t.Errorf("%q", got)
	}
	if got := printable(strings.Repeat("ü", 1000)); len([]rune(got)) != maxShown+1 {
		t.Errorf("%d characters", len([]rune(got)))
	}
}

// TestShownLineInAHeredoc: a line of a text whose key is not on it is not
// shown.
func TestShownLineInAHeredoc(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.hcl")
	text := "x = <<EOT\nhunter2\nEOT\ny = <<-EOT\n  hunter2\n  EOT\nz = 1\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[int]string{0: "", 1: "x = <<EOT", 2: "", 4: "y = <<-EOT", 5: "", 7: "z = 1", 8: "", 9: ""} {
		if got := shownLine(store.Problem{File: file, Line: line}); got != want {
			t.Errorf("line %d: %q, want %q", line, got, want)
		}
	}
}
