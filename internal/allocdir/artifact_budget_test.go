package allocdir

import (
	"errors"
	"strings"
	"testing"

	"reconciler/internal/job"
)

// An almost full disk takes small things and no large ones.
func TestDiskThatIsAlmostFull(t *testing.T) {
	small, large := []byte("x"), []byte(strings.Repeat("x", roomEvery+10))
	pages := map[string][]byte{
		"/small": small, "/large": large, "/small.gz": packed(t, "gzip", small), "/large.gz": packed(t, "gzip", large),
		"/small.xz": packed(t, "xz", small), "/large.xz": packed(t, "xz", large),
		"/small.zst": packed(t, "zstd", small), "/large.zst": packed(t, "zstd", large),
		"/large.zip": zipOf(t, file("f", string(large), 0o644)),
	}
	base, _ := site(t, pages)
	d := fetching(t)
	d.fetcher.room = func() (int64, error) { return -1, nil }
	for page := range pages {
		err := fetch(t, d, job.Artifact{Source: base + page})
		if strings.HasPrefix(page, "/small") {
			if err != nil {
				t.Errorf("%s: %v", page, err)
			}
			continue
		}
		wants(t, err, job.Retried, ReasonArtifactNoRoom)
	}
	d.fetcher.room = func() (int64, error) { return 0, errors.New("no answer") }
	for _, page := range []string{"/large", "/large.xz"} {
		if err := fetch(t, d, job.Artifact{Source: base + page}); err == nil || !strings.Contains(err.Error(), "no answer") {
			t.Errorf("%v", err)
		}
	}
	d.fetcher.room = room(d.root)
	mustFetch(t, d, job.Artifact{Source: base + "/large"})
}

func TestRoomOfADisk(t *testing.T) {
	if left, err := room(t.TempDir())(); err != nil || left <= 0 {
		t.Errorf("%d bytes, %v", left, err)
	}
	if _, err := room("/nonexistent")(); err == nil {
		t.Error("no error")
	}
	if left, err := room("/proc")(); err != nil || left != 0 {
		t.Errorf("a file system without any room: %d, %v", left, err)
	}
}
