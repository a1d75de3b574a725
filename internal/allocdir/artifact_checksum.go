package allocdir

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/go-getter/v2"

	"reconciler/internal/job"
)

// sumsName is the list of checksums in a stage.
const sumsName = "sums"

// maxSums bounds a list of checksums in bytes: Debian's largest have a few MB.
const maxSums = 16 << 20

// checksum reads what the artifact should be; nil if the manifest does not
// say. A list that it names is brought first.
func (f *fetcher) checksum(ctx context.Context, s *stage, src source) (*getter.FileChecksum, error) {
	want := src.checksum
	if want == "" {
		return nil, nil
	}
	list, named := strings.CutPrefix(want, "file:")
	if named {
		path := filepath.Join(s.path, sumsName)
		if err := f.bringSums(ctx, list, path); err != nil {
			return nil, fmt.Errorf("list of checksums: %w", err)
		}
		want = "file:" + path
	}
	// go-getter finds the line by the path of what is checked.
	u := url.URL{Path: src.location(), RawQuery: url.Values{paramChecksum: {want}}.Encode()}
	client := &getter.Client{
		Getters:       []getter.Getter{new(getter.FileGetter)},
		Decompressors: map[string]getter.Decompressor{},
	}
	sum, err := client.GetChecksum(ctx, &getter.Request{Src: u.String()})
	switch {
	case err == nil:
		return sum, nil
	case ended(ctx) != nil:
		return nil, ended(ctx)
	case named:
		return nil, checksumError("the list of checksums has none for %q", filepath.Base(src.location()))
	}
	return nil, checksumError("the checksum is not valid: write md5:, sha1:, sha256: or sha512: and the digits, or file: and a list")
}

// bringSums brings a list of checksums from where an artifact may come from.
func (f *fetcher) bringSums(ctx context.Context, from, path string) error {
	few := *f
	few.limits.bytes = min(maxSums, f.limits.bytes)
	src, err := parseSource(job.Artifact{Source: from, Options: map[string]string{paramArchive: "false"}}, f.local)
	if err != nil {
		return err
	}
	if src.url != nil {
		return few.download(ctx, src.url, path)
	}
	in, err := openLocal(src.path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // opened to read
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() {
		return invalid("%q is no file", src.path)
	}
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := few.budget().copy(ctx, out, in); err != nil {
		_ = out.Close() // the copy has told why
		return err
	}
	return out.Close()
}

// verify compares a file with its checksum.
func verify(ctx context.Context, path string, sum *getter.FileChecksum) error {
	if sum == nil {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // opened to read
	sum.Hash.Reset()
	if _, err := getter.Copy(ctx, sum.Hash, f); err != nil {
		return err
	}
	if got := sum.Hash.Sum(nil); !bytes.Equal(got, sum.Value) {
		return checksumError("its %s is %s, and %s is asked for", sum.Type, hex.EncodeToString(got), hex.EncodeToString(sum.Value))
	}
	return nil
}

func checksumError(format string, args ...any) error {
	return job.NewError(job.WaitsForUser, ReasonArtifactChecksum, fmt.Errorf(format, args...))
}
