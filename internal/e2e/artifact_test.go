package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
)

// TestArtifacts: what a task asks for is in its directory before it starts, an
// archive unpacked; an image comes out of one; what is not what it should be
// is named, and used for nothing.
func TestArtifacts(t *testing.T) {
	w := start(t)
	ref, _ := w.images.push("web:1", "1")
	loaded := "rt-e2e/" + w.images.mark + ":1"
	image, err := os.ReadFile(w.images.archive(t.TempDir(), loaded))
	must(t, err)
	site := tarball(t, "site/index.html", "welcome")
	files := map[string][]byte{"/site.tar.gz": site, "/image.tar": image}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(rw, r)
			return
		}
		_, _ = rw.Write(b)
	}))
	t.Cleanup(srv.Close)

	artifact := func(path, sum string) string {
		return fmt.Sprintf("      artifact {\n        source = %q\n        options {\n          checksum = \"sha256:%s\"\n        }\n      }\n", srv.URL+path, sum)
	}
	sum := func(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }
	wrong := strings.Repeat("0", 64)

	good := spec{Job: "good", Image: ref, Text: "one", Port: true, Task: artifact("/site.tar.gz", sum(site))}
	bad := spec{Job: "bad", Image: ref, Text: "bad", Port: true, Task: artifact("/site.tar.gz", wrong)}
	w.drop("good.hcl", good.String())
	w.drop("bad.hcl", bad.String())
	w.drop("loaded.hcl", spec{
		Job: "loaded", Image: loaded, Text: "loaded", Port: true, Config: "load = \"image.tar\"\n",
		Task: artifact("/image.tar", sum(image)),
	}.String())

	first := w.awaitText("good", "one")
	w.answers(first.address("http"), "/file?path=/local/site/index.html", "welcome")
	w.awaitError("bad", "ArtifactChecksum", "site.tar.gz", sum(site))
	if got := w.all("bad"); len(got) > 0 {
		t.Errorf("runs without its artifact: %s", brief(got))
	}
	b := w.awaitText("loaded", "loaded")
	w.answers(b.address("http"), "/env?key=VERSION", "archive")

	// What works is not stopped for a successor whose artifact is wrong.
	w.drop("good.hcl", with(good, func(s *spec) { s.Text, s.Task = "two", artifact("/site.tar.gz", wrong) }).String())
	w.awaitError("good", "ArtifactChecksum")
	w.staysSame(time.Second, "good", []box{first})

	w.drop("bad.hcl", with(bad, func(s *spec) { s.Task = artifact("/site.tar.gz", sum(site)) }).String())
	w.answers(w.awaitText("bad", "bad").address("http"), "/file?path=/local/site/index.html", "welcome")
}

// tarball is a tar.gz with one file.
func tarball(t *testing.T, name, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	tw := tar.NewWriter(zw)
	must(t, tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
	_, err := tw.Write([]byte(content))
	must(t, err)
	must(t, tw.Close())
	must(t, zw.Close())
	return b.Bytes()
}
