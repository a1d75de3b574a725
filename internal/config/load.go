package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"reconciler/internal/hclx"
)

// Error is what is wrong with a file: one text per problem, with its place
// and the line of the file under it, in the order of the file.
type Error struct {
	Problems []string
}

// Error lists the problems, one below the other.
func (e *Error) Error() string { return strings.Join(e.Problems, "\n") }

// Load reads the file at path over the defaults. If nobody named the file,
// only looked for it where it usually is (named is false), it may be missing.
// The error is an *Error for what stands in the file, else one of the file
// system.
//
// Once flags were put into the Config, call Validate and Warnings.
func Load(path string, named bool) (Config, error) {
	src, err := read(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return Default(), nil
	}
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	return parse(filepath.Base(path), src)
}

// maxFile bounds what is read; the guard before the parser takes less.
const maxFile = 1 << 20

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s has %d bytes; %d are allowed", path, info.Size(), maxFile)
	}
	return os.ReadFile(path)
}

func parse(filename string, src []byte) (Config, error) {
	file, diags := hclx.Parse(src, filename)
	if len(diags) > 0 { // a warning means that a text stayed as it is: strict
		return Config{}, report(diags, src)
	}
	d := decoder{cfg: Default(), src: src, at: map[string]hcl.Range{}}
	d.body(file.Body.(*hclsyntax.Body))
	if len(d.diags) == 0 { // a refused value would only give a second, false error
		d.together()
	}
	if len(d.diags) > 0 {
		return Config{}, report(d.diags, src)
	}
	return d.cfg, nil
}

func report(diags hcl.Diagnostics, src []byte) error {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int { return cmp.Compare(offset(a), offset(b)) })
	e := &Error{}
	for _, d := range diags {
		d.Severity = hcl.DiagError
		e.Problems = append(e.Problems, hclx.Format(d, src))
	}
	return e
}

func offset(d *hcl.Diagnostic) int {
	if d.Subject == nil {
		return 0
	}
	return d.Subject.Start.Byte
}
