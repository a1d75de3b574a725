package allocdir

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"reconciler/internal/job"
)

func TestParseSource(t *testing.T) {
	opt := func(kv ...string) map[string]string { return map[string]string{kv[0]: kv[1]} }
	tests := []struct {
		a    job.Artifact
		want source // url is not compared: see sent
		sent string
	}{
		{job.Artifact{Source: "http://h/a/b.bin"}, source{mode: "any", dest: "local", name: "b.bin"}, "http://h/a/b.bin"},
		{job.Artifact{Source: "https::https://h/b?b=1&a=%2F2"}, source{mode: "any", dest: "local", name: "b"}, "https://h/b?b=1&a=%2F2"},
		{job.Artifact{Source: "http://h/b?b=1", Options: opt("x", "y z")}, source{mode: "any", dest: "local", name: "b"}, "http://h/b?b=1&x=y+z"},
		{
			job.Artifact{Source: "http://h/b.tar.gz?archive=zip&checksum=md5:00&t=1", Mode: "dir", Destination: "data"},
			source{mode: "dir", dest: "data", name: "b.tar.gz", archive: "zip", archiveAsked: true, checksum: "md5:00"},
			"http://h/b.tar.gz?t=1",
		},
		{job.Artifact{Source: "http://h/b.tar.gz"}, source{mode: "any", dest: "local", name: "b", archive: "tar.gz"}, "http://h/b.tar.gz"},
		{
			job.Artifact{Source: "http://h/b.gz", Options: opt("archive", "false")},
			source{mode: "any", dest: "local", name: "b.gz", archiveAsked: true},
			"http://h/b.gz",
		},
		{
			job.Artifact{Source: "http://h/b.gz", Options: opt("archive", "true")},
			source{mode: "any", dest: "local", name: "b", archive: "gz", archiveAsked: true},
			"http://h/b.gz",
		},
		{job.Artifact{Source: "http://h/b", Options: opt("filename", "c.txt")}, source{mode: "any", dest: "local", name: "c.txt"}, "http://h/b"},
		{
			job.Artifact{Source: "http://h/b.zip//in/side?x=1"},
			source{mode: "any", dest: "local", name: "b", archive: "zip", subdir: "in/side"},
			"http://h/b.zip?x=1",
		},
		{
			job.Artifact{Source: "http://h/dl/", Options: opt("archive", "tgz")},
			source{mode: "any", dest: "local", name: "dl", archive: "tgz", archiveAsked: true},
			"http://h/dl/",
		},
		{job.Artifact{Source: "http://h/b", Mode: "file", Destination: "/local/x/../y"}, source{mode: "file", dest: "local/y"}, "http://h/b"},
		{job.Artifact{Source: "/srv/a%b c.txt"}, source{mode: "any", dest: "local", name: "a%b c.txt", path: "/srv/a%b c.txt"}, ""},
		{
			job.Artifact{Source: "/srv/x/../a.zip?archive=false"},
			source{mode: "any", dest: "local", name: "a.zip", path: "/srv/a.zip", archiveAsked: true},
			"",
		},
		{job.Artifact{Source: "file:///srv/a%20b"}, source{mode: "any", dest: "local", name: "a b", path: "/srv/a b"}, ""},
		{job.Artifact{Source: "file://localhost/srv/a"}, source{mode: "any", dest: "local", name: "a", path: "/srv/a"}, ""},
		{job.Artifact{Source: "file::/srv/a"}, source{mode: "any", dest: "local", name: "a", path: "/srv/a"}, ""},
		{job.Artifact{Source: "/srv/dir//sub", Mode: "dir"}, source{mode: "dir", dest: "local", name: "dir", path: "/srv/dir", subdir: "sub"}, ""},
	}
	for _, tt := range tests {
		got, err := parseSource(tt.a, true)
		if err != nil {
			t.Errorf("%v: %v", tt.a, err)
			continue
		}
		sent := ""
		if got.url != nil {
			sent = got.url.String()
		}
		got.url = nil
		if got != tt.want || sent != tt.sent {
			t.Errorf("%v:\ngot  %+v %s\nwant %+v %s", tt.a, got, sent, tt.want, tt.sent)
		}
	}
}

func TestParseSourceRefuses(t *testing.T) {
	opt := func(kv ...string) map[string]string { return map[string]string{kv[0]: kv[1]} }
	tests := []struct {
		a      job.Artifact
		reason string
		says   string
	}{
		{job.Artifact{Source: ""}, ReasonArtifactRefused, "expected a URL"},
		{job.Artifact{Source: "relative/path"}, ReasonArtifactRefused, "absolute path"},
		{job.Artifact{Source: "./x"}, ReasonArtifactRefused, "absolute path"},
		{job.Artifact{Source: "github.com/foo/bar"}, ReasonArtifactRefused, ""},
		{job.Artifact{Source: "git::https://h/x.git"}, ReasonArtifactRefused, ""},
		{job.Artifact{Source: "git@github.com:foo/bar.git"}, ReasonArtifactInvalid, ""},
		{job.Artifact{Source: "s3::https://s3.amazonaws.com/b/k"}, ReasonArtifactRefused, ""},
		{job.Artifact{Source: "hg::http://h/x"}, ReasonArtifactRefused, ""},
		{job.Artifact{Source: "smb://h/x"}, ReasonArtifactRefused, ""},
		{job.Artifact{Source: "ftp://h/x"}, ReasonArtifactRefused, ""},
		{job.Artifact{Source: "file::http://h/x"}, ReasonArtifactRefused, ""},
		{job.Artifact{Source: "http::file:///etc/passwd"}, ReasonArtifactRefused, ""},
		{job.Artifact{Source: "http:///x"}, ReasonArtifactInvalid, "no host"},
		{job.Artifact{Source: "http:x"}, ReasonArtifactInvalid, "no host"},
		{job.Artifact{Source: "http://h:x/"}, ReasonArtifactInvalid, ""},
		{job.Artifact{Source: "http://h/x?a=%zz"}, ReasonArtifactInvalid, "parameters"},
		{job.Artifact{Source: "file://relative/x"}, ReasonArtifactInvalid, "file:///"},
		{job.Artifact{Source: "file:///a%00b"}, ReasonArtifactInvalid, ""},
		{job.Artifact{Source: "http://h/x", Mode: "tree"}, ReasonArtifactInvalid, "any, file or dir"},
		{job.Artifact{Source: "http://h/x", Mode: "dir"}, ReasonArtifactInvalid, "mode dir"},
		{job.Artifact{Source: "http://h/x.gz", Mode: "dir"}, ReasonArtifactInvalid, "one file"},
		{job.Artifact{Source: "http://h/dir/"}, ReasonArtifactInvalid, "directory of a server"},
		{job.Artifact{Source: "http://h"}, ReasonArtifactInvalid, "directory of a server"},
		{job.Artifact{Source: "http://h/x", Mode: "file"}, ReasonArtifactInvalid, "local/config.json"},
		{job.Artifact{Source: "http://h/x", Mode: "file", Destination: "/secrets/"}, ReasonArtifactInvalid, ""},
		{job.Artifact{Source: "http://h/x", Options: opt("archive", "rar")}, ReasonArtifactInvalid, "tar.gz"},
		{job.Artifact{Source: "http://h/.gz"}, ReasonArtifactInvalid, "options.filename"},
		{job.Artifact{Source: "http://h?archive=gz"}, ReasonArtifactInvalid, "options.filename"},
		{job.Artifact{Source: "http://h/x", Options: opt("filename", "../x")}, ReasonArtifactInvalid, "without a path"},
		{job.Artifact{Source: "http://h/x", Options: opt("filename", "..")}, ReasonArtifactInvalid, ""},
		{job.Artifact{Source: "http://h/x", Options: opt("filename", "a/b")}, ReasonArtifactInvalid, ""},
		{job.Artifact{Source: "http://h/x//sub"}, ReasonArtifactInvalid, "//"},
		{job.Artifact{Source: "http://h/x.zip//../../sub"}, ReasonArtifactEscapes, ""},
		{job.Artifact{Source: "http://h/x", Destination: "../x"}, ReasonArtifactEscapes, `"../x"`},
		{job.Artifact{Source: "http://h/x", Destination: "local/../../alloc"}, ReasonArtifactEscapes, ""},
		{job.Artifact{Source: "http://h/x", Destination: "/etc"}, ReasonArtifactEscapes, "/local or /secrets"},
		{job.Artifact{Source: "http://h/x", Destination: "/alloc/x"}, ReasonArtifactEscapes, ""},
		{job.Artifact{Source: "http://h/x", Destination: "/local/../etc"}, ReasonArtifactEscapes, ""},
		{job.Artifact{Source: "http://h/x", Destination: "/localx"}, ReasonArtifactEscapes, ""},
		{job.Artifact{Source: "http://h/x", Destination: "a\x00b"}, ReasonArtifactEscapes, ""},
	}
	d := fetching(t)
	for _, tt := range tests {
		err := fetch(t, d, tt.a)
		if err == nil {
			t.Errorf("%v: no error", tt.a)
			continue
		}
		if kind, reason := job.KindOf(err); kind != job.WaitsForUser || reason != tt.reason || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v: %s %s: %v; want %s, %q", tt.a, kind, reason, err, tt.reason, tt.says)
		}
	}
	same(t, map[string]string{}, local(t, d))
}

// Files of the host are for agents that allow it.
func TestLocalSourcesAreGated(t *testing.T) {
	base, _ := site(t, map[string][]byte{"/a": []byte("a")})
	for _, d := range []*Dirs{New(t.TempDir()), New(t.TempDir(), LocalSources(false))} {
		mustBuild(t, d, allocID, group(job.Task{Name: "web"}))
		for _, a := range []job.Artifact{
			{Source: "/etc/hostname"},
			{Source: "file:///etc/hostname"},
			{Source: "file::/etc/hostname"},
			{Source: base + "/a", Options: map[string]string{"checksum": "file:/etc/hostname"}},
		} {
			err := fetch(t, d, a)
			wants(t, err, job.WaitsForUser, ReasonArtifactRefused)
			if !strings.Contains(err.Error(), "docker.volumes.enabled") {
				t.Errorf("the refusal does not name the option: %v", err)
			}
		}
		mustFetch(t, d, job.Artifact{Source: base + "/a"})
	}
}

// Nothing of a password or a token is shown, however a source is written.
func TestShownHasNoSecret(t *testing.T) {
	for source, want := range map[string]string{
		"https://user:secret@h/x.zip?token=secret&a=b#secret": "https://h/x.zip?…",
		"http::http://secret@h:8080/x":                        "http::http://h:8080/x",
		"https://user:se%zzcret@h/secret":                     "https:…",
		"https://h/x//sub?secret":                             "https://h/x//sub?…",
		"/srv/file":                                           "/srv/file",
		"mailto:secret":                                       "mailto:…",
	} {
		if got := shown(source); got != want {
			t.Errorf("%s: %s, want %s", source, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		secret := "S3CRET" + rapid.StringMatching(`[a-zA-Z0-9%~ /:@]{0,8}`).Draw(t, "secret")
		source := rapid.SampledFrom([]string{
			"https://user:" + url.QueryEscape(secret) + "@h/x", "https://user:" + secret + "@h/x",
			"https://h/x?t=" + url.QueryEscape(secret), "https://h/x?" + secret, "git::https://u:" + secret + "@h:1:2/",
		}).Draw(t, "source")
		_, err := parseSource(job.Artifact{Source: source}, false)
		text := artifactError(job.Artifact{Source: source}, errors.Join(err, errors.New("other"))).Error()
		if !strings.Contains(secret, "/") && !strings.Contains(secret, "@") && strings.Contains(text, "S3CRET") {
			t.Fatalf("%s: %s", source, text)
		}
	})
}

// Whatever is written, a destination that is taken is within the task's
// directory, and parsing never panics.
func TestParseSourceNeverLeaves(t *testing.T) {
	part := rapid.SampledFrom([]string{"..", ".", "local", "a", "", "/", "secrets", "alloc", "\x00", "..."})
	rapid.Check(t, func(t *rapid.T) {
		dest := strings.Join(rapid.SliceOfN(part, 0, 6).Draw(t, "dest"), "/")
		a := job.Artifact{
			Source:      rapid.OneOf(rapid.String(), rapid.Just("http://h/x"), rapid.Just("/x.zip")).Draw(t, "source"),
			Destination: dest, Mode: rapid.SampledFrom([]string{"", "any", "file", "dir"}).Draw(t, "mode"),
			Options: rapid.MapOfN(rapid.SampledFrom([]string{"archive", "filename", "checksum"}), rapid.String(), 0, 2).Draw(t, "options"),
		}
		s, err := parseSource(a, true)
		if err != nil {
			if kind, _ := job.KindOf(err); kind != job.WaitsForUser {
				t.Fatalf("%v: %v", a, err)
			}
			return
		}
		for _, p := range []string{s.dest, s.dest + "/" + s.name} {
			if clean := "/" + p; strings.Contains(clean+"/", "/../") || strings.HasPrefix(p, "/") {
				t.Fatalf("%v leads to %q", a, p)
			}
		}
	})
}
