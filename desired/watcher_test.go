package desired

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"reconciler/store"
)

func TestWatchTempFileAndRename(t *testing.T) {
	r := newRig(t)
	r.start()
	r.save("web.hcl", block("web"))
	r.wantJobs("web:1")
	r.save("web.hcl", block("web", "image=v2"))
	r.wantJobs("web:2")
	r.save("web.hcl", "# only a comment more\n"+block("web", "image=v2"))
	r.stays("web:2")
	r.save("other.hcl", block("a")+block("b"))
	r.wantJobs("a:1, b:1, web:2")
	r.remove("web.hcl")
	r.wantJobs("a:1, b:1, web:2 deleted")
	for gen, want := range map[uint64]bool{1: true, 2: true, 3: false} {
		if _, has := r.st.Specs.Get(store.SpecKey("web", gen)); has != want {
			t.Errorf("spec of generation %d: %t", gen, has)
		}
	}
	want := []string{"JobAdded", "JobChanged", "JobAdded", "JobAdded", "JobDeleted"}
	if got := r.reasons(); !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// A shell's > makes an empty file that grows: no word of that.
func TestWatchSlowWriter(t *testing.T) {
	r := newRig(t)
	r.save("web.hcl", block("web")+block("side"))
	r.start()
	r.wantJobs("side:1, web:1")
	f, err := os.Create(r.path("web.hcl"))
	r.must(err)
	defer f.Close()
	for _, part := range []string{"", `job "web" { im`, "age=v2 }\n", `job "si`, "de\" { }\n"} {
		_, err := f.WriteString(part)
		r.must(err)
		time.Sleep(30 * time.Millisecond)
	}
	r.wantJobs("side:1, web:2")
	r.stays("side:1, web:2")
	if got := r.reasons(); slices.Contains(got, "ManifestInvalid") || slices.Contains(got, "JobDeleted") {
		t.Errorf("events %q", got)
	}
}

func TestWatchVim(t *testing.T) {
	r := newRig(t)
	r.save("web.hcl", block("web"))
	r.start()
	r.must(os.WriteFile(r.path(".web.hcl.swp"), []byte("x"), 0o600))
	r.must(os.WriteFile(r.path("4913"), nil, 0o600))
	r.remove("4913")
	r.must(os.Rename(r.path("web.hcl"), r.path("web.hcl~")))
	time.Sleep(40 * time.Millisecond) // longer than it settles: the file is seen to be gone
	r.must(os.WriteFile(r.path("web.hcl"), []byte(block("web", "image=v2")), 0o644))
	r.remove("web.hcl~")
	r.remove(".web.hcl.swp")
	r.wantJobs("web:2")
	r.stays("web:2")
	if got := r.reasons(); !slices.Equal(got, []string{"JobAdded", "JobChanged"}) {
		t.Errorf("events %q", got)
	}
}

func TestWatchSed(t *testing.T) {
	sed, err := exec.LookPath("sed")
	if err != nil {
		t.Skip("no sed on this machine")
	}
	r := newRig(t)
	r.save("web.hcl", block("web", "image=v1"))
	r.start()
	if out, err := exec.CommandContext(t.Context(), sed, "-i", "s/v1/v2/", r.path("web.hcl")).CombinedOutput(); err != nil {
		t.Fatalf("sed: %v: %s", err, out)
	}
	r.wantJobs("web:2")
}

// The way of a ConfigMap: the visible file is a link through ..data, which is
// swapped for another folder. No event ever names the file.
func TestWatchConfigMap(t *testing.T) {
	r := newRig(t)
	version := func(n int, text string) {
		name := fmt.Sprintf("..v%d", n)
		r.mkdir(name)
		r.must(os.WriteFile(r.path(name+"/web.hcl"), []byte(text), 0o644))
		r.must(os.Symlink(name, r.path("..data_tmp")))
		r.must(os.Rename(r.path("..data_tmp"), r.path("..data")))
	}
	version(1, block("web"))
	r.must(os.Symlink("..data/web.hcl", r.path("web.hcl")))
	r.start()
	r.wantJobs("web:1")
	version(2, block("web", "image=v2"))
	r.wantJobs("web:2")
}

func TestWatchLinkedFile(t *testing.T) {
	r := newRig(t)
	target := t.TempDir() + "/elsewhere.hcl"
	r.must(os.WriteFile(target, []byte(block("web")), 0o644))
	r.must(os.Symlink(target, r.path("web.hcl")))
	r.start()
	r.wantJobs("web:1")
	r.must(os.WriteFile(target+".tmp", []byte(block("web", "image=v2")), 0o644))
	r.must(os.Rename(target+".tmp", target))
	r.wantJobs("web:2")
	r.must(os.Remove(target))
	r.wantProblem("web.hcl", "Dangling link")
	r.stays("web:2")
}

func TestWatchSubfolders(t *testing.T) {
	r := newRig(t)
	r.start()
	r.mkdir("a/b/c/d")
	r.save("a/b/c/d/deep.hcl", block("deep"))
	r.wantJobs("deep:1")
	r.mkdir("a/b/c/d/e")
	r.save("a/b/c/d/e/deeper.hcl", block("deeper"))
	r.mkdir(".git")
	r.save(".git/hidden.hcl", block("hidden"))
	r.save("a/b/c/d/deep.hcl", block("deep", "image=v2"))
	r.wantJobs("deep:2")
	r.must(os.Rename(r.path("a/b"), r.path("moved")))
	r.wantJobs("deep:2, deeper:1") // one level up, it is no longer too deep
	r.stays("deep:2, deeper:1")
	r.save("moved/c/d/deep.hcl", block("deep", "image=v3"))
	r.wantJobs("deep:3, deeper:1")
}

func TestWatchDirectoryRemovedAndMadeAgain(t *testing.T) {
	r := newRig(t)
	r.save("web.hcl", block("web"))
	r.start()
	r.remove("")
	r.eventually("missing", func() bool { return !r.w.DirStatus().OK })
	r.stays("web:1")
	r.mkdir("")
	r.wantJobs("web:1 MassDeletionHeld")
	r.save("web.hcl", block("web"))
	r.wantJobs("web:1")
	r.save("web.hcl", block("web", "image=v2"))
	r.wantJobs("web:2")
	got := strings.Join(r.reasons(), " ")
	for _, want := range []string{"DirectoryMissing", "DirectoryFound", "DeletionHeld", "DeletionReleased"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%s is not told once: %s", want, got)
		}
	}
}

// Too fast for a scan to see that it was away.
func TestWatchDirectoryReplaced(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"a", "b", "c"} {
		r.save(name+".hcl", block(name))
	}
	r.start()
	r.must(os.Mkdir(r.dir+".new", 0o755))
	r.must(os.WriteFile(r.dir+".new/a.hcl", []byte(block("a")), 0o644))
	r.must(os.Rename(r.dir, r.dir+".old"))
	r.must(os.Rename(r.dir+".new", r.dir))
	r.wantJobs("a:1, b:1 MassDeletionHeld, c:1 MassDeletionHeld")
	r.save("a.hcl", block("a", "image=v2"))
	r.wantJobs("a:2, b:1 MassDeletionHeld, c:1 MassDeletionHeld")
}

func TestWatchDirectoryMovedAwayAndBack(t *testing.T) {
	r := newRig(t)
	r.save("web.hcl", block("web"))
	r.start()
	r.must(os.Rename(r.dir, r.dir+".away"))
	r.eventually("missing", func() bool { return !r.w.DirStatus().OK })
	r.stays("web:1")
	r.must(os.Rename(r.dir+".away", r.dir))
	r.eventually("back", func() bool { return r.w.DirStatus().OK })
	r.stays("web:1")
	r.save("web.hcl", block("web", "image=v2"))
	r.wantJobs("web:2")
}

func TestWatchStartsWithoutDirectory(t *testing.T) {
	r := newRig(t)
	r.remove("")
	r.start()
	if s := r.w.DirStatus(); s.OK || s.Problem == "" {
		t.Errorf("status %+v", s)
	}
	r.mkdir("")
	r.save("web.hcl", block("web"))
	r.wantJobs("web:1")
	if s := r.w.DirStatus(); !s.OK || s.Problem != "" || s.LastScan.IsZero() {
		t.Errorf("status %+v", s)
	}
}

func TestWatchDirectoryIsAFile(t *testing.T) {
	r := newRig(t)
	r.remove("")
	r.must(os.WriteFile(r.dir, nil, 0o644))
	r.start()
	if s := r.w.DirStatus(); s.OK || !strings.Contains(s.Problem, "not a directory") {
		t.Errorf("status %+v", s)
	}
}

func TestWatchEmptiedFile(t *testing.T) {
	r := newRig(t)
	r.save("web.hcl", block("web"))
	r.start()
	r.must(os.Truncate(r.path("web.hcl"), 0))
	r.wantProblem("web.hcl", summaryEmptied)
	r.stays("web:1")
}

func TestWatchFilesThatAreNone(t *testing.T) {
	r := newRig(t)
	r.save("good.hcl", block("good"))
	r.start()
	r.must(syscall.Mkfifo(r.path("pipe.hcl"), 0o644))
	r.must(os.Symlink("nowhere", r.path("dangling.hcl")))
	r.must(os.Symlink("loop.hcl", r.path("loop.hcl")))
	r.must(os.Symlink("/dev/null", r.path("device.hcl")))
	r.save("large.hcl", strings.Repeat("# x\n", maxFileSize/4+1))
	r.save("binary.hcl", "job \xff\xfe")
	r.wantProblem("pipe.hcl", "named pipe")
	r.wantProblem("dangling.hcl", "Dangling link")
	r.wantProblem("loop.hcl", "Link loop")
	r.wantProblem("device.hcl", "a device")
	r.wantProblem("large.hcl", "File too large")
	r.wantProblem("binary.hcl", "binary.hcl:1,5-6: Not a text file")
	r.save("good.hcl", block("good", "image=v2"))
	r.wantJobs("good:2")
}

// Broken, and no event afterwards: the second look is the watcher's own.
func TestWatchProblemShowsByItself(t *testing.T) {
	r := newRig(t)
	r.save("web.hcl", block("web"))
	r.start()
	r.save("web.hcl", "job {")
	r.wantProblem("web.hcl", "Invalid block")
	r.stays("web:1")
}

// The tests speak a tiny language; the watcher that New makes speaks ours.
func TestWatchRealLanguage(t *testing.T) {
	r := newRig(t)
	r.start(func(w *Watcher) { w.files = newFiles(Parse) })
	const manifest = `job "web" {
  task "server" {
    driver = "docker"
    config {
      image = "nginx:%s"
    }
  }
}
`
	r.save("web.hcl", fmt.Sprintf(manifest, "1"))
	r.save("copy.hcl", "# a copy\n"+fmt.Sprintf(manifest, "1"))
	r.wantProblem("web.hcl", "Duplicate job")
	r.wantProblem("web.hcl", "copy.hcl:2")
	r.remove("copy.hcl")
	r.wantJobs("web:1")
	r.save("web.hcl", fmt.Sprintf(manifest, "2"))
	r.wantJobs("web:2")
	r.save("web.hcl", manifest[:40])
	r.eventually("a problem with a line", func() bool {
		rec, _ := r.st.Manifests.Get("web.hcl")
		return len(rec.Problems) > 0 && rec.Problems[0].Line > 0
	})
	r.stays("web:2")
}

func TestWatchConstantWriting(t *testing.T) {
	r := newRig(t)
	r.start(func(w *Watcher) { w.timing.settleMax = 100 * time.Millisecond })
	r.save("web.hcl", block("web"))
	for end := time.Now().Add(2 * time.Second); r.state() == "" && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		r.must(os.WriteFile(r.path("noise"), []byte(time.Now().String()), 0o644))
	}
	if r.state() != "web:1" {
		t.Errorf("jobs %q under constant writing", r.state())
	}
}

func TestWatchQuiet(t *testing.T) {
	r := newRig(t)
	r.save("web.hcl", block("web"))
	r.save("bad.hcl", "job {")
	r.must(os.Chtimes(r.path("bad.hcl"), time.Now(), time.Now().Add(-time.Hour)))
	r.start(func(w *Watcher) { w.timing.rescan = 10 * time.Millisecond })
	r.wantProblem("bad.hcl", "Invalid block")
	lines, events := len(r.log.AllEntries()), len(r.st.Events())
	scan := r.w.DirStatus().LastScan
	r.eventually("more scans", func() bool { return r.w.DirStatus().LastScan.Sub(scan) > 100*time.Millisecond })
	if n := len(r.log.AllEntries()); n != lines {
		t.Errorf("%d log lines more", n-lines)
	}
	if n := len(r.st.Events()); n != events {
		t.Errorf("%d events more", n-events)
	}
}

// Decided waits for the directory and for what runs, Scanned for neither.
func TestWatchDecided(t *testing.T) {
	decided := func(w *Watcher) bool {
		select {
		case <-w.Decided():
			return true
		case <-time.After(50 * time.Millisecond):
			return false
		}
	}
	r := newRig(t)
	r.running.away = true
	r.start()
	if decided(r.w) {
		t.Error("decided before anybody knew what runs")
	}
	r.stop()
	r.running.away = false
	r.remove("")
	r.start()
	if decided(r.w) {
		t.Error("decided without a directory")
	}
	r.mkdir("")
	r.w.Nudge()
	r.eventually("decided", func() bool { return decided(r.w) })
}

func TestWatchNudge(t *testing.T) {
	r := newRig(t)
	r.running.away = true
	r.save("web.hcl", block("web"))
	r.start()
	r.stays("")
	r.running.mu.Lock()
	r.running.away = false
	r.running.jobs = map[string]RunningJob{"web": labels(6, tinyJob("web")), "stray": labels(2, tinyJob("stray"))}
	r.running.mu.Unlock()
	r.w.Nudge()
	r.w.Nudge()
	r.wantJobs("stray:0 OrphanHeld, web:6")
}

func TestWatchConfirmDeletions(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		r.save(name+".hcl", block(name))
	}
	r.start()
	r.remove("a.hcl")
	r.remove("b.hcl")
	r.remove("c.hcl")
	r.wantJobs("a:1 MassDeletionHeld, b:1 MassDeletionHeld, c:1 MassDeletionHeld, d:1")
	r.save("a.hcl", block("a"))
	names, err := r.w.ConfirmDeletions(t.Context())
	if err != nil || !slices.Equal(names, []string{"b", "c"}) {
		t.Errorf("confirmed %q, %v", names, err)
	}
	r.wantJobs("a:1, b:1 deleted, c:1 deleted, d:1")

	r.remove("")
	r.eventually("missing", func() bool { return !r.w.DirStatus().OK })
	if _, err := r.w.ConfirmDeletions(t.Context()); !errors.Is(err, errHeld) {
		t.Errorf("confirmed without a directory: %v", err)
	}
	r.stop()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := r.w.ConfirmDeletions(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("confirmed without a watcher: %v", err)
	}
}

func TestWatchPollsWithoutInotify(t *testing.T) {
	r := newRig(t)
	r.start(func(w *Watcher) {
		w.timing.poll = 10 * time.Millisecond
		w.notify.add = func(string) error { return syscall.ENOSPC }
	})
	r.save("web.hcl", block("web"))
	r.wantJobs("web:1")
	r.save("web.hcl", block("web", "image=v2"))
	r.wantJobs("web:2")
	warnings := 0
	for _, e := range r.log.AllEntries() {
		if e.Data["reason"] == "WatchLimit" {
			warnings++
		}
	}
	if warnings != 1 {
		t.Errorf("%d warnings", warnings)
	}
	if s := r.w.DirStatus(); !s.OK || !strings.Contains(s.Problem, "inotify") {
		t.Errorf("status %+v", s)
	}
}

func TestWatchPollsOnPurpose(t *testing.T) {
	r := newRig(t)
	r.start(func(w *Watcher) {
		w.cfg.Poll = 10 * time.Millisecond
		w.notify = newNotifier(true)
		w.notify.add = func(dir string) error {
			t.Errorf("%s is watched by inotify", dir)
			return nil
		}
	})
	r.save("web.hcl", block("web"))
	r.wantJobs("web:1")
	r.remove("web.hcl")
	r.wantJobs("web:1 deleted")
	if len(r.log.AllEntries()) == 0 {
		t.Error("no line about the jobs")
	}
	for _, e := range r.log.AllEntries() {
		if e.Data["reason"] == "WatchLimit" {
			t.Errorf("a limit is reported: %v", e.Message)
		}
	}
	if s := r.w.DirStatus(); !s.OK || s.Problem != "" {
		t.Errorf("status %+v", s)
	}
	if r.w.notify.fs != nil {
		t.Error("there is an inotify instance")
	}
}
