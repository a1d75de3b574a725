package main

import (
	"os"
	"regexp"
	"strings"
	"unicode"

	"reconciler/store"
)

// maxShown is how much of a line is shown, in characters: enough to find it.
const maxShown = 160

// shownLine is the line that a problem points at, if it can still be read, fit
// to be printed.
func shownLine(p store.Problem) string {
	if p.Line == 0 {
		return "" // of the whole file, which may be a pipe or a device
	}
	src, err := os.ReadFile(p.File)
	if err != nil {
		return ""
	}
	lines := strings.Split(string(src), "\n")
	if p.Line > len(lines) || inHeredoc(lines[:p.Line-1]) {
		return ""
	}
	return printable(withoutSecret(strings.TrimSpace(lines[p.Line-1])))
}

// secret finds what may be one, also under a key with a slip in it: what
// validate prints ends up in the logs of build machines.
var secret = regexp.MustCompile(`(?i)(\b\w*(?:pas[sw]|secret|token)\w*"?\s*[=:]|\bauth"?\s*[=:]).*`)

// userinfo is what stands before the host in a URL.
var userinfo = regexp.MustCompile(`//[^/\s"@]*@`)

func withoutSecret(line string) string {
	return userinfo.ReplaceAllString(secret.ReplaceAllString(line, "$1 …"), "//…@")
}

var heredoc = regexp.MustCompile(`<<-?([\pL_][\pL\pN_-]*)\s*$`)

// inHeredoc reports whether a text of several lines is open after these. Its
// key, which would tell whether it is a secret, is out of sight there.
func inHeredoc(before []string) bool {
	end := ""
	for _, line := range before {
		if m := heredoc.FindStringSubmatch(line); end == "" && m != nil {
			end = m[1]
		} else if end != "" && strings.TrimSpace(line) == end {
			end = ""
		}
	}
	return end != ""
}

// printable replaces what a terminal would act upon, and cuts what is long.
func printable(line string) string {
	out := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '.'
	}, strings.ReplaceAll(line, "\t", " ")))
	if len(out) > maxShown {
		return string(out[:maxShown]) + "…"
	}
	return string(out)
}
