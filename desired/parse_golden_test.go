package desired

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"reconciler/internal/hclx"
)

var updateGolden = flag.Bool("update", false, "write the golden files anew")

// Each file below testdata/parse has its problems, as `reconciler validate`
// prints them, in a .golden file beside it. Those in bad give no job, those in
// warned do.
func TestGoldenProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/parse/*/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	for _, path := range files {
		t.Run(path, func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			jobs, problems := Parse(filepath.Base(path), src)
			if bad := strings.Contains(path, "/bad/"); bad != (jobs == nil) {
				t.Errorf("jobs: %v", jobs)
			}
			var b strings.Builder
			for _, p := range problems {
				b.WriteString(p.String() + "\n")
				if line := hclx.Snippet(src, p.Line); line != "" {
					b.WriteString(line + "\n")
				}
			}
			golden := strings.TrimSuffix(path, ".hcl") + ".golden"
			if *updateGolden {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
