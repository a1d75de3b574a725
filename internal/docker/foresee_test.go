package docker

import (
	"os"
	"path/filepath"
	"testing"

	"reconciler/internal/job"
)

// sealed are directories that must not be made.
type sealed struct {
	testDirs
	t *testing.T
}

func (d sealed) Resolve(_, _, rel string) (string, error) {
	d.t.Errorf("a look ahead makes %s", rel)
	return "", nil
}

// A look ahead finds what a bring and a check would, and changes nothing.
func TestForesee(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "app.tar")
	if err := os.WriteFile(archive, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	fetches := func(r *job.ContainerRequest) { r.Task.Artifacts = []job.Artifact{{}} }
	for _, tc := range []struct {
		name   string
		config func(c *job.Config)
		change func(r *job.ContainerRequest)
		want   string // the reason; "" is none
	}{
		{"nothing in the way", func(*job.Config) {}, nil, ""},
		{"an archive", func(c *job.Config) { c.Load = archive }, nil, ""},
		{"no archive", func(c *job.Config) { c.Load = archive + ".not" }, nil, ReasonArchiveMissing},
		{"no archive, and another allocation has the image", func(c *job.Config) { c.Load = archive + ".not" }, func(r *job.ContainerRequest) { r.ImageID = "sha256:1" }, ""},
		{"no archive where no artifact comes to", func(c *job.Config) { c.Load = archive + ".not" }, fetches, ReasonArchiveMissing},
		{"an archive that is fetched", func(c *job.Config) { c.Load = "app.tar" }, fetches, ""},
		{"an archive that nobody fetches", func(c *job.Config) { c.Load = "app.tar" }, nil, ReasonArchiveMissing},
		{"no network", func(c *job.Config) { c.NetworkMode = "gone" }, nil, ReasonNetworkMissing},
		{"no profile", func(c *job.Config) { c.SecurityOpt = []string{"seccomp=" + archive + ".not"} }, nil, ReasonProfileRefused},
		{"a refused option", func(c *job.Config) { c.Privileged = true }, nil, ReasonPrivilegeRefused},
		{"a volume that is still to be made", func(c *job.Config) { c.Volumes = []string{"local/data:/data"} }, nil, ""},
		{"a volume that leaves", func(c *job.Config) { c.Volumes = []string{"../../data:/data"} }, nil, ReasonVolumeRefused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *script, e *Engine, _ *memory) {
				e.dirs = sealed{t: t}
				s.answers("GET /networks/gone", 404)
				err := e.Foresee(t.Context(), request(func(r *job.ContainerRequest) {
					r.ImageID = ""
					tc.config(&r.Task.Config)
					if tc.change != nil {
						tc.change(r)
					}
				}))
				reason := ""
				if err != nil {
					_, reason = job.KindOf(err)
				}
				if reason != tc.want {
					t.Errorf("%v, want the reason %q", err, tc.want)
				}
				if len(s.calls) > 0 {
					t.Errorf("writes %q", s.calls)
				}
			})
		})
	}
}
