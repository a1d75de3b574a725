package imageref_test

import (
	"testing"

	"pgregory.net/rapid"

	"reconciler/internal/imageref"
)

func TestRegistry(t *testing.T) {
	for _, tc := range []struct{ in, host, registry string }{
		{imageref.HubLogin, "index.docker.io", "docker.io"},
		{"https://index.docker.io/v2/", "index.docker.io", "docker.io"},
		{"index.docker.io", "index.docker.io", "docker.io"},
		{"docker.io", "docker.io", "docker.io"},
		{"registry-1.docker.io", "registry-1.docker.io", "docker.io"},
		{"https://registry-1.docker.io", "registry-1.docker.io", "docker.io"},
		{"127.0.0.1:5000", "127.0.0.1:5000", "127.0.0.1:5000"},
		{"http://127.0.0.1:5000/v2/", "127.0.0.1:5000", "127.0.0.1:5000"},
		{"https://quay.io/org", "quay.io", "quay.io"},
		{" Quay.io ", "quay.io", "quay.io"},
		{"notdocker.io", "notdocker.io", "notdocker.io"},
		{"[::1]:5000/x", "[::1]:5000", "[::1]:5000"},
		{"", "", ""},
		{"https://", "", ""},
	} {
		if got := imageref.Host(tc.in); got != tc.host {
			t.Errorf("Host(%q) = %q, want %q", tc.in, got, tc.host)
		}
		if got := imageref.Registry(tc.in); got != tc.registry {
			t.Errorf("Registry(%q) = %q, want %q", tc.in, got, tc.registry)
		}
	}
}

// A registry stays what it is, however often it is brought into its form.
func TestRegistryIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringMatching(`(https?://)?[a-zA-Z0-9.:-]{0,12}(/[a-z/]{0,6})?`).Draw(t, "address")
		once := imageref.Registry(in)
		if twice := imageref.Registry(once); twice != once {
			t.Fatalf("%q, then %q", once, twice)
		}
	})
}
