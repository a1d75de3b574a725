package desired

import (
	"maps"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What one file may cost, whatever it holds: the watcher reads them all in one
// pass.
const (
	parseTime   = 100 * time.Millisecond // of a core, without the race detector
	parseMemory = 100 << 20              // bytes allocated in all
)

// cost is what Parse takes for a text, the best of a few tries: the time that
// its thread has a core for, since other tests run at the same time.
func cost(t *testing.T, src string) (took time.Duration, bytes uint64) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := range parseTries {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := threadTime(t)
		Parse("a.hcl", []byte(src))
		d := threadTime(t) - begin
		runtime.ReadMemStats(&after)
		if b := after.TotalAlloc - before.TotalAlloc; i == 0 || b < bytes {
			bytes = b
		}
		if i == 0 || d < took {
			took = d
		}
	}
	return took, bytes
}

// threadTime is for how long the calling thread has had a core.
func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestHostileFilesAreCheap: nothing that a file can hold costs more time or
// memory than a large honest one.
func TestHostileFilesAreCheap(t *testing.T) {
	texts := bombs()
	for _, open := range []string{"[", "(", "{", "-", "!", `"${`, "1+", "a ? ", "x[*]", "b {\n", "%{if", "b {}\n", "a && "} {
		texts["repeated "+open] = "a = " + strings.Repeat(open, maxFileSize/len(open)-10)
	}
	maps.Copy(texts, crowds())
	limit := parseTime * parseSlowdown
	for name, src := range texts {
		took, bytes := cost(t, src)
		if took > limit || bytes > parseMemory {
			t.Errorf("%s (%d bytes): %v and %d MB, want %v and %d MB at most", name, len(src), took, bytes>>20, limit, parseMemory>>20)
		} else if testing.Verbose() {
			t.Logf("%s: %v, %d MB", name, took, bytes>>20)
		}
	}
}
