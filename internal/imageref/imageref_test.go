package imageref_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"reconciler/internal/imageref"
)

const digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func TestParse(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"redis", "docker.io/library/redis:latest"},
		{"redis:3.2", "docker.io/library/redis:3.2"},
		{"docker.io/redis", "docker.io/library/redis:latest"},
		{"index.docker.io/library/redis", "docker.io/library/redis:latest"},
		{"secret/service", "docker.io/secret/service:latest"},
		{"https://hub.docker.internal/redis:3.2", "hub.docker.internal/redis:3.2"},
		{"127.0.0.1:5000/web", "127.0.0.1:5000/web:latest"},
		{"localhost/web:1", "localhost/web:1"},
		{"redis@" + digest, "docker.io/library/redis@" + digest},
		{"redis:3.2@" + digest, "docker.io/library/redis:3.2@" + digest},
	} {
		got, err := imageref.Parse(tc.in)
		if err != nil || got != tc.want {
			t.Errorf("Parse(%q) = %q, %v; want %q", tc.in, got, err, tc.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", "empty"},
		{"  ", "empty"},
		{" redis", "blanks"},
		{"http://redis", "insecure-registries"},
		{"https://http://redis", "insecure-registries"},
		{"Redis", "lowercase"},
		{"redis:", "invalid reference format; write one such as \"redis:7\""},
		{"sha256:" + strings.Repeat("0a", 32), "is the id of an image"},
		{"redis:a b", "invalid reference"},
		{"redis@sha256:12", "invalid"},
		{strings.Repeat("a", 64), "hexadecimal"},
	} {
		got, err := imageref.Parse(tc.in)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Parse(%q) = %q, %v; want an error with %q", tc.in, got, err, tc.want)
		}
	}
}

func TestLatest(t *testing.T) {
	for in, want := range map[string]bool{
		"docker.io/library/redis:latest":              true,
		"docker.io/library/redis":                     true,
		"docker.io/library/redis:3.2":                 false,
		"docker.io/library/redis@" + digest:           false,
		"docker.io/library/redis:latest@" + digest:    false,
		"127.0.0.1:5000/web:latest":                   true,
		"not a reference":                             false,
		"docker.io/library/redis:latest-alpine":       false,
		"registry.example.com:443/latest/latest:v1.2": false,
	} {
		if got := imageref.Latest(in); got != want {
			t.Errorf("Latest(%q) = %v, want %v", in, got, want)
		}
	}
}

func TestFamiliarAndDomain(t *testing.T) {
	for _, tc := range []struct{ in, familiar, domain string }{
		{"docker.io/library/redis:latest", "redis:latest", "docker.io"},
		{"docker.io/secret/service:1", "secret/service:1", "docker.io"},
		{"127.0.0.1:5000/web:2", "127.0.0.1:5000/web:2", "127.0.0.1:5000"},
		{"NO REFERENCE", "NO REFERENCE", ""},
	} {
		if got := imageref.Familiar(tc.in); got != tc.familiar {
			t.Errorf("Familiar(%q) = %q, want %q", tc.in, got, tc.familiar)
		}
		if got := imageref.Domain(tc.in); got != tc.domain {
			t.Errorf("Domain(%q) = %q, want %q", tc.in, got, tc.domain)
		}
	}
}

// What Parse made is canonical: it parses to itself, and so does the form
// that people write.
func TestCanonicalIsAFixedPoint(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringMatching(`(https://)?([a-z]{1,5}\.[a-z]{2}(:[1-9][0-9]{3})?/)?[a-z0-9]{1,8}(/[a-z0-9]{1,8})?(:[a-z0-9]{1,5})?`).Draw(t, "image")
		once, err := imageref.Parse(in)
		if err != nil {
			t.Fatalf("Parse(%q): %v", in, err)
		}
		for _, form := range []string{once, imageref.Familiar(once)} {
			if twice, err := imageref.Parse(form); err != nil || twice != once {
				t.Fatalf("Parse(%q) = %q, %v; want %q", form, twice, err, once)
			}
		}
	})
}
