package allocdir

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"reconciler/internal/job"
)

// unpacked fetches one archive with mode any to local.
func unpacked(t *testing.T, d *Dirs, name string, archive []byte) error {
	t.Helper()
	base, _ := site(t, map[string][]byte{"/" + name: archive})
	return fetch(t, d, job.Artifact{Source: base + "/" + name})
}

func TestUnpack(t *testing.T) {
	items := []item{
		folder("bin", 0o555), file("bin/run", "#!", 0o755), file("etc/deep/conf", "c", 0o600),
		file("./dotted", "d", 0o644), symlink("etc/link", "deep/conf"), symlink("dangling", "later"),
	}
	want := map[string]string{
		"bin/run": "#!", "etc/deep/conf": "c", "dotted": "d", "etc/link": "-> deep/conf", "dangling": "-> later",
	}
	plain := tarOf(t, items...)
	for name, how := range map[string]string{
		"a.tar": "", "a.tar.gz": "gzip", "a.tgz": "gzip", "a.tar.bz2": "bzip2", "a.tbz2": "bzip2",
		"a.tar.xz": "xz", "a.txz": "xz", "a.tar.zst": "zstd", "a.tzst": "zstd", "a.zip": "",
	} {
		t.Run(name, func(t *testing.T) {
			archive := plain
			if how != "" {
				archive = packed(t, how, plain)
			}
			if name == "a.zip" {
				archive = zipOf(t, append(items[1:], item{name: "bin/", mode: fs.ModeDir | 0o555})...)
			}
			d := fetching(t)
			if err := unpacked(t, d, name, archive); err != nil {
				t.Fatal(err)
			}
			same(t, want, local(t, d))
			for path, mode := range map[string]fs.FileMode{
				"bin": fs.ModeDir | 0o755, "bin/run": 0o755, "etc": fs.ModeDir | 0o755, "etc/deep/conf": 0o644,
			} {
				info, err := os.Stat(filepath.Join(d.Task(allocID, "web").Local, path))
				if err != nil || info.Mode() != mode {
					t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, mode)
				}
				if !info.IsDir() && !info.ModTime().Equal(stamp) {
					t.Errorf("%s was changed at %v", path, info.ModTime())
				}
			}
		})
	}
}

func TestUnpackOneFile(t *testing.T) {
	for name, how := range map[string]string{"f.txt.gz": "gzip", "f.txt.bz2": "bzip2", "f.txt.xz": "xz", "f.txt.zst": "zstd"} {
		t.Run(name, func(t *testing.T) {
			base, _ := site(t, map[string][]byte{"/" + name: packed(t, how, []byte("plain"))})
			d := fetching(t)
			mustFetch(t, d, job.Artifact{Source: base + "/" + name},
				job.Artifact{Source: base + "/" + name, Mode: job.ArtifactFile, Destination: "local/x/it"},
				job.Artifact{Source: base + "/" + name, Options: map[string]string{"filename": "named"}})
			same(t, map[string]string{"f.txt": "plain", "x/it": "plain", "named": "plain"}, local(t, d))
		})
	}
}

func TestUnpackWithModeFile(t *testing.T) {
	pages := map[string][]byte{
		"/one.tar":  tarOf(t, file("deep/f", "f", 0o755)),
		"/file.zip": zipOf(t, file("file", "itself", 0o644)),
		"/in.zip":   zipOf(t, file("file/file", "below", 0o644)),
		"/two.tar":  tarOf(t, file("f", "f", 0o755), file("g", "g", 0o755)),
		"/none.tar": tarOf(t, folder("d", 0o755)),
		"/link.tar": tarOf(t, symlink("l", "x")),
	}
	base, _ := site(t, pages)
	d := fetching(t)
	as := func(page, dest string) job.Artifact {
		return job.Artifact{Source: base + page, Mode: job.ArtifactFile, Destination: dest}
	}
	mustFetch(t, d, as("/one.tar", "local/a"), as("/file.zip", "local/b"), as("/in.zip", "local/c"))
	for _, page := range []string{"/two.tar", "/none.tar", "/link.tar"} {
		wants(t, fetch(t, d, as(page, "local/d")), job.WaitsForUser, ReasonArtifactInvalid)
	}
	same(t, map[string]string{"a": "f", "b": "itself", "c": "below"}, local(t, d))
}

func TestUnpackAPart(t *testing.T) {
	archive := tarOf(t, file("app-1.2/conf/a", "a", 0o644), file("app-1.2/b", "b", 0o644), file("x", "x", 0o644))
	base, _ := site(t, map[string][]byte{"/a.tar": archive})
	d := fetching(t)
	mustFetch(t, d, job.Artifact{Source: base + "/a.tar//app-*/conf", Destination: "local/c"}, job.Artifact{Source: base + "/a.tar//app-1.2"})
	same(t, map[string]string{"c/a": "a", "conf/a": "a", "b": "b"}, local(t, d))
	for _, part := range []string{"nothing", "*", "x", "[", "app-1.2/conf/a"} {
		wants(t, fetch(t, d, job.Artifact{Source: base + "/a.tar//" + part}), job.WaitsForUser, ReasonArtifactInvalid)
	}
}

func TestLeftPacked(t *testing.T) {
	archive := tarOf(t, file("a", "a", 0o644))
	base, _ := site(t, map[string][]byte{"/a.tar": archive, "/any": archive})
	d := fetching(t)
	mustFetch(t, d, job.Artifact{Source: base + "/a.tar", Options: map[string]string{"archive": "false"}},
		job.Artifact{Source: base + "/any", Destination: "local/x", Options: map[string]string{"archive": "tar"}})
	same(t, map[string]string{"a.tar": string(archive), "x/a": "a"}, local(t, d))
}

func TestUnpackTakesModesApart(t *testing.T) {
	d := fetching(t)
	special := fs.ModeSetuid | fs.ModeSetgid | fs.ModeSticky
	err := unpacked(t, d, "a.tar", tarOf(t, file("f", "f", special|0o711), folder("d", special|0o700),
		file("one", "1", 0o751), hardlink("two", "one"), file("one", "changed", 0o640)))
	if err != nil {
		t.Fatal(err)
	}
	same(t, map[string]string{"f": "f", "one": "changed", "two": "1"}, local(t, d))
	for path, want := range map[string]fs.FileMode{"f": 0o755, "d": fs.ModeDir | 0o755, "one": 0o644, "two": 0o755} {
		if info, err := os.Stat(filepath.Join(d.Task(allocID, "web").Local, path)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
}

// evil archives want out, or are no files.
func evil() map[string]struct {
	items  []item
	reason string
} {
	type bad = struct {
		items  []item
		reason string
	}
	return map[string]bad{
		"name up":              {[]item{file("../evil", "x", 0o644)}, ReasonArtifactEscapes},
		"name up within":       {[]item{file("a/../../evil", "x", 0o644)}, ReasonArtifactEscapes},
		"name up and back":     {[]item{file("a/../b", "x", 0o644)}, ReasonArtifactEscapes},
		"name of Windows":      {[]item{file(`..\evil`, "x", 0o644)}, ReasonArtifactEscapes},
		"absolute name":        {[]item{file("/tmp/evil", "x", 0o644)}, ReasonArtifactEscapes},
		"folder up":            {[]item{folder("../evil", 0o755)}, ReasonArtifactEscapes},
		"link up":              {[]item{symlink("l", "../evil")}, ReasonArtifactEscapes},
		"link up from below":   {[]item{symlink("a/b/l", "../../../evil")}, ReasonArtifactEscapes},
		"absolute link":        {[]item{symlink("l", "/etc")}, ReasonArtifactEscapes},
		"write through a link": {[]item{symlink("l", "../.."), file("l/evil", "x", 0o644)}, ReasonArtifactEscapes},
		"write through absolute link": {
			[]item{symlink("l", "/tmp"), file("l/evil", "x", 0o644)}, ReasonArtifactEscapes,
		},
		"chain of links":       {[]item{folder("d/e", 0o755), symlink("d/e/up", "../.."), symlink("out", "d/e/up/..")}, ReasonArtifactEscapes},
		"chain, written later": {[]item{symlink("out", "a/b/c"), symlink("a/b", ".."), symlink("c", "a/../../x")}, ReasonArtifactEscapes},
	}
}

func TestUnpackNeverLeaves(t *testing.T) {
	for name, bad := range evil() {
		for _, kind := range []string{"tar", "zip"} {
			t.Run(name+" "+kind, func(t *testing.T) {
				pack := tarOf
				if kind == "zip" {
					pack = zipOf
				}
				d := fetching(t)
				before := tree(t, d.root)
				err := unpacked(t, d, "a."+kind, pack(t, append([]item{file("good", "g", 0o644)}, bad.items...)...))
				wants(t, err, job.WaitsForUser, bad.reason)
				after := tree(t, d.root)
				if n := len(after) - len(before); n != 1 { // the directory of the stages
					t.Errorf("a refused archive left something:\n%v", after)
				}
			})
		}
	}
}

func TestUnpackRefuses(t *testing.T) {
	good := tarOf(t, file("a", strings.Repeat("a", 10_000), 0o644))
	gz := packed(t, "gzip", good)
	for name, tt := range map[string]struct {
		file    string
		archive []byte
	}{
		"device":             {"a.tar", tarOf(t, item{name: "d", kind: tar.TypeChar})},
		"block device":       {"a.tar", tarOf(t, item{name: "d", kind: tar.TypeBlock})},
		"pipe":               {"a.tar", tarOf(t, item{name: "d", kind: tar.TypeFifo})},
		"device in zip":      {"a.zip", zipOf(t, item{name: "d", mode: fs.ModeDevice | 0o666})},
		"hard link to none":  {"a.tar", tarOf(t, hardlink("h", "none"))},
		"hard link to link":  {"a.tar", tarOf(t, symlink("l", "x"), hardlink("h", "l"))},
		"hard link to dir":   {"a.tar", tarOf(t, folder("d", 0o755), hardlink("h", "d"))},
		"file over full dir": {"a.tar", tarOf(t, file("d/f", "", 0o644), file("d", "", 0o644))},
		"empty link":         {"a.tar", tarOf(t, symlink("l", ""))},
		"dir over file":      {"a.tar", tarOf(t, file("d", "", 0o644), file("d/f", "", 0o644))},
		"long name":          {"a.tar", tarOf(t, file(strings.Repeat("n", 300), "", 0o644))},
		"cut tar":            {"a.tar", good[:5000]},
		"cut gzip":           {"a.tar.gz", gz[:len(gz)/2]},
		"no gzip":            {"a.gz", good},
		"no zip":             {"a.zip", good},
		"no bzip2":           {"a.bz2", good},
		"no xz":              {"a.xz", good},
		"no zstd":            {"a.zst", good},
		"no tar":             {"a.tar", bytes.Repeat([]byte("no tar"), 1000)},
		"text":               {"a.tar.gz", []byte("<html>log in</html>")},
	} {
		t.Run(name, func(t *testing.T) {
			d := fetching(t)
			wants(t, unpacked(t, d, tt.file, tt.archive), job.WaitsForUser, ReasonArtifactInvalid)
			same(t, map[string]string{}, local(t, d))
		})
	}
}

func TestHardLinkOutside(t *testing.T) {
	d := fetching(t)
	err := unpacked(t, d, "a.tar", tarOf(t, hardlink("h", "../../../etc/passwd")))
	wants(t, err, job.WaitsForUser, ReasonArtifactEscapes)
	err = unpacked(t, d, "b.tar", tarOf(t, hardlink("h", "/etc/passwd")))
	wants(t, err, job.WaitsForUser, ReasonArtifactEscapes)
}

// What grows when it is unpacked ends with an error and leaves nothing.
func TestBombs(t *testing.T) {
	zeros := strings.Repeat("\x00", 1<<20)
	many := make([]item, 60)
	for i := range many {
		many[i] = file(fmt.Sprint(i), "", 0o644)
	}
	copies := []item{file("one", zeros[:1<<16], 0o644)}
	for i := range 20 {
		copies = append(copies, hardlink(fmt.Sprint(i), "one"))
	}
	big := tarOf(t, file("z", zeros, 0o644))
	for name, archive := range map[string][]byte{
		"a.zip":       zipOf(t, file("z", zeros, 0o644)),
		"several.zip": zipOf(t, file("x", zeros[:1<<18], 0o644), file("y", zeros[:1<<18], 0o644), file("z", zeros[:1<<18], 0o644)),
		"a.tar.gz":    packed(t, "gzip", big),
		"z.gz":        packed(t, "gzip", []byte(zeros)),
		"z.bz2":       packed(t, "bzip2", []byte(zeros)),
		"z.xz":        packed(t, "xz", []byte(zeros)),
		"z.zst":       packed(t, "zstd", []byte(zeros)),
		"a.tar.xz":    packed(t, "xz", big),
		"a.tar.zst":   packed(t, "zstd", big),
		"many.tar.gz": packed(t, "gzip", tarOf(t, many...)),
		"many.zip":    zipOf(t, many...),
		"copies.tgz":  packed(t, "gzip", tarOf(t, copies...)),
	} {
		t.Run(name, func(t *testing.T) {
			d := fetching(t)
			d.fetcher.limits.bytes, d.fetcher.limits.files = 1<<19, 50
			wants(t, unpacked(t, d, name, archive), job.WaitsForUser, ReasonArtifactTooLarge)
			same(t, map[string]string{}, local(t, d))
		})
	}
}

// A file of exactly the limit is taken, one byte more is not.
func TestBoundIsExact(t *testing.T) {
	for _, how := range []string{"gzip", "xz", "zstd"} {
		for n, ok := range map[int]bool{1000: true, 1001: false} {
			d := fetching(t)
			d.fetcher.limits.bytes = 1000
			ext := map[string]string{"gzip": "gz", "xz": "xz", "zstd": "zst"}[how]
			err := unpacked(t, d, "f."+ext, packed(t, how, bytes.Repeat([]byte("x"), n)))
			if ok && err != nil {
				t.Errorf("%s, %d bytes: %v", how, n, err)
			} else if !ok {
				wants(t, err, job.WaitsForUser, ReasonArtifactTooLarge)
			}
		}
	}
}

// A zip file whose index claims a size that its content does not have.
func TestZipThatLies(t *testing.T) {
	archive := zipOf(t, file("z", strings.Repeat("\x00", 1<<20), 0o644))
	end := bytes.LastIndex(archive, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(archive[end+24:], 10) // the uncompressed size
	if r, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive))); err != nil || r.File[0].UncompressedSize64 != 10 {
		t.Fatalf("the test's own archive: %v", err)
	}
	d := fetching(t)
	d.fetcher.limits.bytes = 1 << 19
	if err := unpacked(t, d, "a.zip", archive); err == nil {
		t.Error("no error")
	}
	same(t, map[string]string{}, local(t, d))
}

// An index that would fill the memory is not read.
func TestZipIndexIsBounded(t *testing.T) {
	var items []item
	for i := range 2000 {
		items = append(items, file(fmt.Sprintf("%d%s", i, strings.Repeat("n", 200)), "", 0o644))
	}
	archive := zipOf(t, items...)
	last := bytes.LastIndex(archive, []byte("PK\x01\x02"))
	archive[last] = 'X' // who reads so far finds that the index is broken
	for files, reason := range map[int]string{5: ReasonArtifactTooLarge, 5000: ReasonArtifactInvalid} {
		d := fetching(t)
		d.fetcher.limits.files = files
		wants(t, unpacked(t, d, "a.zip", archive), job.WaitsForUser, reason)
	}
}

// Whatever entries an archive has, nothing is made outside the task's
// directory.
func TestAnyArchiveStaysInside(t *testing.T) {
	part := rapid.SampledFrom([]string{"..", ".", "x", "b", "cx", "", "/"})
	path := rapid.Map(rapid.SliceOfN(part, 1, 4), func(p []string) string { return strings.Join(p, "/") })
	outside := t.TempDir()
	tries := 0
	rapid.Check(t, func(rt *rapid.T) {
		var items []item
		for range rapid.IntRange(1, 6).Draw(rt, "entries") {
			name := strings.TrimRight(path.Draw(rt, "name"), "/") + "x"
			switch rapid.IntRange(0, 3).Draw(rt, "kind") {
			case 0:
				items = append(items, symlink(name, rapid.OneOf(path, rapid.Just(outside)).Draw(rt, "target")))
			case 1:
				items = append(items, folder(name, 0o755))
			case 2:
				items = append(items, hardlink(name, path.Draw(rt, "same")))
			default:
				items = append(items, file(name, "content", 0o644))
			}
		}
		tries++
		data := filepath.Join(outside, fmt.Sprint(tries))
		defer func() { _ = os.RemoveAll(data) }()
		d := New(filepath.Join(data, "d"), LocalSources(true)) // made by Build
		if err := d.Build(job.AllocSpec{ID: "a1"}, group(job.Task{Name: "web"})); err != nil {
			rt.Fatal(err)
		}
		from := filepath.Join(data, "x.tar")
		if err := os.WriteFile(from, tarOf(t, items...), 0o600); err != nil {
			rt.Fatal(err)
		}
		if err := d.Fetch(t.Context(), "a1", "web", []job.Artifact{{Source: from}}); err != nil {
			if kind, reason := job.KindOf(err); kind != job.WaitsForUser {
				rt.Fatalf("%s %s %v", kind, reason, err)
			}
		}
		for dir, n := range map[string]int{outside: 1, data: 2, filepath.Join(data, "d"): 1, filepath.Join(d.root, "a1", "web"): 2, filepath.Join(d.root, stagesName): 0} {
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != n {
				rt.Fatalf("%s: %v, %v", dir, entries, err)
			}
		}
	})
}
