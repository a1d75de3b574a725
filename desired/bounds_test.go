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
	parseTime   = 100 * time.Millisecond // of a processor, without the race detector
	parseMemory = 100 << 20              // bytes allocated in all
)

// cost is what Parse takes for a text, the best of a few tries. The time is
// that of its own thread, since other programs run at the same time.
func cost(src string) (took time.Duration, bytes uint64) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := range parseTries {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := threadTime()
		Parse("a.hcl", []byte(src))
		d := threadTime() - begin
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

// threadTime is how long this thread has had a processor.
func threadTime() time.Duration {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &ru); err != nil {
		panic(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
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
		took, bytes := cost(src)
		if took > limit || bytes > parseMemory {
			t.Errorf("%s (%d bytes): %v and %d MB, want %v and %d MB at most", name, len(src), took, bytes>>20, limit, parseMemory>>20)
		} else if testing.Verbose() {
			t.Logf("%s: %v, %d MB", name, took, bytes>>20)
		}
	}
}
