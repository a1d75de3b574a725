package dockertest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/containerd/errdefs"

	"reconciler/internal/testimage"
)

// caseLoadAlone sends an archive and hangs up: the engine loads it all the
// same. Of half an archive nothing comes.
func caseLoadAlone(f *fixture) {
	ref := f.mark + "-late:1"
	path := filepath.Join(f.TempDir(), "late.tar")
	img, err := testimage.Image(testimage.Options{
		Salt: f.mark + "late", Labels: map[string]string{testimage.TestLabel: f.mark},
	})
	f.must(err)
	f.must(testimage.WriteArchive(path, []string{ref}, img))
	whole, err := os.ReadFile(path)
	f.must(err)
	f.sendAndLeave(whole, len(whole)/2)
	time.Sleep(2 * time.Second)
	f.is("half of it", second(f.cli.ImageInspect(f.Context(), ref)), errdefs.IsNotFound)
	f.sendAndLeave(whole, len(whole))
	for range 300 {
		if _, err = f.cli.ImageInspect(f.Context(), ref); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	f.must(err)
	_, err = f.untag(ref, false)
	f.must(err)
}

// casePullDigest: a pull by digest gives no tag, with or without one beside it.
// With the last tag of a repository its digests go, also one that was pulled
// by itself before.
func casePullDigest(f *fixture) {
	tag := f.reg.host() + "/web:1"
	f.reg.push(tag, "by digest")
	dist, err := f.cli.DistributionInspect(f.Context(), tag, "")
	f.must(err)
	digest := f.reg.host() + "/web@" + string(dist.Descriptor.Digest)
	f.pull(digest, nil)
	i, err := f.cli.ImageInspect(f.Context(), digest)
	f.must(err)
	if len(i.RepoTags) != 0 || !slices.Equal(i.RepoDigests, []string{digest}) {
		f.Errorf("by digest: %q %q", i.RepoTags, i.RepoDigests)
	}
	f.pull(tag, nil)
	out, err := f.untag(tag, false)
	f.must(err)
	if len(out) < 3 || out[0].Untagged != tag || out[1].Untagged != digest || out[2].Deleted != i.ID {
		f.Errorf("the last tag: %+v", out)
	}
}

// sendAndLeave begins a load, sends the first n bytes and cuts the connection.
func (f *fixture) sendAndLeave(archive []byte, n int) {
	f.Helper()
	conn, err := f.cli.Dialer()(f.Context())
	f.must(err)
	var head bytes.Buffer
	fmt.Fprintf(&head, "POST /v1.41/images/load HTTP/1.1\r\nHost: docker\r\nContent-Type: application/x-tar\r\nContent-Length: %d\r\n\r\n", len(archive))
	_, err = conn.Write(append(head.Bytes(), archive[:n]...))
	f.must(err)
	f.must(conn.Close())
}
