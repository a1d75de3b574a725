package testimage

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func TestSaltChangesTheIDAndNothingElseDoes(t *testing.T) {
	id := func(o Options) string {
		img, err := Image(o)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ID(img)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, again, b := id(Options{Salt: "a"}), id(Options{Salt: "a"}), id(Options{Salt: "b"})
	if a != again {
		t.Errorf("equal options give %s and %s", a, again)
	}
	if a == b {
		t.Errorf("another salt gives the same id %s", a)
	}
}

func TestArchiveHoldsTagsAndConfig(t *testing.T) {
	path, err := Build(t.TempDir(), Options{
		Refs: []string{"rt-web:1", "127.0.0.1:5000/rt:2"}, Env: []string{"A=b"},
		Labels: map[string]string{TestLabel: "mine"}, Volumes: []string{"/data"}, Expose: []string{"80/tcp"},
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(path) })
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(m[0].RepoTags)
	if diff := cmp.Diff([]string{"127.0.0.1:5000/rt:2", "rt-web:1"}, m[0].RepoTags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	tag, err := name.NewTag("rt-web:1", name.WeakValidation)
	if err != nil {
		t.Fatal(err)
	}
	img, err := tarball.ImageFromPath(path, &tag)
	if err != nil {
		t.Fatal(err)
	}
	cf, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if cf.Config.Labels[TestLabel] != "mine" || cf.Config.Env[0] != "A=b" || cf.Config.Entrypoint[0] != ProgramPath {
		t.Errorf("config: %+v", cf.Config)
	}
}

func TestUntaggedArchive(t *testing.T) {
	path, err := Build(t.TempDir(), Options{Salt: "u"})
	if err != nil {
		t.Fatal(err)
	}
	m, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(path) })
	if err != nil {
		t.Fatal(err)
	}
	if len(m) != 1 || len(m[0].RepoTags) != 0 {
		t.Errorf("manifest: %+v", m)
	}
}

func TestRegistryTakesAndGives(t *testing.T) {
	var asked atomic.Int32
	addr, stop, err := StartRegistry(func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); h.ServeHTTP(w, r) })
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	img, err := Image(Options{Padding: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if err := Push(addr+"/rt:1", img); err != nil {
		t.Fatal(err)
	}
	ref, err := name.NewTag(addr+"/rt:1", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Image(ref)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := ID(img)
	if id, _ := ID(got); id != want || asked.Load() == 0 {
		t.Errorf("pulled %s, pushed %s, %d requests through the wrapper", id, want, asked.Load())
	}
}

// start runs the program on the host.
func start(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := Program()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// exitCode runs the program to its end.
func exitCode(t *testing.T, args ...string) int {
	t.Helper()
	cmd := start(t, args...)
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 2 * time.Second}
	for range 200 {
		resp, err := client.Get(url)
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	t.Fatalf("%s never answered", url)
	return 0, ""
}

func TestProgramServes(t *testing.T) {
	port := freePort(t)
	file := filepath.Join(t.TempDir(), "f")
	cmd := start(t, "-port", fmt.Sprint(port), "-text", "hello", "-write", file+"=written", "-ignore-term")
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	if _, body := get(t, base+"/text"); body != "hello" {
		t.Errorf("text: %q", body)
	}
	if _, body := get(t, base+"/file?path="+file); body != "written" {
		t.Errorf("file: %q", body)
	}
	_, body := get(t, base+"/")
	var about struct {
		Text string
		Env  map[string]string
		Args []string
	}
	if err := json.Unmarshal([]byte(body), &about); err != nil || about.Text != "hello" || about.Env["PATH"] != os.Getenv("PATH") {
		t.Errorf("about: %v %s", err, body)
	}
	if _, body := get(t, base+"/look?url="+base+"/text"); body != "hello" {
		t.Errorf("look: %q", body)
	}
	if got := exitCode(t, "-look="+base+"/health"); got != 0 {
		t.Errorf("a look at what answers ends with code %d", got)
	}
	get(t, base+"/health?set=bad")
	if got := exitCode(t, "-look="+base+"/health"); got != 5 {
		t.Errorf("a look at what is sick ends with code %d, want 5", got)
	}
	if code, _ := get(t, base+"/look?url="+base+"/health"); code != http.StatusBadGateway {
		t.Errorf("look at what is sick: %d", code)
	}
	if code, _ := get(t, base+"/health"); code != http.StatusServiceUnavailable {
		t.Errorf("health after set=bad: %d", code)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code, _ := get(t, base+"/text"); code != http.StatusOK {
		t.Errorf("after an ignored SIGTERM: %d", code)
	}
	pc, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	_, _ = pc.Write([]byte("ping"))
	b := make([]byte, 10)
	_ = pc.SetReadDeadline(time.Now().Add(2 * time.Second))
	if n, err := pc.Read(b); err != nil || string(b[:n]) != "ping" {
		t.Errorf("udp: %q, %v", b[:n], err)
	}
}

func TestProgramEnds(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		want int
	}{
		{"exit", []string{"-port=none", "-exit=7"}, 7},
		{"sleep", []string{"-sleep=10ms"}, 0},
		{"sleep and code", []string{"-sleep=10ms", "-exit=5"}, 5},
		{"needed file missing", []string{"-need=/does/not/exist"}, 3},
		{"unwritable", []string{"-write=/does/not/exist=x"}, 4},
		{"memory", []string{"-port=none", "-alloc-mb=2", "-exit=0"}, 0},
		{"unknown flag", []string{"-nonsense"}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := exitCode(t, tc.args...); got != tc.want {
				t.Errorf("exit code %d, want %d", got, tc.want)
			}
		})
	}
}
