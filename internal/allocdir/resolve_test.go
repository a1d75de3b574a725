package allocdir

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"reconciler/internal/job"
)

func TestResolve(t *testing.T) {
	d := built(t)
	top := filepath.Join(d.root, allocID)
	p := d.Task(allocID, "web")
	for link, target := range map[string]string{
		"web/local/db":     "../../db/local",     // to another task of the allocation
		"web/local/here":   ".",                  // to where it stands
		"web/local/chain":  "db/deep",            // through another link
		"web/local/future": "not/yet",            // to what is not there
		"web/up":           "..",                 // to the top
		"db/local/around":  "../../web/../alloc", // up and down within
	} {
		if err := os.Symlink(target, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(p.Local, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for rel, want := range map[string]string{
		"":                          "web",
		".":                         "web",
		"local":                     "web/local",
		"local/file":                "web/local/file",
		"new/deep/dir":              "web/new/deep/dir",
		"..":                        "",
		"../alloc":                  "alloc",
		"../db/secrets":             "db/secrets",
		"x/../../alloc/x":           "alloc/x",
		"local/db":                  "db/local",
		"local/db/sub":              "db/local/sub",
		"local/here/here/here/file": "web/local/file",
		"local/chain/x":             "db/local/deep/x",
		"local/future":              "web/local/not/yet",
		"up/up2":                    "up2",
		"local/db/around/y":         "alloc/y",
		"with blank/ü":              "web/with blank/ü",
		strings.Repeat("n", 255):    "web/" + strings.Repeat("n", 255),
	} {
		got, err := d.Resolve(allocID, "web", rel)
		if err != nil || got != filepath.Join(top, want) {
			t.Errorf("Resolve(%q) = %q, %v; want %q", rel, got, err, want)
			continue
		}
		if real, err := filepath.EvalSymlinks(got); err != nil || real != got {
			t.Errorf("Resolve(%q) has a link or is not there: %s, %v", rel, real, err)
		}
	}
}

func TestResolvedDirectoriesAreOpenToEveryUser(t *testing.T) {
	d := built(t)
	path, err := d.Resolve(allocID, "web", "data/pg")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{path, filepath.Dir(path)} {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o777 {
			t.Errorf("%s: %v, %v", dir, info.Mode(), err)
		}
	}
}

func TestResolveRefuses(t *testing.T) {
	outside := t.TempDir()
	d := built(t)
	mustBuild(t, d, "other", group(job.Task{Name: "web"}))
	top := filepath.Join(d.root, allocID)
	for link, target := range map[string]string{
		"web/local/abs":     "/etc",
		"web/local/absin":   filepath.Join(top, "alloc"),
		"web/local/out":     "../../../other",
		"web/local/slow":    "../../alloc/../../other/web/secrets",
		"web/local/loop":    "loop",
		"web/local/chain":   "../local/abs",
		"web/local/outside": outside,
		"alloc/far":         "../../../..",
	} {
		if err := os.Symlink(target, filepath.Join(top, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(top, "web/local/file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	tests := map[string]string{
		"../..":                       ReasonEscape,
		"../../other":                 ReasonEscape,
		"../../" + allocID + "/alloc": ReasonEscape,
		"a/../../..":                  ReasonEscape,
		"local/abs":                   ReasonEscape,
		"local/abs/passwd":            ReasonEscape,
		"local/absin":                 ReasonEscape,
		"local/out":                   ReasonEscape,
		"local/out/web/secrets":       ReasonEscape,
		"local/slow":                  ReasonEscape,
		"local/chain":                 ReasonEscape,
		"local/outside/new":           ReasonEscape,
		"../alloc/far":                ReasonEscape,
		"local/loop":                  ReasonInvalid,
		"local/file/below":            ReasonInvalid,
		"/etc":                        ReasonInvalid,
		"a\x00b":                      ReasonInvalid,
		strings.Repeat("n", 300):      ReasonInvalid,
	}
	before := tree(t, d.root)
	for rel, want := range tests {
		got, err := d.Resolve(allocID, "web", rel)
		if err == nil {
			t.Errorf("Resolve(%q) = %q", rel, got)
			continue
		}
		kind, reason := job.KindOf(err)
		if kind != job.WaitsForUser || reason != want {
			t.Errorf("Resolve(%q): %s %s (%v), want %s", rel, kind, reason, err, want)
		}
		if name := strings.ReplaceAll(rel, "\x00", `\x00`); !strings.Contains(err.Error(), `"`+name+`"`) {
			t.Errorf("the error does not name the path %q: %v", rel, err)
		}
	}
	if after := tree(t, d.root); len(after) != len(before) {
		t.Errorf("a refused path left something:\n%v\n%v", before, after)
	}
	if got := tree(t, outside); len(got) != 1 {
		t.Errorf("made outside: %v", got)
	}
}

func TestResolveOfAnAllocationThatIsNotBuilt(t *testing.T) {
	for _, d := range []*Dirs{New(t.TempDir()), built(t)} {
		_, err := d.Resolve("nobody", "web", "x")
		if kind, _ := job.KindOf(err); err == nil || kind != job.Retried {
			t.Errorf("%v", err)
		}
	}
}

func TestResolveRefusesALinkInPlaceOfTheAllocation(t *testing.T) {
	d := built(t)
	if err := os.Symlink(allocID, filepath.Join(d.root, "link")); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Resolve("link", "web", "x"); err == nil {
		t.Errorf("got %q", got)
	}
}

// A link that is put in the place of a directory after a good answer is seen
// by the next look.
func TestSwappedLinkIsRefusedTheNextTime(t *testing.T) {
	d := built(t)
	path, err := d.Resolve(allocID, "web", "data/x")
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Dir(path)
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	if err := os.Symlink(outside, data); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it stays refused
		got, err := d.Resolve(allocID, "web", "data/x")
		if err == nil {
			t.Fatalf("got %q", got)
		}
		wants(t, err, job.WaitsForUser, ReasonEscape)
		for _, says := range []string{`volume "data/x"`, "web/data is a link to " + outside} {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("the refusal does not say %s: %v", says, err)
			}
		}
	}
	if got := tree(t, outside); len(got) != 1 {
		t.Errorf("made outside: %v", got)
	}
	// When the link is gone the volume is what it was.
	if err := os.Remove(data); err != nil {
		t.Fatal(err)
	}
	if again, err := d.Resolve(allocID, "web", "data/x"); err != nil || again != path {
		t.Errorf("%q, %v; want %q", again, err, path)
	}
}

// Who mounts the allocation's directory can put a link in the place of any
// directory that Build has made, the task's own included.
func TestSwappedStandardDirectoriesAreRefused(t *testing.T) {
	for _, dir := range []string{"web", "web/local", "web/secrets", "alloc"} {
		outside := t.TempDir()
		d := built(t)
		at := filepath.Join(d.root, allocID, dir)
		if err := os.RemoveAll(at); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, at); err != nil {
			t.Fatal(err)
		}
		rel := filepath.Join("..", dir, "new")
		_, err := d.Resolve(allocID, "db", rel)
		if err == nil {
			t.Fatalf("%s was followed", dir)
		}
		wants(t, err, job.WaitsForUser, ReasonEscape)
		if !strings.Contains(err.Error(), `"`+rel+`"`) {
			t.Errorf("the refusal does not name %s: %v", rel, err)
		}
		if err := d.Build(job.AllocSpec{ID: allocID}, group(job.Task{Name: "web"})); err == nil {
			t.Errorf("Build took a link for %s", dir)
		}
		if got := tree(t, outside); len(got) != 1 {
			t.Errorf("made outside by way of %s: %v", dir, got)
		}
	}
}

// A file that is put in the place of a link, or a link in that of a file, is
// what the path means from then on.
func TestSwappedFileIsRefused(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "precious")
	write(t, outside, "precious", 0o600)
	d := built(t)
	conf := filepath.Join(d.Task(allocID, "web").Local, "conf")
	write(t, conf, "", 0o600)
	if got, err := d.Resolve(allocID, "web", "local/conf"); err != nil || got != conf {
		t.Fatalf("%q, %v", got, err)
	}
	if err := os.Remove(conf); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, conf); err != nil {
		t.Fatal(err)
	}
	_, err := d.Resolve(allocID, "web", "local/conf")
	wants(t, err, job.WaitsForUser, ReasonEscape)
	if !strings.Contains(err.Error(), `"local/conf"`) {
		t.Errorf("the refusal does not name the path: %v", err)
	}
}

// A task that swaps a directory and a link all the time gets nothing made
// outside, whenever it hits.
func TestSwappingWhileResolving(t *testing.T) {
	d := built(t)
	outside := t.TempDir()
	data := filepath.Join(d.Task(allocID, "web").Dir, "data")
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
	want := filepath.Join(data, "made/here")
	for range 500 {
		got, err := d.Resolve(allocID, "web", "data/made/here") // either answer is right
		if err == nil && got != want || err != nil && !strings.Contains(err.Error(), `"data/made/here"`) {
			t.Errorf("%q, %v", got, err)
		}
	}
	close(stop)
	wg.Wait()
	if got := tree(t, outside); len(got) != 1 {
		t.Errorf("made outside: %v", got)
	}
}

// Whatever the names and the links, an answer is within the allocation, and
// nothing is made outside it.
func TestNeverOutside(t *testing.T) {
	part := rapid.SampledFrom([]string{"..", ".", "a", "b", "l1", "l2", "l3", "local", "alloc", "other", "web", "", "/"})
	path := rapid.Map(rapid.SliceOfN(part, 0, 7), func(p []string) string { return strings.Join(p, "/") })
	rapid.Check(t, func(rt *rapid.T) {
		data := t.TempDir()
		d := New(data)
		if err := d.Build(job.AllocSpec{ID: "alloc1"}, group(job.Task{Name: "web"})); err != nil {
			rt.Fatal(err)
		}
		top := filepath.Join(d.root, "alloc1")
		for _, link := range []string{"web/l1", "web/local/l2", "alloc/l3", "l1"} {
			target := path.Draw(rt, link)
			if target == "" {
				continue
			}
			if err := os.Symlink(target, filepath.Join(top, link)); err != nil {
				rt.Fatal(err)
			}
		}
		rel := path.Draw(rt, "rel")
		got, err := d.Resolve("alloc1", "web", rel)
		if err == nil {
			real, err := filepath.EvalSymlinks(got)
			if err != nil || real != got || (got != top && !strings.HasPrefix(got, top+"/")) {
				rt.Fatalf("Resolve(%q) = %q, really %q, %v", rel, got, real, err)
			}
		} else if kind, _ := job.KindOf(err); kind != job.WaitsForUser || !strings.Contains(err.Error(), strconv.Quote(rel)) {
			rt.Fatalf("Resolve(%q): %s, and it does not name the path or waits for nobody: %v", rel, kind, err)
		}
		for _, dir := range []string{data, d.root} {
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
				rt.Fatalf("Resolve(%q) left in %s: %v, %v", rel, dir, entries, err)
			}
		}
	})
}
