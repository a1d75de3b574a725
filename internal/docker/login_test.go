package docker

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/registry"

	"reconciler/internal/job"
)

// canary is a password that must be found in no text.
const canary = "hunter2-canary"

// reg is the image that the tests of the sources look for credentials for.
const reg = "r.example:5000/team/app:1"

// helpers makes a PATH of its own with these programs docker-credential-NAME,
// each a shell script.
func helpers(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, body := range scripts {
		if err := os.WriteFile(filepath.Join(dir, helperPrefix+name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
}

// answer is a script that answers with these credentials to whoever asks.
func answer(user, secret string) string {
	return fmt.Sprintf(`echo '{"ServerURL":"x","Username":"%s","Secret":"%s"}'`, user, secret)
}

func authJSON(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func basic(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}

// shown is a login in words of the tests: user:password, <token>, or "".
func shown(l login) string {
	switch {
	case l.anonymous():
		return ""
	case !l.identity.IsZero():
		return "identity " + l.identity.Reveal()
	case !l.bearer.IsZero():
		return "bearer " + l.bearer.Reveal()
	}
	return l.username + ":" + l.password.Reveal()
}

func TestHeader(t *testing.T) {
	for _, tc := range []struct {
		l    login
		want string
	}{
		{login{}, ""},
		{login{username: "u"}, ""},
		{login{password: job.NewSecret("p")}, ""},
		{login{username: "u", password: job.NewSecret("p"), server: "r"}, `{"username":"u","password":"p","serveraddress":"r"}`},
		{login{identity: job.NewSecret("t"), server: "r"}, `{"serveraddress":"r","identitytoken":"t"}`},
		{login{bearer: job.NewSecret("t")}, `{"registrytoken":"t"}`},
	} {
		got, err := tc.l.header()
		if err != nil {
			t.Fatal(err)
		}
		text, err := base64.URLEncoding.DecodeString(got)
		if err != nil || string(text) != tc.want {
			t.Errorf("%+v: %s %v, want %s", tc.l, text, err, tc.want)
		}
		if _, err := registry.DecodeAuthConfig(got); err != nil {
			t.Error(err)
		}
	}
}

// Where credentials come from, in which order, and what ends the search.
func TestSourcesInOrder(t *testing.T) {
	helpers(t, map[string]string{
		"one": answer("one", "s1"), "two": answer("two", "s2"), "none": `echo "credentials not found in native keychain"; exit 1`,
		"bad": `echo ` + canary + `; echo locked >&2; exit 3`,
	})
	own := &job.Auth{Username: "own", Password: job.NewSecret("s0")}
	auths := `"auths": {"r.example:5000": {"auth": "` + basic("file", "s3") + `"}}`
	for _, tc := range []struct {
		name   string
		own    *job.Auth
		file   string // "-" is none
		helper string
		want   string
		reason string
	}{
		{"nothing", nil, "-", "", "", ""},
		{"own", own, "-", "", "own:s0", ""},
		{"own, before all others", own, `{` + auths + `, "credsStore": "bad"}`, "bad", "own:s0", ""},
		{"own without a password is none", &job.Auth{Username: "own"}, `{` + auths + `}`, "", "file:s3", ""},
		{"auths", nil, `{` + auths + `, "credHelpers": {"r.example:5000": "bad"}, "credsStore": "bad"}`, "bad", "file:s3", ""},
		{"credHelpers", nil, `{"auths": {"r.example:5000": {}}, "credHelpers": {"r.example:5000": "one"}, "credsStore": "two"}`, "bad", "one:s1", ""},
		{"credHelpers of another registry", nil, `{"credHelpers": {"r.example": "one"}, "credsStore": "two"}`, "bad", "two:s2", ""},
		{"credHelpers has none", nil, `{"credHelpers": {"r.example:5000": "none"}, "credsStore": "two"}`, "bad", "two:s2", ""},
		{"credsStore has none", nil, `{"credsStore": "none"}`, "one", "one:s1", ""},
		{"empty file", nil, `{}`, "one", "one:s1", ""},
		{"auths of another registry", nil, `{"auths": {"r.example": {"auth": "` + basic("u", "p") + `"}}}`, "none", "", ""},
		{"helper", nil, "-", "two", "two:s2", ""},
		{"helper has none", nil, "-", "none", "", ""},
		{"an error in the file ends it", nil, `{`, "one", "", ReasonAuthConfigInvalid},
		{"an error in auths ends it", nil, `{"auths": {"r.example:5000": {"auth": "` + canary + `"}}, "credsStore": "two"}`, "one", "", ReasonAuthConfigInvalid},
		{"an error in credHelpers ends it", nil, `{"credHelpers": {"r.example:5000": "bad"}, "credsStore": "two"}`, "one", "", ReasonCredentialHelperFailed},
		{"an error of credsStore ends it", nil, `{"credsStore": "bad"}`, "one", "", ReasonCredentialHelperFailed},
		{"an error of the helper", nil, "-", "bad", "", ReasonCredentialHelperFailed},
		{"a helper that is not there", nil, `{"credsStore": "missing"}`, "one", "", ReasonCredentialHelperMissing},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := logins{helper: tc.helper}
			if tc.file != "-" {
				s.file = authJSON(t, tc.file)
			}
			l, err := s.find(t.Context(), reg, tc.own)
			if shown(l) != tc.want || (err == nil) != (tc.reason == "") || err != nil && reasonOf(err) != tc.reason {
				t.Errorf("%q %v, want %q %s", shown(l), err, tc.want, tc.reason)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func TestAuthFileForms(t *testing.T) {
	entry := func(key, value string) string { return `{"auths": {"` + key + `": ` + value + `}}` }
	plain := `{"auth": "` + basic("u", "p") + `"}`
	hub := "docker.io/library/redis:7"
	for _, tc := range []struct{ name, ref, file, want string }{
		{"host", reg, entry("r.example:5000", plain), "u:p"},
		{"protocol and path", reg, entry("https://r.example:5000/v2/", plain), "u:p"},
		{"http", reg, entry("http://r.example:5000", plain), "u:p"},
		{"upper case", reg, entry("R.Example:5000", plain), "u:p"},
		{"no port", reg, entry("r.example", plain), ""},
		{"Docker Hub's login name", hub, entry("https://index.docker.io/v1/", plain), "u:p"},
		{"Docker Hub's host", hub, entry("docker.io", plain), "u:p"},
		{"Docker Hub's old host", hub, entry("index.docker.io", plain), "u:p"},
		{"Docker Hub's registry", hub, entry("https://registry-1.docker.io/v2/", plain), "u:p"},
		{"not Docker Hub", "quay.io/a/b:1", entry("https://index.docker.io/v1/", plain), ""},
		{"the plainest key wins", reg, `{"auths": {"https://r.example:5000/v1/": {"auth": "` + basic("a", "b") + `"}, "r.example:5000": ` + plain + `}}`, "u:p"},
		{"an empty key is passed over", reg, `{"auths": {"r.example:5000": {}, "https://r.example:5000/v1/": ` + plain + `}}`, "u:p"},
		{"a password with colons", reg, entry("r.example:5000", `{"auth": "`+basic("u", "a:b:c")+`"}`), "u:a:b:c"},
		{"padded with NUL", reg, entry("r.example:5000", `{"auth": "`+basic("u", "p\x00\x00")+`"}`), "u:p"},
		{"base64 without padding", reg, entry("r.example:5000", `{"auth": "`+strings.TrimRight(basic("user", "pass"), "=")+`"}`), "user:pass"},
		{"user and password apart", reg, entry("r.example:5000", `{"username": "u", "password": "p", "email": "e"}`), "u:p"},
		{"identity token", reg, entry("r.example:5000", `{"auth": "`+basic("u", "p")+`", "identitytoken": "t"}`), "identity t"},
		{"registry token", reg, entry("r.example:5000", `{"registrytoken": "t"}`), "bearer t"},
		{"unknown keys", reg, `{"HttpHeaders": {"a": "b"}, "psFormat": "x", "auths": {"r.example:5000": {"auth": "` + basic("u", "p") + `", "more": 1}}}`, "u:p"},
		{".dockercfg", reg, `{"r.example:5000": ` + plain + `, "https://index.docker.io/v1/": {"auth": "` + basic("a", "b") + `"}}`, "u:p"},
		{"none at all", reg, `{"HttpHeaders": {"a": "b"}}`, ""},
	} {
		l, err := logins{file: authJSON(t, tc.file)}.find(t.Context(), tc.ref, nil)
		if err != nil || shown(l) != tc.want {
			t.Errorf("%s: %q %v, want %q", tc.name, shown(l), err, tc.want)
		}
	}
}

// What is wrong with the file is said without a word of what it holds.
func TestBadAuthFiles(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, make([]byte, maxAuthFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	paths := map[string]string{
		filepath.Join(dir, "missing"): "no such file",
		dir:                           "no plain file",
		"/dev/zero":                   "no plain file",
		big:                           "larger than",
	}
	for text, want := range map[string]string{
		"":                            "no JSON",
		canary:                        "no JSON from byte",
		`{"auths": "` + canary + `"}`: "should be a map",
		`{"auths": {"r.example:5000": {"auth": "` + canary + `"}}}`:                                                `auths["r.example:5000"]: "auth" is not the base64`,
		`{"auths": {"r.example:5000": {"auth": "` + base64.StdEncoding.EncodeToString([]byte(canary)) + `"}}}`:     "not the base64",
		`{"auths": {"r.example:5000": {"auth": "` + base64.StdEncoding.EncodeToString([]byte(":"+canary)) + `"}}}`: "not the base64",
		`{"auths": {"r.example:5000": {"password": ["` + canary + `"]}}}`:                                          "should be a string",
		`{"credsStore": {"` + canary + `": 1}}`:                                                                    "should be a string",
		`{"auths": {"r.example:5000": {"password": "` + canary + `` /* cut */ :                                     "no JSON",
	} {
		paths[authJSON(t, text)] = want
	}
	for path, want := range paths {
		_, err := logins{file: path}.find(t.Context(), reg, nil)
		kind, reason := job.KindOf(err)
		if err == nil || kind != job.WaitsForUser || reason != ReasonAuthConfigInvalid || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s %s %v, want %q of %s", kind, reason, err, want, path)
		}
		if strings.Contains(fmt.Sprint(err), canary) {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
}

// The file is read anew for each pull.
func TestAuthFileIsRead(t *testing.T) {
	path := authJSON(t, `{}`)
	s := logins{file: path}
	for _, want := range []string{"", "a:1", "b:2"} {
		if want != "" {
			user, pw, _ := strings.Cut(want, ":")
			if err := os.WriteFile(path, []byte(`{"auths": {"r.example:5000": {"auth": "`+basic(user, pw)+`"}}}`), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if l, err := s.find(t.Context(), reg, nil); err != nil || shown(l) != want {
			t.Errorf("%q %v, want %q", shown(l), err, want)
		}
	}
}

func TestHelperProtocol(t *testing.T) {
	for _, tc := range []struct {
		name, script, ref string
		want              string
		says              string // in the error; "" is no error
	}{
		{"answer", answer("u", "p"), reg, "u:p", ""},
		{"is asked to get, by the host alone", `[ "$*" = get ] && echo '{"Username":"u","Secret":"'"$(od -An -c | tr -d ' \n')"'"}'`, reg, "u:r.example:5000", ""},
		{"Docker Hub's host", `read -r host; [ "$host" = docker.io ]; ` + answer("u", "p"), "docker.io/library/a:1", "u:p", ""},
		{
			"Docker Hub, by the name of docker login",
			`case $(cat) in https://index.docker.io/v1/) ` + answer("u", "p") + `;; *) echo "credentials not found in native keychain"; exit 1;; esac`,
			"docker.io/library/a:1", "u:p", "",
		},
		{"token user", answer("<token>", "t"), reg, "identity t", ""},
		{"both empty", answer("", ""), reg, "", ""},
		{"an empty object", `echo '{}'`, reg, "", ""},
		{"nothing at all", `exit 0`, reg, "", ""},
		{"blanks", `echo; echo "  "`, reg, "", ""},
		{"has none", `echo "credentials not found in native keychain"; exit 1`, reg, "", ""},
		{"words on stderr, and an answer", `echo careful >&2; ` + answer("u", "p"), reg, "u:p", ""},
		{"a daemon keeps the pipe", `sleep 60 & ` + answer("u", "p"), reg, "u:p", ""},
		{"no user", answer("", canary), reg, "", "no Username or no Secret"},
		{"no secret", answer("u", ""), reg, "", "no Username or no Secret"},
		{"exit code", `echo ` + canary + `; exit 7`, reg, "", "exit status 7"},
		{"stderr", `echo ` + canary + `; echo "the vault"  >&2; echo "	is locked" >&2; exit 1`, reg, "", "exit status 1; it says: the vault is locked"},
		{"a lot of stderr", `yes no | head -c 100000 >&2; exit 1`, reg, "", "it says: no no"},
		{"killed", `kill -9 $$`, reg, "", "signal: killed"},
		{"no JSON", `echo ` + canary, reg, "", "not the JSON"},
		{"half of JSON", `printf '{"Username":"u","Secret":"` + canary + `'`, reg, "", "not the JSON"},
		{"wrong types", `echo '{"Username":["` + canary + `"]}'`, reg, "", "not the JSON"},
		{"endless", `yes ` + canary + ` | head -c 1000000`, reg, "", "not the JSON"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			helpers(t, map[string]string{"x": tc.script})
			l, err := logins{helper: "x"}.find(t.Context(), tc.ref, nil)
			if shown(l) != tc.want || (err == nil) != (tc.says == "") {
				t.Fatalf("%q %v, want %q and an error with %q", shown(l), err, tc.want, tc.says)
			}
			if err == nil {
				return
			}
			kind, reason := job.KindOf(err)
			text := err.Error()
			if kind != job.Retried || reason != ReasonCredentialHelperFailed || !strings.Contains(text, tc.says) || !strings.Contains(text, "docker-credential-x") {
				t.Errorf("%s %s %v", kind, reason, err)
			}
			if strings.Contains(text, canary) || len(text) > maxHelperWords+200 || strings.Contains(text, "\n") {
				t.Errorf("%d bytes: %s", len(text), text)
			}
		})
	}
}

func TestMissingHelper(t *testing.T) {
	helpers(t, map[string]string{"there": "exit 0"})
	dir, _, _ := strings.Cut(os.Getenv("PATH"), ":")
	if err := os.WriteFile(filepath.Join(dir, helperPrefix+"plain"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nowhere", "plain", "../there", "/bin/true"} {
		_, err := logins{helper: name}.find(t.Context(), reg, nil)
		kind, reason := job.KindOf(err)
		if kind != job.WaitsForUser || reason != ReasonCredentialHelperMissing || !strings.Contains(err.Error(), helperPrefix+name) || !strings.Contains(err.Error(), "docker.auth.helper") || !strings.Contains(err.Error(), "PATH") {
			t.Errorf("%s: %s %s %v", name, kind, reason, err)
		}
	}
}

// A helper that hangs is ended with all that it started; so is one whose
// caller gives up.
func TestHangingHelper(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "pid")
	helpers(t, map[string]string{"x": `sleep 300 & echo $! > ` + mark + `; wait`})
	ctx, cancel := context.WithCancel(t.Context())
	type result struct {
		l   login
		err error
	}
	done := make(chan result, 1)
	ask := func(ctx context.Context) {
		l, err := logins{helper: "x"}.find(ctx, reg, nil)
		done <- result{l, err}
	}
	go ask(ctx)
	eventually(t, "the helper runs", func() bool { b, _ := os.ReadFile(mark); return len(b) > 1 })
	cancel()
	if r := <-done; r.err == nil {
		t.Error("the caller gave up, and there is no error")
	}
	pid := func() string {
		b, err := os.ReadFile(mark)
		if err != nil {
			t.Fatal(err)
		}
		return "/proc/" + strings.TrimSpace(string(b)) + "/cmdline"
	}
	child := pid()
	eventually(t, "its child is gone", func() bool { b, _ := os.ReadFile(child); return len(b) == 0 })

	begin := time.Now()
	go ask(t.Context())
	r := <-done
	if reasonOf(r.err) != ReasonCredentialHelperFailed || !strings.Contains(r.err.Error(), "within 10s") {
		t.Errorf("%v", r.err)
	}
	if took := time.Since(begin); took < helperDeadline || took > helperDeadline+5*time.Second {
		t.Errorf("it took %s", took)
	}
	child = pid()
	eventually(t, "its child is gone", func() bool { b, _ := os.ReadFile(child); return len(b) == 0 })
}

// No login can be printed, whatever holds it.
func TestLoginIsNotPrinted(t *testing.T) {
	s := job.NewSecret(canary)
	l := login{username: "u", password: s, identity: s, bearer: s}
	req := job.ImageRequest{Auth: &job.Auth{Username: "u", Password: s}}
	b, err := json.Marshal(req.Auth)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v", l, l, l), fmt.Sprintf("%+v %#v", req, req), string(b), identityOf(req), fmt.Sprint(cargo{"r", SourcePull, identityOf(req)})} {
		if strings.Contains(text, canary) {
			t.Errorf("printed: %s", text)
		}
	}
}

// Who may share a pull: those who would show the registry the same.
func TestIdentity(t *testing.T) {
	id := func(user, password string, soft bool) string {
		return identityOf(job.ImageRequest{Auth: &job.Auth{Username: user, Password: job.NewSecret(password)}, AuthSoftFail: soft})
	}
	if again := id("u", "p", false); again != id("u", "p", false) {
		t.Error("the same credentials are not one")
	}
	if identityOf(job.ImageRequest{}) != id("u", "", false) {
		t.Error("half of credentials is not none")
	}
	all := []string{id("u", "p", false), id("u", "p", true), id("u", "q", false), id("v", "p", false), id("u/p", "x", false), id("u", "p/x", false), identityOf(job.ImageRequest{}), identityOf(job.ImageRequest{AuthSoftFail: true})}
	for i, a := range all {
		for k, b := range all {
			if i != k && a == b {
				t.Errorf("%d and %d would share a pull", i, k)
			}
		}
	}
}
