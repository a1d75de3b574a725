package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestBadInput: every kind of bad file gets a problem of its own, with its
// place where there is one, in status and in the state file; and a job beside
// them runs undisturbed.
func TestBadInput(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.drop("steady.hcl", spec{Job: "steady", Image: ref}.String())
	before := w.awaitRunning("steady", 1)

	good := func(name string) spec { return spec{Job: name, Image: ref} }
	at := func(name string) string { return filepath.Join(w.manifests, name) }
	binary := make([]byte, 4096)
	for i := range binary {
		binary[i] = byte(rand.Uint32())
	}
	cases := []struct {
		file  string
		text  string
		make  func(path string) error // instead of text
		line  int                     // of the problem; -1: the file has no place
		words []string
	}{
		{file: "unparsable.hcl", text: "job \"a\" {\n  group = = 3\n}\n", line: 2},
		{file: "truncated.hcl", text: good("t").String()[:120], line: 0},
		{file: "binary.hcl", text: string(binary), line: -1, words: []string{"UTF-8"}},
		{file: "big.hcl", text: strings.Repeat("# much ado\n", 200_000), line: -1, words: []string{"256 KiB"}},
		{file: "deep.hcl", text: "a = " + strings.Repeat("[", 60_000), line: 1},
		{file: "fifo.hcl", make: func(path string) error { return unix.Mkfifo(path, 0o644) }, line: -1, words: []string{"pipe"}},
		{file: "dangling.hcl", make: func(path string) error { return os.Symlink("/nowhere/web.hcl", path) }, line: -1, words: []string{"link"}},
		{file: "key.hcl", text: "job \"k\" {\n  group \"k\" {\n    task \"k\" {\n      driver = \"docker\"\n      config {\n        imge = \"x\"\n      }\n    }\n  }\n}\n", line: 6, words: []string{"imge", "Did you mean", "image"}},
		{file: "type.hcl", text: "job \"y\" {\n  group \"y\" {\n    count = \"many\"\n    task \"y\" {\n      driver = \"docker\"\n      config { image = \"x\" }\n    }\n  }\n}\n", line: 3, words: []string{"number"}},
		{file: "port.hcl", text: strings.Replace(good("p").String(), "memory = 32", "memory = 32\n        network {\n          port \"http\" { static = 70000 }\n        }\n", 1), line: 0, words: []string{"70000"}},
		{file: "name.hcl", text: good("bad name").String(), line: 1, words: []string{"bad name"}},
		{file: "later.hcl", text: strings.Replace(good("l").String(), "driver = \"docker\"\n", "driver = \"docker\"\n      template { data = \"x\" }\n", 1), line: 0, words: []string{"not supported"}},
		{file: "twin.hcl", text: good("steady").String(), line: 0, words: []string{"steady.hcl", "twin.hcl"}},
	}
	for _, tc := range cases {
		if tc.make != nil {
			must(t, tc.make(at(tc.file)))
			continue
		}
		w.drop(tc.file, tc.text)
	}
	for _, tc := range cases {
		p := w.awaitProblem(tc.file, tc.words...)
		switch {
		case tc.line > 0 && p.Line != tc.line:
			t.Errorf("%s: the problem is at line %d, want %d: %s", tc.file, p.Line, tc.line, p)
		case tc.line == 0 && (p.Line == 0 || p.Col == 0):
			t.Errorf("%s: the problem has no place: %s", tc.file, p)
		}
		eventually(t, tc.file+" is in the state file", func() error {
			var m manifest
			if err := w.record(&m, "manifests", tc.file); err != nil {
				return err
			}
			if !slices.ContainsFunc(m.Problems, func(q problem) bool { return q.String() == p.String() }) {
				return fmt.Errorf("the record has %v, status has %s", m.Problems, p)
			}
			return nil
		})
	}
	w.staysSame(2*time.Second, "steady", before)
	if got := w.boxes(); len(got) != 1 {
		t.Errorf("containers: %s, want the steady one alone", brief(got))
	}
	for _, tc := range cases {
		must(t, os.Remove(at(tc.file)))
	}
	for _, tc := range cases {
		w.awaitNoProblem(tc.file)
	}
	w.staysSame(2*time.Second, "steady", before)
}

// TestBadAtRunTime: what shows only when it is tried waits with its reason,
// beside jobs that run.
func TestBadAtRunTime(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	w.drop("steady.hcl", spec{Job: "steady", Image: ref}.String())
	before := w.awaitRunning("steady", 1)

	archive := filepath.Join(t.TempDir(), "late.tar")
	late := "rec-e2e-late:" + w.images.mark
	w.drop("archive.hcl", spec{Job: "archive", Image: late, Config: "        load = \"" + archive + "\"\n"}.String())
	w.drop("image.hcl", spec{Job: "image", Image: w.images.addr + "/nobody:1"}.String())
	w.drop("command.hcl", spec{Job: "command", Image: ref, Config: "        entrypoint = [\"/nothing\"]\n"}.String())
	w.drop("network.hcl", spec{Job: "network", Image: ref, Config: "        network_mode = \"no-such-network\"\n"}.String())
	w.awaitError("archive", "waits_for_user", archive)
	w.awaitError("image", "nobody")
	w.awaitError("command", "/nothing")
	w.awaitError("network", "no-such-network")
	w.staysSame(2*time.Second, "steady", before)

	// The file that the job waited for appears.
	must(t, os.Rename(w.images.archive(t.TempDir(), late), archive))
	w.awaitRunning("archive", 1)
}

// TestTruncatedLive: the file of a running job is cut at many places, as a
// slow copy would leave it, and the job runs on.
func TestTruncatedLive(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	good := spec{Job: "web", Image: ref}.String()
	w.drop("web.hcl", good)
	before := w.awaitRunning("web", 1)
	for cut := 0; cut < len(good)-1; cut += 20 {
		must(t, os.WriteFile(filepath.Join(w.manifests, "web.hcl"), []byte(good[:cut]), 0o644))
		time.Sleep(40 * time.Millisecond)
	}
	w.awaitProblem("web.hcl")
	w.staysSame(2*time.Second, "web", before)
	must(t, os.WriteFile(filepath.Join(w.manifests, "web.hcl"), []byte(good), 0o644))
	w.awaitNoProblem("web.hcl")
	w.staysSame(time.Second, "web", before)
}

// TestSlowWriter: a file that is written piece by piece is no problem while it
// is being written.
func TestSlowWriter(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	good := spec{Job: "web", Image: ref}.String()
	f, err := os.Create(filepath.Join(w.manifests, "web.hcl"))
	must(t, err)
	defer f.Close()
	written := make(chan error, 1)
	go func() { // beside the questions below, which may be slow
		for piece := range slices.Chunk([]byte(good), len(good)/20) {
			if _, err := f.Write(piece); err != nil {
				written <- err
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		written <- nil
	}()
	for {
		select {
		case err := <-written:
			must(t, err)
			w.awaitRunning("web", 1)
			return
		default:
		}
		if s, err := w.status(); err != nil || len(s.problemsOf("web.hcl")) > 0 {
			t.Fatal(errors.Join(err, fmt.Errorf("problems: %v", s.Problems)))
		}
	}
}
