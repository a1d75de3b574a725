package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"reconciler/internal/testimage"
)

// images are the images of one test: in a registry of its own on 127.0.0.1,
// and on the engine once something pulled them.
type images struct {
	t    *testing.T
	cli  *client.Client
	addr string // of the registry
	mark string // value of the label on all images of this test
}

func newImages(t *testing.T, cli *client.Client, wrap func(http.Handler) http.Handler) *images {
	t.Helper()
	if wrap == nil {
		wrap = func(h http.Handler) http.Handler { return h }
	}
	im := &images{t: t, cli: cli, mark: fmt.Sprintf("e2e-%d", time.Now().UnixNano())}
	im.addr = im.registry(wrap)
	// Runs after the end of every world that uses them.
	t.Cleanup(im.remove)
	return im
}

// registry starts a further registry for images of this test, behind wrap.
func (im *images) registry(wrap func(http.Handler) http.Handler) (addr string) {
	im.t.Helper()
	addr, stop, err := testimage.StartRegistry(wrap)
	must(im.t, err)
	im.t.Cleanup(stop)
	return addr
}

// push builds an image that differs by version and pushes it under name, as in
// "web:1". It returns the reference to pull and the id that it will have.
func (im *images) push(name, version string) (ref, id string) {
	im.t.Helper()
	img, err := testimage.Image(im.options(version))
	must(im.t, err)
	ref = im.addr + "/" + name
	must(im.t, testimage.Push(ref, img))
	id, err = testimage.ID(img)
	must(im.t, err)
	return ref, id
}

// standIn pushes an image in the place of another one under ref: it does what
// env says (WEB_PORT=80) and takes any arguments. It returns the reference by
// digest, without a tag, and the id that it will have.
func (im *images) standIn(ref string, env ...string) (pinned, id string) {
	im.t.Helper()
	opts := im.options(ref)
	opts.Entrypoint = []string{testimage.ProgramPath, "--"}
	opts.Env = append(opts.Env, env...)
	img, err := testimage.Image(opts)
	must(im.t, err)
	must(im.t, testimage.Push(ref, img))
	id, err = testimage.ID(img)
	must(im.t, err)
	digest, err := img.Digest()
	must(im.t, err)
	return ref[:strings.LastIndex(ref, ":")] + "@" + digest.String(), id
}

// archive builds an image archive that holds ref and returns its path.
func (im *images) archive(dir, ref string) string {
	im.t.Helper()
	opts := im.options("archive")
	opts.Refs = []string{ref}
	path, err := testimage.Build(dir, opts)
	must(im.t, err)
	return path
}

func (im *images) options(version string) testimage.Options {
	return testimage.Options{
		Env:    []string{"VERSION=" + version},
		Labels: map[string]string{testimage.TestLabel: im.mark},
		Salt:   im.mark + version, // no other test has an image of this id
	}
}

// has reports whether the engine has an image, by reference or id.
func (im *images) has(ref string) bool {
	im.t.Helper()
	ctx, cancel := im.ctx()
	defer cancel()
	_, err := im.cli.ImageInspect(ctx, ref)
	if err != nil && !errdefs.IsNotFound(err) {
		im.t.Fatal(err)
	}
	return err == nil
}

// awaitGone waits until the engine has an image no more.
func (im *images) awaitGone(ref string) {
	im.t.Helper()
	eventually(im.t, "image "+ref+" is gone", func() error {
		if im.has(ref) {
			return errors.New("it is there")
		}
		return nil
	})
}

// remove removes what is left of this test's images, by its own label.
func (im *images) remove() {
	ctx, cancel := im.ctx()
	defer cancel()
	list, err := im.cli.ImageList(ctx, image.ListOptions{
		All: true, Filters: filters.NewArgs(filters.Arg("label", testimage.TestLabel+"="+im.mark)),
	})
	if err != nil {
		im.t.Errorf("cleanup: %v", err)
		return
	}
	for _, i := range list {
		_, err := im.cli.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true})
		if err != nil && !errdefs.IsNotFound(err) {
			im.t.Errorf("cleanup: image %s: %v", i.ID, err)
		}
	}
}

func (im *images) ctx() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(im.t.Context()), 60*time.Second)
}
