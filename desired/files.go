package desired

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"regexp"
	"strings"
	"time"

	"reconciler/internal/job"
	"reconciler/store"
)

// parseFunc is Parse; tests put a smaller language in its place.
type parseFunc func(filename string, src []byte) ([]*job.Job, []store.Problem)

// manifest is what is known of one file after a scan. It is not changed once
// it was made.
type manifest struct {
	hash     string     // of the bytes, or of the reason why there are none
	jobs     []*job.Job // without passwords: specs are stored
	problems []store.Problem
	auth     map[string]map[string]job.Auth // job -> its tasks' credentials, see job.TakeAuth
	lines    map[string]place               // job -> where its block begins, if it can be told
	// mentions are the names of the blocks that can be jobs, of a bad file whose
	// text could be read.
	mentions map[string]bool
	// bad says that the file cannot be used: its jobs keep their last good spec.
	bad bool
	// changedAt is when its content changed last, as far as anyone can tell.
	changedAt time.Time
}

// place is a position in a file, counted from 1.
type place struct{ line, col, end int }

// files remembers what was read, so that a file is read again only when its
// stat differs, and parsed again only when its bytes do. Not safe for
// concurrent use.
type files struct {
	parse parseFunc
	known map[string]remembered
}

type remembered struct {
	manifest
	stamp    stamp
	readAt   time.Time
	readable bool
}

func newFiles(parse parseFunc) *files {
	return &files{parse: parse, known: map[string]remembered{}}
}

// read returns the manifests of a tree and forgets all others. again reports
// that a file was changing while it was read: look again soon.
func (f *files) read(t tree, now time.Time) (out map[string]manifest, again bool) {
	out = make(map[string]manifest, len(t.files))
	known := make(map[string]remembered, len(t.files))
	for name, at := range t.files {
		m, err := f.one(name, at, now)
		if at.link == nil && errors.Is(err, fs.ErrNotExist) {
			continue // gone since the listing
		}
		again = again || errors.Is(err, errUnsettled)
		known[name], out[name] = m, m.manifest
	}
	f.known = known
	return out, again
}

func (f *files) one(name string, at found, now time.Time) (remembered, error) {
	old, had := f.known[name]
	if had && at.err == nil && old.current(at.path) {
		return old, nil
	}
	src, st, err := []byte(nil), stamp{}, at.err
	if err == nil {
		src, st, err = readManifest(at.path)
	}
	m := remembered{stamp: st, readAt: now, readable: err == nil}
	switch {
	case err != nil:
		m.manifest = unreadable(name, err)
	case had && old.hash == hashBytes(src):
		m.manifest = old.manifest
	default:
		m.manifest = f.parsed(name, src)
	}
	switch {
	case had && old.hash == m.hash && !errors.Is(err, errUnsettled):
		m.changedAt = old.changedAt
	case at.err != nil:
		m.changedAt = stampOf(at.link).changed(now)
	default:
		m.changedAt = st.changed(now)
	}
	return m, err
}

// current reports whether the file need not be read. One that could not be
// read is tried each time: the reason may lie outside the file.
func (r remembered) current(path string) bool {
	if !r.readable || r.stamp.racy(r.readAt) {
		return false
	}
	st, err := statStamp(path)
	return err == nil && st == r.stamp
}

func (f *files) parsed(name string, src []byte) manifest {
	m := manifest{hash: hashBytes(src), lines: map[string]place{}, auth: map[string]map[string]job.Auth{}}
	if p := checkText(name, src); p != nil {
		m.problems, m.bad = []store.Problem{*p}, true
		return m
	}
	m.jobs, m.problems = f.parse(name, src)
	m.bad = hasError(m.problems)
	if m.bad {
		m.jobs, m.mentions = nil, findHeaders(src)
	}
	for _, j := range m.jobs {
		m.lines[j.Name] = findBlock(src, j.Name)
		m.auth[j.Name] = j.TakeAuth()
	}
	return m
}

func unreadable(name string, err error) manifest {
	p := accessProblem(name, err)
	if errors.Is(err, errUnsettled) {
		p.Detail = "it changes faster than it can be read"
	}
	return manifest{hash: hashBytes([]byte(p.String())), problems: []store.Problem{p}, bad: true}
}

// hasError reports whether one of the problems is more than a warning.
func hasError(problems []store.Problem) bool {
	for _, p := range problems {
		if p.Severity != store.SeverityWarning {
			return true
		}
	}
	return false
}

func hashBytes(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// header is the first line of a block that makes a job, or stands in one.
var header = regexp.MustCompile(`(?m)^[ \t]*(?:job|group|task)[ \t]+"?([A-Za-z0-9_.-]+)"?[ \t]*\{`)

// findHeaders returns the names that a text which does not parse gives to
// blocks, as far as they can be told.
func findHeaders(src []byte) map[string]bool {
	out := map[string]bool{}
	for _, m := range header.FindAllSubmatch(src, -1) {
		out[string(m[1])] = true
	}
	return out
}

// findBlock finds where the block begins that a job was made from. The zero
// place means that it cannot be told.
func findBlock(src []byte, name string) place {
	re, err := regexp.Compile(`(?m)^[ \t]*((?:job|group|task)[ \t]+"?` + regexp.QuoteMeta(name) + `"?)[ \t]*\{`)
	if err != nil {
		return place{}
	}
	at := re.FindSubmatchIndex(src)
	if at == nil {
		return place{}
	}
	before := string(src[:at[2]])
	col := at[2] - (strings.LastIndexByte(before, '\n') + 1) + 1
	return place{line: strings.Count(before, "\n") + 1, col: col, end: col + at[3] - at[2]}
}
