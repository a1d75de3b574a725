package testimage

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// TestLabel marks every image of this package, and through it the containers
// made from it. Its value is "1" unless Options.Labels says otherwise.
const TestLabel = "reconciler.test"

// ProgramPath is where the program lies in the image.
const ProgramPath = "/web"

// Options says what an image is like. The zero value is the plain program.
type Options struct {
	// Refs are the references under which Build puts the image into its
	// archive, as in "rt-web:1". None makes an archive of an untagged image.
	Refs []string

	Entrypoint []string // ProgramPath if nil; an empty, non-nil slice leaves it out
	Cmd        []string
	Env        []string // KEY=VALUE
	WorkDir    string
	User       string
	StopSignal string
	Volumes    []string // paths that the image declares as VOLUME
	Expose     []string // as in "80/tcp"

	// Labels are added to TestLabel; they may replace its value.
	Labels map[string]string
	// Salt is a string that changes nothing but the image's id, and the id of
	// its top layer.
	Salt string
	// Padding adds a layer of so many bytes that do not compress.
	Padding int
}

// Image returns the image that opts describes. It compiles the program when
// the process asks for the first image.
func Image(opts Options) (v1.Image, error) {
	program, err := programLayer()
	if err != nil {
		return nil, err
	}
	tops := []file{{"/salt", 0o644, []byte(opts.Salt)}}
	if opts.Padding > 0 {
		tops = append(tops, file{"/padding", 0o644, noise(opts.Salt, opts.Padding)})
	}
	img := mutate.MediaType(empty.Image, "application/vnd.docker.distribution.manifest.v2+json")
	img = mutate.ConfigMediaType(img, "application/vnd.docker.container.image.v1+json")
	layers := []v1.Layer{program}
	for _, f := range tops {
		layer, err := f.layer()
		if err != nil {
			return nil, fmt.Errorf("test image: %w", err)
		}
		layers = append(layers, layer)
	}
	if img, err = mutate.AppendLayers(img, layers...); err != nil {
		return nil, fmt.Errorf("test image: %w", err)
	}
	return configure(img, opts)
}

// programLayer is the same in all images of a process: packing it costs
// seconds under the race detector.
var programLayer = sync.OnceValues(func() (v1.Layer, error) {
	program, err := Program()
	if err != nil {
		return nil, err
	}
	code, err := os.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("test program: %w", err)
	}
	layer, err := file{ProgramPath, 0o755, code}.layer()
	if err != nil {
		return nil, fmt.Errorf("test image: %w", err)
	}
	return layer, nil
})

func configure(img v1.Image, opts Options) (v1.Image, error) {
	cf, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("test image: %w", err)
	}
	cf = cf.DeepCopy()
	cf.OS, cf.Architecture = "linux", goarch()
	cf.Created = v1.Time{Time: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}
	cf.Config = v1.Config{
		Entrypoint: opts.Entrypoint, Cmd: opts.Cmd, Env: opts.Env, WorkingDir: opts.WorkDir,
		User: opts.User, StopSignal: opts.StopSignal,
		Labels:  map[string]string{TestLabel: "1"},
		Volumes: set(opts.Volumes), ExposedPorts: set(opts.Expose),
	}
	if opts.Entrypoint == nil {
		cf.Config.Entrypoint = []string{ProgramPath}
	}
	maps.Copy(cf.Config.Labels, opts.Labels)
	if img, err = mutate.ConfigFile(img, cf); err != nil {
		return nil, fmt.Errorf("test image: %w", err)
	}
	return img, nil
}

// ID returns the image id that an engine with the classic image store gives
// to img: the digest of its config. (The containerd store of newer engines
// names an image by its manifest.)
func ID(img v1.Image) (string, error) {
	h, err := img.ConfigName()
	if err != nil {
		return "", fmt.Errorf("test image: %w", err)
	}
	return h.String(), nil
}

// Build writes the image as an archive for docker load into dir, under the
// name "image.tar", and returns the archive's path.
func Build(dir string, opts Options) (tarPath string, err error) {
	img, err := Image(opts)
	if err != nil {
		return "", err
	}
	tarPath = filepath.Join(dir, "image.tar")
	return tarPath, WriteArchive(tarPath, opts.Refs, img)
}

// WriteArchive writes img as an archive for docker load to path, tagged with
// refs.
func WriteArchive(path string, refs []string, img v1.Image) error {
	tags := map[name.Reference]v1.Image{}
	for _, r := range refs {
		tag, err := name.NewTag(r, name.WeakValidation)
		if err != nil {
			return fmt.Errorf("test archive: %w", err)
		}
		tags[tag] = img
	}
	if len(tags) == 0 {
		id, err := img.Digest()
		if err != nil {
			return fmt.Errorf("test archive: %w", err)
		}
		// A digest reference leaves RepoTags empty.
		digest, err := name.NewDigest("untagged@" + id.String())
		if err != nil {
			return fmt.Errorf("test archive: %w", err)
		}
		tags[digest] = img
	}
	if err := tarball.MultiRefWriteToFile(path, tags); err != nil {
		return fmt.Errorf("test archive: %w", err)
	}
	return nil
}

// file becomes a layer of its own.
type file struct {
	path string
	mode int64
	data []byte
}

func (f file) layer() (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: f.path[1:], Mode: f.mode, Size: int64(len(f.data))})
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(f.data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b.Bytes())), nil
	}, tarball.WithCompressedCaching)
}

func set(keys []string) map[string]struct{} {
	if len(keys) == 0 {
		return nil
	}
	out := map[string]struct{}{}
	for _, k := range keys {
		out[k] = struct{}{}
	}
	return out
}
