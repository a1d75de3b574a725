package docker

import (
	"os"
	"path/filepath"
	"testing"

	"reconciler/internal/job"
)

// TestForesee: what Bring or Check would refuse is known before, and nothing
// is asked of the engine but what is there.
func TestForesee(t *testing.T) {
	s, e, _, local := archiveEngine(t, false)
	there := filepath.Join(local, "there.tar")
	if err := os.WriteFile(there, saved(t, map[string]string{"web:1": "one"}), 0o600); err != nil {
		t.Fatal(err)
	}
	s.answers("GET /networks/lan", 200)
	s.answers("GET /networks/nowhere", 404)
	fetches := func(r *job.ContainerRequest) { r.Task.Artifacts = []job.Artifact{{Source: "http://127.0.0.1/a.tar"}} }
	for _, tt := range []struct {
		name   string
		image  string
		change func(c *job.Config)
		more   func(r *job.ContainerRequest)
		reason string // "" is none
	}{
		{"plain", "", func(*job.Config) {}, nil, ""},
		{"a network that is there", "", func(c *job.Config) { c.NetworkMode = "lan" }, nil, ""},
		{"a network that is not", "", func(c *job.Config) { c.NetworkMode = "nowhere" }, nil, ReasonNetworkMissing},
		{"a refused option", "", func(c *job.Config) { c.Privileged = true }, nil, ReasonPrivilegeRefused},
		{"an archive that is there", "", func(c *job.Config) { c.Load = "there.tar" }, nil, ""},
		{"an archive that is not", "", func(c *job.Config) { c.Load = "gone.tar" }, nil, ReasonArchiveMissing},
		{"an archive, and the image is known", "sha256:1", func(c *job.Config) { c.Load = "gone.tar" }, nil, ""},
		{"an archive that will be fetched", "", func(c *job.Config) { c.Load = "gone.tar" }, fetches, ""},
		{"an absolute one is not fetched", "", func(c *job.Config) { c.Load = "/gone/for/good.tar" }, fetches, ReasonArchiveMissing},
		{"a volume of an allocation that is not made", "", func(c *job.Config) { c.Volumes = []string{"data:/data"} }, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			req := request(func(r *job.ContainerRequest) {
				tt.change(&r.Task.Config)
				if tt.more != nil {
					tt.more(r)
				}
			})
			req.ImageID = tt.image
			err := e.Foresee(t.Context(), req)
			if _, reason := job.KindOf(err); err != nil && reason != tt.reason || (err == nil) != (tt.reason == "") {
				t.Errorf("%v, want %q", err, tt.reason)
			}
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, call := range s.calls {
		if call[:4] != "GET " && call[:5] != "HEAD " {
			t.Errorf("call %s", call)
		}
	}
	if made, err := os.ReadDir(local); err != nil || len(made) != 1 {
		t.Errorf("%d files, %v: something was made", len(made), err)
	}
}

// A volume that leaves its allocation is refused before anything is made.
func TestForeseeEscape(t *testing.T) {
	for source, ok := range map[string]bool{"a": true, "..": true, "../alloc": true, "../..": false, "a/../../../b": false} {
		_, err := unmade{testDirs{}}.Resolve("alloc", "web", source)
		if (err == nil) != ok {
			t.Errorf("%s: %v", source, err)
		}
	}
}
