package allocdir

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/job"
)

const allocID = "5c9f8a1e-1111-2222-3333-444455556666"

func group(tasks ...job.Task) *job.Group { return &job.Group{Name: "g", Tasks: tasks} }

// built makes the directories of an allocation with tasks web and db.
func built(t *testing.T) *Dirs {
	t.Helper()
	d := New(t.TempDir())
	mustBuild(t, d, allocID, group(job.Task{Name: "web"}, job.Task{Name: "db"}))
	return d
}

func mustBuild(t *testing.T, d *Dirs, id string, g *job.Group) {
	t.Helper()
	if err := d.Build(job.AllocSpec{ID: id}, g); err != nil {
		t.Fatal(err)
	}
}

// tree lists what is under dir as "path mode", links with their target.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		out = append(out, fmt.Sprintf("%s %v", rel, info.Mode()))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestBuildModesWhateverTheUmask(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o077} {
		t.Run(fmt.Sprintf("%03o", umask), func(t *testing.T) {
			data := t.TempDir()
			old := syscall.Umask(umask)
			err := New(data).Build(job.AllocSpec{ID: "a1"}, group(job.Task{Name: "web"}, job.Task{Name: "alloc"}))
			syscall.Umask(old)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{
				". drwx--x--x",
				"a1 drwxr-xr-x",
				"a1/.alloc drwxr-xr-x",
				"a1/.alloc/local drwxrwxrwx",
				"a1/.alloc/secrets drwx------",
				"a1/alloc drwxrwxrwx",
				"a1/web drwxr-xr-x",
				"a1/web/local drwxrwxrwx",
				"a1/web/secrets drwx------",
			}
			if diff := cmp.Diff(want, tree(t, filepath.Join(data, "alloc"))); diff != "" {
				t.Errorf("directories differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTaskPathsAreWhatBuildMakes(t *testing.T) {
	d := New(t.TempDir())
	mustBuild(t, d, allocID, group(job.Task{Name: "web"}, job.Task{Name: "alloc"}))
	seen := map[string]bool{}
	for _, task := range []string{"web", "alloc"} {
		p := d.Task(allocID, task)
		for _, path := range []string{p.Dir, p.Local, p.Secrets} {
			if info, err := os.Stat(path); err != nil || !info.IsDir() {
				t.Errorf("%s: %v", path, err)
			}
			if !filepath.IsAbs(path) || seen[path] || path == p.Alloc {
				t.Errorf("%s is shared or not absolute", path)
			}
			seen[path] = true
		}
		if p.Alloc != d.Task(allocID, "web").Alloc {
			t.Error("the shared directory is not shared")
		}
	}
}

func TestNewWithRelativeDataDir(t *testing.T) {
	t.Chdir(t.TempDir())
	if p := New("data").Task("a", "web"); !filepath.IsAbs(p.Local) {
		t.Errorf("%s is not absolute", p.Local)
	}
}

func TestSecretsOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give files away")
	}
	tests := map[string][2]uint32{
		"": {0, 0}, "1234": {1234, 0}, "1234:5678": {1234, 5678}, "0": {0, 0},
		"www-data": {0, 0}, "1234:staff": {1234, 0}, "-5": {0, 0}, "99999999999": {0, 0},
	}
	d := New(t.TempDir())
	for user, want := range tests {
		id := fmt.Sprintf("a%d", len(user)) + "x" + fmt.Sprint(want[0]) + "-" + fmt.Sprint(want[1])
		g := group(job.Task{Name: "web", User: user})
		mustBuild(t, d, id, g)
		mustBuild(t, d, id, g)
		info, err := os.Stat(d.Task(id, "web").Secrets)
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		if got := [2]uint32{st.Uid, st.Gid}; got != want || info.Mode().Perm() != 0o700 {
			t.Errorf("user %q: owner %v, want %v, mode %v", user, got, want, info.Mode())
		}
	}
}

func TestBuildAgainKeepsWhatTheTaskHas(t *testing.T) {
	d := built(t)
	p := d.Task(allocID, "web")
	if err := os.WriteFile(filepath.Join(p.Local, "data"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(p.Local, 0o700); err != nil {
		t.Fatal(err)
	}
	before := tree(t, d.root)
	mustBuild(t, d, allocID, group(job.Task{Name: "web"}, job.Task{Name: "db"}))
	if diff := cmp.Diff(before, tree(t, d.root)); diff != "" {
		t.Errorf("a second Build changed (-before +after):\n%s", diff)
	}
}

func TestBuildEndsWhatACrashBegan(t *testing.T) {
	d := built(t)
	p := d.Task(allocID, "web")
	if err := os.Rename(p.Local, filepath.Join(p.Dir, freshPrefix+localName)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(p.Dir, freshPrefix+localName), 0o100); err != nil {
		t.Fatal(err)
	}
	mustBuild(t, d, allocID, group(job.Task{Name: "web"}))
	entries, err := os.ReadDir(p.Dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("in the task's directory: %v, %v", entries, err)
	}
	if info, err := os.Stat(p.Local); err != nil || info.Mode().Perm() != openMode {
		t.Errorf("local: %v, %v", info, err)
	}
}

func TestBuildRefusesWhatIsNoDirectory(t *testing.T) {
	outside := t.TempDir()
	plant := map[string]func(path string) error{
		"file":                 func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"link out":             func(p string) error { return os.Symlink(outside, p) },
		"link within":          func(p string) error { return os.Symlink(filepath.Join("..", "alloc"), p) },
		"dangling link":        func(p string) error { return os.Symlink("nowhere", p) },
		"link to the root dir": func(p string) error { return os.Symlink("/", p) },
	}
	for name, f := range plant {
		for _, at := range []string{"web/local", "web/secrets", "web", "alloc", "."} {
			t.Run(name+" at "+at, func(t *testing.T) {
				d := built(t)
				path := filepath.Join(d.root, allocID, at)
				if err := os.RemoveAll(path); err != nil {
					t.Fatal(err)
				}
				if err := f(path); err != nil {
					t.Fatal(err)
				}
				err := d.Build(job.AllocSpec{ID: allocID}, group(job.Task{Name: "web", User: "1234"}))
				if err == nil {
					t.Fatal("no error")
				}
				if _, reason := job.KindOf(err); reason != ReasonIO {
					t.Errorf("reason %s: %v", reason, err)
				}
				if got := tree(t, outside); len(got) != 1 {
					t.Errorf("made outside: %v", got)
				}
			})
		}
	}
}

func TestNamesAreChecked(t *testing.T) {
	d := built(t)
	for _, bad := range []string{"", ".", "..", "../x", "a/b", "/etc", ".hidden", "a\x00b"} {
		errs := map[string]error{
			"Build, alloc": d.Build(job.AllocSpec{ID: bad}, group(job.Task{Name: "web"})),
			"Build, task":  d.Build(job.AllocSpec{ID: allocID}, group(job.Task{Name: bad})),
			"Remove":       d.Remove(bad),
		}
		_, errs["Resolve, alloc"] = d.Resolve(bad, "web", "x")
		_, errs["Resolve, task"] = d.Resolve(allocID, bad, "x")
		for what, err := range errs {
			if _, reason := job.KindOf(err); err == nil || reason != ReasonName {
				t.Errorf("%s %q: %v", what, bad, err)
			}
		}
	}
}

func TestAllocationsAreBuiltBesideEachOther(t *testing.T) {
	d := New(t.TempDir())
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			if err := d.Build(job.AllocSpec{ID: fmt.Sprint("a", i)}, group(job.Task{Name: "web"})); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if ids, err := d.List(); err != nil || len(ids) != 16 {
		t.Errorf("%v, %v", ids, err)
	}
}

// Each task of an allocation asks for all of its directories.
func TestOneAllocationIsBuiltByAllItsTasks(t *testing.T) {
	for n := range 20 {
		d := New(t.TempDir())
		g := group(job.Task{Name: "web"}, job.Task{Name: "db"}, job.Task{Name: "log"})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := d.Build(job.AllocSpec{ID: allocID}, g); err != nil {
					t.Errorf("round %d: %v", n, err)
				}
			})
		}
		wg.Wait()
	}
}
