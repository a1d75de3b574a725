package desired

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"reconciler/internal/job"
	"reconciler/store"
)

// counting is a parser that counts its calls.
func counting(n *int) parseFunc {
	return func(file string, src []byte) ([]*job.Job, []store.Problem) {
		*n++
		return tinyParse(file, src)
	}
}

func look(t *testing.T, f *files, dir string, now time.Time) map[string]manifest {
	t.Helper()
	tr, err := scanTree(dir, func(string, string) {})
	if err != nil {
		t.Fatal(err)
	}
	out, again := f.read(tr, now)
	if again {
		t.Error("a file was unsettled")
	}
	return out
}

func TestFilesAreParsedWhenTheirContentChanges(t *testing.T) {
	dir := lay(t, map[string]string{"web.hcl": block("web")})
	path := filepath.Join(dir, "web.hcl")
	parsed, now := 0, time.Now()
	f := newFiles(counting(&parsed))
	first := look(t, f, dir, now)["web.hcl"]
	look(t, f, dir, now)
	if err := os.Chtimes(path, now, now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	touched := look(t, f, dir, now.Add(time.Minute))["web.hcl"]
	if parsed != 1 || touched.jobs[0] != first.jobs[0] || !touched.changedAt.Equal(first.changedAt) {
		t.Errorf("parsed %d times, changed at %s and %s", parsed, first.changedAt, touched.changedAt)
	}
	if err := os.WriteFile(path, []byte(block("web", "image=v2")), 0o644); err != nil {
		t.Fatal(err)
	}
	if second := look(t, f, dir, now.Add(time.Minute))["web.hcl"]; parsed != 2 || second.hash == first.hash {
		t.Errorf("parsed %d times", parsed)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := look(t, f, dir, now); len(got) != 0 || len(f.known) != 0 {
		t.Errorf("still known: %v", got)
	}
}

// Two writes within one tick of the clock leave equal times: what was read so
// soon is read again.
func TestFilesWithinOneTick(t *testing.T) {
	dir := lay(t, map[string]string{"web.hcl": block("web", "image=1")})
	path := filepath.Join(dir, "web.hcl")
	f := newFiles(tinyParse)
	now := time.Now()
	a := look(t, f, dir, now)["web.hcl"]
	if err := os.WriteFile(path, []byte(block("web", "image=2")), 0o644); err != nil {
		t.Fatal(err)
	}
	// The worst case: nothing in the stat tells.
	old := f.known["web.hcl"]
	st, err := statStamp(path)
	if err != nil {
		t.Fatal(err)
	}
	old.stamp = st
	f.known["web.hcl"] = old
	if b := look(t, f, dir, now)["web.hcl"]; a.hash == b.hash {
		t.Error("the second write was missed")
	}
}

func TestFilesStillness(t *testing.T) {
	dir := lay(t, map[string]string{"bad.hcl": "job {", "gone.hcl": "->nowhere"})
	now := time.Now().Add(time.Hour)
	got := look(t, newFiles(tinyParse), dir, now)
	for name, m := range got {
		if age := now.Sub(m.changedAt); !m.bad || age < time.Hour-time.Minute || age > time.Hour+time.Minute {
			t.Errorf("%s: %+v, still for %s", name, m, age)
		}
	}
	past := time.Now().Add(-time.Hour) // our clock was set back
	for name, m := range look(t, newFiles(tinyParse), dir, past) {
		if !m.changedAt.Equal(past) {
			t.Errorf("%s: changed at %s, after now", name, m.changedAt)
		}
	}
}

func TestReadManifestNeverBlocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe.hcl")
	if err := syscall.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { _, _, err := readManifest(path); done <- err }()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a pipe was read")
		}
	case <-time.After(5 * time.Second):
		// Let the reader go.
		if f, err := os.OpenFile(path, os.O_RDWR, 0); err == nil {
			_ = f.Close()
		}
		t.Fatal("the read blocks")
	}
}

func TestReadManifestSize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.hcl")
	for size, ok := range map[int]bool{0: true, maxFileSize: true, maxFileSize + 1: false} {
		if err := os.WriteFile(path, []byte(strings.Repeat("x", size)), 0o644); err != nil {
			t.Fatal(err)
		}
		if src, _, err := readManifest(path); (err == nil) != ok || ok && len(src) != size {
			t.Errorf("%d bytes: %d, %v", size, len(src), err)
		}
	}
}

func TestCheckText(t *testing.T) {
	tests := []struct {
		src       string
		line, col int // 0: it is text
	}{
		{"", 0, 0},
		{"job {}\n", 0, 0},
		{"ü€😀", 0, 0},
		{"\xef\xbb\xbfjob", 0, 0},
		{"a\n\uFFFD", 0, 0},
		{"\xff", 1, 1},
		{"ab\xff", 1, 3},
		{"a\nbü\xc3", 2, 3},
		{"a\x00b", 1, 2},
		{"\xed\xa0\x80", 1, 1},
	}
	for _, tt := range tests {
		p := checkText("a.hcl", []byte(tt.src))
		switch {
		case p == nil && tt.line == 0:
		case p == nil || tt.line != p.Line || tt.col != p.Col:
			t.Errorf("%q: %+v, want %d,%d", tt.src, p, tt.line, tt.col)
		}
	}
}

func TestFindBlock(t *testing.T) {
	src := []byte("# job \"web\" {\n\njob \"a.b\" {\n  group \"web\" {\n    task \"x\" {}\n")
	for name, want := range map[string]place{
		"a.b": {3, 1, 10}, "web": {4, 3, 14}, "x": {5, 5, 13}, "axb": {}, "none": {},
	} {
		if got := findBlock(src, name); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}
