package desired

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lay makes files and links in a new directory: a name that ends in "/" is a
// folder, a value that begins with "->" a link.
func lay(t *testing.T, what map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range slices.Sorted(maps.Keys(what)) {
		path, text := filepath.Join(dir, name), what[name]
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		target, isLink := strings.CutPrefix(text, "->")
		switch {
		case err != nil:
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(path, 0o755)
		case isLink:
			err = os.Symlink(target, path)
		default:
			err = os.WriteFile(path, []byte(text), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestScanTree(t *testing.T) {
	dir := lay(t, map[string]string{
		"a.hcl": "", "b.nomad": "", "README.md": "", ".hidden.hcl": "", "x.hcl~": "",
		"sub/c.hcl": "", "sub/1/2/3/deep.hcl": "", "sub/1/2/3/4/deeper.hcl": "",
		".git/config.hcl":   "",
		"folder.hcl/in.hcl": "",
		"aaa":               "->sub",       // a second name of a folder: the real one wins
		"sub/1/up":          "->../..",     // back to the top
		"sub/1/self":        "->../1",      // back to itself
		"linked.hcl":        "->sub/c.hcl", // a link to a file
		"dangling.hcl":      "->nowhere",
		"away":              "->/no/such/mount",
		"notes":             "->README.md",
	})
	watched := map[string][]string{}
	got, err := scanTree(dir, func(dir, only string) { watched[dir] = append(watched[dir], only) })
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a.hcl", "b.nomad", "dangling.hcl", "folder.hcl/in.hcl", "linked.hcl", "sub/1/2/3/deep.hcl", "sub/c.hcl"}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got.files))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"sub/1/up": "", "sub/1/self": "sub/1"}, got.loops); diff != "" {
		t.Errorf("loops (-want +got):\n%s", diff)
	}
	if len(got.dark) != 1 || got.dark["away"] == nil {
		t.Errorf("dark %v", got.dark)
	}
	if got.files["dangling.hcl"].err == nil || got.files["linked.hcl"].err != nil {
		t.Errorf("links %+v", got.files)
	}
	for _, folder := range []string{"", "sub", "sub/1/2/3", "folder.hcl"} {
		if !slices.Contains(watched[filepath.Join(dir, folder)], "") {
			t.Errorf("%q is not watched", folder)
		}
	}
	for _, folder := range []string{".git", "sub/1/2/3/4"} {
		if watched[filepath.Join(dir, folder)] != nil {
			t.Errorf("%q is watched", folder)
		}
	}
}

func TestScanLinkedFolder(t *testing.T) {
	outside := lay(t, map[string]string{"web.hcl": "", "back": "->.", "sub/x.hcl": ""})
	dir := lay(t, map[string]string{"team": "->" + outside})
	got, err := scanTree(dir, func(string, string) {})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"team/sub/x.hcl", "team/web.hcl"}, slices.Sorted(maps.Keys(got.files))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"team/back": "team"}, got.loops); diff != "" {
		t.Errorf("loops (-want +got):\n%s", diff)
	}
}

// A folder that stands in the listing and cannot be read is not empty.
func TestScanUnreadableFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads everything; the rule itself is tested in TestDarkFolderHoldsItsJobs")
	}
	dir := lay(t, map[string]string{"sub/a.hcl": ""})
	sub := filepath.Join(dir, "sub")
	if err := os.Chmod(sub, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(sub, 0o755) })
	got, err := scanTree(dir, func(string, string) {})
	if err != nil || got.dark["sub"] == nil {
		t.Errorf("dark %v, %v", got.dark, err)
	}
}

func TestScanNoDirectory(t *testing.T) {
	dir := lay(t, map[string]string{"file": ""})
	tests := []struct {
		dir    string
		err    error
		reason string
	}{
		{filepath.Join(dir, "none"), fs.ErrNotExist, "DirectoryMissing"},
		{filepath.Join(dir, "file"), syscall.ENOTDIR, "DirectoryUnreadable"},
	}
	for _, tt := range tests {
		_, err := scanTree(tt.dir, func(string, string) {})
		if !errors.Is(err, tt.err) {
			t.Errorf("%s: %v, want %v", tt.dir, err, tt.err)
		}
		if reason, _ := dirProblem(tt.dir, err); reason != tt.reason {
			t.Errorf("%s: %s, want %s", tt.dir, reason, tt.reason)
		}
	}
}

// What was read of a directory that is replaced meanwhile is worth nothing.
func TestScanReplacedMeanwhile(t *testing.T) {
	dir := filepath.Join(lay(t, map[string]string{"m/a.hcl": ""}), "m")
	_, err := scanTree(dir, func(string, string) {
		if err := errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o755)); err != nil {
			t.Error(err)
		}
	})
	if !errors.Is(err, errMoved) {
		t.Errorf("error %v", err)
	}
	if reason, _ := dirProblem(dir, err); reason != "DirectoryReplaced" {
		t.Errorf("reason %s", reason)
	}
}

func TestIdentify(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	a, err := identify(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := identify(dir); err != nil || a != b {
		t.Errorf("a file in it makes another directory of it: %+v %+v %v", a, b, err)
	}
	time.Sleep(20 * time.Millisecond) // file times go by the tick of the kernel
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	if a.born == 0 {
		t.Skip("the file system knows no time of birth")
	}
	if b, err := identify(dir); err != nil || a == b {
		t.Errorf("a directory that was made again is the same: %+v %v", b, err)
	}
}
