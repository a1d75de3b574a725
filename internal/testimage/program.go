package testimage

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// programPackage is the import path of the program; go build finds it from
// any folder of this module.
const programPackage = "reconciler/internal/testimage/web"

// compileTimeout is far more than a slow machine needs with an empty cache.
const compileTimeout = 5 * time.Minute

// program compiles once per process. The go command's own cache makes the
// second process fast.
var program = sync.OnceValues(compile)

// Program returns the path of the compiled program: static, for this host's
// architecture. It can be run on the host, too. The file lies in the user's
// cache folder, under a name that its content gives it: another checkout, whose
// program is another, may be at work beside this one.
func Program() (string, error) { return program() }

func compile() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "reconciler-testimage")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("test program: %w", err)
	}
	// Test binaries of several packages run side by side: each compiles to a
	// name of its own and renames.
	tmp, err := os.CreateTemp(dir, "web-*")
	if err != nil {
		return "", fmt.Errorf("test program: %w", err)
	}
	defer os.Remove(tmp.Name())
	_ = tmp.Close()
	// No caller's context: what one of them waits for is for all.
	ctx, cancel := context.WithTimeout(context.Background(), compileTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", tmp.Name(), programPackage)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("test program: %w: %s", err, out)
	}
	if err := os.Chmod(tmp.Name(), 0o755); err != nil {
		return "", fmt.Errorf("test program: %w", err)
	}
	code, err := os.ReadFile(tmp.Name())
	if err != nil {
		return "", fmt.Errorf("test program: %w", err)
	}
	path := filepath.Join(dir, fmt.Sprintf("web-%x", sha256.Sum256(code)))
	if err := os.Rename(tmp.Name(), path); err != nil {
		return "", fmt.Errorf("test program: %w", err)
	}
	return path, nil
}

func goarch() string { return runtime.GOARCH }

// noise returns n bytes that do not compress and depend on seed alone.
func noise(seed string, n int) []byte {
	h := fnv.New64a()
	_, _ = h.Write([]byte(seed))
	r := rand.New(rand.NewPCG(h.Sum64(), uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}
