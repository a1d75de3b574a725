package manifests

import (
	"os"
	"path/filepath"
	"testing"

	"reconciler/desired"
)

// TestExamples: every example is accepted without a problem or a warning, and
// has a comment at its top that says what it shows.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	seen := map[string]string{}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if src[0] != '#' {
			t.Errorf("%s does not say at its top what it shows", file)
		}
		jobs, problems := desired.Parse(file, src)
		for _, p := range problems {
			t.Error(p)
		}
		if len(jobs) == 0 {
			t.Errorf("%s has no job", file)
		}
		for _, j := range jobs {
			if other := seen[j.Name]; other != "" {
				t.Errorf("%s and %s have a job %q: they could not be copied together", other, file, j.Name)
			}
			seen[j.Name] = file
		}
	}
}
