package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
)

// The passwords of TestCredentials. Their common part must be found nowhere
// but in the manifests.
const (
	canary      = "c4n4ry-Xq7"
	canaryGood  = canary + "-good"
	canaryWrong = canary + "-wrong"
	canaryUser  = "bob"
)

// guard asks for the password once it is locked.
func guard(locked *atomic.Bool) func(http.Handler) http.Handler {
	return func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			if locked.Load() && (user != canaryUser || password != canaryGood) {
				w.Header().Set("WWW-Authenticate", `Basic realm="e2e"`)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = io.WriteString(w, `{"errors":[{"code":"UNAUTHORIZED","message":"who are you"}]}`)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
}

func withAuth(name, ref, password, more string) string {
	return spec{Job: name, Image: ref, Config: fmt.Sprintf("auth {\n username = %q\n password = %q\n}\n%s\n", canaryUser, password, more)}.String()
}

// TestCredentials: private images come with the password of the manifest, an
// edit of the password alone is used at once, a spec that was read back from
// the file has none, and no password is found anywhere but in the manifests.
func TestCredentials(t *testing.T) {
	var locked atomic.Bool
	w := newWorldBehind(t, guard(&locked))
	ref := map[string]string{}
	for _, name := range []string{"own", "wrong", "soft", "helped"} {
		ref[name], _ = w.images.push("team/"+name+":1", name)
	}
	locked.Store(true)
	w.up()

	w.drop("own.hcl", withAuth("own", ref["own"], canaryGood, ""))
	w.drop("wrong.hcl", withAuth("wrong", ref["wrong"], canaryWrong, "image_pull_timeout = \"1m\""))
	w.drop("soft.hcl", withAuth("soft", ref["soft"], canaryWrong, "auth_soft_fail = true"))
	w.drop("bad.hcl", strings.Replace(withAuth("bad", ref["own"], "", ""), `password = ""`, "password = "+strings.ReplaceAll(canaryWrong, "-", "_"), 1))
	w.awaitRunning("own", 1)
	w.awaitError("wrong", "PullDenied")
	w.awaitError("soft", "PullDenied")
	w.awaitProblem("bad.hcl", "Bad secret")
	w.awaitEvent("AuthSoftFail")

	// Told and retried, with the same generation, without the wait.
	s, err := w.status()
	must(t, err)
	before, _ := s.job("wrong")
	w.drop("wrong.hcl", withAuth("wrong", ref["wrong"], canaryGood, "image_pull_timeout = \"1m\""))
	w.awaitRunning("wrong", 1)
	w.awaitEvent("CredentialsChanged")
	s, err = w.status()
	must(t, err)
	if after, _ := s.job("wrong"); after.Generation != before.Generation {
		t.Errorf("a new password made generation %d of %d", after.Generation, before.Generation)
	}

	w.notRestored(ref["own"])

	w.helped(ref["helped"])
	w.searchForCanary()
}

// notRestored starts the agent over a manifest that broke meanwhile, with
// container and image gone.
func (w *world) notRestored(ref string) {
	w.t.Helper()
	w.stop()
	good, err := os.ReadFile(filepath.Join(w.manifests, "own.hcl"))
	must(w.t, err)
	w.drop("own.hcl", string(good)+"\n}\n")
	ctx, cancel := w.ctx()
	defer cancel()
	for _, b := range w.all("own") {
		must(w.t, w.cli.ContainerRemove(ctx, b.ID, container.RemoveOptions{Force: true}))
	}
	_, err = w.cli.ImageRemove(ctx, ref, image.RemoveOptions{})
	must(w.t, err)
	w.up()
	w.awaitEvent("CredentialsNotStored")
	w.awaitError("own", "PullDenied")
	w.drop("own.hcl", string(good))
	w.awaitRunning("own", 1)
}

// helped starts the agent with a file that names a helper.
func (w *world) helped(ref string) {
	w.t.Helper()
	w.stop()
	dir := w.t.TempDir()
	script := "#!/bin/sh\n" + fmt.Sprintf(`echo '{"Username":%q,"Secret":%q}'`, canaryUser, canaryGood) + "\n"
	must(w.t, os.WriteFile(filepath.Join(dir, "docker-credential-e2e"), []byte(script), 0o755))
	must(w.t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"credsStore": "e2e"}`), 0o600))
	must(w.t, os.WriteFile(filepath.Join(dir, "agent.hcl"),
		[]byte("client {\n  options {\n    \"docker.auth.config\" = \""+filepath.Join(dir, "config.json")+"\"\n  }\n}\n"), 0o600))
	w.options = append(w.options, "--config", filepath.Join(dir, "agent.hcl"))
	w.up()
	w.drop("helped.hcl", spec{Job: "helped", Image: ref}.String())
	w.awaitError("helped", "CredentialHelperMissing", "docker-credential-e2e")
	w.stop()
	w.env = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
	w.up()
	w.awaitRunning("helped", 1)
}

// events asks the agent's socket.
func (w *world) events() string {
	w.t.Helper()
	tr := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(w.data, "reconciler.sock"))
	}}
	ctx, cancel := w.ctx()
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent/v1/events", nil)
	must(w.t, err)
	resp, err := (&http.Client{Transport: tr}).Do(req)
	must(w.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(w.t, err)
	return string(b)
}

func (w *world) awaitEvent(reason string) {
	w.t.Helper()
	eventually(w.t, "an event "+reason, func() error {
		if got := w.events(); !strings.Contains(got, `"`+reason+`"`) {
			return errors.New(got)
		}
		return nil
	})
}

// traces are the forms in which a password may lie about: as it is, in hex,
// and in base64 wherever it begins in a longer text.
func traces(secret string) map[string]string {
	out := map[string]string{
		"plain": secret, "without dashes": strings.ReplaceAll(secret, "-", "_"), "hex": hex.EncodeToString([]byte(secret)),
	}
	for lead := range 3 {
		// The first and the last characters depend on the neighbours.
		text := base64.StdEncoding.EncodeToString([]byte("xxx"[:lead] + secret))
		text = text[(lead*4+2)/3:]
		out[fmt.Sprintf("base64 at %d", lead)] = text[:len(text)-4]
	}
	return out
}

// searchForCanary looks into everything that the agent wrote, says and made.
func (w *world) searchForCanary() {
	w.t.Helper()
	time.Sleep(500 * time.Millisecond) // for the recorder
	places := map[string]string{"events": w.events()}
	for i, a := range w.spawned {
		places[fmt.Sprintf("log of agent %d", i)] = a.log.String()
	}
	for name, args := range map[string][]string{
		"status --json": {"status", "--data-dir", w.data, "--json"}, "status": {"status", "--data-dir", w.data},
		"plan": {"plan", "--data-dir", w.data, "--manifests", w.manifests}, "validate": {"validate", w.manifests},
	} {
		r := w.run(args...)
		places[name] = r.out + r.err
	}
	ctx, cancel := w.ctx()
	defer cancel()
	boxes := w.boxes()
	for _, b := range boxes {
		in, err := w.cli.ContainerInspect(ctx, b.ID)
		must(w.t, err)
		text, err := json.Marshal(in)
		must(w.t, err)
		places["container "+b.Name] = string(text)
	}
	must(w.t, filepath.WalkDir(w.data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		places["file "+path] = string(b)
		return err
	}))
	if len(boxes) < 3 || !bytes.Contains([]byte(places["file "+w.state()]), []byte(canaryUser)) || !strings.Contains(places["validate"], "Bad secret") {
		w.t.Fatalf("the search looks at the wrong places: %d containers", len(boxes))
	}
	for place, text := range places {
		for form, trace := range traces(canary) {
			if at := strings.Index(text, trace); at >= 0 {
				w.t.Errorf("a password (%s) is in %s: …%q…", form, place, text[max(0, at-60):min(len(text), at+40)])
			}
		}
	}
}

// TestTraces: what the search looks for is what it would find.
func TestTraces(t *testing.T) {
	found := map[string]bool{}
	all := traces(canary)
	for lead := range 6 {
		text := strings.Repeat("a", lead) + canary + "tail"
		for form, trace := range all {
			if strings.Contains(base64.StdEncoding.EncodeToString([]byte(text)), trace) || strings.Contains(hex.EncodeToString([]byte(text)), trace) || strings.Contains(text, trace) {
				found[form] = true
			}
		}
	}
	for form, trace := range all {
		if !found[form] && form != "without dashes" || len(trace) < 8 {
			t.Errorf("%s (%q) would never be found", form, trace)
		}
	}
}
