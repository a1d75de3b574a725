package allocdir

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"reconciler/internal/job"
)

func TestPlaceMergesAndReplaces(t *testing.T) {
	base, _ := site(t, map[string][]byte{
		"/a.tar": tarOf(t, file("d/new", "new", 0o644), file("d/old", "replaced", 0o755), symlink("link", "d/new"), file("was-link", "file", 0o644)),
	})
	d := fetching(t)
	p := d.Task(allocID, "web")
	write(t, filepath.Join(p.Local, "d/old"), "old and long", 0o600)
	write(t, filepath.Join(p.Local, "d/kept"), "kept", 0o600)
	write(t, filepath.Join(p.Local, "link"), "was a file", 0o600)
	if err := os.Symlink("d/kept", filepath.Join(p.Local, "was-link")); err != nil {
		t.Fatal(err)
	}
	mustFetch(t, d, job.Artifact{Source: base + "/a.tar"})
	same(t, map[string]string{
		"d/new": "new", "d/old": "replaced", "d/kept": "kept", "link": "-> d/new", "was-link": "file",
	}, local(t, d))
	if info, err := os.Stat(filepath.Join(p.Local, "d/old")); err != nil || info.Mode() != 0o755 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestPlaceRefusesAnotherKind(t *testing.T) {
	base, _ := site(t, map[string][]byte{"/f": []byte("f"), "/a.tar": tarOf(t, file("f/below", "b", 0o644)), "/b.tar": tarOf(t, file("g", "g", 0o644))})
	d := fetching(t)
	p := d.Task(allocID, "web")
	write(t, filepath.Join(p.Local, "dir/f/x"), "x", 0o600)
	write(t, filepath.Join(p.Local, "f"), "file", 0o600)
	for _, a := range []job.Artifact{
		{Source: base + "/f", Destination: "local/dir"},                 // a file over a directory
		{Source: base + "/a.tar"},                                       // a directory over a file
		{Source: base + "/b.tar", Destination: "local/f"},               // into a file
		{Source: base + "/f", Destination: "local/f/deeper"},            // below a file
		{Source: base + "/f", Destination: "local/dir/f", Mode: "file"}, // as a directory that is full
		{Source: base + "/f", Destination: strings.Repeat("n", 300)},    // no name
		{Source: base + "/f", Options: map[string]string{"filename": strings.Repeat("n", 300)}},
	} {
		wants(t, fetch(t, d, a), job.WaitsForUser, ReasonArtifactInvalid)
	}
	same(t, map[string]string{"f": "file", "dir/f/x": "x"}, local(t, d))
}

// A link that a task has put in the way leads nowhere outside.
func TestPlaceFollowsNoLinkOutside(t *testing.T) {
	outside := t.TempDir()
	pages := map[string][]byte{"/f": []byte("new"), "/a.tar": tarOf(t, file("l/f", "new", 0o644), file("l/x/f", "new", 0o644))}
	base, _ := site(t, pages)
	write(t, filepath.Join(outside, "f"), "precious", 0o600)
	for name, target := range map[string]string{
		"absolute": outside, "to the allocation": "../..", "to another task": "../../db/local", "to all": "../../..", "to itself": "l",
	} {
		t.Run(name, func(t *testing.T) {
			d := fetching(t)
			p := d.Task(allocID, "web")
			if err := os.Symlink(target, filepath.Join(p.Local, "l")); err != nil {
				t.Fatal(err)
			}
			before := tree(t, d.root)
			for _, a := range []job.Artifact{
				{Source: base + "/f", Destination: "local/l"},
				{Source: base + "/f", Destination: "local/l/f", Mode: job.ArtifactFile},
				{Source: base + "/f", Destination: "local/l/deep"},
				{Source: base + "/a.tar"},
				{Source: base + "/a.tar", Destination: "local/l"},
			} {
				err := fetch(t, d, a)
				if kind, _ := job.KindOf(err); err == nil || kind != job.WaitsForUser {
					t.Errorf("%+v: %v", a, err)
				}
			}
			if after := tree(t, d.root); len(after) != len(before)+1 { // the directory of the stages
				t.Errorf("something was made:\n%v\n%v", before, after)
			}
			same(t, map[string]string{"f": "precious"}, content(t, outside))
		})
	}
}

// A link in the place of the file itself is replaced and not written through.
func TestPlaceReplacesALink(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "precious")
	write(t, outside, "precious", 0o600)
	base, _ := site(t, map[string][]byte{"/f": []byte("new")})
	d := fetching(t)
	if err := os.Symlink(outside, filepath.Join(d.Task(allocID, "web").Local, "f")); err != nil {
		t.Fatal(err)
	}
	mustFetch(t, d, job.Artifact{Source: base + "/f"})
	same(t, map[string]string{"f": "new"}, local(t, d))
	same(t, map[string]string{"precious": "precious"}, content(t, filepath.Dir(outside)))
}

// A link that stays within the task's directory is followed.
func TestPlaceFollowsALinkWithin(t *testing.T) {
	base, _ := site(t, map[string][]byte{"/f": []byte("new"), "/a.tar": tarOf(t, file("l/g", "g", 0o644))})
	d := fetching(t)
	p := d.Task(allocID, "web")
	write(t, filepath.Join(p.Local, "real/x"), "x", 0o600)
	if err := os.Symlink("real", filepath.Join(p.Local, "l")); err != nil {
		t.Fatal(err)
	}
	mustFetch(t, d, job.Artifact{Source: base + "/f", Destination: "local/l"}, job.Artifact{Source: base + "/a.tar"})
	same(t, map[string]string{"l": "-> real", "real/x": "x", "real/f": "new", "real/g": "g"}, local(t, d))
}

// A task that swaps a directory and a link all the time gets nothing written
// outside, whenever it hits.
func TestSwappingWhileFetching(t *testing.T) {
	outside := t.TempDir()
	var items []item
	for i := range 20 {
		items = append(items, file(fmt.Sprintf("data/d%d/f", i), "x", 0o644))
	}
	base, _ := site(t, map[string][]byte{"/a.tar": tarOf(t, items...)})
	d := fetching(t)
	data := filepath.Join(d.Task(allocID, "web").Local, "data")
	link := data + "-link"
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.Rename(link, data) // whoever is first has it
			_ = os.Rename(data, link)
			_ = os.RemoveAll(data)
		}
	})
	for i := range 25 {
		_ = fetch(t, d, job.Artifact{Source: fmt.Sprintf("%s/a.tar?%d", base, i)}) // either answer is right; see below
	}
	close(stop)
	wg.Wait()
	if got := tree(t, outside); len(got) != 1 {
		t.Errorf("made outside: %v", got)
	}
}

func TestLocalFilesAndDirectories(t *testing.T) {
	src := t.TempDir()
	write(t, filepath.Join(src, "run"), "#!", 0o4710)
	write(t, filepath.Join(src, "dir/sub/a"), "a", 0o600)
	write(t, filepath.Join(src, "dir/b"), "b", 0o755)
	write(t, filepath.Join(src, "packed.tar"), string(tarOf(t, file("in", "in", 0o644))), 0o600)
	if err := os.Symlink("sub/a", filepath.Join(src, "dir/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("run", filepath.Join(src, "current")); err != nil {
		t.Fatal(err)
	}
	d := fetching(t)
	mustFetch(t, d,
		job.Artifact{Source: filepath.Join(src, "run")},
		job.Artifact{Source: "file://" + src + "/current", Destination: "local/c"},
		job.Artifact{Source: "file::" + src + "/packed.tar", Destination: "local/p"},
		job.Artifact{Source: src + "/dir", Destination: "local/whole"},
		job.Artifact{Source: src + "/dir", Destination: "local/mode", Mode: job.ArtifactDir},
		job.Artifact{Source: src + "//dir/sub", Destination: "local/part"},
	)
	same(t, map[string]string{
		"run": "#!", "c/current": "#!", "p/in": "in", "part/a": "a",
		"whole/sub/a": "a", "whole/b": "b", "whole/link": "-> sub/a", "mode/sub/a": "a", "mode/b": "b", "mode/link": "-> sub/a",
	}, local(t, d))
	for path, want := range map[string]fs.FileMode{"run": 0o754, "whole/b": 0o755, "whole/sub/a": 0o644, "whole/sub": fs.ModeDir | 0o755} {
		if info, err := os.Stat(filepath.Join(d.Task(allocID, "web").Local, path)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	same(t, map[string]string{"sub/a": "a", "b": "b", "link": "-> sub/a"}, content(t, filepath.Join(src, "dir")))
}

func TestLocalSourcesThatAreNone(t *testing.T) {
	src := t.TempDir()
	write(t, filepath.Join(src, "file"), "x", 0o600)
	write(t, filepath.Join(src, "full/f"), "x", 0o600)
	write(t, filepath.Join(src, "linked/f"), "x", 0o600)
	if err := os.Symlink("/etc", filepath.Join(src, "linked/etc")); err != nil {
		t.Fatal(err)
	}
	for _, pipe := range []string{"pipe", "full/pipe"} {
		if err := syscall.Mkfifo(filepath.Join(src, pipe), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := fetching(t)
	for _, tt := range []struct {
		a      job.Artifact
		reason string
	}{
		{job.Artifact{Source: src + "/none"}, ReasonArtifactNotFound},
		{job.Artifact{Source: src + "/file/below"}, ReasonArtifactNotFound},
		{job.Artifact{Source: src + "/pipe"}, ReasonArtifactInvalid},
		{job.Artifact{Source: "/dev/zero"}, ReasonArtifactInvalid},
		{job.Artifact{Source: src + "/full"}, ReasonArtifactInvalid},
		{job.Artifact{Source: src + "/linked"}, ReasonArtifactEscapes},
		{job.Artifact{Source: src + "/file", Mode: job.ArtifactDir}, ReasonArtifactInvalid},
		{job.Artifact{Source: src + "/file//sub"}, ReasonArtifactInvalid},
		{job.Artifact{Source: src + "/full", Mode: job.ArtifactFile, Destination: "local/x"}, ReasonArtifactInvalid},
		{job.Artifact{Source: src + "/full", Options: map[string]string{"archive": "zip"}}, ReasonArtifactInvalid},
		{job.Artifact{Source: src + "/full", Options: map[string]string{"checksum": "md5:" + strings.Repeat("0", 32)}}, ReasonArtifactInvalid},
	} {
		err := fetch(t, d, tt.a)
		wants(t, err, job.WaitsForUser, tt.reason)
	}
	same(t, map[string]string{}, local(t, d))
}

func TestLocalDirectoriesAreBounded(t *testing.T) {
	src := t.TempDir()
	for i := range 10 {
		write(t, filepath.Join(src, fmt.Sprint(i)), strings.Repeat("x", 100), 0o600)
	}
	for _, l := range []limits{{bytes: 999, files: 10}, {bytes: 1000, files: 9}} {
		d := fetching(t)
		d.fetcher.limits.bytes, d.fetcher.limits.files = l.bytes, l.files
		wants(t, fetch(t, d, job.Artifact{Source: src}), job.WaitsForUser, ReasonArtifactTooLarge)
	}
	d := fetching(t)
	d.fetcher.limits.bytes, d.fetcher.limits.files = 1000, 10
	mustFetch(t, d, job.Artifact{Source: src})
	d.fetcher.limits.bytes = 99
	wants(t, fetch(t, d, job.Artifact{Source: src + "/1"}), job.WaitsForUser, ReasonArtifactTooLarge)
}

// A record is out of the reach of what a task has at hand, and of the agent's
// alone.
func TestRecordsAreTheAgents(t *testing.T) {
	base, _ := site(t, map[string][]byte{"/f": []byte("f")})
	d := fetching(t)
	mustFetch(t, d, job.Artifact{Source: base + "/f?token=S3CRET"})
	top := filepath.Join(d.root, allocID)
	if info, err := os.Stat(filepath.Join(top, recordsName)); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if got := content(t, filepath.Join(top, recordsName)); len(got) != 1 {
		t.Errorf("%v", got)
	}
	p := d.Task(allocID, "web")
	for _, mounted := range []string{p.Alloc, p.Local, p.Secrets} {
		if strings.HasPrefix(filepath.Join(top, recordsName), mounted+"/") {
			t.Errorf("%s is mounted", mounted)
		}
	}
}

// A full or broken file system is nobody's fault in the manifest.
func TestStageThatCannotBeMade(t *testing.T) {
	base, _ := site(t, map[string][]byte{"/f": []byte("f")})
	d := fetching(t)
	write(t, filepath.Join(d.root, stagesName), "in the way", 0o600)
	err := d.Fetch(t.Context(), allocID, "web", []job.Artifact{{Source: base + "/f"}})
	wants(t, err, job.Retried, ReasonIO)
}

// The end of a context ends the unpacking and the copying too.
func TestCancelEndsTheRest(t *testing.T) {
	data := []byte(strings.Repeat("0123456789abcdef", 1<<16))
	src := t.TempDir()
	write(t, filepath.Join(src, "f"), string(data), 0o600)
	write(t, filepath.Join(src, "a.tar"), string(tarOf(t, file("f", string(data), 0o644))), 0o600)
	for _, how := range []string{"gzip", "xz", "zstd"} {
		write(t, filepath.Join(src, "f."+map[string]string{"gzip": "gz", "xz": "xz", "zstd": "zst"}[how]), string(packed(t, how, data)), 0o600)
	}
	for _, name := range []string{"f", "a.tar", "f.gz", "f.xz", "f.zst", ""} {
		d := fetching(t)
		s, err := d.newStage()
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parseSource(job.Artifact{Source: filepath.Join(src, name)}, true)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s.rawPath(), "", 0o600)
		if parsed.archive != "" {
			b, err := os.ReadFile(parsed.path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, s.rawPath(), string(b), 0o600)
		} else if err := os.Remove(s.rawPath()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if parsed.archive != "" {
			err = d.fetcher.unpack(ctx, s, parsed)
		} else {
			err = d.fetcher.copyLocal(ctx, s, parsed)
		}
		if err == nil || because(ctx, err) == nil || ctx.Err() == nil {
			t.Errorf("%s: went on", name)
		}
		if got := because(ctx, err); !strings.Contains(got.Error(), context.Canceled.Error()) {
			t.Errorf("%s: %v", name, got)
		}
		s.remove()
	}
}
