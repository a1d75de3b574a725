package allocdir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

func TestList(t *testing.T) {
	d := New(t.TempDir())
	if ids, err := d.List(); err != nil || ids != nil {
		t.Errorf("before anything was built: %v, %v", ids, err)
	}
	for _, id := range []string{"b", "a", "c"} {
		mustBuild(t, d, id, group(job.Task{Name: "web"}))
	}
	if err := os.WriteFile(filepath.Join(d.root, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(d.root, freshPrefix+"d"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", filepath.Join(d.root, "link")); err != nil {
		t.Fatal(err)
	}
	ids, err := d.List()
	if diff := cmp.Diff([]string{"a", "b", "c"}, ids); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestListOfAnUnreadableDirectoryIsNotEmpty(t *testing.T) {
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "alloc"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if ids, err := New(data).List(); err == nil {
		t.Errorf("got %v without an error", ids)
	}
}

func TestRemove(t *testing.T) {
	d := built(t)
	mustBuild(t, d, "other", group(job.Task{Name: "web"}))
	for range 2 {
		if err := d.Remove(allocID); err != nil {
			t.Fatal(err)
		}
	}
	ids, err := d.List()
	if diff := cmp.Diff([]string{"other"}, ids); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := New(t.TempDir()).Remove(allocID); err != nil {
		t.Errorf("without any directory: %v", err)
	}
}

func TestRemoveFollowsNoLink(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d := built(t)
	mustBuild(t, d, "other", group(job.Task{Name: "web"}))
	p := d.Task(allocID, "web")
	for link, target := range map[string]string{
		filepath.Join(p.Local, "abs"):  outside,
		filepath.Join(p.Local, "rel"):  "../../../other",
		filepath.Join(p.Secrets, "up"): "../../..",
		filepath.Join(d.root, "whole"): outside,
		filepath.Join(p.Alloc, "loop"): "loop",
	} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{allocID, "whole"} {
		if err := d.Remove(id); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(filepath.Join(d.root, id)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", id, err)
		}
	}
	if _, err := os.Stat(filepath.Join(outside, "precious")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(d.Task("other", "web").Secrets); err != nil {
		t.Error(err)
	}
}

func TestRemoveLeavesAMountAlone(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d := built(t)
	at := d.Task(allocID, "web").Local
	if err := syscall.Mount(outside, at, "", syscall.MS_BIND, ""); err != nil {
		t.Skipf("no right to mount here: %v", err)
	}
	err := d.Remove(allocID)
	if err := syscall.Unmount(at, syscall.MNT_DETACH); err != nil {
		t.Error(err)
	}
	if err == nil || !strings.Contains(err.Error(), at) {
		t.Errorf("error %v does not name the mount %s", err, at)
	}
	if _, err := os.Stat(filepath.Join(outside, "precious")); err != nil {
		t.Error(err)
	}
	if err := d.Remove(allocID); err != nil {
		t.Errorf("after the unmount: %v", err)
	}
}

func TestMountedUnder(t *testing.T) {
	const table = `36 35 98:0 / /data/alloc/a/web\040x rw,noatime master:1 - ext3 /dev/root rw
37 35 98:0 / /data/alloc/ab rw - tmpfs tmpfs rw
38 35 98:0 / /data/alloc/c rw - tmpfs tmpfs rw
39 35
40 35 98:0 / /data/alloc/d\999 rw - tmpfs tmpfs rw
41 35 98:0 / /data/alloc/e\ rw - tmpfs tmpfs rw
`
	for dir, want := range map[string]string{
		"/data/alloc/a": "/data/alloc/a/web x", "/data/alloc/c": "/data/alloc/c", "/data/alloc/x": "",
		`/data/alloc/d\999`: `/data/alloc/d\999`, `/data/alloc/e\`: `/data/alloc/e\`,
	} {
		if got := mountedUnder(table, dir); got != want {
			t.Errorf("under %s: %q, want %q", dir, got, want)
		}
	}
}
