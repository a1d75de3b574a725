package desired

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestValidateTellsWhatWouldRun: of a file with an error nothing would run, of
// two files with one job the first has it, and a file without a job is told of.
func TestValidateTellsWhatWouldRun(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.hcl": `task "web" {
  config {
    image = "web:1"
  }
}`,
		"bad.hcl":   `task "bad" {}`,
		"empty.hcl": "# Nothing.\n",
		"twin.hcl": `task "web" {
  config {
    image = "web:2"
  }
}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := Validate([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][2]int{}
	for _, f := range files {
		got[filepath.Base(f.File)] = [2]int{len(f.Jobs), min(1, len(f.Problems))}
	}
	want := map[string][2]int{"a.hcl": {1, 0}, "bad.hcl": {0, 1}, "empty.hcl": {0, 0}, "twin.hcl": {0, 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("jobs that would run, and whether there are problems (-want +got):\n%s", diff)
	}
}
