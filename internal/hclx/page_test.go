package hclx_test

import (
	"os"
	"path/filepath"
	"testing"

	"reconciler/internal/hclx"
)

// The examples of the documentation of the Docker driver, written in the days
// of HCL 1, are in testdata/driver: what they mean is tested where it is
// decoded, in desired.
func TestExamplesOfTheDriversDocumentationParse(t *testing.T) {
	files, err := filepath.Glob("testdata/driver/*.hcl")
	if err != nil || len(files) != 22 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	for _, path := range files {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, diags := hclx.Parse(src, filepath.Base(path)); len(diags) > 0 {
			t.Errorf("%s: %v", path, diags)
		}
	}
}
