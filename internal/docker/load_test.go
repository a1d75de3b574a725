package docker

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"reconciler/internal/imageref"
	"reconciler/internal/job"
)

// diskDirs has its directories under root.
type diskDirs struct {
	testDirs
	root string
}

func (d diskDirs) Task(_, task string) Paths {
	return Paths{Local: filepath.Join(d.root, task, "local")}
}

// saved is an archive as docker save writes it: tag -> config.
func saved(t *testing.T, images map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	put := func(name string, data []byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	var manifest []manifestEntry
	put("layer.tar", make([]byte, maxHashed+1))
	for tag, config := range images {
		name := configID(config)[7:] + ".json"
		put(name, []byte(config))
		m := manifestEntry{Config: name}
		if tag != "" {
			m.RepoTags = []string{tag}
		}
		manifest = append(manifest, m)
	}
	j, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	put("manifest.json", j)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func configID(config string) string {
	sum := sha256.Sum256([]byte(config))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// archiveEngine is a script that loads what saved writes. Its ids are those of
// the classic store, or foreign ones.
func archiveEngine(t *testing.T, foreign bool) (*script, *Engine, *memory, string) {
	s, cli, stop := newScript(t)
	t.Cleanup(stop)
	root := t.TempDir()
	local := filepath.Join(root, "web", "local")
	if err := os.MkdirAll(local, 0o755); err != nil {
		t.Fatal(err)
	}
	s.load = func(b []byte, w stream) {
		f := filepath.Join(t.TempDir(), "got")
		_ = os.WriteFile(f, b, 0o600)
		file, _ := os.Open(f)
		defer file.Close()
		has, err := readContents(file)
		if err != nil || !has.readable {
			w.say(`{"errorDetail":{"message":"not an archive"}}`)
			return
		}
		for ref, id := range has.ids {
			if foreign {
				id = "sha256:f" + id[8:]
			}
			s.setImage(ref, id)
			w.say(`{"stream":"Loaded image: %s\n"}`, imageref.Familiar(ref))
		}
	}
	p := newMemory()
	return s, New(cli, Options{VolumesEnabled: true}, diskDirs{root: root}, p, quietLog()), p, local
}

func loadRequest(ref, file string) job.ImageRequest {
	return job.ImageRequest{Job: "shop", Task: "web", AllocID: testAlloc, Ref: ref, Load: file}
}

const (
	loadCall = "POST /images/load"
	webRef   = "docker.io/library/web:1"
	sideRef  = "docker.io/library/side:1"
)

func TestLoadWhenAbsentOrChanged(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		t.Run(fmt.Sprintf("foreign ids %v", foreign), func(t *testing.T) {
			s, e, p, local := archiveEngine(t, foreign)
			path := filepath.Join(local, "web.tar")
			step := func(what string, loads int) job.ImageResult {
				t.Helper()
				res, err := e.Bring(t.Context(), loadRequest(webRef, "web.tar"))
				if err != nil || !res.Ours || s.count(loadCall) != loads {
					t.Fatalf("%s: %+v %v, %d loads, want %d", what, res, err, s.count(loadCall), loads)
				}
				return res
			}
			write := func(images map[string]string) {
				if err := os.WriteFile(path, saved(t, images), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(map[string]string{"web:1": "one", "side:1": "s"})
			first := step("absent", 1)
			if !p.Known(s.image(sideRef)) || len(p.openIntents()) > 0 {
				t.Errorf("the other image of the archive: ours %v, open %v", p.idsOurs(), p.openIntents())
			}
			step("unchanged", 1)
			later := time.Now().Add(time.Hour)
			if err := os.Chtimes(path, later, later); err != nil {
				t.Fatal(err)
			}
			step("touched", 1)
			write(map[string]string{"web:1": "two"})
			if second := step("changed", 2); second.ID == first.ID {
				t.Errorf("still %s", first.ID)
			}
			s.dropImage(webRef)
			step("image removed", 3)
			e.loaded = newLoadedArchives() // a restart of the agent
			want := 3
			if foreign {
				want = 4 // ids that cannot be foretold: once more
			}
			step("after a restart", want)
			step("and then", want)
		})
	}
}

func TestCompressedArchive(t *testing.T) {
	s, e, _, local := archiveEngine(t, false)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(saved(t, map[string]string{"web:1": "one"}))
	_ = z.Close()
	if err := os.WriteFile(filepath.Join(local, "web.tgz"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	s.setImage(webRef, configID("one"))
	res, err := e.Bring(t.Context(), loadRequest(webRef, "web.tgz"))
	if err != nil || res.ID != configID("one") || s.count(loadCall) != 0 {
		t.Errorf("%+v %v, %d loads", res, err, s.count(loadCall))
	}
}

func TestLoadRefusals(t *testing.T) {
	s, e, p, local := archiveEngine(t, false)
	put := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(local, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("other.tar", saved(t, map[string]string{"other:1": "o", "x/y:2": "p"}))
	put("untagged.tar", saved(t, map[string]string{"": "u"}))
	put("garbage.tar", []byte("this is no archive"))
	outside := filepath.Join(t.TempDir(), "secret.tar")
	if err := os.WriteFile(outside, saved(t, map[string]string{"web:1": "x"}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(local, "link.tar")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(local, "pipe.tar"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		file   string
		kind   job.Kind
		reason string
		says   string
	}{
		{"missing.tar", job.WaitsForUser, ReasonArchiveMissing, filepath.Join(local, "missing.tar")},
		{"/no/such.tar", job.WaitsForUser, ReasonArchiveMissing, "/no/such.tar"},
		{"../local/other.tar", job.WaitsForUser, ReasonArchiveRefused, "../local/other.tar"},
		{"link.tar", job.WaitsForUser, ReasonArchiveRefused, "link.tar"},
		{"pipe.tar", job.WaitsForUser, ReasonArchiveRefused, "no plain file"},
		{".", job.WaitsForUser, ReasonArchiveRefused, "no plain file"},
		{"other.tar", job.WaitsForUser, ReasonArchiveWithoutImage, "other:1, x/y:2"},
		{"untagged.tar", job.WaitsForUser, ReasonArchiveWithoutImage, "images without a name"},
		{"garbage.tar", job.Retried, ReasonImageLoadFailed, "not an archive"},
	} {
		t.Run(tc.file, func(t *testing.T) {
			_, err := e.Bring(t.Context(), loadRequest(webRef, tc.file))
			kind, reason := job.KindOf(err)
			if err == nil || kind != tc.kind || reason != tc.reason || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s %s: %v", kind, reason, err)
			}
		})
	}
	if len(p.openIntents()) > 0 || len(p.idsOurs()) > 0 || s.image(webRef) != "" {
		t.Errorf("left: intents %v, ours %v", p.openIntents(), p.idsOurs())
	}
}

func TestAbsoluteArchiveNeedsVolumes(t *testing.T) {
	_, e, _, local := archiveEngine(t, false)
	path := filepath.Join(local, "web.tar")
	if err := os.WriteFile(path, saved(t, map[string]string{"web:1": "one"}), 0o600); err != nil {
		t.Fatal(err)
	}
	if res, err := e.Bring(t.Context(), loadRequest(webRef, path)); err != nil || !res.Ours {
		t.Errorf("%+v %v", res, err)
	}
	e.opts.VolumesEnabled = false
	_, err := e.Bring(t.Context(), loadRequest(webRef, path))
	if _, reason := job.KindOf(err); reason != ReasonArchiveRefused || !strings.Contains(err.Error(), "docker.volumes.enabled") {
		t.Errorf("%v", err)
	}
}

// An engine that understands what we cannot read says what it loaded.
func TestUnreadableArchiveIsTheEnginesBusiness(t *testing.T) {
	s, e, _, local := archiveEngine(t, false)
	if err := os.WriteFile(filepath.Join(local, "web.tar.xz"), []byte("\xfd7zXZ..."), 0o600); err != nil {
		t.Fatal(err)
	}
	s.load = func(_ []byte, w stream) { w.say(`{"stream":"Loaded image: other:1\n"}`) }
	_, err := e.Bring(t.Context(), loadRequest(webRef, "web.tar.xz"))
	if _, reason := job.KindOf(err); reason != ReasonArchiveWithoutImage || !strings.Contains(err.Error(), "other:1") {
		t.Errorf("%v", err)
	}
	s.load = func(_ []byte, w stream) { s.setImage(webRef, "sha256:1"); w.say(`{}`) }
	for range 2 {
		if res, err := e.Bring(t.Context(), loadRequest(webRef, "web.tar.xz")); err != nil || res.ID != "sha256:1" {
			t.Errorf("%+v %v", res, err)
		}
	}
	if n := s.count(loadCall); n != 2 {
		t.Errorf("%d loads", n)
	}
	s.handle[loadCall] = func(w http.ResponseWriter, _ *http.Request) { stream{w}.status(500, "disk full") }
	s.mu.Lock()
	clear(s.images)
	s.mu.Unlock()
	_, err = e.Bring(t.Context(), loadRequest(webRef, "web.tar.xz"))
	if kind, reason := job.KindOf(err); kind != job.Retried || reason != ReasonImageLoadFailed {
		t.Errorf("%s %s %v", kind, reason, err)
	}
}

func TestSilentLoadIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e, p, local := archiveEngine(t, false)
		if err := os.WriteFile(filepath.Join(local, "web.tar"), saved(t, map[string]string{"web:1": "one"}), 0o600); err != nil {
			t.Fatal(err)
		}
		hang := make(chan struct{})
		defer close(hang)
		s.load = func(_ []byte, w stream) { w.say(`{"status":"Loading layer"}`); <-hang }
		start := time.Now()
		_, err := e.Bring(t.Context(), loadRequest(webRef, "web.tar"))
		if kind, reason := job.KindOf(err); kind != job.Retried || reason != ReasonImageLoadFailed {
			t.Errorf("%s %s %v", kind, reason, err)
		}
		if took := time.Since(start); took != DefaultPullActivityTimeout || !p.Intended(webRef) {
			t.Errorf("after %s, intents %v; want that of a load which the engine may go on with", took, p.openIntents())
		}
	})
}

// An archive that is being loaded for one reference is not loaded beside a
// pull of the same: the second waits, and finds it there.
func TestLoadWaitsForAPullOfTheSameReference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e, _, local := archiveEngine(t, false)
		if err := os.WriteFile(filepath.Join(local, "web.tar"), saved(t, map[string]string{"web:1": "one"}), 0o600); err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		s.pull = func(_ *http.Request, ref string, w stream) { w.say(`{}`); <-release; s.setImage(ref, "sha256:1") }
		pulled := bring(t.Context(), e, job.ImageRequest{Ref: webRef})
		synctest.Wait()
		loaded := bring(t.Context(), e, loadRequest(webRef, "web.tar"))
		synctest.Wait()
		if s.count(loadCall) != 0 {
			t.Error("load and pull of one reference at the same time")
		}
		close(release)
		if b := <-pulled; b.err != nil || b.res.ID != "sha256:1" {
			t.Errorf("pull: %+v", b)
		}
		if b := <-loaded; b.err != nil || b.res.ID != configID("one") {
			t.Errorf("load: %+v", b)
		}
	})
}

func TestMemoryOfArchivesIsBounded(t *testing.T) {
	_, e, _, local := archiveEngine(t, false)
	path := filepath.Join(local, "web.tar")
	if err := os.WriteFile(path, saved(t, map[string]string{"web:1": "one"}), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range 3 * maxRemembered {
		a, err := e.loaded.look(f, fmt.Sprint(path, i))
		if err != nil {
			t.Fatal(err)
		}
		e.loaded.remember(fmt.Sprint("r", i), "sha256:1", a)
	}
	if n, m := len(e.loaded.byPath), len(e.loaded.byRef); n > maxRemembered || m > maxRemembered {
		t.Errorf("%d paths and %d references", n, m)
	}
}
